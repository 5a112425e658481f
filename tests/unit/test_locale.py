"""The language of messages: setting, environment, system."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from commands import Command
from histories import ANALYSIS

from weibo_tui import Workbench
from weibo_tui.app.predict.copying import as_markdown, as_text
from weibo_tui.locale import gettext, join_names, ngettext, use
from weibo_tui.presentation.run_events import compute_setup

MESSAGE = "true or false"
TRANSLATED = "true 或 false"


def test_english_messages_are_the_source_texts() -> None:
    assert gettext(MESSAGE) == MESSAGE
    assert [ngettext("{n} cat", "{n} cats", n) for n in (0, 1, 2)] == ["{n} cats", "{n} cat", "{n} cats"]


@pytest.mark.parametrize(("name", "value"), [("LC_ALL", "zh_CN.UTF-8"), ("LC_MESSAGES", "zh_TW.UTF-8"), ("LANG", "zh")])
def test_chinese_system_gets_chinese(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    assert gettext(MESSAGE) == TRANSLATED


def test_first_variable_that_is_set_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    monkeypatch.setenv("LC_ALL", "")
    monkeypatch.setenv("LC_MESSAGES", "de_DE.UTF-8")
    assert gettext(MESSAGE) == MESSAGE
    for name in ("LANG", "LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(name)
    use("auto")
    assert gettext(MESSAGE) == MESSAGE


def test_variable_overrides_setting_overrides_system(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "settings.toml").write_text('language = "zh_CN"\n')
    assert gettext(MESSAGE) == TRANSLATED
    monkeypatch.setenv("WEIBO_TUI_LANGUAGE", "en")
    use("auto")
    assert gettext(MESSAGE) == MESSAGE


@pytest.mark.parametrize("content", [b"language = 1", b"language =", b"\xff\xff"])
def test_broken_settings_file_gives_system_language(
    content: bytes, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "settings.toml").write_bytes(content)
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    assert gettext("no such message") == "no such message"


def test_language_is_fixed_at_first_message(monkeypatch: pytest.MonkeyPatch) -> None:
    assert gettext(MESSAGE) == MESSAGE
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    assert gettext(MESSAGE) == MESSAGE
    use("zh_CN")
    assert gettext(MESSAGE) == TRANSLATED
    use("en")
    assert gettext(MESSAGE) == MESSAGE


def test_labels_and_lists_are_in_the_users_language(home: Path, command: Command) -> None:
    analysis = replace(ANALYSIS, corrected="positive")
    with Workbench(home) as wb:
        wb.history.add([analysis])
    assert as_text(analysis).endswith("\npositive 93.8%, negative 6.2%, confirmed, adapter weather")
    use("zh_CN")
    assert as_text(analysis).endswith("\n正面 93.8%、负面 6.2%、已确认、适配器 weather")
    assert as_markdown(replace(analysis, corrected=None)).endswith("\n\n**正面 93.8%**、负面 6.2%、适配器 weather")
    assert compute_setup({"device": "cpu", "dtype": "float32"}) == "cpu、float32"
    assert join_names("abcdefgh").startswith("a、b、c、d、e、f、…")
    assert "正面" in command.ok("history", "list").out
    assert '"label": "positive"' in command.ok("history", "list", "--json").out

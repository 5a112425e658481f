"""The language of messages: setting, environment, system."""

from __future__ import annotations

from pathlib import Path

import pytest

from weibo_tui.locale import gettext, ngettext, use

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

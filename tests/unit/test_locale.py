"""Which language is spoken, and when."""

from __future__ import annotations

from pathlib import Path

import pytest

from weibo_tui.locale import gettext, ngettext, use

MESSAGE = "true or false"
TRANSLATED = "true 或 false"


def test_english_is_what_the_source_says() -> None:
    assert gettext(MESSAGE) == MESSAGE
    assert [ngettext("{n} cat", "{n} cats", n) for n in (0, 1, 2)] == ["{n} cats", "{n} cat", "{n} cats"]


@pytest.mark.parametrize("name", ["LC_ALL", "LC_MESSAGES", "LANG"])
@pytest.mark.parametrize("value", ["zh_CN.UTF-8", "zh_TW.UTF-8", "zh"])
def test_a_chinese_system_is_spoken_chinese_to(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    assert gettext(MESSAGE) == TRANSLATED


def test_the_first_variable_that_says_something_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    monkeypatch.setenv("LC_ALL", "")
    monkeypatch.setenv("LC_MESSAGES", "de_DE.UTF-8")
    assert gettext(MESSAGE) == MESSAGE


def test_a_system_that_says_nothing_is_spoken_english_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LANG")
    assert gettext(MESSAGE) == MESSAGE


def test_the_setting_comes_before_the_system_and_the_variable_before_the_setting(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "settings.toml").write_text('language = "zh_CN"\n')
    assert gettext(MESSAGE) == TRANSLATED
    monkeypatch.setenv("WEIBO_TUI_LANGUAGE", "en")
    use("auto")
    assert gettext(MESSAGE) == MESSAGE


@pytest.mark.parametrize("content", [b"language = 1", b"language =", b"\xff\xff"])
def test_a_broken_settings_file_is_spoken_of_in_the_systems_language(
    content: bytes, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "settings.toml").write_bytes(content)
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    assert gettext("no such message") == "no such message"


def test_the_language_is_settled_at_the_first_message(monkeypatch: pytest.MonkeyPatch) -> None:
    assert gettext(MESSAGE) == MESSAGE
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    assert gettext(MESSAGE) == MESSAGE
    use("zh_CN")
    assert gettext(MESSAGE) == TRANSLATED
    use("en")
    assert gettext(MESSAGE) == MESSAGE

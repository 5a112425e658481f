"""Where the program keeps what it keeps."""

from __future__ import annotations

from pathlib import Path

import pytest

from weibo_tui.paths import Paths


def test_a_home_holds_everything(tmp_path: Path) -> None:
    paths = Paths.find(tmp_path)
    assert paths.bases == tmp_path / "bases"
    assert paths.adapters == tmp_path / "adapters"
    assert paths.runs == tmp_path / "runs"
    assert paths.database == tmp_path / "weibo-tui.db"
    assert paths.settings_file == tmp_path / "settings.toml"
    assert paths.log_file == tmp_path / "weibo-tui.log"


def test_the_argument_comes_before_the_variable(home: Path, tmp_path: Path) -> None:
    assert Paths.find().data == home
    assert Paths.find(tmp_path / "other").data == tmp_path / "other"


def test_a_relative_home_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WEIBO_TUI_HOME", "here")
    assert Paths.find().config == tmp_path / "here"


def test_a_tilde_is_the_users_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("WEIBO_TUI_HOME", "~/weibo")
    assert Paths.find().state == tmp_path / "weibo"


@pytest.mark.parametrize("empty", [True, False])
def test_without_a_home_the_platforms_folders_are_used(
    empty: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if empty:
        monkeypatch.setenv("WEIBO_TUI_HOME", "")
    else:
        monkeypatch.delenv("WEIBO_TUI_HOME")
    for name in ("DATA", "CONFIG", "STATE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name))
    monkeypatch.setattr("sys.platform", "linux")
    paths = Paths.find()
    assert paths.data == tmp_path / "DATA" / "weibo-tui"
    assert paths.config == tmp_path / "CONFIG" / "weibo-tui"
    assert paths.state == tmp_path / "STATE" / "weibo-tui"


def test_finding_creates_nothing(tmp_path: Path) -> None:
    paths = Paths.find(tmp_path / "new")
    assert not paths.data.exists()

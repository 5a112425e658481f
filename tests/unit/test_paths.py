"""The paths of the program's files."""

from __future__ import annotations

from pathlib import Path

import pytest

from weibo_tui.paths import Paths


def test_find_with_home_places_all_files_in_it(home: Path, tmp_path: Path) -> None:
    assert Paths.find().data == home
    other = tmp_path / "other"  # the argument comes before the variable
    paths = Paths.find(other)
    assert paths.data == paths.config == paths.state == other
    assert {paths.bases.name, paths.adapters.name, paths.runs.name} == {"bases", "adapters", "runs"}
    assert paths.database == other / "weibo-tui.db"
    assert paths.settings_file == other / "settings.toml"
    assert paths.log_file == other / "weibo-tui.log"
    assert not other.exists()


def test_find_expands_relative_home_and_tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for value in ("here", "~/here"):
        monkeypatch.setenv("WEIBO_TUI_HOME", value)
        assert Paths.find().config == tmp_path / "here"


def test_find_without_home_uses_platform_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    for name in ("DATA", "CONFIG", "STATE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name))
    expected = [tmp_path / name / "weibo-tui" for name in ("DATA", "CONFIG", "STATE")]
    monkeypatch.setenv("WEIBO_TUI_HOME", "")
    paths = Paths.find()
    assert [paths.data, paths.config, paths.state] == expected
    monkeypatch.delenv("WEIBO_TUI_HOME")
    assert Paths.find() == paths

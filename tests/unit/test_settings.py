"""Settings from the environment and the file, which keeps what the user wrote."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest

from weibo_tui import settings_file
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext, use
from weibo_tui.paths import Paths
from weibo_tui.settings import Settings, parse_setting, unknown_settings
from weibo_tui.settings_file import MAX_BYTES


@pytest.fixture
def paths(home: Path) -> Paths:
    return Paths.find(home)


def test_load_without_file_returns_defaults(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIBO_TUI_SOMETHING", "else")  # no setting
    assert Settings.load(paths) == Settings()
    assert not paths.settings_file.exists()


def test_environment_overrides_file(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    paths.settings_file.write_text('device = "cpu"\nthreads = 2\nuncertain_below = 1\n')
    monkeypatch.setenv("WEIBO_TUI_THREADS", "3")
    monkeypatch.setenv("WEIBO_TUI_DEVICE", "")
    settings = Settings.load(paths)
    assert (settings.device, settings.threads) == ("cpu", 3)
    assert settings.uncertain_below == 1.0
    assert isinstance(settings.uncertain_below, float)


def test_boolean_in_environment_is_parsed(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    for text, value in (("0", False), ("No", False), ("true", True), ("on", True)):
        monkeypatch.setenv("WEIBO_TUI_HISTORY", text)
        assert Settings.load(paths).history is value


def test_load_names_all_invalid_values(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    paths.settings_file.write_text('threads = -1\nhistory = 1\nbase = ["a\\nb"]\nuncertain_below = nan\n')
    monkeypatch.setenv("WEIBO_TUI_DTYPE", "float61")
    monkeypatch.setenv("WEIBO_TUI_THREADS", "many")
    with pytest.raises(UserInputError) as caught:
        Settings.load(paths)
    message = str(caught.value)
    assert "\n" not in message
    for part in (
        f"{paths.settings_file}: threads cannot be -1, only a whole number from 0 to 1024",
        f"{paths.settings_file}: history cannot be 1, only true or false",
        f"{paths.settings_file}: base cannot be ['a\\nb'], only a name",
        f"{paths.settings_file}: uncertain_below cannot be nan, only a number from 0 to 1",
        "WEIBO_TUI_DTYPE: dtype cannot be 'float61', only auto, float32, bfloat16",
        "WEIBO_TUI_THREADS: threads cannot be 'many', only a whole number from 0 to 1024",
    ):
        assert part in message


def test_unknown_setting_is_a_short_warning_and_is_preserved(paths: Paths) -> None:
    text = '# mine\nadaptor = "x"\nthreads = 2\n\n[tool]\nxyzzy = 1\n'
    assert unknown_settings(paths) == ""
    paths.settings_file.write_text(text)
    assert Settings.load(paths).threads == 2
    Settings.save(paths, threads=3)
    assert paths.settings_file.read_text() == text.replace("threads = 2", "threads = 3")
    warning = unknown_settings(paths)
    assert f"Unknown settings in {paths.settings_file}" in warning
    assert "'adaptor' (did you mean adapter?), 'tool'" in warning
    paths.settings_file.write_text("".join(f"{'x' * 200}{number} = 1\n" for number in range(2000)))
    warning = unknown_settings(paths)
    assert len(warning) < 600
    assert "1,997 more" in warning


def test_invalid_value_is_quoted_in_short(paths: Paths) -> None:
    paths.settings_file.write_text(f'device = "{"x" * 10_000}"\n')
    with pytest.raises(UserInputError, match="device cannot be 'xxx") as caught:
        Settings.load(paths)
    assert len(str(caught.value)) < 400


def test_save_beyond_maximum_size_is_refused(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings_file, "MAX_BYTES", 1000)
    paths.settings_file.write_text(full := "#" * 999 + "\n")
    with pytest.raises(UserInputError, match="larger than 1,000 bytes"):
        Settings.save(paths, threads=1)
    assert paths.settings_file.read_text() == full
    assert Settings.load(paths).threads == 0


UNREADABLE: dict[str, Callable[[Path], object]] = {
    "a pipe": os.mkfifo,
    "endless": lambda file: file.symlink_to("/dev/zero"),
    "too large": lambda file: file.write_bytes(b"#" * (MAX_BYTES + 1)),
    "too deep": lambda file: file.write_text("keys = " + "[" * 3000 + "]" * 3000),
    "no value": lambda file: file.write_text("threads = "),
    "not UTF-8": lambda file: file.write_bytes(b"base = '\xff'"),
    "twice": lambda file: file.write_text("threads = 1\nthreads = 2"),
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_file_that_is_not_small_toml_is_refused_unchanged(kind: str, paths: Paths) -> None:
    UNREADABLE[kind](paths.settings_file)
    before = paths.settings_file.lstat()
    assert gettext("no such message") == "no such message"
    for act in (lambda: Settings.load(paths), lambda: Settings.save(paths, threads=1), lambda: unknown_settings(paths)):
        with pytest.raises(UserInputError, match="settings.toml is not valid TOML"):
            act()
    after = paths.settings_file.lstat()
    assert (after.st_ino, after.st_mtime_ns, after.st_size) == (before.st_ino, before.st_mtime_ns, before.st_size)


CHANGES = """
import sys
from weibo_tui.paths import Paths
from weibo_tui.settings import Settings
sys.stdin.read()
for number in range(10):
    Settings.save(Paths.find(), **{sys.argv[1]: f"{number}"})
"""


def test_concurrent_saves_are_both_kept(paths: Paths) -> None:
    both = [
        subprocess.Popen([sys.executable, "-c", CHANGES, name], stdin=subprocess.PIPE) for name in ("base", "adapter")
    ]
    for program in both:
        assert program.stdin is not None
        program.stdin.close()
    assert [program.wait() for program in both] == [0, 0]
    settings = Settings.load(paths)
    assert (settings.base, settings.adapter) == ("9", "9")


def test_file_that_cannot_be_read_is_refused(paths: Paths) -> None:
    paths.settings_file.mkdir()
    with pytest.raises(UserInputError, match=r"Cannot read .*settings.toml \(Is a directory\)"):
        Settings.load(paths)


def test_file_from_windows_keeps_its_line_ends(paths: Paths) -> None:
    paths.settings_file.write_bytes('\ufeff# mine\r\nthreads = 2\r\n# base = ""\r\n'.encode())
    assert Settings.load(paths).threads == 2
    Settings.save(paths, threads=3, base="small")
    assert paths.settings_file.read_bytes() == b'# mine\r\nthreads = 3\r\nbase = "small"\r\n'


def test_new_file_describes_every_setting(paths: Paths) -> None:
    Settings.save(paths, adapter="weibo", history=False)
    text = paths.settings_file.read_text()
    assert tomllib.loads(text) == {"adapter": "weibo", "history": False}
    for setting in fields(Settings):
        assert setting.metadata["description"] in text
        assert f"{setting.name} = " in text
    assert Settings.load(paths) == Settings(adapter="weibo", history=False)
    # The commented defaults are valid settings.
    lines = [line.removeprefix("# ") for line in text.splitlines() if " = " in line]
    paths.settings_file.write_text("\n".join(lines))
    assert Settings.load(paths) == Settings(adapter="weibo", history=False)


def test_save_keeps_comments_and_order(paths: Paths) -> None:
    paths.settings_file.write_text('# for the server\nthreads = 4 # of 8\n\nbase = "large"\n')
    Settings.save(paths, base="small", threads=6, device="cuda")
    assert paths.settings_file.read_text() == (
        '# for the server\nthreads = 6 # of 8\n\nbase = "small"\ndevice = "cuda"\n'
    )
    paths.settings_file.write_text('# base = ""\nbase = "large"\n')
    Settings.save(paths, base="small")
    assert paths.settings_file.read_text() == '# base = ""\nbase = "small"\n'


def test_save_of_keys_keeps_their_comments(paths: Paths) -> None:
    text = '[keys]\n# mine\n"app.help" = "f9" # old\n"train.new" = "N"\n\n[tool]\nx = 1\n'
    paths.settings_file.write_text(text)
    Settings.save(paths, keys={"app.help": "f8", "models.use": "U"})
    assert paths.settings_file.read_text() == text.replace("f9", "f8").replace("train.new", "models.use").replace(
        '"N"', '"U"'
    )
    Settings.save(paths, keys={}, language="en")
    assert Settings.load(paths) == Settings(language="en")
    assert "# mine" in paths.settings_file.read_text()


def test_typed_value_is_parsed_or_refused(paths: Paths) -> None:
    assert parse_setting("threads", " 4 ") == 4
    assert parse_setting("history", "false") is False
    for name, text in (("threads", "many"), ("uncertain_below", "2"), ("language", "fr")):
        with pytest.raises(UserInputError, match=r"^Enter .*\.$"):
            parse_setting(name, text)


def test_save_of_invalid_value_changes_nothing(paths: Paths) -> None:
    paths.settings_file.write_text("threads = 4\n")
    with pytest.raises(UserInputError, match="threads cannot be -1.*device cannot be 'tpu'"):
        Settings.save(paths, threads=-1, device="tpu", history=False)
    assert paths.settings_file.read_text() == "threads = 4\n"


def test_new_file_is_in_the_users_language(paths: Paths) -> None:
    use("zh_CN")
    Settings.save(paths, threads=1)
    assert "语言；auto" in paths.settings_file.read_text()
    assert Settings.load(paths) == Settings(threads=1)

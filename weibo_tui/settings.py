"""The settings file: a few typed fields, each documented, where the environment comes before the file.

``WEIBO_TUI_<FIELD>`` (an empty one counts as not set), else ``settings.toml``, else the default.
"""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from weibo_tui.atomic import atomic_write, cannot_write, make_private_folder
from weibo_tui.errors import UserInputError, WeiboTuiError
from weibo_tui.locale import N_
from weibo_tui.locale import gettext as _
from weibo_tui.paths import Paths
from weibo_tui.settings_file import check_size, read_settings_file
from weibo_tui.text.terminal import truncate

LOCK_SECONDS = 10.0
"""How long a change waits for another program's change, which takes milliseconds."""

LONGEST_VALUE = 100
"""Characters of a value that a message quotes."""

MOST_NAMED = 3
"""Unknown settings that a message names."""

_WORDS_FOR_BOOLEANS = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}


def _setting(default: Any, description: str, allowed: str, accepts: Callable[[Any], bool] = lambda _value: True) -> Any:
    # Both texts are marked for translation, and translated where they are shown.
    metadata = {"default": default, "description": description, "allowed": allowed, "accepts": accepts}
    # A factory, because a dataclass refuses a default of its own that could be changed.
    return field(default_factory=lambda: default, metadata=metadata)


def _choice(description: str, *choices: str) -> Any:
    return _setting(choices[0], description, ", ".join(choices), choices.__contains__)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the person has chosen once for all; each field's description stands beside it."""

    language: str = _choice(N_("Language of the program; auto follows the system."), "auto", "en", "zh_CN")
    base: str = _setting("", N_("Base to train on; empty: the one that comes along."), N_("a name"))
    adapter: str = _setting("", N_("Adapter to read posts with; empty: none chosen yet."), N_("a name"))
    device: str = _choice(
        N_("Where to compute; auto takes the first there is of cuda, mps, cpu."), "auto", "cuda", "mps", "cpu"
    )
    dtype: str = _choice(
        N_("Numbers that the base computes with; auto takes bfloat16 where the hardware has it."),
        *("auto", "float32", "bfloat16"),
    )
    threads: int = _setting(
        0,
        N_("Processor threads to compute with; 0: as many as serve."),
        N_("a whole number from 0 to 1024"),
        lambda number: 0 <= number <= 1024,
    )
    uncertain_below: float = _setting(
        0.75,
        N_("A verdict less confident than this is shown as uncertain."),
        N_("a number from 0 to 1"),
        lambda number: 0 <= number <= 1,
    )
    history: bool = _setting(True, N_("Keep the verdicts in the history."), N_("true or false"))
    theme: str = _setting("weibo-dark", N_("Colours of the app: weibo-dark, weibo-light or another."), N_("a name"))
    keys: Mapping[str, str] = _setting(
        {},
        N_("Keys of the app that are to be others, by the names that its help shows (F1)."),
        N_("names of actions with keys"),
        lambda keys: all(isinstance(key, str) for key in keys.values()),
    )

    @classmethod
    def load(cls, paths: Paths) -> Settings:
        """The settings in force. Everything that is wrong with them is named in one UserInputError; keys of the file
        that are no settings are passed over (see `unknown_settings`)."""
        values: dict[str, Any] = {}
        problems: list[str] = []
        present = _read(paths)[1]
        for name, default in _defaults().items():
            if name in present:
                _take(name, present[name], str(paths.settings_file), values, problems)
            variable = f"WEIBO_TUI_{name.upper()}"
            if text := os.environ.get(variable):
                _take(name, _from_text(text, type(default)), variable, values, problems)
        _refuse(problems)
        return cls(**values)

    @classmethod
    def save(cls, paths: Paths, **changes: Any) -> None:
        """Write ``changes`` into the settings file; the rest of it, comments and order too, stays as it is.

        A new file shows every setting with its description. UserInputError for a change that is not allowed. Programs
        that change it at once take turns."""
        values: dict[str, Any] = {}
        problems: list[str] = []
        for name, value in changes.items():
            _take(name, value, str(paths.settings_file), values, problems)
        _refuse(problems)
        with _locked(paths.settings_file):
            text, present = _read(paths)
            text = text or _template()
            for name in values.keys() - present.keys():
                # The commented line of the template is where the setting belongs.
                line = f"{name} = {json.dumps(_defaults()[name])}"
                text = re.sub(rf"^# {re.escape(line)}(?=\r?$)", line, text, count=1, flags=re.MULTILINE)
            atomic_write(paths.settings_file, _with_values(text, values, paths.settings_file).encode())


def find_paths(home: Path | None = None) -> Paths:
    """Return `Paths.find(home)`. Raises UserInputError where that names the folder of a user who is not there."""
    try:
        return Paths.find(home)
    except RuntimeError as error:
        message = _("The home folder {path} belongs to an unknown user. Set WEIBO_TUI_HOME to a folder that exists.")
        raise UserInputError(
            message.format(path=truncate(str(home or os.environ.get("WEIBO_TUI_HOME", "~"))))
        ) from error


def unknown_settings(paths: Paths) -> str:
    """Return a warning that names the keys of the settings file that are no settings; empty where there are none.

    Raises UserInputError for a file that cannot be read."""
    known = list(_defaults())
    unknown = [key for key in _read(paths)[1] if key not in known]
    named = []
    for key in unknown[:MOST_NAMED]:
        nearest = difflib.get_close_matches(truncate(key), known, n=1)
        hint = _(" (did you mean {name}?)").format(name=nearest[0]) if nearest else ""
        named.append(f"'{truncate(key)}'{hint}")
    if len(unknown) > MOST_NAMED:
        named.append(_("{number} more").format(number=f"{len(unknown) - MOST_NAMED:,}"))
    message = _("Unknown settings in {path} are ignored: {names}. Correct or remove them there.")
    return message.format(path=paths.settings_file, names=", ".join(named)) if named else ""


def _defaults() -> dict[str, Any]:
    return {one.name: one.metadata["default"] for one in fields(Settings)}


def _take(key: str, value: Any, where: str, values: dict[str, Any], problems: list[str]) -> None:
    """Check one value from ``where``: it goes into ``values``, or what is wrong with it into ``problems``."""
    found = Settings.__dataclass_fields__[key]
    kind = type(found.metadata["default"])
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is kind and found.metadata["accepts"](value):
        values[key] = value
        return
    message, allowed = _("{where}: {key} cannot be {value}, only {allowed}"), found.metadata["allowed"]
    problems.append(
        message.format(where=where, key=key, value=truncate(repr(value), LONGEST_VALUE), allowed=_(allowed))
    )


def _from_text(text: str, kind: type) -> Any:
    """The value that a variable's text stands for; text that stands for none comes back, to be refused."""
    try:
        return _WORDS_FOR_BOOLEANS[text.lower()] if kind is bool else kind(text)
    except (ValueError, KeyError):
        return text


def _refuse(problems: list[str]) -> None:
    if problems:
        raise UserInputError("; ".join(problems))


def _read(paths: Paths) -> tuple[str, Mapping[str, Any]]:
    """The settings file's text and what it says; both empty where there is none."""
    path = paths.settings_file
    try:
        return read_settings_file(path)
    except OSError as error:
        message = _("{path} cannot be read ({reason}): check the name and its permissions.")
        raise UserInputError(message.format(path=path, reason=error.strerror)) from error
    except ValueError as error:
        raise _not_toml(path, error) from error


def _with_values(text: str, values: Mapping[str, Any], path: Path) -> str:
    """Return the text of a settings file with `values` set."""
    import tomlkit

    try:
        document = tomlkit.parse(text)
        document.update(values)
        changed: str = tomlkit.dumps(document)
        check_size(changed.encode())  # it could not be read again
        return changed
    except (RecursionError, ValueError) as error:  # it takes less than tomllib does
        raise _not_toml(path, error) from error


def _not_toml(path: Path, error: Exception) -> UserInputError:
    message = _("{path} is not valid TOML ({reason}): correct it, or remove the file.")
    return UserInputError(message.format(path=path, reason=truncate(str(error), LONGEST_VALUE)))


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the settings file for this change alone. Raises WeiboTuiError where that cannot be."""
    import filelock

    lock = filelock.FileLock(path.with_name(f"{path.name}.lock"), timeout=LOCK_SECONDS, mode=0o600)
    try:
        make_private_folder(path.parent)
        lock.acquire()
    except filelock.Timeout as error:
        message = _("{path} is in use by another program. Try again when that is done.")
        raise WeiboTuiError(message.format(path=path)) from error
    except OSError as error:
        raise cannot_write(path, error) from error
    try:
        yield
    finally:
        lock.release()


def _template() -> str:
    title = _("Settings of weibo-tui. To change one, remove the # before its line.")
    parts = [f"# {title}\n"]
    for name, default in _defaults().items():
        about = Settings.__dataclass_fields__[name].metadata
        parts.append(f"# {_(about['description'])} ({_(about['allowed'])})\n# {name} = {json.dumps(default)}\n")
    return "\n".join(parts)

"""Settings: typed fields with descriptions, read from the environment and the settings file.

``WEIBO_TUI_<FIELD>`` (if not empty) comes before ``settings.toml``, which comes before the default.
"""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from weibo_tui.atomic import atomic_write, cannot_read, cannot_write, make_private_folder
from weibo_tui.errors import UserInputError, WeiboTuiError
from weibo_tui.locale import N_, join_list
from weibo_tui.locale import gettext as _
from weibo_tui.paths import Paths
from weibo_tui.settings_file import check_size, read_settings_file
from weibo_tui.text.probes import DEFAULT_PROBES, MAX_PROBES, parse_probes
from weibo_tui.text.terminal import truncate

LOCK_SECONDS = 10.0
"""Time to wait for another program's change, which takes milliseconds."""

MAX_VALUE_LENGTH = 100
"""Characters of a value in a message."""

MAX_UNKNOWN = 3
"""Unknown settings in a message."""

_BOOLEANS = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}


LANGUAGES = {"auto": N_("Automatic"), "en": N_("English"), "zh_CN": N_("中文 (Chinese)")}
"""The languages with their names."""


def _setting(
    default: Any,
    label: str,
    description: str,
    allowed: str,
    accepts: Callable[[Any], bool] = lambda _value: True,
    choices: tuple[str, ...] = (),
) -> Any:
    # The texts are marked with N_, and translated where they are shown.
    texts = {"label": label, "description": description, "allowed": allowed}
    metadata = {**texts, "default": default, "accepts": accepts, "choices": choices}
    # A factory, because a dataclass refuses a mutable default.
    return field(default_factory=lambda: default, metadata=metadata)


def _choice(label: str, description: str, *choices: str) -> Any:
    return _setting(choices[0], label, description, ", ".join(choices), choices.__contains__, choices)


@dataclass(frozen=True, slots=True)
class Settings:
    """The user's settings. Each field has its description and its allowed values."""

    language: str = _choice(N_("Language"), N_("Language; auto: as the system."), *LANGUAGES)
    base: str = _setting("", N_("Default base"), N_("Base to train on; empty: the bundled base."), N_("a name"))
    adapter: str = _setting(
        "", N_("Default adapter"), N_("Adapter for new predictions; empty: the bundled one."), N_("a name")
    )
    device: str = _choice(
        N_("Device"),
        N_("Device: auto (the first available of cuda, mps, cpu), cuda, mps or cpu."),
        *("auto", "cuda", "mps", "cpu"),
    )
    dtype: str = _choice(
        N_("Number format"),
        N_("Number format of the base; auto: bfloat16 where the hardware has it; int8: fastest predictions on a CPU."),
        *("auto", "float32", "bfloat16", "int8"),
    )
    threads: int = _setting(
        0,
        N_("CPU threads"),
        N_("CPU threads; 0: chosen automatically."),
        N_("a whole number from 0 to 1024"),
        lambda number: 0 <= number <= 1024,
    )
    uncertain_below: float = _setting(
        0.75,
        N_("Confidence threshold"),
        N_("Predictions below this confidence are shown as uncertain."),
        N_("a number from 0 to 1"),
        lambda number: 0 <= number <= 1,
    )
    explanations: bool = _setting(
        True,
        N_("Explanations"),
        N_("Show in open cards and in details why a post got its label. A key shows it in any case."),
        N_("true or false"),
        choices=("true", "false"),
    )
    history: bool = _setting(
        True,
        N_("History"),
        N_("Record predictions in the history."),
        N_("true or false"),
        choices=("true", "false"),
    )
    live_prediction: bool = _setting(
        True,
        N_("Live prediction"),
        N_("Show the prediction of what is in the prompt while you type. It is not recorded."),
        N_("true or false"),
        choices=("true", "false"),
    )
    probe_posts: str = _setting(
        "",
        N_("Probe posts"),
        N_("Up to ten posts, separated by |, that trainings predict at each validation; empty: made-up ones; -: none."),
        N_("at most ten posts"),
        lambda text: len(parse_probes(text) or ()) <= MAX_PROBES,
    )
    annotator: str = _setting(
        "", N_("Annotator"), N_("Your name with your annotations; empty: the login name."), N_("a name")
    )
    theme: str = _setting(
        "weibo-dark", N_("Theme"), N_("Theme of the app: weibo-dark, weibo-light or another."), N_("a name")
    )
    keys: Mapping[str, str] = _setting(
        {},
        N_("Keys"),
        N_("Changed keys of the app, by the action names in its help (F1)."),
        N_("names of actions with keys"),
        lambda keys: all(isinstance(key, str) for key in keys.values()),
    )

    @classmethod
    def load(cls, paths: Paths) -> Settings:
        """Load the current settings. Raises one UserInputError that names all invalid values.

        Unknown keys in the file are ignored; see `unknown_settings`."""
        stored = _read(paths)[1]
        candidates: list[tuple[str, Any, str]] = []
        for name, default in _defaults().items():
            if name in stored:
                candidates.append((name, stored[name], str(paths.settings_file)))
            if variable := environment_variable(name):
                candidates.append((name, _parse(os.environ[variable], type(default)), variable))
        return cls(**_validate(candidates))

    @classmethod
    def save(cls, paths: Paths, **changes: Any) -> None:
        """Write ``changes`` to the settings file, and preserve the rest of it, including comments and order.

        A new file describes every setting. Raises UserInputError for an invalid value. A lock prevents conflicts with
        other programs."""
        values = _validate((name, value, str(paths.settings_file)) for name, value in changes.items())
        with _locked(paths.settings_file):
            text, stored = _read(paths)
            text = text or _template()
            for name in values.keys() - stored.keys():
                # The commented line of the template is where the setting belongs.
                line = f"{name} = {json.dumps(_defaults()[name])}"
                text = re.sub(rf"^# {re.escape(line)}(?=\r?$)", line, text, count=1, flags=re.MULTILINE)
            atomic_write(paths.settings_file, _with_values(text, values, paths.settings_file).encode())

    @property
    def probes(self) -> tuple[str, ...]:
        """The probe posts of new trainings."""
        probes = parse_probes(self.probe_posts)
        return DEFAULT_PROBES if probes is None else probes


def environment_variable(name: str) -> str:
    """Return the environment variable that sets the setting `name`, or an empty string if none does."""
    variable = f"WEIBO_TUI_{name.upper()}"
    return variable if os.environ.get(variable) else ""


def parse_setting(name: str, text: str) -> Any:
    """Return the value of a setting that is typed as `text`. Raises UserInputError if it is invalid."""
    value = _parse(text.strip(), type(_defaults()[name]))
    try:
        return _validate([(name, value, "")])[name]
    except UserInputError as error:
        allowed = Settings.__dataclass_fields__[name].metadata["allowed"]
        raise UserInputError(_("Enter {allowed}.").format(allowed=_(allowed))) from error


def find_paths(home: Path | None = None) -> Paths:
    """Return `Paths.find(home)`. Raises UserInputError for the home folder of an unknown user."""
    try:
        return Paths.find(home)
    except RuntimeError as error:
        message = _("The home folder {path} belongs to an unknown user. Set WEIBO_TUI_HOME to a folder that exists.")
        raise UserInputError(
            message.format(path=truncate(str(home or os.environ.get("WEIBO_TUI_HOME", "~"))))
        ) from error


def unknown_settings(paths: Paths) -> str:
    """Return a warning about unknown keys in the settings file, or an empty string.

    Raises UserInputError for a file that cannot be read."""
    known = list(_defaults())
    unknown = [key for key in _read(paths)[1] if key not in known]
    names = []
    for key in unknown[:MAX_UNKNOWN]:
        nearest = difflib.get_close_matches(truncate(key), known, n=1)
        hint = _(" (did you mean {name}?)").format(name=nearest[0]) if nearest else ""
        names.append(f"'{truncate(key)}'{hint}")
    if len(unknown) > MAX_UNKNOWN:
        names.append(_("{number} more").format(number=f"{len(unknown) - MAX_UNKNOWN:,}"))
    message = _("Unknown settings in {path} are ignored: {names}. Correct or remove them there.")
    return message.format(path=paths.settings_file, names=join_list(names)) if names else ""


def _defaults() -> dict[str, Any]:
    return {setting.name: setting.metadata["default"] for setting in fields(Settings)}


def _validate(candidates: Iterable[tuple[str, Any, str]]) -> dict[str, Any]:
    """Return the valid values by name, from tuples (name, value, source). Raises one UserInputError for the others."""
    values: dict[str, Any] = {}
    errors = []
    for name, value, source in candidates:
        metadata = Settings.__dataclass_fields__[name].metadata
        kind = type(metadata["default"])
        converted = float(value) if kind is float and type(value) is int else value
        if type(converted) is kind and metadata["accepts"](converted):
            values[name] = converted
        else:
            message, allowed = _("{where}: {key} cannot be {value}, only {allowed}"), metadata["allowed"]
            quoted = truncate(repr(converted), MAX_VALUE_LENGTH)
            errors.append(message.format(where=source, key=name, value=quoted, allowed=_(allowed)))
    if errors:
        raise UserInputError("; ".join(errors))
    return values


def _parse(text: str, kind: type) -> Any:
    """Return the value of an environment variable's text, or the text itself where it is invalid."""
    try:
        return _BOOLEANS[text.lower()] if kind is bool else kind(text)
    except (ValueError, KeyError):
        return text


def _read(paths: Paths) -> tuple[str, Mapping[str, Any]]:
    """Return the text and the values of the settings file, both empty without a file."""
    path = paths.settings_file
    try:
        return read_settings_file(path)
    except OSError as error:
        raise cannot_read(path, error) from error
    except ValueError as error:
        raise _not_toml(path, error) from error


def _with_values(text: str, values: Mapping[str, Any], path: Path) -> str:
    """Return the text of a settings file with `values` set."""
    import tomlkit

    try:
        document = tomlkit.parse(text)
        for name, value in values.items():
            table = document.get(name)
            if isinstance(value, Mapping) and isinstance(table, MutableMapping):
                for key in table.keys() - value.keys():
                    del table[key]
                table.update(value)  # not replaced, because of its comments
            else:
                document[name] = value
        changed: str = tomlkit.dumps(document)
        check_size(changed.encode())  # a larger file could not be read again
        return changed
    except (RecursionError, ValueError) as error:  # tomlkit is stricter than tomllib
        raise _not_toml(path, error) from error


def _not_toml(path: Path, error: Exception) -> UserInputError:
    message = _("{path} is not valid TOML ({reason}). Correct it, or remove the file.")
    return UserInputError(message.format(path=path, reason=truncate(str(error), MAX_VALUE_LENGTH)))


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Lock the settings file for the block. Raises WeiboTuiError where that fails."""
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
        metadata = Settings.__dataclass_fields__[name].metadata
        parts.append(f"# {_(metadata['description'])} ({_(metadata['allowed'])})\n# {name} = {json.dumps(default)}\n")
    return "\n".join(parts)

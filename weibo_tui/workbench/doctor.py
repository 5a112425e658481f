"""What the program stands on, looked at without changing it: where one part is broken, the others are told still."""

from __future__ import annotations

import locale
import os
import platform
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, fields
from importlib import metadata
from pathlib import Path
from typing import Any

from weibo_tui.atomic import sha256
from weibo_tui.errors import CorruptFileError, UserInputError, WeiboTuiError
from weibo_tui.locale import gettext as _
from weibo_tui.paths import Paths
from weibo_tui.registry.adapters import Adapters
from weibo_tui.registry.bases import Bases
from weibo_tui.registry.cards import CARD, Card, checksum_matches
from weibo_tui.registry.file_status import file_status
from weibo_tui.registry.hub_client import check_reachable, mask_credentials
from weibo_tui.registry.store import ModelStore
from weibo_tui.settings import Settings
from weibo_tui.storage.database_info import NEWEST, DatabaseInfo, inspect
from weibo_tui.text import short
from weibo_tui.version import __version__
from weibo_tui.workbench.hardware import Hardware, look_at_computer

LEAST_FREE = 2 * 10**9
"""Bytes that a base from the Hub, and the checkpoints of a training, want at least."""

PACKAGES = ("torch", "transformers", "tokenizers", "safetensors", "huggingface_hub", "textual", "numpy", "pandas")

# Of those whose value may hold a password or is one, it is told only that they are set.
VARIABLES = ("HF_ENDPOINT", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HOME")
SECRETS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of the program; `free` in bytes on its disk. One that is not there yet counts as writable where it can
    be made."""

    path: str
    exists: bool
    writable: bool
    free: int


@dataclass(frozen=True, slots=True)
class StoredModel:
    """A base or an adapter, its `size` in bytes, and whether its files are what was written."""

    name: str
    size: int
    sound: bool


@dataclass(frozen=True, slots=True)
class DiagnosticReport:
    """What was found; a part that could not be looked at is empty or None. `settings` are those that differ from the
    defaults. `hub` is the address that answered, where it was asked for. `problems` are sentences that say what to do.
    """

    versions: dict[str, str]
    computer: Hardware | None
    folders: dict[str, Folder]
    settings: dict[str, Any]
    bases: tuple[StoredModel, ...]
    adapters: tuple[StoredModel, ...]
    database: DatabaseInfo | None
    terminal: dict[str, str]
    variables: dict[str, str]
    hub: str | None
    problems: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def examine(home: Path | None = None, network: bool = False) -> DiagnosticReport:
    """Look at everything, and at no other machine unless `network`. Raises nothing: what is wrong is in `problems`."""
    doctor = _Doctor(Paths.find(home))
    settings = doctor.settings()
    found: dict[str, Any] = {
        "versions": doctor.versions(),
        "computer": doctor.computer(settings),
        "folders": doctor.folders(),
        "settings": _changed(settings),
        "bases": tuple(doctor.shelf(doctor.bases)),
        "adapters": tuple(doctor.shelf(doctor.adapters)),
        "database": doctor.database(),
        "terminal": doctor.terminal(),
        "variables": _variables(),
        "hub": doctor.hub() if network else None,
    }
    doctor.together(settings)
    return DiagnosticReport(**found, problems=tuple(dict.fromkeys(doctor.problems)))


class _Doctor:
    """Looks at one part after the other, and gathers what is wrong."""

    def __init__(self, paths: Paths) -> None:
        self.paths = paths
        self.bases = Bases(paths.bases, paths.starter / "bases")
        self.adapters = Adapters(paths.adapters, paths.starter / "adapters")
        self.problems: list[str] = []

    @contextmanager
    def _looking_at(self, part: str) -> Iterator[None]:
        """For the block: an error in it is a problem, and the other parts are looked at still."""
        try:
            yield
        except WeiboTuiError as error:
            self.problems.append(str(error))
        except Exception as error:  # whatever it is, the person came here to be told of it
            message = _("{part} cannot be looked at ({kind}: {reason}): install weibo-tui again, or report it.")
            reason = str(error).strip().splitlines()[0] if str(error).strip() else "–"
            self.problems.append(message.format(part=part, kind=type(error).__name__, reason=reason))

    def settings(self) -> Settings:
        with self._looking_at(str(self.paths.settings_file)):
            return Settings.load(self.paths)
        return Settings()

    def versions(self) -> dict[str, str]:
        found = {"weibo-tui": __version__, "Python": platform.python_version(), "system": platform.platform()}
        for package in PACKAGES:
            try:
                found[package] = metadata.version(package)
            except metadata.PackageNotFoundError:
                self.problems.append(
                    _("The package {package} is missing: install weibo-tui again.").format(package=package)
                )
        found["SQLite"] = sqlite3.sqlite_version
        with closing(sqlite3.connect(":memory:")) as memory:
            try:
                memory.execute("CREATE VIRTUAL TABLE found USING fts5 (text)")
            except sqlite3.OperationalError:
                message = _("This Python's SQLite {version} has no FTS5, which the history needs: take another Python.")
                self.problems.append(message.format(version=sqlite3.sqlite_version))
        return found

    def computer(self, settings: Settings) -> Hardware | None:
        with self._looking_at("torch"):
            return look_at_computer(settings)
        return None

    def folders(self) -> dict[str, Folder]:
        found = {}
        for name, path in {"data": self.paths.data, "settings": self.paths.config, "log": self.paths.state}.items():
            with self._looking_at(str(path)):
                found[name] = folder = _folder(path)
                if not folder.writable:
                    message = _("Nothing can be written to {path}: check your rights there, and the disk.")
                    self.problems.append(message.format(path=path))
                if name == "data" and folder.free < LEAST_FREE:
                    message = _("There are only {free} GB free for {path}: make room, {least} GB at least.")
                    free, least = f"{folder.free / 1e9:.1f}", f"{LEAST_FREE / 1e9:.0f}"
                    self.problems.append(message.format(path=path, free=free, least=least))
        return found

    def shelf(self, shelf: ModelStore[Card]) -> Iterator[StoredModel]:
        """What is on a shelf, each file compared with what its card promises."""
        with self._looking_at(str(shelf.folder)):
            for card in shelf.list():
                sound = False
                folder = shelf.path(card.name)
                with self._looking_at(str(folder)), shelf.bundled_errors(card.name):
                    wrong = [
                        file
                        for file, promised in shelf.hashes(card).items()
                        if not (path := folder / file).is_file() or sha256(path) != promised
                    ]
                    if not checksum_matches((folder / CARD).read_bytes()):
                        wrong.append(CARD)
                    if not wrong:
                        try:
                            shelf.check(card.name)
                        except (ValueError, UserInputError, CorruptFileError) as unfit:
                            wrong.append(short(str(unfit).rstrip("."), 300))
                    if wrong:
                        message = _("{folder} is damaged ({files}): remove '{name}', and add or train it again.")
                        raise CorruptFileError(message.format(folder=folder, files=", ".join(wrong), name=card.name))
                    sound = True
                yield StoredModel(card.name, file_status(shelf, card.name).size, sound)
            for name, error in shelf.corrupt_models():
                self.problems.append(str(error))
                yield StoredModel(name, 0, False)

    def database(self) -> DatabaseInfo | None:
        if not self.paths.database.exists():
            return None
        with self._looking_at(str(self.paths.database)):
            found = inspect(self.paths.database)
            if found.version > NEWEST:
                message = _(
                    "The database {path} is of version {found}, made by a newer weibo-tui; this one knows up to "
                    "{known}: update weibo-tui, or choose another home with WEIBO_TUI_HOME."
                )
                self.problems.append(message.format(path=self.paths.database, found=found.version, known=NEWEST))
            return found
        return None

    def terminal(self) -> dict[str, str]:
        from rich.console import Console

        encoding = sys.stdout.encoding or ""
        try:
            "微博".encode(encoding or "ascii")
        except (UnicodeEncodeError, LookupError):
            message = _("The terminal's encoding {encoding} has no Chinese: set LANG to one of UTF-8, as en_US.UTF-8.")
            self.problems.append(message.format(encoding=encoding or "–"))
        size = shutil.get_terminal_size()
        return {
            "locale": locale.setlocale(locale.LC_CTYPE),
            "encoding": encoding,
            "TERM": os.environ.get("TERM", ""),
            "colours": Console(force_terminal=True).color_system or "none",
            "size": f"{size.columns}×{size.lines}",
        }

    def hub(self) -> str | None:
        with self._looking_at("Hugging Face Hub"):
            return check_reachable()
        return None

    def together(self, settings: Settings) -> None:
        """What only shows when the parts are laid beside each other."""
        with self._looking_at(str(self.paths.data)):
            prints = {card.fingerprint for card in self.bases.list()}
            for card in self.adapters.list():
                if card.base_fingerprint not in prints:
                    message = _(
                        "The adapter '{name}' wants the base '{base}' ({fingerprint}…), which is not here: add it."
                    )
                    self.problems.append(
                        message.format(name=card.name, base=card.base, fingerprint=card.base_fingerprint[:12])
                    )
            if settings.base and settings.base not in {card.name for card in self.bases.list()}:
                message = _("The base '{name}' is the default and is not there: choose one with 'weibo-tui bases use'.")
                self.problems.append(message.format(name=settings.base))
            if settings.adapter and settings.adapter not in {card.name for card in self.adapters.list()}:
                message = _(
                    "The adapter '{name}' is the default and is not there: choose one with 'weibo-tui adapters use'."
                )
                self.problems.append(message.format(name=settings.adapter))


def _changed(settings: Settings) -> dict[str, Any]:
    return {
        one.name: dict(value) if one.name == "keys" else value
        for one in fields(Settings)
        if (value := getattr(settings, one.name)) != one.metadata["default"]
    }


def _folder(path: Path) -> Folder:
    """A folder as it is, or as it would be made under the first above it that is there."""
    there = next(one for one in (path, *path.parents) if one.exists())
    try:
        with tempfile.TemporaryFile(dir=there):  # rights alone do not tell: a disk may be mounted for reading only
            writable = True
    except OSError:
        writable = False
    return Folder(str(path), path.is_dir(), writable, shutil.disk_usage(there).free)


def _variables() -> dict[str, str]:
    found = {name: mask_credentials(os.environ[name]) for name in VARIABLES if os.environ.get(name)}
    return found | {name: _("set") for name in SECRETS if os.environ.get(name) or os.environ.get(name.lower())}

"""Diagnosis of the installation. It changes nothing, and a broken part does not hide the others."""

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
from weibo_tui.locale import join_list
from weibo_tui.paths import Paths
from weibo_tui.registry.adapters import Adapters
from weibo_tui.registry.bases import Bases
from weibo_tui.registry.cards import CARD, Card, checksum_matches
from weibo_tui.registry.file_status import file_status
from weibo_tui.registry.hub_client import check_reachable, mask_credentials
from weibo_tui.registry.store import ModelStore
from weibo_tui.settings import Settings
from weibo_tui.storage.database import LATEST_VERSION, DatabaseInfo, read_info
from weibo_tui.storage.file_rows import SUFFIX
from weibo_tui.text.terminal import truncate
from weibo_tui.version import __version__
from weibo_tui.workbench.hardware import Hardware, detect_hardware

MIN_FREE_BYTES = 2 * 10**9
"""Disk space that a base from the Hub and the checkpoints of a training need."""

PACKAGES = (
    "torch",
    "transformers",
    "tokenizers",
    "safetensors",
    "huggingface_hub",
    "textual",
    "numpy",
    "pandas",
    "pyarrow",
)

# The report contains the values of VARIABLES. Of SECRETS it only says that they are set.
VARIABLES = ("HF_ENDPOINT", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HOME")
SECRETS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of the program, and the free bytes on its disk. A missing folder is writable if it can be created."""

    path: str
    exists: bool
    writable: bool
    free: int


@dataclass(frozen=True, slots=True)
class StoredModel:
    """A base or an adapter, its `size` in bytes, and whether its files are intact."""

    name: str
    size: int
    sound: bool


@dataclass(frozen=True, slots=True)
class KeptFiles:
    """The number of labeled files whose rows are kept, and the bytes that they take."""

    number: int
    size: int


@dataclass(frozen=True, slots=True)
class DiagnosticReport:
    """The result of a diagnosis; a part that failed is empty or None.

    `settings` are those that differ from the defaults. `hub` is the address that answered. `problems` are sentences
    that say what to do."""

    versions: dict[str, str]
    computer: Hardware | None
    folders: dict[str, Folder]
    settings: dict[str, Any]
    bases: tuple[StoredModel, ...]
    adapters: tuple[StoredModel, ...]
    database: DatabaseInfo | None
    files: KeptFiles | None
    terminal: dict[str, str]
    variables: dict[str, str]
    hub: str | None
    problems: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def diagnose(home: Path | None = None, network: bool = False) -> DiagnosticReport:
    """Check everything, the Hugging Face Hub only with `network`. Raises nothing; errors are in `problems`."""
    doctor = _Doctor(Paths.find(home))
    settings = doctor.settings()
    results: dict[str, Any] = {
        "versions": doctor.versions(),
        "computer": doctor.computer(settings),
        "folders": doctor.folders(),
        "settings": _changed_settings(settings),
        "bases": tuple(doctor.models(doctor.bases)),
        "adapters": tuple(doctor.models(doctor.adapters)),
        "database": doctor.database(),
        "files": doctor.files(),
        "terminal": doctor.terminal(),
        "variables": _variables(),
        "hub": doctor.hub() if network else None,
    }
    doctor.check_consistency(settings)
    return DiagnosticReport(**results, problems=tuple(dict.fromkeys(doctor.problems)))


class _Doctor:
    """Checks one part after the other and collects the problems."""

    def __init__(self, paths: Paths) -> None:
        self.paths = paths
        self.bases = Bases(paths.bases, paths.starter / "bases")
        self.adapters = Adapters(paths.adapters, paths.starter / "adapters")
        self.problems: list[str] = []

    @contextmanager
    def _collect_errors(self, part: str) -> Iterator[None]:
        """Add an error in the block to the problems."""
        try:
            yield
        except WeiboTuiError as error:
            self.problems.append(str(error))
        except Exception as error:  # the report must be complete
            message = _("{part} cannot be checked ({kind}: {reason}). Install weibo-tui again, or report it.")
            reason = str(error).strip().splitlines()[0] if str(error).strip() else "–"
            self.problems.append(message.format(part=part, kind=type(error).__name__, reason=reason))

    def settings(self) -> Settings:
        with self._collect_errors(str(self.paths.settings_file)):
            return Settings.load(self.paths)
        return Settings()

    def versions(self) -> dict[str, str]:
        versions = {"weibo-tui": __version__, "Python": platform.python_version(), "system": platform.platform()}
        for package in PACKAGES:
            try:
                versions[package] = metadata.version(package)
            except metadata.PackageNotFoundError:
                message = _("Package {package} is missing. Install weibo-tui again.")
                self.problems.append(message.format(package=package))
        versions["SQLite"] = sqlite3.sqlite_version
        with closing(sqlite3.connect(":memory:")) as memory:
            try:
                memory.execute("CREATE VIRTUAL TABLE test USING fts5 (text)")
            except sqlite3.OperationalError:
                message = _("SQLite {version} of this Python has no FTS5, which the history needs. Use another Python.")
                self.problems.append(message.format(version=sqlite3.sqlite_version))
        return versions

    def computer(self, settings: Settings) -> Hardware | None:
        with self._collect_errors("torch"):
            return detect_hardware(settings)
        return None

    def folders(self) -> dict[str, Folder]:
        folders = {}
        for name, path in {"data": self.paths.data, "settings": self.paths.config, "log": self.paths.state}.items():
            with self._collect_errors(str(path)):
                folders[name] = folder = _folder(path)
                if not folder.writable:
                    message = _("Cannot write to {path}. Check its permissions and the disk.")
                    self.problems.append(message.format(path=path))
                if name == "data" and folder.free < MIN_FREE_BYTES:
                    message = _("Only {free} GB are free for {path}. Free at least {least} GB.")
                    free, least = f"{folder.free / 1e9:.1f}", f"{MIN_FREE_BYTES / 1e9:.0f}"
                    self.problems.append(message.format(path=path, free=free, least=least))
        return folders

    def files(self) -> KeptFiles | None:
        """Return the labeled files whose rows are kept, None for none."""
        with self._collect_errors(str(self.paths.files)):
            sizes = [path.stat().st_size for path in self.paths.files.glob(f"*{SUFFIX}")]
            return KeptFiles(len(sizes), sum(sizes)) if sizes else None
        return None

    def models(self, store: ModelStore[Card]) -> Iterator[StoredModel]:
        """Yield the models of a store, after comparing their files with the hashes in their cards."""
        with self._collect_errors(str(store.folder)):
            for card in store.list():
                is_sound = False
                with self._collect_errors(str(store.path(card.name))), store.bundled_errors(card.name):
                    _check_files(store, card)
                    is_sound = True
                yield StoredModel(card.name, file_status(store, card.name).size, is_sound)
            for name, error in store.corrupt_models():
                self.problems.append(str(error))
                yield StoredModel(name, 0, False)

    def database(self) -> DatabaseInfo | None:
        if not self.paths.database.exists():
            return None
        with self._collect_errors(str(self.paths.database)):
            info = read_info(self.paths.database)
            if info.version > LATEST_VERSION:
                message = _(
                    "Database {path} has version {found}; this weibo-tui reads up to version {known}. Update "
                    "weibo-tui, or choose another home with WEIBO_TUI_HOME."
                )
                self.problems.append(message.format(path=self.paths.database, found=info.version, known=LATEST_VERSION))
            return info
        return None

    def terminal(self) -> dict[str, str]:
        from rich.console import Console

        encoding = sys.stdout.encoding or ""
        try:
            "微博".encode(encoding or "ascii")
        except (UnicodeEncodeError, LookupError):
            message = _(
                "The terminal's encoding {encoding} has no Chinese characters. Set LANG to a UTF-8 locale, like "
                "en_US.UTF-8."
            )
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
        with self._collect_errors("Hugging Face Hub"):
            return check_reachable()
        return None

    def check_consistency(self, settings: Settings) -> None:
        """Check that adapters have their bases, and that the default models exist."""
        with self._collect_errors(str(self.paths.data)):
            bases, adapters = self.bases.list(), self.adapters.list()
            fingerprints = {card.fingerprint for card in bases}
            for card in adapters:
                if card.base_fingerprint not in fingerprints:
                    message = _(
                        "Adapter '{name}' needs base '{base}' ({fingerprint}…), which is not installed. Add it."
                    )
                    self.problems.append(
                        message.format(name=card.name, base=card.base, fingerprint=card.base_fingerprint[:12])
                    )
            if settings.base and settings.base not in {card.name for card in bases}:
                message = _("The default base '{name}' does not exist. Choose one with 'weibo-tui bases use'.")
                self.problems.append(message.format(name=settings.base))
            if settings.adapter and settings.adapter not in {card.name for card in adapters}:
                message = _("The default adapter '{name}' does not exist. Choose one with 'weibo-tui adapters use'.")
                self.problems.append(message.format(name=settings.adapter))


def _check_files(store: ModelStore[Card], card: Card) -> None:
    folder = store.path(card.name)
    problems = [
        file
        for file, digest in store.hashes(card).items()
        if not (path := folder / file).is_file() or sha256(path) != digest
    ]
    if not checksum_matches((folder / CARD).read_bytes()):
        problems.append(CARD)
    if not problems:
        try:
            store.check(card.name)
        except (ValueError, UserInputError, CorruptFileError) as error:
            problems.append(truncate(str(error).rstrip("."), 300))
    if problems:
        message = _("{folder} is damaged ({files}). Remove '{name}', then add or train it again.")
        raise CorruptFileError(message.format(folder=folder, files=join_list(problems), name=card.name))


def _changed_settings(settings: Settings) -> dict[str, Any]:
    return {
        field.name: dict(value) if field.name == "keys" else value
        for field in fields(Settings)
        if (value := getattr(settings, field.name)) != field.metadata["default"]
    }


def _folder(path: Path) -> Folder:
    """Return the state of a folder; that of a missing one is taken from its first existing parent."""
    existing = next(folder for folder in (path, *path.parents) if folder.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):  # permissions are not enough: a disk may be mounted read-only
            writable = True
    except OSError:
        writable = False
    return Folder(str(path), path.is_dir(), writable, shutil.disk_usage(existing).free)


def _variables() -> dict[str, str]:
    values = {name: mask_credentials(os.environ[name]) for name in VARIABLES if os.environ.get(name)}
    return values | {name: _("set") for name in SECRETS if os.environ.get(name) or os.environ.get(name.lower())}

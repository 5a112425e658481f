"""Paths of the program's own folders and files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs

BUNDLED = Path(__file__).parent / "starter"
"""The folder of the bundled models."""


@dataclass(frozen=True, slots=True)
class Paths:
    """The folders of the program. This class creates none of them."""

    data: Path
    config: Path
    state: Path
    starter: Path
    """The bundled models, read-only: `bases` and `adapters`, as in the home."""

    @classmethod
    def find(cls, home: Path | None = None) -> Paths:
        """Return the paths in ``home`` (default: ``$WEIBO_TUI_HOME``, or the platform's user folders).

        ``$WEIBO_TUI_STARTER`` replaces the folder of the bundled models, for example by a shared one."""
        starter = Path(os.environ.get("WEIBO_TUI_STARTER") or BUNDLED).absolute()
        root = home or os.environ.get("WEIBO_TUI_HOME")
        if root:
            # Absolute, because the working folder may change.
            folder = Path(root).expanduser().absolute()
            return cls(folder, folder, folder, starter)
        system = platformdirs.PlatformDirs("weibo-tui", appauthor=False)
        return cls(system.user_data_path, system.user_config_path, system.user_state_path, starter)

    @property
    def bases(self) -> Path:
        return self.data / "bases"

    @property
    def adapters(self) -> Path:
        return self.data / "adapters"

    @property
    def downloads(self) -> Path:
        """Incomplete downloads."""
        return self.data / "downloads"

    @property
    def runs(self) -> Path:
        return self.data / "runs"

    @property
    def files(self) -> Path:
        """Caches of labeled files that were opened."""
        return self.data / "files"

    @property
    def database(self) -> Path:
        return self.data / "weibo-tui.db"

    @property
    def settings_file(self) -> Path:
        return self.config / "settings.toml"

    @property
    def log_file(self) -> Path:
        return self.state / "weibo-tui.log"

    def owns(self, path: Path) -> bool:
        """Return True for files that only the program itself writes, under any name."""
        target = Path(os.path.realpath(path))
        folders = (self.bases, self.adapters, self.downloads, self.runs, self.files, self.starter)
        if any(is_same(parent, folder) for parent in target.parents for folder in folders):
            return True
        # By prefix, to include SQLite's log, locks, and old logs.
        files = (self.database, self.settings_file, self.log_file)
        return any(
            target.name.casefold().startswith(file.name) and is_same(target.parent, file.parent) for file in files
        )


def is_same(one: Path, other: Path) -> bool:
    """Return True for two names of the same file or folder, which need not exist."""
    try:
        return one.samefile(other)
    except OSError:
        return os.path.realpath(one) == os.path.realpath(other)

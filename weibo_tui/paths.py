"""Every folder and file that the program keeps for itself."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs

BUNDLED = Path(__file__).parent / "starter"
"""What comes with the program."""


@dataclass(frozen=True, slots=True)
class Paths:
    """The program's places. Naming one creates nothing: whoever writes there makes the folder."""

    data: Path
    config: Path
    state: Path
    starter: Path
    """What comes with the program, for reading only: `bases` and `adapters`, as in the home."""

    @classmethod
    def find(cls, home: Path | None = None) -> Paths:
        """The folder ``home`` for everything, else ``$WEIBO_TUI_HOME``, else the platform's user folders.

        ``$WEIBO_TUI_STARTER`` is a folder to use in place of the starter, say one that a whole group shares."""
        starter = Path(os.environ.get("WEIBO_TUI_STARTER") or BUNDLED).absolute()
        chosen = home or os.environ.get("WEIBO_TUI_HOME")
        if chosen:
            # Absolute, so that a later change of the working folder does not move the home.
            folder = Path(chosen).expanduser().absolute()
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
        """What is being fetched, until it is whole."""
        return self.data / "downloads"

    @property
    def runs(self) -> Path:
        return self.data / "runs"

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
        """Return True for what only the program itself writes, by any name."""
        target = Path(os.path.realpath(path))
        folders = (self.bases, self.adapters, self.downloads, self.runs, self.starter)
        if any(is_same(parent, folder) for parent in target.parents for folder in folders):
            return True
        # The files beside them too: SQLite's log, locks, and the older logs.
        files = (self.database, self.settings_file, self.log_file)
        return any(
            target.name.casefold().startswith(file.name) and is_same(target.parent, file.parent) for file in files
        )


def is_same(one: Path, other: Path) -> bool:
    """Return True for two names of one file or folder, also where it does not exist."""
    try:
        return one.samefile(other)
    except OSError:
        return os.path.realpath(one) == os.path.realpath(other)

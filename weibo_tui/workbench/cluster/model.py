"""The model on the nodes: a base and an adapter as bytes, unpacked once a node, unless they are installed there."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from weibo_tui.atomic import atomic_folder
from weibo_tui.engine.hyperparameters import ComputeOptions
from weibo_tui.errors import UserInputError, WeiboTuiError
from weibo_tui.locale import gettext as _
from weibo_tui.paths import Paths
from weibo_tui.registry.cards import CARD
from weibo_tui.registry.store import ModelStore
from weibo_tui.workbench.models import ModelLoader

if TYPE_CHECKING:
    from weibo_tui.engine.prediction import Classifier
    from weibo_tui.registry.cards import AdapterCard

Files: TypeAlias = dict[str, Any]
"""Arrays of bytes by path in a home folder. Ray shares arrays between processes without copies."""

LOCK_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Model:
    """An adapter and its base, and the home folder where they are installed.

    `identity` has all that predictions depend on, besides the base's fingerprint."""

    data: Path
    starter: Path
    adapter: str
    base: str
    fingerprint: str
    identity: tuple[Any, ...]

    @classmethod
    def find(cls, models: ModelLoader, adapter: str) -> Self:
        """Return a model of a home folder. Raise UserInputError where the base is missing."""
        card, paths = models.adapters.card(adapter), models.paths
        base = models.base_of(card)
        return cls(paths.data, paths.starter, adapter, base, card.base_fingerprint, _identity(card))

    def load(self, files: Files | None, machine: ComputeOptions) -> Classifier:
        """Return the classifier, from this machine's home folder if it has the same model, otherwise from `files`."""
        models = ModelLoader(Paths(self.data, self.data, self.data, self.starter))
        if not self._is_installed(models):
            if files is None:
                message = _("Adapter '{name}' changed during the work. Start it again.")
                raise UserInputError(message.format(name=self.adapter))
            models = ModelLoader(_unpacked(files))
        return models.classifier(self.adapter, machine)

    def _is_installed(self, models: ModelLoader) -> bool:
        try:
            card = models.adapters.card(self.adapter)
            return _identity(card) == self.identity and models.find_base(self.fingerprint) is not None
        except (WeiboTuiError, OSError):
            return False


def _identity(card: AdapterCard) -> tuple[Any, ...]:
    return card.weights_sha256, card.labels, card.temperature, card.max_length, card.preprocessing


def pack(models: ModelLoader, model: Model) -> Files:
    """Return the files of an adapter and its base."""
    import numpy as np

    files: Files = {}
    stores: tuple[tuple[str, ModelStore[Any], str], ...] = (
        ("bases", models.bases, model.base),
        ("adapters", models.adapters, model.adapter),
    )
    for kind, store, name in stores:
        for file in (CARD, *store.files):
            files[f"{kind}/{name}/{file}"] = np.fromfile(store.path(name) / file, np.uint8)
    return files


def _unpacked(files: Files) -> Paths:
    """Return a home folder with these files, in a private folder of the node that other workers share."""
    from filelock import FileLock

    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        digest.update(f"{name} {len(content)} ".encode())
        digest.update(content.data)
    parent = _private_folder()
    home = parent / digest.hexdigest()
    with FileLock(parent / f"{home.name}.lock", timeout=LOCK_SECONDS):
        if not home.exists():
            with atomic_folder(home) as folder:
                for name, content in files.items():
                    path = folder / name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(content.data)
    return Paths(home, home, home, home / "no-starter")


def _private_folder() -> Path:
    """Return a folder for models that only this user can change. Raise UserInputError where another user made it."""
    user = getattr(os, "geteuid", lambda: None)()  # Windows has none, and its folders are private
    folder = Path(tempfile.gettempdir(), f"weibo-tui-models-{user}")
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    is_own = user is None or (status.st_uid == user and not status.st_mode & 0o077)
    if not stat.S_ISDIR(status.st_mode) or not is_own:
        raise UserInputError(_("{path} belongs to another user. Remove it there.").format(path=folder))
    return folder

"""Base models and adapters in use: resolve their names, open them, and keep them in memory."""

from __future__ import annotations

import dataclasses
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

from weibo_tui.engine.hyperparameters import TRAINING_DTYPES, ComputeOptions
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_names
from weibo_tui.paths import Paths
from weibo_tui.registry import cards
from weibo_tui.registry.adapters import Adapters
from weibo_tui.registry.bases import Bases
from weibo_tui.registry.store import ModelStore
from weibo_tui.settings import Settings
from weibo_tui.workbench.legacy_project import LegacyProject

if TYPE_CHECKING:
    from weibo_tui.engine.device import Compute
    from weibo_tui.engine.prediction import Classifier
    from weibo_tui.registry.bases import OpenBase
    from weibo_tui.registry.cards import AdapterCard, BaseCard

STARTER_BASE, STARTER_ADAPTER = "starter", "weibo3"
"""The bundled models, which are the defaults until the user chooses others."""

MAX_CLASSIFIERS = 8
"""Classifiers in memory; the least recently used is dropped."""


class ModelLoader:
    """The base models and adapters of a home folder, for use from any thread."""

    def __init__(self, paths: Paths) -> None:
        self.paths = paths
        self.bases = Bases(paths.bases, paths.starter / "bases")
        self.adapters = Adapters(paths.adapters, paths.starter / "adapters")
        self._settings = Settings.load(paths)
        self._lock = threading.RLock()
        """Prevents two threads from loading the same model twice."""
        self._open_base: tuple[tuple[BaseCard, Compute], OpenBase] | None = None
        self._classifiers: dict[tuple[bytes, bytes, ComputeOptions], Classifier] = {}

    @property
    def settings(self) -> Settings:
        """The current settings. While the file cannot be read, as during editing, the last ones apply."""
        with suppress(UserInputError):
            self._settings = Settings.load(self.paths)
        return self._settings

    def base_name(self, name: str = "") -> str:
        """Return `name`, or else the default base, the bundled one, or the only one.

        The name of a Hugging Face repository stands for the base that was downloaded from it. Raises UserInputError
        where no base qualifies."""
        chosen = name or self.settings.base or _fallback(self.bases, STARTER_BASE)
        if not chosen:
            raise UserInputError(_no_base(self.bases))
        if "/" in chosen:
            card = self.find_downloaded(chosen)
            if card is None:
                message = _("Base {repository} is not installed. Download it with 'weibo-tui bases get {repository}'.")
                raise UserInputError(message.format(repository=chosen))
            return card.name
        self.bases.path(chosen)
        return chosen

    def adapter_name(self, name: str = "") -> str:
        """Return `name`, or else the default adapter, the bundled one, or the only one.

        Raises UserInputError where no adapter qualifies."""
        chosen = name or self.settings.adapter or _fallback(self.adapters, STARTER_ADAPTER)
        if not chosen:
            raise UserInputError(_no_adapter(self.adapters))
        self.adapters.path(chosen)
        return chosen

    def find_downloaded(self, repository: str) -> BaseCard | None:
        """Return the base that was downloaded from this Hugging Face repository."""
        return next((card for card in self.bases.list() if card.made.get("repository") == repository), None)

    def find_base(self, fingerprint: str, name: str = "") -> str | None:
        """Return the name of the base with this fingerprint; `name` is preferred if several have it."""
        names = [card.name for card in self.bases.list() if card.fingerprint == fingerprint]
        return name if name in names else next(iter(names), None)

    def base_of(self, adapter: AdapterCard) -> str:
        """Return the name of the base that an adapter was trained on. Raises UserInputError where it is missing."""
        base = self.find_base(adapter.base_fingerprint, adapter.base)
        if base is None and adapter.base == STARTER_BASE:
            message = _(
                "Adapter '{name}' was trained on the base 'starter' of another version. Train it again, or export that "
                "base with that version ('weibo-tui bases export'), and import it here under another name "
                "('weibo-tui bases import')."
            )
            raise UserInputError(message.format(name=adapter.name))
        if base is None:
            raise UserInputError(
                _(
                    "Adapter '{name}' needs base '{base}' (fingerprint {fingerprint}…), which is not "
                    "installed. Add it with 'weibo-tui bases add'."
                ).format(name=adapter.name, base=adapter.base, fingerprint=adapter.base_fingerprint[:12])
            )
        return base

    def compute(self, machine: ComputeOptions) -> Compute:
        """Return the device, dtype and threads of `machine`, with the settings as defaults."""
        machine.check()
        return _choose(self.resolve(machine))

    def training_compute(self, machine: ComputeOptions) -> Compute:
        """Return the same for a training, which ignores a setting that is for predictions only."""
        machine.check_training()
        resolved = self.resolve(machine)
        return _choose(resolved if resolved.dtype in TRAINING_DTYPES else dataclasses.replace(resolved, dtype="auto"))

    def resolve(self, machine: ComputeOptions) -> ComputeOptions:
        """Return the options with the settings as defaults."""
        settings = self.settings
        return ComputeOptions(
            machine.device if machine.device != "auto" else settings.device,
            machine.dtype if machine.dtype != "auto" else settings.dtype,
            machine.threads or settings.threads,
        )

    def open_base(self, name: str, compute: Compute) -> OpenBase:
        """Load the base `name` onto its device. One stays in memory, shared by training and prediction."""
        from weibo_tui.engine.heap import trim_heap
        from weibo_tui.engine.placement import place

        card = self.bases.card(name)
        with self._lock:
            if self._open_base is None or self._open_base[0] != (card, compute):
                # Two large base models may not fit into memory at once.
                self.evict(bases=True)
                base = self.bases.open(name)
                place(base.backbone, base.tokenizer, compute)
                trim_heap()  # of the weights in other orders and dtypes
                self._open_base = (card, compute), base
            return self._open_base[1]

    def classifier(self, adapter: str = "", machine: ComputeOptions = ComputeOptions()) -> Classifier:
        """Return the adapter (default: the default adapter) on its base, ready to predict, from memory if possible.

        Raises UserInputError where its base is missing."""
        name = self.adapter_name(adapter)
        card = self.adapters.card(name)
        base_name = self.base_of(card)
        # Nearly complete cards, because two adapters may share their weights and differ in temperature or length.
        own = cards.write(dataclasses.replace(card, score={}))  # which is the largest part
        key = (own, cards.write(self.bases.card(base_name)), self.resolve(machine))
        with self._lock:
            # Inserted again at the end, so that the first is the least recently used.
            classifier = self._classifiers.pop(key, None) or self._load_classifier(name, base_name, machine)
            self._classifiers[key] = classifier
            if len(self._classifiers) > MAX_CLASSIFIERS:
                del self._classifiers[next(iter(self._classifiers))]
        return classifier

    def rename_adapter(self, old: str, new: str) -> None:
        """Rename an adapter. The default adapter stays the default."""
        self.adapters.rename(old, new)
        self.replace("adapter", old, new)

    def remove_adapter(self, name: str, successor: str = "") -> None:
        """Delete an adapter. Where it was the default, `successor` is."""
        self.adapters.remove(name)
        self.replace("adapter", name, successor)

    def replace(self, kind: Literal["base", "adapter"], old: str, new: str) -> None:
        """Drop a removed or renamed model from memory, and `new` takes its place where it was the default."""
        self.evict(bases=kind == "base")
        if getattr(self.settings, kind) == old:
            Settings.save(self.paths, **{kind: new})

    def evict(self, *, bases: bool) -> None:
        """Drop all classifiers from memory, and the base too where `bases`."""
        with self._lock:
            self._classifiers.clear()
            if bases:
                self._open_base = None

    def _load_classifier(self, name: str, base_name: str, machine: ComputeOptions) -> Classifier:
        from weibo_tui.engine.prediction import Classifier

        compute = self.compute(machine)
        base = self.open_base(base_name, compute)
        adapter, card = self.adapters.load(name, base)
        return Classifier(
            base.backbone,
            adapter.to(compute.device),
            base.tokenizer,
            compute,
            max_length=card.max_length,
            preprocessing=card.preprocessing,
            temperature=card.temperature,
        )


def _choose(machine: ComputeOptions) -> Compute:
    from weibo_tui.engine import parallel
    from weibo_tui.engine.device import Compute

    compute = Compute.choose(machine.device, machine.dtype, machine.threads)
    return parallel.current().place(compute, machine.threads)


def _fallback(store: ModelStore[Any], starter: str) -> str:
    """Return the bundled model, or the only model, or an empty string."""
    if store.has_bundled(starter):
        return starter
    names = [card.name for card in store.list()]
    return names[0] if len(names) == 1 else ""


def _no_base(bases: Bases) -> str:
    if names := [card.name for card in bases.user_models()]:
        message = _("There are several bases ({there}) and no default. Name one with --base.")
        return message.format(there=join_names(names))
    if (folder := LegacyProject.find().base) is not None:
        message = _("There is no base yet. Add the one in this folder with 'weibo-tui bases add {folder}'.")
        return message.format(folder=folder)
    return _(
        "There is no base yet. Add one with 'weibo-tui bases add', or pretrain one with 'weibo-tui bases pretrain'."
    )


def _no_adapter(adapters: Adapters) -> str:
    if names := [card.name for card in adapters.user_models()]:
        message = _(
            "There are several adapters ({there}) and no default. Name one with --adapter, or set the "
            "default with 'weibo-tui adapters use'."
        )
        return message.format(there=join_names(names))
    if (path := LegacyProject.find().checkpoint) is not None:
        message = _("There is no adapter yet. Import the one in this folder with 'weibo-tui adapters import {path}'.")
        return message.format(path=path)
    return _("There is no adapter yet. Train one with 'weibo-tui train', or import one.")

"""The home folder at work: settings, storage, and names of bases and adapters made into things that compute.

Heavy libraries are imported where they are first needed, so that opening a workbench costs next to nothing. Several
may be open at once, in other threads and other programs: what one of them changes, the others find.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from weibo_tui.atomic import check_output
from weibo_tui.engine.hyperparameters import ComputeOptions
from weibo_tui.errors import UserInputError, WeiboTuiError
from weibo_tui.locale import gettext as _
from weibo_tui.paths import Paths
from weibo_tui.progress import finish
from weibo_tui.registry import cards
from weibo_tui.registry.adapters import Adapters
from weibo_tui.registry.bases import Bases
from weibo_tui.registry.store import ModelStore
from weibo_tui.settings import Settings, find_paths
from weibo_tui.storage.history import History
from weibo_tui.storage.runs import Runs
from weibo_tui.text import listed
from weibo_tui.workbench.late import connect_late
from weibo_tui.workbench.legacy_project import LegacyProject

if TYPE_CHECKING:
    from weibo_tui.engine.device import Compute
    from weibo_tui.engine.prediction import Classifier
    from weibo_tui.registry.bases import OpenBase
    from weibo_tui.registry.cards import AdapterCard, BaseCard
    from weibo_tui.storage.database import Database

# What comes with the program: the base that is trained on, and the adapter that judges, where no other is there.
STARTER_BASE, STARTER_ADAPTER = "starter", "weibo"

CLASSIFIERS_KEPT = 8
"""The number of classifiers that stay in memory, those used last."""


class Home:
    """What stands in the home folder, for use from any thread."""

    def __init__(self, paths: Paths) -> None:
        self.paths = paths
        self._settings = Settings.load(paths)
        self._lock = threading.RLock()
        """Held while something is opened that is kept, so that two threads do not open it twice."""
        self.bases = Bases(paths.bases, paths.starter / "bases")
        self.adapters = Adapters(paths.adapters, paths.starter / "adapters")
        self._opened_database: Database | None = None
        self._open_base: tuple[tuple[BaseCard, Compute], OpenBase] | None = None
        self._classifiers: dict[tuple[bytes, bytes, ComputeOptions], Classifier] = {}

    @classmethod
    @contextmanager
    def open(cls, home: Path | None = None, starter: Path | None = None) -> Iterator[Self]:
        """The workbench of the home folder; nothing is created there before something is kept. `starter` stands in
        place of what comes with the program."""
        paths = find_paths(home)
        bench = cls(paths if starter is None else replace(paths, starter=starter.absolute()))
        try:
            yield bench
        finally:
            if bench._opened_database is not None:
                bench._opened_database.close()

    @property
    def _database(self) -> Database:
        with self._lock:
            self._opened_database = self._opened_database or connect_late(self.paths.database)
            return self._opened_database

    @cached_property
    def history(self) -> History:
        return History(self._database)

    @cached_property
    def runs(self) -> Runs:
        return Runs(self._database, self.paths.runs)

    @property
    def settings(self) -> Settings:
        """The settings in force now. While the file cannot be read, as in the midst of somebody's editing, they are
        what they were."""
        with suppress(UserInputError):
            self._settings = Settings.load(self.paths)
        return self._settings

    def check_output(self, out: Path, overwrite: bool = False, inputs: Iterable[Path] = ()) -> None:
        """Raise UserInputError unless a file that the user named can be written: it must be none of the home's own, and
        what `files.check_output` asks for."""
        if self.paths.owns(out):
            raise UserInputError(_("File belongs to weibo-tui: {path}. Choose another output file.").format(path=out))
        check_output(out, overwrite, inputs)

    def base_name(self, name: str = "") -> str:
        """The base that `name` names: it, else the chosen default, else the starter; the only one there is where no
        starter is."""
        chosen = name or self.settings.base or _default_of(self.bases, STARTER_BASE)
        there = [card.name for card in self.bases.own()]
        if not chosen and there:
            raise UserInputError(
                _("There are several bases ({there}) and none is chosen: name one with --base.").format(
                    there=listed(there)
                )
            )
        if not chosen and (here := LegacyProject.find().base) is not None:
            raise UserInputError(
                _("There is no base yet: take in the one that lies here with 'weibo-tui bases add {folder}'.").format(
                    folder=here
                )
            )
        if not chosen:
            raise UserInputError(
                _(
                    "There is no base yet: add one with 'weibo-tui bases add', or make one with 'weibo-tui bases "
                    "pretrain'."
                )
            )
        if "/" in chosen:
            return self._base_of_hub(chosen)
        self.bases.path(chosen)
        return chosen

    def base_from(self, repository: str) -> BaseCard | None:
        """The base that was fetched from this repository of the Hub."""
        return next((card for card in self.bases.list() if card.made.get("repository") == repository), None)

    def _base_of_hub(self, repository: str) -> str:
        card = self.base_from(repository)
        if card is None:
            raise UserInputError(
                _("The base {repository} is not here: fetch it with 'weibo-tui bases get {repository}'.").format(
                    repository=repository
                )
            )
        return card.name

    def adapter_name(self, name: str = "") -> str:
        """The adapter that `name` names: it, else the chosen default, else the starter's; the only one there is where
        no starter is."""
        chosen = name or self.settings.adapter or _default_of(self.adapters, STARTER_ADAPTER)
        there = [card.name for card in self.adapters.own()]
        if not chosen and there:
            raise UserInputError(
                _(
                    "There are several adapters ({there}) and none is chosen: name one with --adapter, or choose "
                    "one with 'weibo-tui adapters use'."
                ).format(there=listed(there))
            )
        if not chosen and (here := LegacyProject.find().checkpoint) is not None:
            raise UserInputError(
                _(
                    "There is no adapter yet: take in the one that lies here with 'weibo-tui adapters import {path}'."
                ).format(path=here)
            )
        if not chosen:
            raise UserInputError(_("There is no adapter yet: train one with 'weibo-tui train', or import one."))
        self.adapters.path(chosen)
        return chosen

    def base_with(self, fingerprint: str, name: str = "") -> str | None:
        """The base with this fingerprint that is here, whatever its name: `name` where there are several."""
        fitting = [card.name for card in self.bases.list() if card.fingerprint == fingerprint]
        return name if name in fitting else next(iter(fitting), None)

    def base_of(self, adapter: AdapterCard) -> str:
        """The base that an adapter stands on. Raises UserInputError where it is not here, saying which one it wants."""
        base = self.base_with(adapter.base_fingerprint, adapter.base)
        if base is None:
            raise UserInputError(
                _(
                    "The adapter '{name}' wants the base '{base}' (fingerprint {fingerprint}…), which is not "
                    "here: add it with 'weibo-tui bases add'."
                ).format(name=adapter.name, base=adapter.base, fingerprint=adapter.base_fingerprint[:12])
            )
        return base

    def add_base(self, folder: Path, name: str) -> BaseCard:
        """Take in a local Hugging Face folder."""
        return finish(self.bases.take_in_folder(folder, name))

    def use_adapter(self, name: str) -> None:
        """Make `name` the adapter that is used where none is named."""
        self.adapters.path(name)
        self._choose(adapter=name)

    def use_base(self, name: str) -> None:
        """Make `name` the base that is trained on where none is named."""
        self.bases.path(name)
        self._choose(base=name)

    def rename_base(self, old: str, new: str) -> None:
        """Give a base another name; adapters on it know it by its fingerprint, and stay on it."""
        self.bases.rename(old, new)
        self._let_go_of(base=old, instead=new)

    def rename_adapter(self, old: str, new: str) -> None:
        """Give an adapter another name."""
        self.adapters.rename(old, new)
        self._let_go_of(adapter=old, instead=new)

    def remove_base(self, name: str) -> None:
        """Delete a base, and the choice of it as the default. Raises UserInputError while a training on it is in
        progress."""
        self._check_unused(name)
        self.bases.remove(name)
        self._let_go_of(base=name)

    def _check_unused(self, base: str) -> None:
        fingerprint = ""
        with suppress(WeiboTuiError):  # where it is damaged or missing, `remove` says so
            fingerprint = self.bases.card(base).fingerprint
        for run in self.runs.list():
            if run.state == "running" and run.plan.get("base") == fingerprint:
                message = _("The base '{name}' is in use by run {run}. Stop that run first.")
                raise UserInputError(message.format(name=base, run=run.id))

    def remove_adapter(self, name: str) -> None:
        """Delete an adapter, and the choice of it as the default."""
        self.adapters.remove(name)
        self._let_go_of(adapter=name)

    def _let_go_of(self, instead: str = "", **gone: str) -> None:
        """Keep nothing of what is gone (base=… or adapter=…) in memory; where it was the default, `instead` is."""
        ((field, name),) = gone.items()
        with self._lock:
            self._classifiers.clear()
            if field == "base":
                self._open_base = None
        if getattr(self.settings, field) == name:
            self._choose(**{field: instead})

    def _choose(self, **changes: str) -> None:
        Settings.save(self.paths, **changes)

    def open_base(self, name: str, compute: Compute) -> OpenBase:
        """The base `name` in memory and on its device. One is kept, so that training and predictions share it."""
        card = self.bases.card(name)
        with self._lock:
            if self._open_base is None or self._open_base[0] != (card, compute):
                # Two large trunks may not fit into memory at once.
                self._open_base = None
                self._classifiers.clear()
                base = self.bases.open(name)
                base.trunk.compute_in(compute.dtype).to(compute.device).pack()
                self._open_base = (card, compute), base
            return self._open_base[1]

    def compute(self, machine: ComputeOptions) -> Compute:
        """The device, dtype and threads that a plan asks for, else the settings."""
        from weibo_tui.engine.device import Compute

        machine.check()
        asked = self._asked(machine)
        return Compute.choose(asked.device, asked.dtype, asked.threads)

    def _asked(self, machine: ComputeOptions) -> ComputeOptions:
        settings = self.settings
        return ComputeOptions(
            machine.device if machine.device != "auto" else settings.device,
            machine.dtype if machine.dtype != "auto" else settings.dtype,
            machine.threads or settings.threads,
        )

    def classifier(self, adapter: str = "", machine: ComputeOptions = ComputeOptions()) -> Classifier:
        """The adapter `adapter` (else the default) on its own base, ready to judge posts; kept for the next time.

        Raises UserInputError where its base is not here, saying which one it wants."""
        name = self.adapter_name(adapter)
        wanted = self.adapters.card(name)
        base_name = self.base_of(wanted)
        # The whole cards: two adapters may share their weights and differ in temperature or length.
        key = (cards.write(wanted), cards.write(self.bases.card(base_name)), self._asked(machine))
        with self._lock:
            # Put in again behind the others: the first is the one that was not used for the longest time.
            classifier = self._classifiers.pop(key, None) or self._load_classifier(name, base_name, machine)
            self._classifiers[key] = classifier
            if len(self._classifiers) > CLASSIFIERS_KEPT:
                del self._classifiers[next(iter(self._classifiers))]
        return classifier

    def _load_classifier(self, name: str, base_name: str, machine: ComputeOptions) -> Classifier:
        from weibo_tui.engine.prediction import Classifier

        compute = self.compute(machine)
        base = self.open_base(base_name, compute)
        loaded, card = self.adapters.load(name, base)
        return Classifier(
            base.trunk,
            loaded.to(compute.device),
            base.tokenizer,
            compute,
            max_length=card.max_length,
            preprocessing=card.preprocessing,
            temperature=card.temperature,
        )


def _default_of(shelf: ModelStore[Any], starter: str) -> str:
    """The name that serves where none is chosen: the starter's, else the only one there is; empty where that is none.

    What was trained or brought in does not change it as long as the starter is there."""
    if shelf.has_bundled(starter):
        return starter
    there = [card.name for card in shelf.list()]
    return there[0] if len(there) == 1 else ""

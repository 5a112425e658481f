"""A folder of models in named folders, each with a card: the common part of `Bases` and `Adapters`.

A second folder may hold the bundled models, for reading only. A user's model hides a bundled one of
the same name.
"""

from __future__ import annotations

import dataclasses
import itertools
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import ClassVar, Generic

from weibo_tui.atomic import atomic_folder, atomic_write, move_folder, remove_folder, restore_replaced_folders
from weibo_tui.errors import CorruptFileError, UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_names
from weibo_tui.progress import Progress
from weibo_tui.registry import archives, cards
from weibo_tui.registry.cards import CARD, MAX_CARD_SIZE, Card, check_name, check_new_name


class ModelStore(ABC, Generic[Card]):
    """The models of one kind.

    `files` are a model's files without the card, by name, with the maximum bytes of one from outside. The messages are
    templates for translation."""

    card_type: type[Card]
    files: ClassVar[Mapping[str, int]]
    unknown_message: ClassVar[str]
    empty_message: ClassVar[str]
    exists_message: ClassVar[str]
    card_message: ClassVar[str]

    def __init__(self, folder: Path, bundled: Path | None = None) -> None:
        self.folder = folder
        self._bundled = bundled
        restore_replaced_folders(folder)

    @abstractmethod
    def hashes(self, card: Card) -> Mapping[str, str]:
        """Return the SHA-256 of each file, in hex, as the card has them."""

    @abstractmethod
    def check(self, name: str) -> None:
        """Raise UserInputError, CorruptFileError or ValueError where the model cannot be loaded."""

    @abstractmethod
    def _verify_import(self, card: Card, folder: Path, source: Path) -> Generator[Progress, None, Card]:
        """Check the files from `source` in `folder` beyond their hashes, and return the card to keep."""

    def list(self) -> list[Card]:
        """Return all cards by name, without the corrupt ones."""
        loaded = []
        for path in self._folders():
            with suppress(CorruptFileError):
                loaded.append(self._read(path / CARD))
        return loaded

    def user_models(self) -> Iterator[Card]:
        """Yield the cards of the models that are not bundled."""
        return (card for card in self.list() if not self.is_bundled(card.name))

    def corrupt_models(self) -> Iterator[tuple[str, CorruptFileError]]:
        """Yield the names of the folders that `list` leaves out, each with the error."""
        for path in self._folders():
            try:
                self._read(path / CARD)
            except CorruptFileError as error:
                yield path.name, error

    def is_bundled(self, name: str) -> bool:
        """Return whether the model of this name is bundled."""
        return not (self.folder / name).exists() and self.has_bundled(name)

    def has_bundled(self, name: str) -> bool:
        """Return whether the program comes with a model of this name, even if a user's model hides it."""
        return self._bundled is not None and (self._bundled / name).is_dir()

    def _folders(self) -> Iterator[Path]:
        parents = [parent for parent in (self._bundled, self.folder) if parent is not None]
        folders = {path.name: path for parent in parents for path in parent.glob("[!.]*/")}
        yield from (folders[name] for name in sorted(folders))

    def _parent(self, name: str) -> Path:
        return self._bundled if self._bundled is not None and self.is_bundled(name) else self.folder

    def path(self, name: str) -> Path:
        """Return the folder of `name`. Raises UserInputError with the existing names."""
        path = self._parent(check_name(name)) / name
        if not (path / CARD).is_file():
            existing = join_names(card.name for card in self.list())
            message = _(self.unknown_message) if existing else _(self.empty_message)
            raise UserInputError(message.format(name=name, there=existing))
        return path

    def card(self, name: str) -> Card:
        """Return the card of `name`. Raises UserInputError where it does not exist, CorruptFileError where it is
        unusable."""
        return self._read(self.path(name) / CARD)

    def check_free(self, name: str, overwrite: bool = False) -> None:
        """Raise UserInputError where `name` is not valid, or exists and may not be overwritten."""
        if (self.folder / check_new_name(name)).exists() and not overwrite:
            in_app = _("'{name}' exists. Choose another name.")
            raise UserInputError(_(self.exists_message).format(name=name), in_app.format(name=name))

    def free_name(self, name: str) -> str:
        """Return `name`, or where it exists, the first free one of `name-2`, `name-3` …"""
        numbered = (f"{name[:56]}-{number}" for number in itertools.count(2))
        return next(free for free in itertools.chain([name], numbered) if not (self.folder / free).exists())

    def rename(self, old: str, new: str) -> None:
        """Rename a model. Raises UserInputError where `new` is not valid or exists, or `old` is bundled."""
        self._check_not_bundled(old)
        card, target = self.card(old), self.folder / check_new_name(new)
        if target.exists():
            raise UserInputError(_("'{name}' exists. Choose another name.").format(name=new))
        # The folder's name counts and changes last: after a crash the model still has its old name.
        atomic_write(self.path(old) / CARD, cards.write(dataclasses.replace(card, name=new)))
        move_folder(self.path(old), target)

    def update(self, card: Card) -> None:
        """Write a changed card. Raises UserInputError where the model is bundled, or does not exist."""
        self._check_not_bundled(card.name)
        atomic_write(self.path(card.name) / CARD, cards.write(card))

    def remove(self, name: str) -> None:
        """Delete a model, even if its card is missing. Raises UserInputError where it is bundled."""
        self._check_not_bundled(name)
        folder = self.folder / check_name(name)
        remove_folder(folder if folder.is_dir() else self.path(name))

    def export(self, name: str, out: Path, overwrite: bool = False) -> Generator[Progress, None, None]:
        """Write a model as one `.zip` or `.tar.gz`, with the same bytes each time."""
        folder, card = self.path(name), cards.write(self.card(name))
        for file in self.files:
            if not (folder / file).is_file():
                message = _("{path} is missing. Remove its folder, then add or train it again.")
                raise CorruptFileError(message.format(path=folder / file))
        yield from archives.pack(out, {CARD: card, **{file: folder / file for file in self.files}}, overwrite)

    def import_model(self, source: Path, name: str = "", overwrite: bool = False) -> Generator[Progress, None, Card]:
        """Import an exported archive, or a model's folder, under its card's name or another; the result is the card.

        Raises UserInputError or CorruptFileError where the files do not match the card, and leaves nothing."""
        limits = {CARD: MAX_CARD_SIZE, **self.files}
        name = name or self._parse(source, archives.read(source, limits, CARD)).name
        self.check_free(name, overwrite)
        with atomic_folder(self.folder / name, replace=overwrite) as folder:
            digests = yield from archives.unpack(source, limits, folder)
            card = dataclasses.replace(self._parse(source, (folder / CARD).read_bytes()), name=name)
            expected = self.hashes(card)
            for file in self.files:
                if digests[file] != expected.get(file):
                    message = _("{source} is damaged: {file} does not match its card. Export it again from its source.")
                    raise CorruptFileError(message.format(source=source, file=file))
            (folder / CARD).write_bytes(cards.write(card))
            return (yield from self._verify_import(card, folder, source))

    def _check_not_bundled(self, name: str) -> None:
        if self.is_bundled(check_name(name)):
            raise UserInputError(_("'{name}' is bundled with weibo-tui and cannot be changed.").format(name=name))

    def _read(self, path: Path) -> Card:
        with self.bundled_errors(path.parent.name):
            return dataclasses.replace(cards.read(path, self.card_type), name=path.parent.name)

    @contextmanager
    def bundled_errors(self, name: str) -> Iterator[None]:
        """For the block, report corrupt files of a bundled model with the advice to install the program again."""
        try:
            yield
        except CorruptFileError as error:
            if not self.is_bundled(name):
                raise
            message = _("The bundled model '{name}' is damaged ({folder}). Install weibo-tui again.")
            raise CorruptFileError(message.format(name=name, folder=self._parent(name) / name)) from error

    def _parse(self, source: Path, data: bytes) -> Card:
        try:
            return cards.parse(data, self.card_type)
        except ValueError as error:
            raise UserInputError(_(self.card_message).format(source=source, reason=error)) from error

"""A folder of named folders, each with a card: what the bases and the adapters have in common.

Behind a person's own folder may stand one that comes with the program, for reading only. A name in both is the
person's own.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar, Generic

from weibo_tui.atomic import atomic_folder, atomic_write, move_folder, remove_folder
from weibo_tui.errors import CorruptFileError, UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.progress import Progress
from weibo_tui.registry import archives, cards
from weibo_tui.registry.cards import CARD, LARGEST_CARD, Card, check_name, check_new_name
from weibo_tui.text.terminal import join_names


class ModelStore(Generic[Card]):
    """The folder, the files beside each card (name to the most bytes one from outside may have), and what a person
    is told of names and of archives that will not do (templates, marked for translation)."""

    kind: type[Card]
    files: ClassVar[Mapping[str, int]]
    unknown: ClassVar[str]
    none_yet: ClassVar[str]
    taken: ClassVar[str]
    no_card: ClassVar[str]

    def __init__(self, folder: Path, bundled: Path | None = None) -> None:
        self.folder = folder
        self._bundled = bundled

    def list(self) -> list[Card]:
        """All cards, by name; one that is damaged is passed over."""
        found = []
        for path in self._folders():
            try:
                found.append(self._read(path / CARD))
            except CorruptFileError:
                continue
        return found

    def own(self) -> Iterator[Card]:
        """The cards of what does not come with the program."""
        return (card for card in self.list() if not self.is_bundled(card.name))

    def is_bundled(self, name: str) -> bool:
        """Whether what has this name comes with the program."""
        return not (self.folder / name).exists() and self.has_bundled(name)

    def has_bundled(self, name: str) -> bool:
        """Whether something of this name comes with the program, also where one of the user's own goes before it."""
        return self._bundled is not None and (self._bundled / name).is_dir()

    def damaged(self) -> Iterator[tuple[str, CorruptFileError]]:
        """The names of the folders that `list` passes over, with what is wrong and what to do."""
        for path in self._folders():
            try:
                self._read(path / CARD)
            except CorruptFileError as error:
                yield path.name, error

    def _folders(self) -> Iterator[Path]:
        """The folders, by name."""
        places = [place for place in (self._bundled, self.folder) if place is not None]
        found = {path.name: path for place in places for path in place.glob("[!.]*/")}
        yield from (found[name] for name in sorted(found))

    def path(self, name: str) -> Path:
        """The folder of `name`, or UserInputError that says which there are."""
        path = self._place(check_name(name)) / name
        if not (path / CARD).is_file():
            there = join_names(card.name for card in self.list())
            message = _(self.unknown) if there else _(self.none_yet)
            raise UserInputError(message.format(name=name, there=there))
        return path

    def card(self, name: str) -> Card:
        """The card of `name`. Raises UserInputError where there is none, Damaged where it cannot be used."""
        return self._read(self.path(name) / CARD)

    def _place(self, name: str) -> Path:
        return self._bundled if self._bundled is not None and self.is_bundled(name) else self.folder

    def check_free(self, name: str, overwrite: bool = False) -> None:
        """Raise UserInputError where `name` is no name, or is taken and may not be overwritten."""
        if (self.folder / check_new_name(name)).exists() and not overwrite:
            in_app = _("'{name}' is there already: choose another name.")
            raise UserInputError(_(self.taken).format(name=name), in_app.format(name=name))

    def free_name(self, name: str) -> str:
        """Return `name`, or where that is taken, the first free one of `name-2`, `name-3` …"""
        numbered = (f"{name[:56]}-{number}" for number in itertools.count(2))
        return next(one for one in itertools.chain([name], numbered) if not (self.folder / one).exists())

    def rename(self, old: str, new: str) -> None:
        """Give `old` the name `new`. Raises UserInputError where that is no name, or is taken, or `old` is bundled."""
        self._check_own(old)
        card, target = self.card(old), self.folder / check_new_name(new)
        if target.exists():
            raise UserInputError(_("'{name}' is there already: choose another name.").format(name=new))
        # What counts is the folder's name, which comes last: killed before, it is still the old one, and whole.
        atomic_write(self.path(old) / CARD, cards.write(dataclasses.replace(card, name=new)))
        move_folder(self.path(old), target)

    def remove(self, name: str) -> None:
        """Delete it whole, also where its card is gone. Raises UserInputError where it is bundled."""
        self._check_own(name)
        folder = self.folder / check_name(name)
        remove_folder(folder if folder.is_dir() else self.path(name))

    def export(self, name: str, out: Path, overwrite: bool = False) -> Generator[Progress, None, None]:
        """Write it as one `.zip` or `.tar.gz`, the same bytes each time."""
        folder, card = self.path(name), cards.write(self.card(name))
        for file in self.files:
            if not (folder / file).is_file():
                raise CorruptFileError(
                    _("{path} is missing: remove its folder and make it again.").format(path=folder / file)
                )
        yield from archives.pack(out, {CARD: card, **{file: folder / file for file in self.files}}, overwrite)

    def take_in(self, source: Path, name: str = "", overwrite: bool = False) -> Generator[Progress, None, Card]:
        """Import what `export` wrote, or a folder as it stands here, under its card's name or another; the result is
        the card. What does not hold what its card promises is refused, and nothing is left of it."""
        wanted = {CARD: LARGEST_CARD, **self.files}
        name = name or self._parse(source, archives.read(source, wanted, CARD)).name
        self.check_free(name, overwrite)
        with atomic_folder(self.folder / name, replace=overwrite) as folder:
            digests = yield from archives.unpack(source, wanted, folder)
            card = dataclasses.replace(self._parse(source, (folder / CARD).read_bytes()), name=name)
            promised = self.hashes(card)
            for file in self.files:
                if digests[file] != promised.get(file):
                    raise CorruptFileError(
                        _(
                            "{source} is damaged: {file} is not the one that its card names; export it again where it "
                            "was made."
                        ).format(source=source, file=file)
                    )
            card = yield from self.checked(card, folder, source)
            (folder / CARD).write_bytes(cards.write(card))
        return card

    def hashes(self, card: Card) -> Mapping[str, str]:
        """The SHA-256 that the card promises of each file, in hex."""
        raise NotImplementedError

    def checked(self, card: Card, folder: Path, source: Path) -> Generator[Progress, None, Card]:  # noqa: ARG002
        """The card of files from outside, which lie in `folder`, once more is known of them than their hashes."""
        yield from ()
        return card

    def check(self, name: str) -> None:
        """Raise UserInputError, Damaged or ValueError that says why what has this name cannot be loaded."""
        raise NotImplementedError

    def _check_own(self, name: str) -> None:
        if self.is_bundled(check_name(name)):
            raise UserInputError(_("'{name}' comes with weibo-tui and stays as it is.").format(name=name))

    def _read(self, path: Path) -> Card:
        with self.mending(path.parent.name):
            return dataclasses.replace(cards.read(path, self.kind), name=path.parent.name)

    @contextmanager
    def mending(self, name: str) -> Iterator[None]:
        """For the block, damage to what is bundled is told with what mends it."""
        try:
            yield
        except CorruptFileError as error:
            if not self.is_bundled(name):
                raise
            message = _("'{name}' came with weibo-tui and is damaged ({folder}): install weibo-tui again.")
            raise CorruptFileError(message.format(name=name, folder=self._place(name) / name)) from error

    def _parse(self, source: Path, data: bytes) -> Card:
        try:
            return cards.parse(data, self.kind)
        except ValueError as error:
            raise UserInputError(_(self.no_card).format(source=source, reason=error)) from error

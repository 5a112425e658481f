"""Corrections and deletions of history entries, which can be undone within a session.

Their functions run in the records thread, one after the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from weibo_tui.app.services.catalog import Catalog
from weibo_tui.errors import UserInputError
from weibo_tui.storage.history import Analysis, Entry, History


@dataclass(slots=True, eq=False)
class Correction:
    """The labels that some posts got from the user. `before` has the posts as they were."""

    before: Sequence[Analysis]

    def apply(self, history: History, label: str | None) -> None:
        """Store `label`, or remove that of each. Posts that another program has deleted are left out."""
        self.before = history.correct_all({post.id: label for post in self.before if post.id is not None})

    def undo(self, history: History) -> None:
        history.correct_all({post.id: post.corrected for post in self.before if post.id is not None})


@dataclass(slots=True, eq=False)
class Deletion:
    """Some deleted entries, as they were last."""

    before: Sequence[Entry]

    def apply(self, history: History) -> None:
        """Delete the entries as they are stored now: those of the screen may be older than a correction."""
        current: list[Entry] = []
        for entry in self.before:
            if isinstance(entry, Analysis) and entry.id is not None:
                with suppress(UserInputError):  # deleted by another program
                    current.append(history.get(entry.id))
            else:
                current.append(entry)
        history.delete(current)
        self.before = current

    def undo(self, history: History) -> None:
        history.restore(self.before)


def possible_labels(catalog: Catalog, posts: Iterable[Analysis]) -> list[str]:
    """Return the labels that all these posts may have, in the order of the first post's adapter."""
    # The adapter may be gone or be another one of the same name, so the labels of the prediction count too.
    known = [list(dict.fromkeys([*catalog.labels(post.adapter), *post.probabilities])) for post in posts]
    first, *others = [labels for labels in known if labels] or [[]]
    return [label for label in first if all(label in labels for labels in others)]

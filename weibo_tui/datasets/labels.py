"""Labels: as written in files, as shown to users, and as the index that the model learns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Any

from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_list

BINARY = ("negative", "positive")
MAX_LABELS = 1000
"""Different labels. A column of more is not one of labels."""

MAX_LABEL_LENGTH = 1000
"""Characters."""

# More digits are a word, since Python refuses to convert thousands of them.
_WHOLE_NUMBER = re.compile(r"[+-]?\d{1,18}", re.ASCII)
_WHOLE_AS_DECIMAL = re.compile(r"([+-]?\d+)\.0+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Labels:
    """The labels of a dataset in order: `names[i]` is shown where files say `raw[i]`. Words in files are both."""

    names: tuple[str, ...]
    raw: tuple[str, ...]

    def index(self, label: str) -> int | None:
        """Return the index of a label in a file, as files write it or by name in any case. Return None for others."""
        for known in (self.raw, self.names):
            if label in known:
                return known.index(label)
        lowered = [name.casefold() for name in self.names]
        if label.casefold() in lowered:
            return lowered.index(label.casefold())
        # 0 and 1 mean these two, in any order and among any others of the adapter.
        name = BINARY[int(label)] if label in ("0", "1") else label
        return lowered.index(name) if name in lowered else None


def normalize_label(value: Any) -> str:
    """Return a label cell as stripped text, empty without a label. `1`, `1.0` and JSON's `true` are the same."""
    if isinstance(value, bool):
        return str(int(value))
    if value is None or (isinstance(value, float) and isnan(value)):
        return ""
    text = str(value).strip()
    decimal = _WHOLE_AS_DECIMAL.fullmatch(text)
    return decimal[1] if decimal else text


def resolve_labels(raw: Iterable[str], names: Sequence[str] | None = None) -> Labels:
    """Return the labels of a new adapter from those in its data and the user's names (`--labels`).

    0 and 1 are negative and positive unless named. Names are in the order of the numbers, or are the words in the
    files. Raise UserInputError when names and labels do not fit.
    """
    present = set(raw)
    if names is not None:
        return _name_labels(present, tuple(name.strip() for name in names))
    if present and present <= {"0", "1", *BINARY}:
        return Labels(BINARY, ("0", "1"))
    ordered = _sorted_labels(present)
    return Labels(ordered, ordered)


def labels_from_names(names: Sequence[str]) -> Labels:
    """Return labels of which only the names are known: files have the names, or 0, 1, … in their order."""
    numbers = tuple(map(str, range(len(names))))
    raw = tuple(names) if any(map(_WHOLE_NUMBER.fullmatch, names)) else numbers
    return Labels(tuple(names), raw)


def _name_labels(present: set[str], names: tuple[str, ...]) -> Labels:
    if len(set(names)) < len(names) or "" in names:
        message = _("--labels {names} repeats a name. Give each label its own name.")
        raise UserInputError(message.format(names=",".join(names)))
    known = labels_from_names(names)
    if all(known.index(label) is not None for label in present):
        # Numbers mean these labels only where the files have numbers.
        words = present and present.isdisjoint(known.raw)
        return Labels(names, names) if words else known
    if len(present) == len(names) and all(map(_WHOLE_NUMBER.fullmatch, present)):
        return Labels(names, _sorted_labels(present))
    message = _(
        "The data has the labels {found}, but --labels names {names}. Name the same number of labels, in order."
    )
    raise UserInputError(message.format(found=join_list(_sorted_labels(present)), names=join_list(names)))


def _sorted_labels(labels: set[str]) -> tuple[str, ...]:
    if all(map(_WHOLE_NUMBER.fullmatch, labels)):
        return tuple(sorted(labels, key=lambda label: (int(label), label)))
    return tuple(sorted(labels))

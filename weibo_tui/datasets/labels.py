"""Labels: what stands in a file, the names people read, and the index that the model learns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Any

from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _

BINARY = ("negative", "positive")
MAX_LABELS = 1000  # more different ones, and the column is not one of labels

LONGEST_LABEL = 1000  # characters

# Of more digits it is a word: Python refuses to make a number of thousands of them.
_WHOLE_NUMBER = re.compile(r"[+-]?\d{1,18}", re.ASCII)
_WHOLE_AS_DECIMAL = re.compile(r"([+-]?\d+)\.0+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Labels:
    """The labels of a data set in order: `names[i]` is what people read where files say `raw[i]`. Where the files have
    words, the words are both."""

    names: tuple[str, ...]
    raw: tuple[str, ...]

    def index(self, label: str) -> int | None:
        """The index of a label in a file, as files write it or by name in any case; None for others."""
        for known in (self.raw, self.names):
            if label in known:
                return known.index(label)
        lowered = [name.casefold() for name in self.names]
        if label.casefold() in lowered:
            return lowered.index(label.casefold())
        # 0 and 1 mean these two, in whatever order and among whatever others the adapter has them.
        mood = BINARY[int(label)] if label in ("0", "1") else label
        return lowered.index(mood) if mood in lowered else None


def raw_label(value: Any) -> str:
    """A label cell as text: stripped, `1`, `1.0` and `true` of JSON the same; empty when there is none."""
    if isinstance(value, bool):
        return str(int(value))
    if value is None or (isinstance(value, float) and isnan(value)):
        return ""
    text = str(value).strip()
    decimal = _WHOLE_AS_DECIMAL.fullmatch(text)
    return decimal[1] if decimal else text


def find_labels(found: Iterable[str], named: Sequence[str] | None = None) -> Labels:
    """The labels of a new adapter: from those in its data, and the names that the user gave (`--labels`).

    0 and 1 are negative and positive unless named. Names are given in the order of the numbers, or are the
    very words in the files. UserInputError when names and labels do not fit.
    """
    present = set(found)
    if named is not None:
        return _named(present, tuple(name.strip() for name in named))
    if present and present <= {"0", "1", *BINARY}:
        return Labels(BINARY, ("0", "1"))
    ordered = _in_order(present)
    return Labels(ordered, ordered)


def known_labels(names: Sequence[str]) -> Labels:
    """The labels of which only names are known: files say the names, or 0, 1, … in their order."""
    numbers = tuple(map(str, range(len(names))))
    raw = tuple(names) if any(map(_WHOLE_NUMBER.fullmatch, names)) else numbers
    return Labels(tuple(names), raw)


def _named(present: set[str], names: tuple[str, ...]) -> Labels:
    if len(set(names)) < len(names) or "" in names:
        message = _("--labels {names}: give each label a name of its own.")
        raise UserInputError(message.format(names=",".join(names)))
    known = known_labels(names)
    if all(known.index(label) is not None for label in present):
        # Numbers stand for these labels only where the files have numbers.
        words = present and present.isdisjoint(known.raw)
        return Labels(names, names) if words else known
    if len(present) == len(names) and all(map(_WHOLE_NUMBER.fullmatch, present)):
        return Labels(names, _in_order(present))
    message = _("The data has the labels {found}, and --labels names {names}: name as many, in their order.")
    raise UserInputError(message.format(found=", ".join(_in_order(present)), names=", ".join(names)))


def _in_order(labels: set[str]) -> tuple[str, ...]:
    if all(map(_WHOLE_NUMBER.fullmatch, labels)):
        return tuple(sorted(labels, key=lambda label: (int(label), label)))
    return tuple(sorted(labels))

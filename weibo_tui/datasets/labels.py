"""Labels: as written in files, as shown to users, and as the index that the model learns."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_list

BINARY = ("negative", "positive")
MAX_LABELS = 1000
"""Different labels. A column of more is not one of labels."""

MAX_LABEL_LENGTH = 1000
"""Characters."""

SENTIMENTS = ("negative", "neutral", "positive")
SEVERAL = "\x1f"
"""Separator of the labels of a cell that has more than one."""

# More digits are a word, since Python refuses to convert thousands of them.
_WHOLE_NUMBER = re.compile(r"[+-]?\d{1,18}", re.ASCII)
_WHOLE_AS_DECIMAL = re.compile(r"([+-]?\d+)\.0+", re.ASCII)
_NUMBER = re.compile(r"[+-]?\d{1,18}(?:\.\d{1,18})?", re.ASCII)
_MINUS_SIGNS = str.maketrans("\u2212\u2013", "--")
# As pandas and others write a cell without a value. NLPCC has an emotion `none`, in small letters.
_NO_LABEL = frozenset(
    ["NA", "N/A", "n/a", "#N/A", "<NA>", "nan", "NaN", "NAN", "-nan", "NaT", "null", "Null", "NULL", "None"]
)
_WORDS = {
    "negative": ("negative", "neg", "负面", "消极", "负向", "负性", "差评"),
    "neutral": ("neutral", "neu", "中性", "中立", "中评"),
    "positive": ("positive", "pos", "正面", "积极", "正向", "正性", "好评"),
}
_SENTIMENT_OF_WORD = {word: sentiment for sentiment, words in _WORDS.items() for word in words}
# Numbers and signs that data sets write, and those of them that must be there. Sentiment140 has 0, 2 and 4.
_SENTIMENT_OF_NUMBER: tuple[tuple[set[str], dict[str, str]], ...] = (
    (set(), {"0": "negative", "1": "positive"}),
    (set(), {"-1": "negative", "1": "positive"}),
    (set(), {"-1": "negative", "0": "neutral", "1": "positive"}),
    ({"0", "4"}, {"0": "negative", "2": "neutral", "4": "positive"}),
    ({"-", "+"}, {"-": "negative", "+": "positive"}),
)


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

    def match(self, present: Collection[str]) -> dict[str, int]:
        """Return the index of each label of a dataset, by name or by meaning, never by order. Leave out the others.

        Numbers mean what they mean together, unless all of them are those of the adapter's own files: among -1, 0 and 1
        the 0 is neutral.
        """
        meanings, own = sentiments(present), sentiments(self.names)
        by_sentiment = {own[name]: index for index, name in enumerate(self.names) if name in own}
        numbers = set(filter(_NUMBER.fullmatch, present))
        other_numbers = numbers.intersection(meanings) if not numbers.issubset(self.raw) else set()
        indices = {}
        for label in present:
            index = None if label in other_numbers else self.index(label)
            if index is None:
                index = by_sentiment.get(meanings.get(label, ""))
            if index is not None:
                indices[label] = index
        return indices


def sentiments(labels: Collection[str]) -> dict[str, str]:
    """Return the labels that mean negative, neutral or positive, with this meaning.

    Numbers and signs mean one only where all of them are of the same set, such as -1 and 1.
    """
    meanings = {}
    signs = set()
    for label in labels:
        word = unicodedata.normalize("NFKC", label).casefold()
        if word in _SENTIMENT_OF_WORD:
            meanings[label] = _SENTIMENT_OF_WORD[word]
        elif label in ("+", "-") or _NUMBER.fullmatch(label):
            signs.add(label)
    for required, known in _SENTIMENT_OF_NUMBER:
        if required <= signs <= known.keys():
            return meanings | {sign: known[sign] for sign in signs}
    return meanings


def is_number(label: str) -> bool:
    """Return whether a label, from `normalize_label`, is a number."""
    return _NUMBER.fullmatch(label) is not None


def split_names(text: str) -> list[str]:
    """Return the parts of a list with commas, of which `，` and `、` are some too."""
    return [part.strip() for part in re.split("[,，、]", text)]


def normalize_label(value: Any) -> str:
    """Return a label cell as stripped text, empty without a label, with SEVERAL between several labels.

    `1`, `1.0`, `１`, `+1` and JSON's `true` are the same. Without a label are also NaN, `NA`, `null` and the like.
    """
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, list | tuple):
        return SEVERAL.join(filter(None, map(normalize_label, value)))
    text = "" if value is None else str(value).strip()
    if text.startswith("[") and text.endswith("]") and len(text) <= MAX_LABEL_LENGTH:
        with suppress(ValueError, RecursionError):
            return normalize_label(json.loads(text))
    number = unicodedata.normalize("NFKC", text[: MAX_LABEL_LENGTH + 1]).translate(_MINUS_SIGNS)
    if _NUMBER.fullmatch(number):
        decimal = _WHOLE_AS_DECIMAL.fullmatch(number)
        text = (decimal[1] if decimal else number).removeprefix("+")
    return "" if text in _NO_LABEL else text


def resolve_labels(raw: Iterable[str], names: Sequence[str] | None = None, recognize: bool = True) -> Labels:
    """Return the labels of a new adapter from those in its data and the user's names (`--labels`).

    Labels that all mean negative, neutral or positive have these names, unless named. Names are in the order of the
    numbers, or are the words in the files. Without `recognize`, only 0, 1 and the names have a meaning. Raise
    UserInputError when names and labels do not fit.
    """
    present = set(raw)
    if names is not None:
        return _name_labels(present, tuple(name.strip() for name in names))
    is_usual = present <= {"0", "1", *BINARY}
    meanings = sentiments(present) if recognize or is_usual else {}
    if present and present == meanings.keys():
        known = BINARY if "neutral" not in meanings.values() else tuple(s for s in SENTIMENTS if s in meanings.values())
        if is_usual:
            return Labels(BINARY, ("0", "1"))
        first = {meaning: label for label, meaning in sorted(meanings.items(), reverse=True)}
        return Labels(known, tuple(first.get(name, name) for name in known))
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
    if len(known.match(present)) == len(present):
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

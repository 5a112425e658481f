"""Rules that change labels before they are read (`--map`), and the class of each label of a dataset."""

from __future__ import annotations

import operator
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from weibo_tui.datasets.labels import (
    SEVERAL,
    Labels,
    is_number,
    normalize_label,
    resolve_labels,
    sentiments,
    split_names,
)
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_names

Rules: TypeAlias = str | Iterable[str] | Mapping[Any, str | None]
"""Rules such as `1,2=negative`, one in each text or with `;` between them, or a dictionary from labels to names."""

_ASCII = str.maketrans("＝＜＞；", "=<>;")
_COMPARISON = re.compile(r"(<=|>=|<|>|≤|≥)\s*([+-]?\d{1,18}(?:\.\d{1,18})?)", re.ASCII)
_OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    "≤": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "≥": operator.ge,
}
_HAS_TWO_TARGETS = re.compile("(?<![<>])=")  # in what is left of the last sign
_LIST = re.compile(r"[,，、;；|/\n]")
MAX_CLASSES_OF_NUMBERS = 10
"""Different whole numbers that may be labels. More of them are rather scores."""
MAX_READ_AS = 100
"""Labels that `Assignment.read_as` lists."""


@dataclass(frozen=True, slots=True)
class LabelMap:
    """Rules in order: labels or comparisons, and the label that takes their place, empty to leave the row out."""

    rules: tuple[tuple[tuple[str, ...], str], ...]

    def apply(self, label: str) -> str | None:
        """Return what the first rule that matches gives for a label: another label, or None to leave the row out."""
        for sources, target in self.rules:
            if any(_matches(source, label) for source in sources):
                return target or None
        return label

    def check_used(self, labels: Collection[str]) -> str:
        """Return a sentence about labels in the rules that are not among `labels`, empty for none.

        Raise UserInputError where there are labels and rules, but none of the rules matches.
        """
        sources = [source for rule in self.rules for source in rule[0]]
        unused = [source for source in sources if not any(_matches(source, label) for label in labels)]
        if not labels or not unused:
            return ""
        if len(unused) == len(sources):
            message = _("No label matches --map. The data has the labels {found}.")
            raise UserInputError(message.format(found=join_names(labels)))
        message = _("Parts of --map match no label: {unused}. The data has the labels {found}.")
        return message.format(unused=join_names(unused), found=join_names(labels))


NO_RULES = LabelMap(())


def rule_list(rules: Rules) -> tuple[str, ...]:
    """Return rules as a tuple of texts. Raise UserInputError for one that cannot be read."""
    if isinstance(rules, str):
        rules = [rules]
    elif isinstance(rules, Mapping):
        rules = [f"{label}={target or ''}" for label, target in rules.items()]
    parts = tuple(part.strip() for rule in rules for part in rule.translate(_ASCII).split(";") if part.strip())
    _parse(parts)
    return parts


def parse_rules(rules: Rules) -> LabelMap:
    """Return the map of rules. Raise UserInputError where `rule_list` does."""
    return _parse(rule_list(rules))


def _parse(rules: Iterable[str]) -> LabelMap:
    parsed = []
    for rule in rules:
        left, sign, target = rule.rpartition("=")
        sources = tuple(normalize_label(source) for source in split_names(left))
        is_odd = any(source[:1] in "<>≤≥" and not _COMPARISON.fullmatch(source) for source in sources)
        if not sign or is_odd or _HAS_TWO_TARGETS.search(left):
            message = _("--map {rule} is no rule. Write '1,2=negative', '<3=negative', or '3=' to leave label 3 out.")
            raise UserInputError(message.format(rule=rule))
        parsed.append((sources, normalize_label(target)))
    counts = Counter(source.casefold() for sources, _target in parsed for source in sources)
    if twice := [source for source, number in counts.items() if number > 1]:
        raise UserInputError(_("--map has two rules for {label}. Remove one of them.").format(label=twice[0]))
    return LabelMap(tuple(parsed))


def _matches(source: str, label: str) -> bool:
    comparison = _COMPARISON.fullmatch(source)
    if comparison is None:
        return source.casefold() == label.casefold()
    return is_number(label) and _OPERATORS[comparison[1]](float(label), float(comparison[2]))


@dataclass(frozen=True, slots=True)
class Assignment:
    """The labels of a dataset: the index of each in `labels`, or why its rows are left out.

    The reasons are `unlabeled`, `several labels` and `dropped`. A label in neither is not among `labels`.
    """

    labels: Labels
    indices: dict[str, int]
    left_out: dict[str, str]

    def read_as(self) -> dict[str, str]:
        """Return the name of each label, in the order of the names; nothing where all labels are their names."""
        ordered = sorted(self.indices.items(), key=operator.itemgetter(1, 0))[:MAX_READ_AS]
        names = {label: self.labels.names[index] for label, index in ordered}
        return {} if all(label == name for label, name in names.items()) else names


def assign_labels(
    present: Collection[str], labels: Labels | Sequence[str] | None, label_map: LabelMap | None
) -> Assignment:
    """Return the classes of the labels in a dataset. Raise UserInputError where `resolve_labels` does.

    `labels` are those of an adapter, or the names for a new one. Without a map, words and numbers are not recognized,
    as in the runs of earlier versions.
    """
    if label_map is None:
        label_set = labels if isinstance(labels, Labels) else resolve_labels(present, labels, recognize=False)
        return Assignment(label_set, label_set.match(present), {})
    values = {label: label_map.apply(label) for label in present}
    known = {*present, *filter(None, values.values())}
    known |= {*labels.names, *labels.raw} if isinstance(labels, Labels) else {*(labels or ())}
    reasons = {label: _reason(value, known) for label, value in values.items()}
    kept = {label: value for label, value in values.items() if value is not None and not reasons[label]}
    label_set = labels if isinstance(labels, Labels) else resolve_labels(kept.values(), labels)
    matched = label_set.match(set(kept.values()))
    return Assignment(
        label_set,
        {label: matched[value] for label, value in kept.items() if value in matched},
        {label: reason for label, reason in reasons.items() if reason},
    )


def _reason(value: str | None, known: Collection[str]) -> str:
    """Return why rows with a label are left out, or an empty text."""
    if value is None:
        return "dropped"
    if value == "-" and "+" not in known:
        return "unlabeled"
    parts = [part.strip() for part in _LIST.split(value)]
    is_list = len(parts) > 1 and all(part in known or sentiments([part]) for part in parts)
    return "several labels" if SEVERAL in value or is_list else ""


def score_hint(labels: Collection[str]) -> str:
    """Return what to do about labels of which many are numbers, or some are fractions. Return "" for others."""
    numbers = sorted(float(label) for label in labels if is_number(label))
    if all(number.is_integer() for number in numbers) and len(numbers) <= MAX_CLASSES_OF_NUMBERS:
        return ""
    message = _(
        "the labels are {count} different numbers from {low} to {high}. To make classes of them, use "
        "--map '<{middle}=negative; >={middle}=positive'."
    )
    low, high = numbers[0], numbers[-1]
    return message.format(count=f"{len(numbers):,}", low=f"{low:g}", high=f"{high:g}", middle=f"{(low + high) / 2:g}")

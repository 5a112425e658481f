"""Sentences about the labels of a dataset: what they are read as, and which rows are left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from weibo_tui.display_names import label_name
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_list, ngettext
from weibo_tui.text.terminal import truncate

if TYPE_CHECKING:
    from weibo_tui.workbench.label_errors import FoundLabelErrors

_MAX_LABELS = 6


def labels_read_as(names: Mapping[str, str]) -> str:
    """Return the labels in the files with their names, as in `负面 / neg = negative, 正面 = positive`."""
    labels_by_name: dict[str, list[str]] = {}
    for label, name in names.items():
        labels_by_name.setdefault(name, []).append(label)
    read_as = {_alternatives(labels): label_name(name) for name, labels in labels_by_name.items()}
    return join_list(labels if labels == name else f"{labels} = {name}" for labels, name in read_as.items())


def _alternatives(labels: list[str]) -> str:
    more = ["…"] if len(labels) > _MAX_LABELS else []
    return " / ".join([*map(truncate, labels[:_MAX_LABELS]), *more])


def label_errors_sentence(result: FoundLabelErrors) -> str:
    """Return how many labels are probably wrong, and the file that lists them."""
    return ngettext(
        "{number:,} label of {posts:,} is probably wrong: {path}",
        "{number:,} labels of {posts:,} are probably wrong: {path}",
        result.errors,
    ).format(number=result.errors, posts=result.posts, path=result.path)


def label_notes(read_as: Mapping[str, str], left_out: Mapping[str, int]) -> Iterator[str]:
    """Yield sentences about the labels of a dataset, for its `labels_read_as` and `left_out`."""
    if read_as:
        yield _("Labels: {labels}").format(labels=labels_read_as(read_as))
    if count := left_out.get("predicted", 0):
        yield ngettext(
            "{count:,} row skipped, because its label is the model's.",
            "{count:,} rows skipped, because their labels are the model's.",
            count,
        ).format(count=count)
    if count := left_out.get("unlabeled", 0):
        yield ngettext(
            "{count:,} row skipped, because it has no label.",
            "{count:,} rows skipped, because they have no label.",
            count,
        ).format(count=count)
    if count := left_out.get("several labels", 0):
        yield ngettext(
            "Warning: {count:,} row skipped, because it has several labels.",
            "Warning: {count:,} rows skipped, because they have several labels.",
            count,
        ).format(count=count)
    if count := left_out.get("dropped", 0):
        yield ngettext(
            "{count:,} row skipped by --map.",
            "{count:,} rows skipped by --map.",
            count,
        ).format(count=count)
    if number := left_out.get("unpredicted", 0):
        yield ngettext(
            "{number:,} row without a predicted label is not counted.",
            "{number:,} rows without a predicted label are not counted.",
            number,
        ).format(number=number)

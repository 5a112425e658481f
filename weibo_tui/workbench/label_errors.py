"""Search for labels in a dataset that are probably wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weibo_tui.datasets.dataset import Dataset, load_dataset
from weibo_tui.datasets.label_map import parse_rules
from weibo_tui.datasets.linear_model import MIN_GROUPS, out_of_fold_probabilities
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.storage.export import write_csv
from weibo_tui.workbench.config import AuditConfig

if TYPE_CHECKING:
    from weibo_tui.engine.label_errors import LabelErrors

_COLUMNS = ("text", "label", "suggested", "margin", "file", "row")


@dataclass(frozen=True, slots=True)
class FoundLabelErrors:
    """The last event of the search: the file that lists the labels that are probably wrong, and numbers of posts."""

    path: Path
    errors: int
    posts: int


def write_label_errors(config: AuditConfig, out: Path, overwrite: bool = False) -> Iterator[object]:
    """Write the posts whose label is probably wrong as CSV; see `Workbench.iter_label_errors`."""
    from weibo_tui.engine.label_errors import find_label_errors

    dataset = yield from load_dataset(config.data, config.columns, config.labels, label_map=parse_rules(config.map))
    names = dataset.names
    probabilities = yield from out_of_fold_probabilities(dataset.posts, dataset.labels, len(names))
    if probabilities is None or len({*dataset.labels}) < 2:
        message = _("Too few posts to look for wrong labels: {posts}. At least {least} different ones of two labels.")
        raise UserInputError(message.format(posts=f"{len(dataset.posts):,}", least=MIN_GROUPS))
    import numpy as np

    errors = find_label_errors(np.array(dataset.labels, np.int64), probabilities)
    yield FoundLabelErrors(out, write_csv(out, _COLUMNS, _rows(dataset, errors), overwrite), len(dataset.posts))


def _rows(dataset: Dataset, errors: LabelErrors) -> Iterator[tuple[Any, ...]]:
    """Yield a row of the file for each error, the most probable one first."""
    names = dataset.names
    columns = errors.posts.tolist(), errors.guesses.tolist(), errors.margins.tolist()
    for post, guess, margin in zip(*columns, strict=True):
        file, row = dataset.places[post]
        path = str(dataset.sources[file].path)
        yield dataset.posts[post], names[dataset.labels[post]], names[guess], round(margin, 4), path, row

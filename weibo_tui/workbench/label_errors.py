"""Search for labels in a dataset that are probably wrong."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weibo_tui.datasets.dataset import Dataset, load_dataset
from weibo_tui.datasets.folds import MIN_GROUPS, draw_folds, splits
from weibo_tui.datasets.label_map import parse_rules
from weibo_tui.datasets.linear_model import out_of_fold_probabilities
from weibo_tui.engine.hyperparameters import ComputeOptions, Hyperparameters, preset_values
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_list
from weibo_tui.progress import Progress
from weibo_tui.storage.export import write_csv
from weibo_tui.text.cleaning import PREPROCESSING
from weibo_tui.workbench.config import AuditConfig
from weibo_tui.workbench.encoding import encode_posts
from weibo_tui.workbench.models import ModelLoader
from weibo_tui.workbench.scratch_files import file_opener

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from weibo_tui.engine.label_errors import LabelErrors

MODELS = ("linear", "adapter")
_PRESETS = {0: "few", 2000: "quick"}
"""Presets of the adapters by the number of posts from which on they are used."""


@dataclass(frozen=True, slots=True)
class LabelErrorSearch:
    """Look for wrong labels in files, and list them in the CSV file `out`.

    `model` is the one whose probabilities are compared with the labels: `linear`, or `adapter`, for which adapters on
    `base` are trained with the preset quick, or few for fewer than 2,000 posts."""

    audit: AuditConfig
    out: Path
    overwrite: bool = False
    model: str = MODELS[0]
    base: str = ""
    machine: ComputeOptions = ComputeOptions()

    def __post_init__(self) -> None:
        self.machine.check_training()
        if self.model not in MODELS:
            message = _("{name} is {value} and must be one of {allowed}").format(
                name="model", value=self.model, allowed=join_list(MODELS)
            )
            raise UserInputError(message + ".")


@dataclass(frozen=True, slots=True)
class FoundLabelErrors:
    """The last event of the search: the file that lists the labels that are probably wrong, and numbers of posts."""

    path: Path
    errors: int
    posts: int


def find_label_errors(models: ModelLoader, search: LabelErrorSearch) -> Iterator[object]:
    """Write the posts whose label is probably wrong as CSV; see `Workbench.iter_label_errors`."""
    import numpy as np

    from weibo_tui.engine import label_errors

    audit = search.audit
    dataset = yield from load_dataset(audit.data, audit.columns, audit.labels, label_map=parse_rules(audit.map))
    folds = yield from draw_folds(dataset.posts)
    if folds is None or len({*dataset.labels}) < 2:
        message = _("Too few posts to look for wrong labels: {posts}. At least {least} different ones of two labels.")
        raise UserInputError(message.format(posts=f"{len(dataset.posts):,}", least=MIN_GROUPS))
    if search.model == "linear":
        probabilities = yield from out_of_fold_probabilities(dataset.posts, dataset.labels, len(dataset.names), folds)
    else:
        probabilities = yield from _by_adapters(models, search, dataset, folds)
    errors = label_errors.find_label_errors(np.array(dataset.labels, np.int64), probabilities)
    columns = ("text", "predicted", "confidence", *(f"prob_{name}" for name in dataset.names))
    columns = (*columns, "label", "margin", "file", "row")
    rows = _rows(dataset, errors, probabilities)
    yield FoundLabelErrors(search.out, write_csv(search.out, columns, rows, search.overwrite), len(dataset.posts))


def _by_adapters(
    models: ModelLoader, search: LabelErrorSearch, dataset: Dataset, folds: Sequence[NDArray[np.int64]]
) -> Generator[Progress, None, NDArray[np.float64]]:
    """Return the probabilities of the labels (posts, labels) by adapters that have not seen the post."""
    import numpy as np

    from weibo_tui.engine.adapter import AdapterConfig, parse_blocks
    from weibo_tui.engine.cross_validation import CrossValidation

    compute = models.training_compute(search.machine)
    base = models.open_base(models.base_name(search.base), compute)
    shape = base.backbone.config
    hyper = _hyperparameters(len(dataset.posts), shape.positions)
    encoded = yield from encode_posts(base.tokenizer, dataset.posts, hyper.max_length, PREPROCESSING)
    readable = np.flatnonzero(encoded.num_content_tokens)
    blocks = parse_blocks(hyper.blocks, shape.layers)
    validation = CrossValidation(
        backbone=base.backbone,
        config=AdapterConfig(
            shape.width, blocks, len(dataset.names), hyper.bottleneck, hyper.activation, hyper.dropout
        ),
        posts=encoded.take(readable),
        labels=np.array(dataset.labels, np.int64)[readable],
        hyper=hyper,
        compute=compute,
        padding=base.tokenizer.special_tokens.pad,
        open_file=file_opener(models.paths.runs),
    )
    places = np.full(len(dataset.posts), -1)
    places[readable] = np.arange(len(readable))
    own = [places[fold][places[fold] >= 0] for fold in folds]
    probabilities = np.full((len(dataset.posts), len(dataset.names)), 1.0 / len(dataset.names))
    probabilities[readable] = yield from validation.probabilities(splits(own))
    return probabilities


def _hyperparameters(posts: int, positions: int) -> Hyperparameters:
    """Return those of the preset for a number of posts, of at most `positions` tokens."""
    preset = preset_values(_PRESETS[max(least for least in _PRESETS if posts >= least)])
    names = Hyperparameters.__dataclass_fields__
    hyper = Hyperparameters(**{name: value for name, value in preset.items() if name in names})
    return replace(hyper, max_length=min(hyper.max_length, positions))


def _rows(dataset: Dataset, errors: LabelErrors, probabilities: NDArray[np.float64]) -> Iterator[tuple[Any, ...]]:
    """Yield a row of the file for each error, the most probable one first."""
    names = dataset.names
    columns = errors.posts.tolist(), errors.guesses.tolist(), errors.margins.tolist()
    for post, guess, margin in zip(*columns, strict=True):
        file, row = dataset.places[post]
        shares = [round(share, 4) for share in probabilities[post].tolist()]
        label = names[dataset.labels[post]]
        place = (str(dataset.sources[file].path), row)
        yield dataset.posts[post], names[guess], shares[guess], *shares, label, round(margin, 4), *place

"""Configurations of long work: each checks all its fields at once, and can be stored as JSON."""

from __future__ import annotations

import dataclasses
import difflib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from datetime import datetime
from math import isfinite
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Self, TypeVar

from weibo_tui import atomic
from weibo_tui.datasets.label_map import Rules, rule_list
from weibo_tui.datasets.splitting import GROUPING_VERSION
from weibo_tui.datasets.tables import Columns
from weibo_tui.engine.hyperparameters import (
    TOKEN_UNITS,
    Acceleration,
    BaseModelSize,
    Cleaning,
    ComputeOptions,
    DataSplit,
    Hyperparameters,
    PretrainingHyperparameters,
    Scoring,
    preset_values,
)
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_list
from weibo_tui.paths import Paths
from weibo_tui.registry.cards import check_name
from weibo_tui.text.cleaning import PREPROCESSING, SIMPLIFYING
from weibo_tui.text.dates import parse_date
from weibo_tui.text.probes import MAX_PROBES
from weibo_tui.workbench.labeling_checkpoint import checkpoint_path

ConfigT = TypeVar("ConfigT", "TrainingConfig", "PretrainingConfig")

_SPLIT = DataSplit()
_SCORING = Scoring()
_SIZE = BaseModelSize()
_FILES = ("data", "validation_data", "test_data")


@dataclass(frozen=True, slots=True)
class SeedGroup:
    """The trainings that a training of several seeds consists of.

    `id` is the same for trainings that differ in nothing but the seed. The adapter that is kept of `seeds` gets the
    `name`; see `Scoring.keep`."""

    id: str
    name: str
    seeds: tuple[int, ...]
    keep: str

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        return cls(str(values["id"]), check_name(values["name"]), tuple(map(int, values["seeds"])), str(values["keep"]))


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """Train an adapter `name` on labeled files.

    `validation` and `test` are fractions of the posts, for which `validation_data` and `test_data` are files to use
    instead. A `base` that is a Hugging Face repository is downloaded first,
    unless `offline`. With `keep_states`, the activations below the adapter are computed once and cached on disk.
    `grouping` is the version of `group_posts` that splits the posts, `preprocessing` that of `clean`. `map` are
    rules for labels (see `label_map.Rules`), None in runs that are older than the field. `probes` are posts that each
    validation predicts, None for those of the setting `probe_posts`. `baselines`, `seeds` and `keep` are those of
    `Scoring`. A training of several seeds consists of one for each, which has the `group`."""

    data: tuple[Path, ...]
    name: str
    base: str = ""
    columns: Columns = Columns()
    labels: tuple[str, ...] | None = None
    validation: float = _SPLIT.validation
    test: float = _SPLIT.test
    split_seed: int | None = _SPLIT.split_seed
    validation_data: tuple[Path, ...] = ()
    test_data: tuple[Path, ...] = ()
    hyper: Hyperparameters = Hyperparameters()
    machine: ComputeOptions = ComputeOptions()
    overwrite: bool = False
    checkpoint_seconds: float = 60.0
    offline: bool = False
    keep_states: bool = Acceleration().keep_states
    grouping: int = GROUPING_VERSION
    preprocessing: int = PREPROCESSING
    map: Rules | None = ()
    probes: tuple[str, ...] | None = None
    baselines: bool = _SCORING.baselines
    seeds: int = _SCORING.seeds
    keep: str = _SCORING.keep
    group: SeedGroup | None = field(default=None, metadata={"internal": True})

    def __post_init__(self) -> None:
        if isinstance(self.probes, str):
            object.__setattr__(self, "probes", (self.probes,))
        _raise_if_errors(self._errors())
        check_name(self.name)
        _set_rules(self)

    def _errors(self) -> Iterator[str]:
        if not self.data:
            yield _("no file to train on is named")
        if self.probes is not None and len(self.probes) > MAX_PROBES:
            message = _("there are {number} probe posts, and at most {limit} are possible")
            yield message.format(number=f"{len(self.probes):,}", limit=MAX_PROBES)
        for name in ("validation", "test"):
            if not 0 < getattr(self, name) < 0.5:
                yield _("{name} is {value} and must be between 0 and 0.5").format(name=name, value=getattr(self, name))
        yield from _preprocessing_errors(self.preprocessing)
        yield from DataSplit(split_seed=self.split_seed).problems()
        yield from Scoring(self.baselines, self.seeds, self.keep).problems()
        yield from self.hyper.problems()
        yield from self.machine.training_problems()

    @property
    def files(self) -> tuple[Path, ...]:
        """All files, those for training first."""
        return (*self.data, *self.validation_data, *self.test_data)

    @property
    def seed_of_split(self) -> int:
        """The seed of the split: that of the weights by default, and in runs that are older than the field."""
        return self.hyper.seed if self.split_seed is None else self.split_seed

    def to_json(self) -> dict[str, Any]:
        """Return JSON values for `from_json`, with absolute paths, so that a run can be resumed from any folder."""
        absolute: dict[str, Any] = {name: tuple(path.absolute() for path in getattr(self, name)) for name in _FILES}
        return _to_json(dataclasses.replace(self, **absolute))

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        probes = values.get("probes", ())
        return cls(
            **{
                "grouping": 1,  # of runs that are older than these fields
                "preprocessing": 1,
                "map": None,
                **values,
                "probes": None if probes is None else tuple(probes),
                **{name: tuple(map(Path, values.get(name, ()))) for name in _FILES},
                "columns": Columns(**values["columns"] | {"label_of": _pairs(values["columns"].get("label_of", ()))}),
                "labels": None if values["labels"] is None else tuple(values["labels"]),
                "hyper": Hyperparameters(**values["hyper"]),
                "machine": ComputeOptions(**values["machine"]),
                "group": SeedGroup.from_json(values["group"]) if values.get("group") else None,
            }
        )


@dataclass(frozen=True, slots=True)
class EvaluationConfig:
    """Evaluate an adapter on labeled files. `errors` is the file for the posts that were predicted wrongly.

    `map` are rules for labels; see `label_map.Rules`."""

    data: tuple[Path, ...]
    adapter: str = ""
    columns: Columns = Columns()
    machine: ComputeOptions = ComputeOptions()
    errors: Path | None = None
    overwrite: bool = False
    map: Rules = ()

    def __post_init__(self) -> None:
        self.machine.check()
        _set_rules(self)


@dataclass(frozen=True, slots=True)
class ComparisonConfig:
    """Compare adapters, or an adapter and a column of predicted labels, on the posts of the table `data`.

    Without `adapters` it is the default one. `predicted_column` is detected where only one adapter is named.
    `columns.label` is the column of human labels. `disagreements` is the file for the posts on which the predictions
    differ. `map` are rules for the human labels; see `label_map.Rules`."""

    data: Path
    adapters: tuple[str, ...] = ()
    columns: Columns = Columns()
    predicted_column: str | None = None
    machine: ComputeOptions = ComputeOptions()
    disagreements: Path | None = None
    overwrite: bool = False
    map: Rules = ()

    def __post_init__(self) -> None:
        self.machine.check()
        _set_rules(self)


@dataclass(frozen=True, slots=True)
class AuditConfig:
    """Inspect labeled files before training; `labels` names the labels in order, `map` are rules for them."""

    data: tuple[Path, ...]
    columns: Columns = Columns()
    labels: tuple[str, ...] | None = None
    map: Rules = ()

    def __post_init__(self) -> None:
        _set_rules(self)


@dataclass(frozen=True, slots=True)
class LabelingConfig:
    """Write the file `source` with added predictions to `out`. The source's own cells do not change.

    The names of the added columns begin with `prefix`. `bom` is whether a CSV begins with a byte order mark (default:
    as the source, and always where the source is no CSV)."""

    source: Path
    out: Path
    adapter: str = ""
    columns: Columns = Columns()
    machine: ComputeOptions = ComputeOptions()
    overwrite: bool = False
    record: bool = True
    prefix: str = ""
    bom: bool | None = None

    def __post_init__(self) -> None:
        self.machine.check()
        # A killed labeling may have written its result already. Path.exists raises for a name that is too long.
        is_resumed = os.path.exists(checkpoint_path(self.out))  # noqa: PTH110
        atomic.check_output(self.out, self.overwrite or is_resumed, [self.source])


@dataclass(frozen=True, slots=True)
class ClusterLabelingConfig:
    """Label many files on Ray, and write Parquet parts to the folder `out`.

    `sources` are files, folders, patterns such as `data/**/*.csv`, and URLs of object stores; `out` may be a URL too.
    `address` is that of a Ray cluster, or `auto`; None starts Ray on this machine alone. `workers` is the number of
    classifiers (0: as many as fit), and `gpus_per_worker` the GPUs of each (None: one where there are GPUs). The names
    of the added columns begin with `prefix`."""

    sources: tuple[str, ...]
    out: Path
    adapter: str = ""
    columns: Columns = Columns()
    machine: ComputeOptions = ComputeOptions()
    overwrite: bool = False
    record: bool = True
    prefix: str = ""
    address: str | None = None
    workers: int = 0
    gpus_per_worker: float | None = None

    def __post_init__(self) -> None:
        sources = (self.sources,) if isinstance(self.sources, str | os.PathLike) else self.sources
        object.__setattr__(self, "sources", tuple(map(str, sources)))
        _raise_if_errors(self._errors())
        self.machine.check()

    def _errors(self) -> Iterator[str]:
        if not self.sources:
            yield _("no file to label is named")
        if self.workers < 0:
            yield _("workers is {value} and must be at least 1").format(value=self.workers)
        gpus = self.gpus_per_worker
        # Ray places a worker on parts of one GPU, or on whole ones.
        if gpus is not None and not (0 <= gpus <= 1 or (isfinite(gpus) and gpus == int(gpus))):
            message = _("gpus-per-worker is {value} and must be a whole number, or a share such as 0.5")
            yield message.format(value=gpus)

    def to_json(self) -> dict[str, Any]:
        """Return JSON values for `from_json`."""
        return _to_json(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        return cls(
            **{
                **values,
                "sources": tuple(values["sources"]),
                "out": Path(values["out"]),
                "columns": Columns(**values["columns"] | {"label_of": _pairs(values["columns"].get("label_of", ()))}),
                "machine": ComputeOptions(**values["machine"]),
            }
        )


@dataclass(frozen=True, slots=True)
class EstimationConfig:
    """Estimate the shares of the labels in the table `data`, of all or of one `label`.

    `by` is `day`, `week` or a column. `columns.label` is the column of human labels. `collected` is the time to which
    dates such as `昨天 08:30` refer where a post has no id. `map` are rules for the human labels."""

    data: Path
    label: str | None = None
    by: str | None = None
    columns: Columns = Columns()
    predicted_column: str | None = None
    date_column: str | None = None
    collected: str | datetime | None = None
    map: Rules = ()

    def __post_init__(self) -> None:
        if self.collected is not None and self.collected_at is None:
            message = _("collected is {value} and must be a date such as {example}")
            raise UserInputError(message.format(value=self.collected, example="2026-11-22 18:00") + ".")
        _set_rules(self)

    @property
    def collected_at(self) -> datetime | None:
        """The time `collected`, in Beijing time unless it names a zone."""
        return parse_date(self.collected)


UNITS = TOKEN_UNITS


@dataclass(frozen=True, slots=True)
class PretrainingConfig:
    """Pretrain a base `name` on the plain text in `corpus`, one post a line.

    `preprocessing` is the version of `clean`."""

    corpus: Path
    name: str
    layers: int = _SIZE.layers
    width: int = _SIZE.width
    heads: int = _SIZE.heads
    vocabulary: int = _SIZE.vocabulary
    positions: int = _SIZE.positions
    units: str = _SIZE.units
    emoticons: bool = _SIZE.emoticons
    encoding: str | None = None
    recipe: PretrainingHyperparameters = field(default_factory=PretrainingHyperparameters)
    machine: ComputeOptions = ComputeOptions()
    checkpoint_seconds: float = 120.0
    preprocessing: int = PREPROCESSING

    def __post_init__(self) -> None:
        _raise_if_errors(self._errors())
        check_name(self.name)

    def _errors(self) -> Iterator[str]:
        if self.units not in UNITS:
            yield _("{name} is {value} and must be one of {allowed}").format(
                name="units", value=self.units, allowed=join_list(UNITS)
            )
        if self.vocabulary < 100:
            yield _("vocab-size is {value} and must be at least 100").format(value=self.vocabulary)
        if not 1 <= self.recipe.context <= self.positions:
            yield _("context is {value} and must be from 1 to {positions}").format(
                value=self.recipe.context, positions=self.positions
            )
        yield from _preprocessing_errors(self.preprocessing)
        yield from self.recipe.problems()
        yield from self.machine.training_problems()

    def to_json(self) -> dict[str, Any]:
        return _to_json(dataclasses.replace(self, corpus=self.corpus.absolute()))

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        return cls(
            **{
                "preprocessing": 1,  # of runs that are older than the field
                **values,
                "corpus": Path(values["corpus"]),
                "recipe": PretrainingHyperparameters(**values["recipe"]),
                "machine": ComputeOptions(**values["machine"]),
            }
        )


def _pairs(values: Iterable[Iterable[str]]) -> tuple[tuple[str, str], ...]:
    return tuple((file, label) for file, label in values)


def _preprocessing_errors(version: int) -> Iterator[str]:
    if not 0 <= version <= SIMPLIFYING:
        message = _("preprocessing is {value} and must be from 0 to {latest}")
        yield message.format(value=version, latest=SIMPLIFYING)


def _set_rules(config: TrainingConfig | EvaluationConfig | ComparisonConfig | AuditConfig | EstimationConfig) -> None:
    """Store the rules of `map` as a tuple of texts. Raises UserInputError for invalid ones."""
    if config.map is not None:
        object.__setattr__(config, "map", rule_list(config.map))


def _raise_if_errors(errors: Iterator[str]) -> None:
    if message := "; ".join(errors):
        raise UserInputError(message + ".")


def _to_json(config: TrainingConfig | PretrainingConfig | ClusterLabelingConfig) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(config), default=str))  # paths become strings
    return values


def check_output(paths: Paths, out: Path, overwrite: bool = False, inputs: Iterable[Path] = ()) -> None:
    """Raise UserInputError unless `out` can be written: no file of the home, and see `atomic.check_output`."""
    if paths.owns(out):
        raise UserInputError(_("File belongs to weibo-tui: {path}. Choose another output file.").format(path=out))
    atomic.check_output(out, overwrite, inputs)


def from_keywords(config_type: type[ConfigT], keywords: Mapping[str, Any]) -> ConfigT:
    """Return the config of flat keywords: its own fields and those of its parts, such as `epochs` of `hyper`.

    The columns are `text_column`, `label_column` and `encoding`. A `preset` gives the values of keywords that are
    missing, and `simplify` chooses the version of `preprocessing`. Raises UserInputError for other names and types."""
    if config_type is TrainingConfig:
        own = dict(keywords)
        preset = own.pop("preset", None)
        if "simplify" in own:
            own["preprocessing"] = Cleaning(_convert("simplify", own.pop("simplify"), False)).version
        keywords = {**(preset_values(str(preset)) if preset else {}), **own}
    public = [item for item in fields(config_type) if not item.metadata.get("internal")]
    defaults: dict[str, Any] = {item.name: _default(item) for item in public}
    places: dict[str, tuple[str, Field[Any]]] = {
        _keyword(part, item): (part, item)
        for part, default in defaults.items()
        if is_dataclass(default)
        for item in fields(default)
    }
    values: dict[str, Any] = {}
    changes: dict[str, dict[str, Any]] = {}
    for name, value in keywords.items():
        if name in defaults:
            values[name] = _convert(name, value, defaults[name])
        elif name in places:
            part, item = places[name]
            changes.setdefault(part, {})[item.name] = _convert(name, value, item.default)
        else:
            raise _unknown_option(name, [*defaults, *places])
    for part, changed in changes.items():
        values[part] = dataclasses.replace(values.get(part, defaults[part]), **changed)
    return config_type(**values)


def _default(item: Field[Any]) -> Any:
    return item.default if item.default_factory is MISSING else item.default_factory()


def _keyword(part: str, item: Field[Any]) -> str:
    return f"{item.name}_column" if part == "columns" and item.name in ("text", "label") else item.name


def _convert(name: str, value: Any, default: Any) -> Any:
    """Return `value` in the type of the default. Raises UserInputError for another type."""
    kind = type(default)
    if default in (None, MISSING, ()):  # a text, or a sequence of them
        return value if value is None or isinstance(value, str | Path | bool | Mapping) else tuple(value)
    if isinstance(value, bool) == (kind is bool):  # a bool is an int too
        if isinstance(value, kind):
            return value
        if kind is int and isinstance(value, Integral):
            return int(value)
        if kind is float and isinstance(value, Real):
            return float(value)
    message = _("{name} is {value} and must be of type {type}.")
    raise UserInputError(message.format(name=name, value=repr(value)[:100], type=kind.__name__))


def _unknown_option(name: str, known: Iterable[str]) -> UserInputError:
    names = sorted(known)
    nearest = difflib.get_close_matches(name, names, n=1)
    hint = _(" (did you mean {name}?)").format(name=nearest[0]) if nearest else ""
    message = _("Unknown option: {name}{hint}. The options are {options}.")
    return UserInputError(message.format(name=name, hint=hint, options=join_list(names)))

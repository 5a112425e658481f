"""What long work is asked for. A plan checks all its fields at once and can be kept as JSON."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from weibo_tui.atomic import check_output
from weibo_tui.datasets.splitting import GROUPING
from weibo_tui.engine.hyperparameters import (
    TOKEN_UNITS,
    BaseModelSize,
    ComputeOptions,
    DataSplit,
    Hyperparameters,
    PretrainingHyperparameters,
)
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.registry.cards import check_name
from weibo_tui.workbench.labeling_checkpoint import place_of

_SPLIT = DataSplit()
_SIZE = BaseModelSize()


@dataclass(frozen=True, slots=True)
class Columns:
    """How to read labelled files; None is found by itself."""

    text: str | None = None
    label: str | None = None
    encoding: str | None = None


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """Train an adapter `name` on labelled files. `validation` and `test` are shares of the posts. A `base` that is
    named as a repository of the Hub, and is not here yet, is fetched first, unless `offline`. With `keep_states` what
    the blocks below the adapter give of each post is kept on disk, and computed only once. `grouping` is the version of
    `group_steps` that splits the posts."""

    data: tuple[Path, ...]
    name: str
    base: str = ""
    columns: Columns = Columns()
    labels: tuple[str, ...] | None = None
    validation: float = _SPLIT.validation
    test: float = _SPLIT.test
    hyper: Hyperparameters = Hyperparameters()
    machine: ComputeOptions = ComputeOptions()
    overwrite: bool = False
    checkpoint_seconds: float = 60.0
    offline: bool = False
    keep_states: bool = False
    grouping: int = GROUPING

    def __post_init__(self) -> None:
        _refuse(self._problems())
        check_name(self.name)

    def _problems(self) -> Iterator[str]:
        if not self.data:
            yield _("no file to train on is named")
        for name in ("validation", "test"):
            if not 0 < getattr(self, name) < 0.5:
                yield _("{name} is {value} and must lie between 0 and 0.5").format(name=name, value=getattr(self, name))
        yield from self.hyper.problems()
        yield from self.machine.problems()

    def to_json(self) -> dict[str, Any]:
        """The plan as `from_json` reads it, paths absolute so that a resume from another folder finds them."""
        return _plain(dataclasses.replace(self, data=tuple(path.absolute() for path in self.data)))

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        return cls(
            **{
                "grouping": 1,  # of plans from before there were others
                **values,
                "data": tuple(map(Path, values["data"])),
                "columns": Columns(**values["columns"]),
                "labels": None if values["labels"] is None else tuple(values["labels"]),
                "hyper": Hyperparameters(**values["hyper"]),
                "machine": ComputeOptions(**values["machine"]),
            }
        )


@dataclass(frozen=True, slots=True)
class EvaluationConfig:
    """Measure an adapter on a labelled file; `errors` is where to write the posts it got wrong, where
    `overwrite` lets a file be replaced."""

    data: tuple[Path, ...]
    adapter: str = ""
    columns: Columns = Columns()
    machine: ComputeOptions = ComputeOptions()
    errors: Path | None = None
    overwrite: bool = False

    def __post_init__(self) -> None:
        self.machine.check()


@dataclass(frozen=True, slots=True)
class AuditPlan:
    """Look at files before anybody trains on them; `labels` names the labels in order."""

    data: tuple[Path, ...]
    columns: Columns = Columns()
    labels: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class LabelingConfig:
    """Write `out`: the file `source` with verdicts added. None of the source's cells changes."""

    source: Path
    out: Path
    adapter: str = ""
    columns: Columns = Columns()
    machine: ComputeOptions = ComputeOptions()
    overwrite: bool = False
    record: bool = True

    def __post_init__(self) -> None:
        self.machine.check()
        # A labelling that was cut off may have written all but its last word. Not Path.exists, which raises for a name
        # that is too long.
        is_begun = os.path.exists(place_of(self.out))  # noqa: PTH110
        check_output(self.out, self.overwrite or is_begun, [self.source])


UNITS = TOKEN_UNITS


@dataclass(frozen=True, slots=True)
class PretrainingConfig:
    """Make a base `name` from the plain text in `corpus`, one post a line."""

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

    def __post_init__(self) -> None:
        _refuse(self._problems())
        check_name(self.name)

    def _problems(self) -> Iterator[str]:
        if self.units not in UNITS:
            yield _("{name} is {value} and must be one of {allowed}").format(
                name="units", value=self.units, allowed=", ".join(UNITS)
            )
        if self.vocabulary < 100:
            yield _("vocab-size is {value} and must be 100 at least").format(value=self.vocabulary)
        if not 1 <= self.recipe.context <= self.positions:
            yield _("context is {value} and must be from 1 to the {positions} positions").format(
                value=self.recipe.context, positions=self.positions
            )
        yield from self.recipe.problems()
        yield from self.machine.problems()

    def to_json(self) -> dict[str, Any]:
        return _plain(dataclasses.replace(self, corpus=self.corpus.absolute()))

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        return cls(
            **{
                **values,
                "corpus": Path(values["corpus"]),
                "recipe": PretrainingHyperparameters(**values["recipe"]),
                "machine": ComputeOptions(**values["machine"]),
            }
        )


def _refuse(problems: Iterator[str]) -> None:
    found = list(problems)
    if found:
        raise UserInputError("; ".join(found) + ".")


def _plain(plan: TrainingConfig | PretrainingConfig) -> dict[str, Any]:
    def plain(value: Any) -> Any:
        if isinstance(value, Path):
            return str(value)
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        return [plain(item) for item in value] if isinstance(value, list | tuple) else value

    values: dict[str, Any] = plain(dataclasses.asdict(plan))
    return values

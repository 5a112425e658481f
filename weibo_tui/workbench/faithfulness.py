"""Self-test of the explanations of an adapter: the parts with the largest weights must matter more than random ones."""

from __future__ import annotations

import random
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from weibo_tui.datasets.reading import open_table, read_rows
from weibo_tui.datasets.tables import Columns
from weibo_tui.engine.hyperparameters import ComputeOptions
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.progress import Progress
from weibo_tui.workbench.models import ModelLoader

REMOVED = 5
"""Units that are removed from each post."""
MAX_POSTS = 200
_READ_STEP = 10_000


@dataclass(frozen=True, slots=True)
class FaithfulnessConfig:
    """Test the explanations of an adapter on the posts of files, which need no labels."""

    data: tuple[Path, ...]
    adapter: str = ""
    columns: Columns = Columns()
    machine: ComputeOptions = ComputeOptions()

    def __post_init__(self) -> None:
        self.machine.check()


@dataclass(frozen=True, slots=True)
class FaithfulnessResult:
    """The last event of a self-test of explanations, over `posts` posts with more than `removed` units.

    `strongest` is by how much the probability of the predicted label falls, on average, without the `removed` units of
    the largest weights, and `random` without as many random ones (comprehensiveness; DeYoung et al. 2020, "ERASER").
    `data` are the names of the files. `kept` is False for a bundled adapter, whose card cannot be changed.
    """

    adapter: str
    posts: int
    removed: int
    strongest: float
    random: float
    data: tuple[str, ...] = ()
    kept: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the fields by name."""
        return asdict(self)

    def to_card(self) -> dict[str, Any]:
        """Return the figures for the adapter's card."""
        return {name: value for name, value in self.to_dict().items() if name not in ("adapter", "kept")}


def measure(models: ModelLoader, config: FaithfulnessConfig) -> Iterator[object]:
    """Test the explanations of an adapter, and keep the result in its card; see `Workbench.iter_self_test`."""
    adapter = models.adapter_name(config.adapter)
    posts = yield from _draw(config)
    strongest, others, number = yield from self_test(models, posts, adapter, config.machine)
    names = tuple(path.name for path in config.data)
    result = FaithfulnessResult(
        adapter, number, REMOVED, strongest, others, names, kept=not models.adapters.is_bundled(adapter)
    )
    if result.kept:
        card = models.adapters.card(adapter)
        models.adapters.update(replace(card, score={**card.score, "faithfulness": result.to_card()}))
    yield result


def _draw(config: FaithfulnessConfig) -> Generator[Progress, None, list[str]]:
    """Return the posts of the files, each text once, in a random order that is the same each time."""
    texts: dict[str, None] = {}
    for path in config.data:
        for row in read_rows(open_table(path, config.columns)):
            texts[row.text] = None
            if row.number % _READ_STEP == 0:
                yield Progress("reading", row.number)
    posts = list(texts)
    random.Random(0).shuffle(posts)
    return posts


def self_test(
    models: ModelLoader, posts: Sequence[str], adapter: str, machine: ComputeOptions = ComputeOptions()
) -> Generator[Progress, None, tuple[float, float, int]]:
    """Return the mean falls of `removal_effects` over the first MAX_POSTS suitable posts, and the number of these."""
    import numpy as np

    from weibo_tui.engine.explanation import removal_effects

    classifier = models.classifier(adapter, machine)
    effects: list[tuple[float, float]] = []
    for post in posts:
        if len(effects) == MAX_POSTS:
            break
        effect = yield from removal_effects(classifier, post, REMOVED, seed=len(effects))
        if effect is not None:
            effects.append(effect)
            yield Progress("explaining", len(effects), MAX_POSTS)
    if not effects:
        message = _("No post has more than {number} units. Give longer posts.")
        raise UserInputError(message.format(number=REMOVED))
    strongest, others = np.mean(effects, axis=0).tolist()
    return strongest, others, len(effects)

"""Measuring an adapter: the score card with its three accuracies, and the posts it got wrong."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weibo_tui import text
from weibo_tui.datasets.dataset import Dataset, load
from weibo_tui.datasets.labels import Labels
from weibo_tui.progress import Progress
from weibo_tui.storage.csv_export import write_csv
from weibo_tui.workbench.home import Home
from weibo_tui.workbench.plans import EvaluationPlan

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from weibo_tui.engine.metrics import ScoreCard
    from weibo_tui.engine.prediction import Classifier

# Posts sorted by length together: so many that little is padded, so few that encoding them is no long stretch.
WINDOW = 2048


@dataclass(frozen=True, slots=True)
class Scored:
    """An evaluation is done. `errors` is the file of the posts that were judged wrongly, where one was asked for;
    `trained_on` says that the adapter was trained on these very posts, so that the score flatters it."""

    adapter: str
    score: ScoreCard
    errors: str | None
    trained_on: bool


@dataclass(frozen=True, slots=True)
class Judged:
    """Probabilities (readable posts, labels) and which of the posts they belong to, ascending."""

    probabilities: NDArray[np.float64]
    readable: NDArray[np.int64]


def evaluate(home: Home, plan: EvaluationPlan) -> Iterator[object]:
    """`Workbench.evaluate`."""
    adapter = home.adapter_name(plan.adapter)
    card = home.adapters.card(adapter)
    columns = plan.columns
    dataset = yield from load(
        plan.data,
        columns.text,
        columns.label,
        columns.encoding,
        Labels(card.labels, card.raw_labels),
        preprocessing=card.preprocessing,
    )
    classifier = home.classifier(adapter, plan.machine)
    score, judged = yield from score_posts(
        classifier, dataset.posts, dataset.labels, card.labels, failed=len(dataset.skipped)
    )
    if plan.errors is not None:
        write_errors(plan.errors, dataset, judged)
    errors = None if plan.errors is None else str(plan.errors)
    yield Scored(adapter, score, errors, trained_on=card.data.get("sha256") == dataset.digest)


def score_posts(
    classifier: Classifier, posts: Sequence[str], labels: Sequence[int], names: Sequence[str], failed: int = 0
) -> Generator[Progress, None, tuple[ScoreCard, Judged]]:
    """The score card of `posts` with their `labels`, all three emoticon accuracies in it.

    Posts that cannot be read are counted with `failed` and are in no other figure."""
    import numpy as np

    from weibo_tui.engine.metrics import score

    truth = np.array(labels, np.int64)
    judged = yield from judge(classifier, posts, len(names), "evaluating")
    unreadable = len(posts) - len(judged.readable)
    card = score(truth[judged.readable], judged.probabilities, names, failed=failed + unreadable)
    accuracies = {"with": card.accuracy}
    variants: dict[str, Callable[[str], str]] = {
        "without": text.without_emoticons,
        "only": text.only_emoticons,
    }
    for variant, keep in variants.items():
        changed = yield from judge(classifier, posts, len(names), f"{variant} emoticons", keep)
        hits = changed.probabilities.argmax(axis=1) == truth[changed.readable]
        accuracies[variant] = float(hits.mean()) if len(hits) else None
    return replace(card, emoticons=accuracies), judged


def judge(
    classifier: Classifier,
    posts: Sequence[str],
    labels: int,
    stage: str,
    change: Callable[[str], str] = str,
) -> Generator[Progress, None, Judged]:
    """Probabilities of the posts, each passed through `change` first; one yield a micro-batch."""
    import numpy as np

    from weibo_tui.engine.prediction import Verdict

    probabilities = np.full((len(posts), labels), np.nan)
    done = 0
    for start in range(0, len(posts), WINDOW):
        window = [change(post) for post in posts[start : start + WINDOW]]
        for batch in classifier.classify(window):
            for index, verdict in batch:
                if isinstance(verdict, Verdict):
                    probabilities[start + index] = verdict.probabilities
            done += len(batch)
            yield Progress(stage, done, len(posts))
    readable = np.flatnonzero(~np.isnan(probabilities).any(axis=1))
    return Judged(probabilities[readable], readable)


def write_errors(path: Path, dataset: Dataset, judged: Judged) -> None:
    """Write the posts judged wrongly as CSV, the surest first, with the place each came from."""
    names = dataset.names
    wrong = [
        (row, int(index))
        for row, index in zip(judged.probabilities, judged.readable, strict=True)
        if row.argmax() != dataset.labels[index]
    ]
    wrong.sort(key=lambda item: (-item[0].max(), item[1]))

    def rows() -> Iterator[Sequence[Any]]:
        for row, index in wrong:
            file, number = dataset.places[index]
            yield (
                dataset.posts[index],
                names[dataset.labels[index]],
                names[int(row.argmax())],
                float(row.max()),
                *row.tolist(),
                str(dataset.sources[file].path),
                number,
            )

    probabilities = [f"prob_{name}" for name in names]
    write_csv(path, ["text", "label", "predicted", "confidence", *probabilities, "file", "row"], rows())

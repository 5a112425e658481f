"""Measuring an adapter: the score card with its three accuracies, and the posts it got wrong."""

from __future__ import annotations

import operator
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from weibo_tui import text
from weibo_tui.atomic import check_output
from weibo_tui.datasets.dataset import Dataset, load
from weibo_tui.datasets.labels import Labels
from weibo_tui.datasets.text_hashes import text_hashes
from weibo_tui.locale import gettext as _
from weibo_tui.progress import Progress
from weibo_tui.storage.csv_export import write_csv
from weibo_tui.workbench.config import EvaluationConfig
from weibo_tui.workbench.home import Home

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from weibo_tui.engine.metrics import ScoreCard
    from weibo_tui.engine.prediction import Classifier
    from weibo_tui.registry.cards import AdapterCard

# Posts sorted by length together: so many that little is padded, so few that encoding them is no long stretch.
WINDOW = 2048


@dataclass(frozen=True, slots=True)
class EvaluationResult:
    """An evaluation is done. `errors` is the file of the posts that were judged wrongly, where one was asked for;
    `seen_in_training` is how many of the posts the adapter was trained on, or its best epoch chosen by, None where it
    has no record of that. It holds the posts for as long as it is held itself."""

    adapter: str
    score: ScoreCard
    errors: str | None
    seen_in_training: int | None
    _dataset: Dataset = field(repr=False, compare=False)
    _judged: EvaluatedPosts = field(repr=False, compare=False)

    @property
    def warning(self) -> str:
        """What is wrong with the score in a sentence about the training data, empty where nothing is."""
        total = f"{len(self._dataset.posts):,}"
        if self.seen_in_training is None:
            message = _(
                "Overlap with the training data is unknown, because adapter '{adapter}' has no record of it. Make sure "
                "that it was not trained on these posts."
            )
            return message.format(adapter=self.adapter)
        if not self.seen_in_training:
            return ""
        message = _(
            "Warning: {seen} of {total} posts are in the adapter's training data, so the score is optimistic. Evaluate "
            "on held-out data."
        )
        return message.format(seen=f"{self.seen_in_training:,}", total=total)

    def posts(self, truth: str, verdict: str) -> Iterator[EvaluatedPost]:
        """A cell of the confusion matrix: the posts labelled `truth` and judged `verdict`, surest first, each made
        when it is asked for."""
        return judged_posts(
            self._dataset, self._judged, lambda label, predicted: (label, predicted) == (truth, verdict)
        )

    @property
    def unlabeled(self) -> int:
        """The number of rows left out because their label is a model's."""
        return self._dataset.unlabeled

    def write_errors(self, path: Path, overwrite: bool = False) -> None:
        """Write the posts judged wrongly into `path`, as the plan can ask for too."""
        check_output(path, overwrite, [source.path for source in self._dataset.sources])
        write_errors(path, self._dataset, self._judged, overwrite)


@dataclass(frozen=True, slots=True)
class EvaluatedPost:
    """A labelled post with its verdict, and where it stands: the file, and the row in it, from 1."""

    text: str
    label: str
    predicted: str
    probabilities: dict[str, float]
    path: Path
    row: int

    @property
    def confidence(self) -> float:
        return self.probabilities[self.predicted]


@dataclass(frozen=True, slots=True)
class EvaluatedPosts:
    """Probabilities (readable posts, labels) and which of the posts they belong to, ascending."""

    probabilities: NDArray[np.float64]
    readable: NDArray[np.int64]


def evaluate(home: Home, plan: EvaluationConfig) -> Iterator[object]:
    """`Workbench.evaluate`."""
    if plan.errors is not None:
        home.check_output(plan.errors, plan.overwrite, plan.data)
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
    texts, words = yield from text_hashes(dataset.posts)
    score, judged = yield from score_posts(
        classifier, dataset.posts, words, dataset.labels, card.labels, failed=len(dataset.skipped)
    )
    if plan.errors is not None:
        write_errors(plan.errors, dataset, judged, plan.overwrite)
    errors = None if plan.errors is None else str(plan.errors)
    yield EvaluationResult(adapter, score, errors, _seen_in_training(home, card, dataset, texts), dataset, judged)


def _seen_in_training(home: Home, card: AdapterCard, dataset: Dataset, texts: NDArray[np.int64]) -> int | None:
    """Return how many of the `texts`, the hashes of the posts, the adapter has a record of."""
    import numpy as np

    known = home.adapters.training_texts(card)
    if known is not None:
        return int(np.isin(texts, known).sum())
    return len(texts) if card.data.get("sha256") == dataset.digest else None


def score_posts(
    classifier: Classifier,
    posts: Sequence[str],
    words: NDArray[np.int64],
    labels: Sequence[int],
    names: Sequence[str],
    failed: int = 0,
) -> Generator[Progress, None, tuple[ScoreCard, EvaluatedPosts]]:
    """The score card of `posts` with their `labels`, all three emoticon accuracies in it.

    `words` are hashes of the posts' words, (n,), see `text_hashes`: posts that are equal but for emoticons and the like
    weigh as one in the interval. Unreadable posts are counted with `failed` and are in no other figure."""
    import numpy as np

    from weibo_tui.engine.metrics import score

    truth = np.array(labels, np.int64)
    judged = yield from judge(classifier, posts, len(names), "evaluating")
    unreadable = len(posts) - len(judged.readable)
    which = judged.readable
    card = score(truth[which], judged.probabilities, names, failed + unreadable, words[which])
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
) -> Generator[Progress, None, EvaluatedPosts]:
    """Probabilities of the posts, each passed through `change` first; one yield a micro-batch."""
    import numpy as np

    from weibo_tui.engine.prediction import Prediction

    probabilities = np.full((len(posts), labels), np.nan)
    done = 0
    for start in range(0, len(posts), WINDOW):
        window = [change(post) for post in posts[start : start + WINDOW]]
        for batch in classifier.iter_batches(window):
            for index, verdict in batch:
                if isinstance(verdict, Prediction):
                    probabilities[start + index] = verdict.probabilities
            done += len(batch)
            yield Progress(stage, done, len(posts))
    readable = np.flatnonzero(~np.isnan(probabilities).any(axis=1))
    return EvaluatedPosts(probabilities[readable], readable)


def judged_posts(
    dataset: Dataset, judged: EvaluatedPosts, wanted: Callable[[str, str], bool]
) -> Iterator[EvaluatedPost]:
    """The readable posts whose label and verdict are `wanted`, surest first."""
    import numpy as np

    names = dataset.names
    cells = np.array([[wanted(label, verdict) for verdict in names] for label in names])
    truths = np.array(dataset.labels, np.int64)[judged.readable]
    verdicts = judged.probabilities.argmax(axis=1)
    found = np.flatnonzero(cells[truths, verdicts])
    surest = np.argsort(-judged.probabilities[found].max(axis=1), kind="stable")
    for at in found[surest]:
        index = int(judged.readable[at])
        file, row = dataset.places[index]
        yield EvaluatedPost(
            text=dataset.posts[index],
            label=names[truths[at]],
            predicted=names[verdicts[at]],
            probabilities=dict(zip(names, judged.probabilities[at].tolist(), strict=True)),
            path=dataset.sources[file].path,
            row=row,
        )


def write_errors(path: Path, dataset: Dataset, judged: EvaluatedPosts, overwrite: bool = False) -> None:
    """Write the posts judged wrongly as CSV, the surest first, with the place each came from."""
    probabilities = [f"prob_{name}" for name in dataset.names]
    rows = (
        (post.text, post.label, post.predicted, post.confidence, *post.probabilities.values(), str(post.path), post.row)
        for post in judged_posts(dataset, judged, operator.ne)
    )
    write_csv(path, ["text", "label", "predicted", "confidence", *probabilities, "file", "row"], rows, overwrite)

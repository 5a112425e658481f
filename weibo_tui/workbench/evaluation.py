"""Evaluation of an adapter: a score card with three accuracies, and the posts that were predicted wrongly."""

from __future__ import annotations

import operator
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from weibo_tui import atomic
from weibo_tui.datasets.dataset import Dataset, load_dataset
from weibo_tui.datasets.label_map import parse_rules
from weibo_tui.datasets.labels import Labels
from weibo_tui.datasets.splitting import hash_texts
from weibo_tui.display_names import label_name
from weibo_tui.engine.score_card import ScoreCard
from weibo_tui.locale import gettext as _
from weibo_tui.progress import Progress
from weibo_tui.storage.export import write_csv
from weibo_tui.text.emoticons import only_emoticons, without_emoticons
from weibo_tui.workbench.config import EvaluationConfig, check_output
from weibo_tui.workbench.models import ModelLoader
from weibo_tui.workbench.subsets import LENGTHS, PostFiles, length_parts, post_files

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from weibo_tui.engine.prediction import Classifier
    from weibo_tui.registry.cards import AdapterCard

WINDOW = 2048
"""Posts that are sorted by length together: enough to avoid padding, few enough to encode quickly."""


@dataclass(frozen=True, slots=True)
class EvaluationResult:
    """The last event of an evaluation. It holds the posts in memory.

    `errors` is the file of the posts that were predicted wrongly, if requested. `seen_in_training` is the number of
    posts in the adapter's training or validation data, None where the adapter has no record of them."""

    adapter: str
    score: ScoreCard
    errors: str | None
    seen_in_training: int | None
    _dataset: Dataset = field(repr=False, compare=False)
    _predictions: Predictions = field(repr=False, compare=False)

    @property
    def warning(self) -> str:
        """Return what makes the score too high or too low, empty if nothing is known to."""
        return " ".join(filter(None, (self._overlap(), *self._labels_without_posts())))

    def _overlap(self) -> str:
        """Return a sentence about overlap with the training data, empty without overlap."""
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

    def _labels_without_posts(self) -> Iterator[str]:
        """Yield a sentence for each label that is predicted and that no post has."""
        confusion = self.score.confusion
        for index, label in enumerate(self.score.labels):
            predicted = sum(row[index] for row in confusion)
            if predicted and not sum(confusion[index]):
                message = _(
                    "No post is labeled {label}, but {count} of {total} predictions are, and count as wrong. An "
                    "adapter with the labels of the file suits it better."
                )
                yield message.format(label=label_name(label), count=f"{predicted:,}", total=f"{self.score.n:,}")

    def posts(self, actual: str, predicted: str) -> Iterator[EvaluatedPost]:
        """Yield the posts in a cell of the confusion matrix, in descending order of confidence."""
        return _iter_posts(self._dataset, self._predictions, lambda *cell: cell == (actual, predicted))

    @property
    def unlabeled(self) -> int:
        """The number of rows that were left out because no person has labeled them."""
        return self._dataset.unlabeled

    @property
    def left_out(self) -> dict[str, int]:
        """The numbers of rows that were left out, by the reason; see `Dataset`."""
        return self._dataset.left_out

    @property
    def labels_read_as(self) -> dict[str, str]:
        """The adapter's names of labels in the files, where these are others."""
        return self._dataset.labels_read_as

    def write_errors(self, path: Path, overwrite: bool = False) -> None:
        """Write the posts that were predicted wrongly to the CSV file `path`."""
        atomic.check_output(path, overwrite, [source.path for source in self._dataset.sources])
        _write_errors(path, self._dataset, self._predictions, overwrite)


@dataclass(frozen=True, slots=True)
class EvaluatedPost:
    """A labeled post with its prediction, its file, and its row in that file, from 1."""

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
class Predictions:
    """Probabilities (readable posts, labels), and the ascending indices of those posts."""

    probabilities: NDArray[np.float64]
    readable: NDArray[np.int64]


def evaluate(models: ModelLoader, config: EvaluationConfig) -> Iterator[object]:
    """Evaluate an adapter; see `Workbench.iter_evaluate`."""
    if config.errors is not None:
        check_output(models.paths, config.errors, config.overwrite, config.data)
    adapter = models.adapter_name(config.adapter)
    card = models.adapters.card(adapter)
    dataset = yield from load_dataset(
        config.data,
        config.columns,
        Labels(card.labels, card.raw_labels),
        preprocessing=card.preprocessing,
        label_map=parse_rules(config.map),
    )
    classifier = models.classifier(adapter, config.machine)
    texts, words = yield from hash_texts(dataset.posts, card.preprocessing)
    score, predictions = yield from score_posts(
        classifier,
        dataset.posts,
        words,
        dataset.labels,
        card.labels,
        failed=len(dataset.skipped),
        files=post_files(dataset, range(len(dataset.posts))),
    )
    if config.errors is not None:
        _write_errors(config.errors, dataset, predictions, config.overwrite)
    errors = None if config.errors is None else str(config.errors)
    yield EvaluationResult(
        adapter, score, errors, _seen_in_training(models, card, dataset, texts), dataset, predictions
    )


def _seen_in_training(models: ModelLoader, card: AdapterCard, dataset: Dataset, texts: NDArray[np.int64]) -> int | None:
    """Return how many of `texts`, the hashes of the posts, are in the adapter's training data."""
    import numpy as np

    known = models.adapters.training_texts(card)
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
    files: PostFiles | None = None,
) -> Generator[Progress, None, tuple[ScoreCard, Predictions]]:
    """Return the score card of labeled posts, with all three emoticon accuracies, and the predictions.

    `words`, (posts,), are hashes from `hash_texts`: posts that differ only in emoticons and the like count as one in
    the intervals. Unreadable posts are added to `failed` and to no other figure. Several `files` are scored apart."""
    import numpy as np

    from weibo_tui.engine.metrics import part_scores, score

    actual = np.array(labels, np.int64)
    predictions = yield from predict_probabilities(classifier, posts, len(names), "evaluating")
    readable = predictions.readable
    unreadable = len(posts) - len(readable)
    card = score(actual[readable], predictions.probabilities, names, failed + unreadable, words[readable])
    rows = (actual[readable], predictions.probabilities.argmax(axis=1), words[readable])
    lengths = part_scores(LENGTHS, length_parts(posts)[readable], *rows)
    sources = part_scores(files.names, files.of_posts[readable], *rows) if files and len(files.names) > 1 else ()
    accuracies = {"with": card.accuracy}
    variants = {"without": without_emoticons, "only": only_emoticons}
    for variant, transform in variants.items():
        changed = yield from predict_probabilities(classifier, posts, len(names), f"{variant} emoticons", transform)
        hits = changed.probabilities.argmax(axis=1) == actual[changed.readable]
        accuracies[variant] = float(hits.mean()) if len(hits) else None
    return replace(card, emoticons=accuracies, sources=sources, lengths=lengths), predictions


def predict_probabilities(
    classifier: Classifier, posts: Sequence[str], labels: int, stage: str, transform: Callable[[str], str] = str
) -> Generator[Progress, None, Predictions]:
    """Predict the transformed posts; yields after each micro-batch."""
    import numpy as np

    from weibo_tui.engine.prediction import Prediction

    probabilities = np.full((len(posts), labels), np.nan)
    done = 0
    for start in range(0, len(posts), WINDOW):
        window = [transform(post) for post in posts[start : start + WINDOW]]
        for batch in classifier.iter_batches(window):
            for index, prediction in batch:
                if isinstance(prediction, Prediction):
                    probabilities[start + index] = prediction.probabilities
            done += len(batch)
            yield Progress(stage, done, len(posts))
    readable = np.flatnonzero(~np.isnan(probabilities).any(axis=1))
    return Predictions(probabilities[readable], readable)


def _iter_posts(
    dataset: Dataset, predictions: Predictions, is_match: Callable[[str, str], bool]
) -> Iterator[EvaluatedPost]:
    """Yield the readable posts whose actual and predicted label match, in descending order of confidence."""
    import numpy as np

    names = dataset.names
    cells = np.array([[is_match(actual, predicted) for predicted in names] for actual in names])
    actual = np.array(dataset.labels, np.int64)[predictions.readable]
    predicted = predictions.probabilities.argmax(axis=1)
    matches = np.flatnonzero(cells[actual, predicted])
    order = np.argsort(-predictions.probabilities[matches].max(axis=1), kind="stable")
    for position in matches[order]:
        index = int(predictions.readable[position])
        file, row = dataset.places[index]
        yield EvaluatedPost(
            text=dataset.posts[index],
            label=names[actual[position]],
            predicted=names[predicted[position]],
            probabilities=dict(zip(names, predictions.probabilities[position].tolist(), strict=True)),
            path=dataset.sources[file].path,
            row=row,
        )


def _write_errors(path: Path, dataset: Dataset, predictions: Predictions, overwrite: bool) -> None:
    """Write the posts that were predicted wrongly as CSV, in descending order of confidence."""
    probabilities = [f"prob_{name}" for name in dataset.names]
    rows = (
        (post.text, post.label, post.predicted, post.confidence, *post.probabilities.values(), str(post.path), post.row)
        for post in _iter_posts(dataset, predictions, operator.ne)
    )
    write_csv(path, ["text", "label", "predicted", "confidence", *probabilities, "file", "row"], rows, overwrite)

"""Labelling a file: window by window of rows its predictions into a file beside the result, its cells with them into
the result, which takes its place when it is whole.

A killed labelling goes on from the predictions that were kept (`partial.py`).
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weibo_tui.atomic import file_exists, sha256
from weibo_tui.datasets.reading import count, open_source
from weibo_tui.datasets.writing import Added, check_added, write_labelled
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.progress import Progress
from weibo_tui.storage.history import LabeledFile
from weibo_tui.workbench.config import LabelingConfig
from weibo_tui.workbench.home import Home
from weibo_tui.workbench.labeling_checkpoint import LabelingCheckpoint, open_partial, place_of

if TYPE_CHECKING:
    from weibo_tui.engine.prediction import Classifier, FailedPost, Prediction

WINDOW = 2048


@dataclass(frozen=True, slots=True)
class LabelingResult:
    """A file is labelled: `counts` are rows by label, `failed` those with an error, `continued` the rows that an
    earlier, killed labelling had done; `posts_per_second` of what was judged this time."""

    out: str
    rows: int
    failed: int
    counts: dict[str, int]
    continued: int
    posts_per_second: float


def label_file(home: Home, plan: LabelingConfig) -> Iterator[object]:
    """`Workbench.label_file`."""
    for output in (plan.out, place_of(plan.out)):
        home.check_output(output, overwrite=True, inputs=[plan.source])
    adapter = home.adapter_name(plan.adapter)
    card = home.adapters.card(adapter)
    columns = plan.columns
    source = open_source(plan.source, columns.text, columns.label, columns.encoding)
    added: Added = {
        "predicted": str,
        "confidence": float,
        **{f"prob_{label}": float for label in card.labels},
        "error": str,
    }
    check_added(source, plan.out, added)
    history = home.history if plan.record and home.settings.history else None
    if history is not None:
        history.check_writable()  # before the work rather than after it
    state = _state(plan.source)
    total = yield from count(source)
    classifier = home.classifier(adapter, plan.machine)
    reading = [card.weights_sha256, card.temperature, card.max_length, card.preprocessing]
    key = hashlib.sha256(json.dumps([*reading, str(classifier.compute), list(added)]).encode()).hexdigest()
    with open_partial(plan.out, key) as partial:
        yield from partial.read()
        work = _Labeling(plan, classifier, card.labels, tuple(added), partial, total, state)
        work.check_out()
        partial.begin(plan.overwrite)
        started = time.perf_counter()
        replaces = plan.overwrite or plan.out.exists()
        yield from write_labelled(
            source, plan.out, work.predict, added, overwrite=replaces, rows=WINDOW, finish=work.finish
        )
        seconds = max(time.perf_counter() - started, 1e-9)
        counts = dict(work.counts)
        failed = work.rows - work.counts.total()
        if history is not None:
            paths = plan.source.absolute(), plan.out.absolute()
            entry = LabeledFile(*paths, adapter, work.rows, failed, counts, work.finished)
            if not history.has_file(entry):  # else it was killed behind this
                history.add_file(entry)
        # Last: killed before, the same command comes here again.
        partial.remove()
    rate = (work.rows - work.continued) / seconds
    yield LabelingResult(str(plan.out), work.rows, failed, counts, work.continued, rate)


class _Labeling:
    """What a labeling has done so far: `rows`, `continued` of them from the partial file, and `counts` by label."""

    def __init__(
        self,
        plan: LabelingConfig,
        classifier: Classifier,
        labels: tuple[str, ...],
        added: tuple[str, ...],
        partial: LabelingCheckpoint,
        total: int,
        state: tuple[int, int],
    ) -> None:
        self._plan = plan
        self._classifier = classifier
        self._labels = labels
        self._added = added
        self._partial = partial
        self._total = total
        self._state = state
        self.rows = self.continued = 0
        self.counts: Counter[str] = Counter()
        self.finished = ""

    def predict(self, posts: Sequence[str]) -> Generator[Progress, None, list[dict[str, Any]]]:
        """Return the predictions of the next rows. A window that was not kept whole is predicted whole, so that its
        batches, and with them the last bits of its probabilities, are those of a labeling that nothing stopped."""
        values = self._partial.take(self.rows + 1, posts, self._plan.overwrite)
        if values is not None:
            self.continued += len(posts)
            yield Progress("labelling", self.rows + len(posts), self._total)
        else:
            found: dict[int, Prediction | FailedPost] = {}
            for batch in self._classifier.iter_batches(posts):
                found.update(batch)
                yield Progress("labelling", self.rows + len(found), self._total)
            values = [self._values(found[index]) for index in range(len(posts))]
            self._partial.add(self.rows + 1, posts, values)
        self.rows += len(posts)
        predictions = [dict(zip(self._added, row, strict=True)) for row in values]
        self.counts.update(one["predicted"] for one in predictions if one["predicted"] is not None)
        return predictions

    def check_out(self) -> None:
        """Raise UserInputError where the result would replace a file that is not an earlier one of this labeling."""
        plan = self._plan
        if plan.out.exists() and not plan.overwrite and not self._partial.is_result(plan.out):
            raise file_exists(plan.out)

    def finish(self, path: Path) -> None:
        """Check that the whole result in `path` may take its place, and note that it does."""
        if _state(self._plan.source) != self._state:
            message = _("{path} changed while it was labelled. Give the same command again.")
            raise UserInputError(message.format(path=self._plan.source))
        self.check_out()
        self.finished = self._partial.finish(sha256(path))

    def _values(self, verdict: Prediction | FailedPost) -> list[Any]:
        """The values of the added columns."""
        from weibo_tui.engine.prediction import Prediction

        if not isinstance(verdict, Prediction):
            return [*[None] * (len(self._added) - 1), verdict.reason]
        return [self._labels[verdict.label], verdict.confidence, *verdict.probabilities, None]


def _state(path: Path) -> tuple[int, int]:
    about = path.stat()
    return about.st_size, about.st_mtime_ns

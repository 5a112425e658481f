"""Labelling a file: verdicts row by row into a file beside the result, then the result written whole.

A killed labelling goes on behind the last verdict that was kept (`partial.py`).
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from weibo_tui.datasets.reading import Source, count, open_source, rows
from weibo_tui.datasets.writing import Added, check_added, write_labelled
from weibo_tui.errors import BadInput
from weibo_tui.files import cannot_write, file_exists
from weibo_tui.locale import gettext as _
from weibo_tui.progress import Progress
from weibo_tui.storage.history import LabelledFile
from weibo_tui.workbench.home import Home
from weibo_tui.workbench.partial import Partial, open_partial, place_of
from weibo_tui.workbench.plans import LabellingPlan

if TYPE_CHECKING:
    from weibo_tui.engine.prediction import Classifier, Unreadable, Verdict

WINDOW = 2048


@dataclass(frozen=True, slots=True)
class FileLabelled:
    """A file is labelled: `counts` are rows by label, `failed` those with an error, `continued` the rows that an
    earlier, killed labelling had done; `posts_per_second` of what was judged this time."""

    out: str
    rows: int
    failed: int
    counts: dict[str, int]
    continued: int
    posts_per_second: float


def label_file(home: Home, plan: LabellingPlan) -> Iterator[object]:
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
    total = yield from count(source)
    classifier = home.classifier(adapter, plan.machine)
    # Opened here: a history that cannot be written is better found out before the work than behind it.
    history = home.history if plan.record and home.settings.history else None
    reading = [card.weights_sha256, card.temperature, card.max_length, card.preprocessing]
    about = [*reading, str(classifier.compute), list(added)]
    key = _key(source, about)
    with open_partial(plan.out, key) as partial:
        if plan.out.exists() and not plan.overwrite and not partial.fits():
            raise file_exists(plan.out)
        replaces = plan.overwrite or plan.out.exists()
        with _failures_named(partial):
            continued = yield from partial.go_on()
            started = time.perf_counter()
            yield from _judge_rows(classifier, card.labels, source, partial, continued, total)
            seconds = max(time.perf_counter() - started, 1e-9)
            if key != _key(source, about):
                message = _("{path} changed while it was labelled: give the same command again, which begins anew.")
                raise BadInput(message.format(path=plan.source))
            finished = partial.finish()
        for written in write_labelled(source, plan.out, partial.verdicts(), added, replaces):
            if written % WINDOW == 0:
                yield Progress("writing", written, total)
        counts = Counter(verdict["predicted"] for verdict in partial.verdicts() if "predicted" in verdict)
        failed = total - counts.total()
        if history is not None:
            paths = plan.source.absolute(), plan.out.absolute()
            entry = LabelledFile(*paths, adapter, total, failed, dict(counts), finished)
            if not history.has_file(entry):  # else it was killed behind this
                history.add_file(entry)
        # Last: killed before, the same command comes here again.
        partial.path.unlink()
    rate = (total - continued) / seconds
    yield FileLabelled(str(plan.out), total, failed, dict(counts), continued, rate)


@contextmanager
def _failures_named(partial: Partial) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.filename not in (None, str(partial.path)):
            raise
        raise cannot_write(partial.path, error) from error


def _judge_rows(
    classifier: Classifier,
    labels: tuple[str, ...],
    source: Source,
    partial: Partial,
    done: int,
    total: int,
) -> Iterator[Progress]:
    """Keep a verdict for each row behind the first `done`."""
    waiting = islice(rows(source), done, None)
    while window := [row.text for row in islice(waiting, WINDOW)]:
        found: dict[int, Verdict | Unreadable] = {}
        for batch in classifier.classify(window):
            found.update(batch)
            yield Progress("labelling", done + len(found), total)
        partial.add(_added_cells(found[index], labels) for index in range(len(window)))
        done += len(window)


def _added_cells(verdict: Verdict | Unreadable, labels: tuple[str, ...]) -> dict[str, Any]:
    """What a row gets; a column that is left out stays empty."""
    from weibo_tui.engine.prediction import Verdict

    if not isinstance(verdict, Verdict):
        return {"error": verdict.reason}
    probabilities = zip(labels, verdict.probabilities, strict=True)
    return {
        "predicted": labels[verdict.label],
        "confidence": verdict.confidence,
        **{f"prob_{label}": probability for label, probability in probabilities},
    }


def _key(source: Source, about: list[Any]) -> str:
    """What the verdicts of a partial file belong to: this content, read so, by this adapter."""
    state = source.path.stat()
    what = [
        str(source.path.absolute()),
        state.st_size,
        state.st_mtime_ns,
        source.encoding,
        source.text_column,
    ]
    return hashlib.sha256(json.dumps([what, about]).encode()).hexdigest()

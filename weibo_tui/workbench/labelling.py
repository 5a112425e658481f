"""Labelling a file: verdicts row by row into a file beside the result, then the result written whole.

The verdicts so far stand in `<out>.partial`, one JSON line a row behind a line that says what they belong to. A
killed labelling goes on behind the last whole line.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from weibo_tui.datasets.reading import Source, count, open_source, rows
from weibo_tui.datasets.writing import Added, check_added, write_labelled
from weibo_tui.files import cannot_write
from weibo_tui.progress import Progress
from weibo_tui.storage.history import LabelledFile
from weibo_tui.storage.values import timestamp
from weibo_tui.workbench.home import Home
from weibo_tui.workbench.plans import LabellingPlan

if TYPE_CHECKING:
    from weibo_tui.engine.prediction import Classifier, Unreadable, Verdict

WINDOW = 2048
SYNC_SECONDS = 5.0


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
    partial = plan.out.with_name(plan.out.name + ".partial")
    reading = [card.weights_sha256, card.temperature, card.max_length, card.preprocessing]
    key = _key(source, [*reading, str(classifier.compute), list(added)])
    try:
        continued = _resume(partial, key)
        started = time.perf_counter()
        with partial.open("a", encoding="utf-8") as file:
            yield from _judge_rows(classifier, card.labels, source, file, continued, total)
    except OSError as error:
        raise cannot_write(partial, error) from error
    seconds = max(time.perf_counter() - started, 1e-9)
    for written in write_labelled(source, plan.out, _verdicts(partial), added):
        if written % WINDOW == 0:
            yield Progress("writing", written, total)
    predicted = (verdict.get("predicted") for verdict in _verdicts(partial))
    counts: Counter[str] = Counter(label for label in predicted if label is not None)
    failed = total - counts.total()
    partial.unlink()
    if history is not None:
        history.add_file(
            LabelledFile(plan.source.absolute(), plan.out.absolute(), adapter, total, failed, dict(counts), timestamp())
        )
    rate = (total - continued) / seconds
    yield FileLabelled(str(plan.out), total, failed, dict(counts), continued, rate)


def _judge_rows(
    classifier: Classifier,
    labels: tuple[str, ...],
    source: Source,
    file: IO[str],
    done: int,
    total: int,
) -> Iterator[Progress]:
    """Append one line for each row behind the first `done`."""
    waiting = islice(rows(source), done, None)
    synced = time.monotonic()
    while window := [row.text for row in islice(waiting, WINDOW)]:
        found: dict[int, Verdict | Unreadable] = {}
        for batch in classifier.classify(window):
            found.update(batch)
            yield Progress("labelling", done + len(found), total)
        for index in range(len(window)):
            file.write(json.dumps(_added_cells(found[index], labels), ensure_ascii=False) + "\n")
        file.flush()
        if time.monotonic() - synced > SYNC_SECONDS:
            os.fsync(file.fileno())
            synced = time.monotonic()
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


def _resume(partial: Path, key: str) -> int:
    """How many rows the partial file holds for `key`, cut behind its last whole line; it is begun where it is not."""
    header = json.dumps({"weibo-tui labelling": key}) + "\n"
    if partial.exists():
        with partial.open("rb+") as file:
            if file.readline() == header.encode():
                end, done = file.tell(), 0
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    end, done = end + len(line), done + 1
                file.truncate(end)
                return done
    partial.parent.mkdir(parents=True, exist_ok=True)
    with open(partial, "w", encoding="utf-8", opener=_private) as fresh:
        fresh.write(header)
    return 0


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _verdicts(partial: Path) -> Iterator[dict[str, Any]]:
    with partial.open(encoding="utf-8") as file:
        for line in islice(file, 1, None):
            yield json.loads(line)

"""The work on Ray: files are counted, then read, labeled and written, part by part.

Ray Data starts readers only while workers need parts, so that the memory in use does not grow with the files.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from weibo_tui import locale
from weibo_tui.datasets.tables import Columns
from weibo_tui.engine.hyperparameters import ComputeOptions
from weibo_tui.errors import UserInputError, WeiboTuiError
from weibo_tui.workbench.cluster import reader
from weibo_tui.workbench.cluster.blocks import block, pack_part, unpack_part
from weibo_tui.workbench.cluster.locations import FoundFile
from weibo_tui.workbench.cluster.model import Files
from weibo_tui.workbench.cluster.plan import Part, Plan, PlannedFile
from weibo_tui.workbench.cluster.polling import poll
from weibo_tui.workbench.cluster.reader import ATTEMPTS, PAUSE_SECONDS, ReadPart, describe
from weibo_tui.workbench.cluster.result_folder import PartSummary
from weibo_tui.workbench.cluster.worker import Job, Worker
from weibo_tui.workbench.cluster.workers import READER_CPUS, Workers

if TYPE_CHECKING:
    import pyarrow as pa

_MAX_COUNTING = 1000  # tasks that Ray has at once
_MAX_TASKS = 10_000  # for reading; of more files, one reads several
_MAX_READERS = 32
_POLL_SECONDS = 0.5
RETRIES = 2
"""Times that Ray repeats the work of a worker or node that died."""


@dataclass(frozen=True, slots=True)
class FailedPart:
    """A part that could not be labeled. With `is_fatal`, none can be."""

    number: int
    reason: str
    is_fatal: bool = False


@dataclass(frozen=True, slots=True)
class RowsDone:
    """Rows that are done, by the numbers of parts that are not written yet."""

    by_part: dict[int, int]


def count_files(
    files: Sequence[FoundFile], columns: Columns, language: str
) -> Iterator[tuple[int, PlannedFile, str] | None]:
    """Yield the number of each file, the file with its rows and columns, and a line about how it is read; and None
    while there is nothing new. Raise the error of a file."""
    import ray

    count: Any = ray.remote(num_cpus=READER_CPUS)(_count)
    waiting = iter(enumerate(files))
    running: dict[Any, int] = {}
    while True:
        while len(running) < _MAX_COUNTING and (item := next(waiting, None)) is not None:
            running[count.remote(item[1], columns, language)] = item[0]
        if not running:
            return
        done, _others = ray.wait(list(running), timeout=_POLL_SECONDS)
        for reference in done:
            answer = ray.get(reference)
            if isinstance(answer, WeiboTuiError):
                raise answer
            yield (running.pop(reference), *answer)
        if not done:
            yield None


def _count(file: FoundFile, columns: Columns, language: str) -> tuple[PlannedFile, str] | WeiboTuiError:
    locale.use(language)
    try:
        return reader.count(file, columns)
    except WeiboTuiError as error:
        return error
    except Exception as error:
        return WeiboTuiError(describe(error))


def resolve_compute(machine: ComputeOptions, workers: Workers) -> tuple[ComputeOptions, str]:
    """Return the options with device and dtype as a worker chooses them, so that all workers compute the same, and a
    text that identifies them."""
    import ray

    options = ComputeOptions(machine.device, machine.dtype, workers.threads)
    task: Any = ray.remote(num_cpus=workers.cpus, num_gpus=workers.gpus)(_resolve_compute)
    answer = ray.get(task.remote(options))
    if isinstance(answer, WeiboTuiError):
        raise answer
    resolved: tuple[ComputeOptions, str] = answer
    return resolved


def _resolve_compute(machine: ComputeOptions) -> tuple[ComputeOptions, str] | WeiboTuiError:
    from weibo_tui.engine.device import Compute

    try:
        compute = Compute.choose(machine.device, machine.dtype, machine.threads)
    except WeiboTuiError as error:
        return error
    return ComputeOptions(compute.device.type, compute.dtype_name, machine.threads), str(compute)


@dataclass(frozen=True, slots=True)
class Labeling:
    """The parts of a plan that are labeled now, and by whom. `files` are the model, for nodes that do not have it."""

    plan: Plan
    columns: Columns
    job: Job
    workers: Workers
    language: str
    files: Files | None

    def run(self, needed: Collection[int]) -> Iterator[PartSummary | FailedPart | RowsDone]:
        """Yield the summary or the failure of each of the parts `needed`, and regularly what is done of others.

        A part whose worker died too often has neither."""
        import ray

        files = None if self.files is None else ray.put(self.files)
        board = _start_board()
        for answer in poll(self._dataset(needed, files, board).iter_rows(), _POLL_SECONDS):
            if answer is not None:
                yield pickle.loads(answer["answer"])
                continue
            with suppress(ray.exceptions.RayError):  # its node died, or is too busy to answer
                yield RowsDone(ray.get(board.rows.remote(), timeout=_POLL_SECONDS))

    def _dataset(self, needed: Collection[int], files: Any, board: Any) -> Any:
        import ray.data

        context = ray.data.DataContext.get_current()
        context.target_max_block_size = 1  # each part is a block: larger blocks would have several
        context.enable_progress_bars = False
        context.max_errored_blocks = -1
        items = [pickle.dumps(item) for item in self._items(needed)]
        return (
            ray.data.from_items(items, override_num_blocks=min(len(items), _MAX_TASKS))
            .map_batches(
                _Reader(self.plan.part_rows, self.columns, self.language),
                batch_size=None,
                batch_format="pyarrow",
                num_cpus=READER_CPUS,
                compute=ray.data.TaskPoolStrategy(size=min(2 * self.workers.number, _MAX_READERS)),
            )
            .map_batches(
                _Labeler,
                fn_constructor_args=(self.job, files, board, self.language),
                batch_size=None,
                batch_format="pyarrow",
                num_cpus=self.workers.cpus,
                num_gpus=self.workers.gpus or None,
                compute=ray.data.ActorPoolStrategy(size=self.workers.number),
                max_task_retries=RETRIES,
            )
        )

    def _items(self, needed: Collection[int]) -> Iterator[tuple[PlannedFile, list[Part]]]:
        for file in self.plan.files:
            if parts := [part for part in self.plan.parts_of(file) if part.number in needed]:
                yield file, parts


def _start_board() -> Any:
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
    board: Any = ray.remote(num_cpus=0, max_restarts=-1)(_Board)
    return board.options(scheduling_strategy=here).remote()


class _Board:
    """An actor that knows the rows that are done in parts that are not."""

    def __init__(self) -> None:
        self._rows: dict[int, int] = {}

    def add(self, part: int, rows: int) -> None:
        self._rows[part] = rows

    def remove(self, part: int) -> None:
        self._rows.pop(part, None)

    def rows(self) -> dict[int, int]:
        return self._rows


class _Reader:
    """A function of Ray Data from files to their parts, one a block."""

    def __init__(self, part_rows: int, columns: Columns, language: str) -> None:
        self._part_rows = part_rows
        self._columns = columns
        self._language = language

    def __call__(self, batch: pa.Table) -> Iterator[pa.Table]:
        locale.use(self._language)
        for item in batch.column("item"):
            file, parts = pickle.loads(item.as_py())
            for part in reader.read(file, parts, self._part_rows, self._columns):
                yield pack_part(part)


class _Labeler:
    """An actor of Ray Data from parts to their summaries."""

    def __init__(self, job: Job, files: Any, board: Any, language: str) -> None:
        import ray

        locale.use(language)
        self._board = board
        self._problem = ""
        try:
            self._worker = Worker(job, None if files is None else ray.get(files))
        except Exception as error:  # Ray would start the actor again for ever
            self._problem = describe(error)

    def __call__(self, batch: pa.Table) -> Iterator[pa.Table]:
        for part, cells in zip(batch.column("part"), batch.column("cells"), strict=True):
            yield block(answer=pickle.dumps(self._label(unpack_part(part, cells))))

    def _label(self, read: ReadPart) -> PartSummary | FailedPart:
        number = read.part.number
        if self._problem or read.error:
            return FailedPart(number, self._problem or read.error, bool(self._problem))
        is_fatal = False
        for attempt in range(ATTEMPTS):
            time.sleep(attempt * PAUSE_SECONDS)
            try:
                return self._worker.label(read, lambda rows: self._board.add.remote(number, rows))
            except UserInputError as error:
                return FailedPart(number, str(error))
            except Exception as error:
                # A disk that is full, or a store that is gone, would fail with all other parts too.
                reason, is_fatal = describe(error), isinstance(error, WeiboTuiError)
            finally:
                self._board.remove.remote(number)
        return FailedPart(number, reason, is_fatal)

"""The number of workers, and the cores and GPUs of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _

READER_CPUS = 0.1
"""Share of a core that a reader has in Ray's account. It mostly waits, and workers leave it that much of theirs."""
WORKER_MEMORY, MEMORY_PER_BYTE = 2**29, 4
"""Bytes of a worker, and for each byte of its base, which is in memory several times while it is read."""

_GPU_THREADS = 8


@dataclass(frozen=True, slots=True)
class NodeResources:
    """Cores, GPUs and bytes of memory of a machine."""

    cpus: float
    gpus: float
    memory: float


@dataclass(frozen=True, slots=True)
class Workers:
    """The workers: their number, the threads of each, and its share of GPUs."""

    number: int
    threads: int
    gpus: float

    @property
    def cpus(self) -> float:
        """The cores of each in Ray's account."""
        return self.threads - READER_CPUS


def choose_workers(
    nodes: Sequence[NodeResources], number: int, gpus: float | None, threads: int, base_size: int
) -> Workers:
    """Return the workers, by default as many as fit. Raise UserInputError where fewer fit, because Ray would wait.

    `gpus` of each is by default one if there are any. `threads` is by default one for each worker without a GPU, or for
    a `number` of them, as many as there are cores. With a GPU, which cleaning and tokenizing must feed, it is more."""
    gpus = float(any(node.gpus >= 1 for node in nodes)) if gpus is None else gpus
    memory = WORKER_MEMORY + MEMORY_PER_BYTE * base_size
    room = sum(_room(node, threads or 1, gpus, memory) for node in nodes)
    needed = number or room
    choices = range(_max_threads(nodes, needed, gpus) if needed and (number or gpus) else 1, 0, -1)
    for choice in [threads] if threads else choices:
        if 0 < needed <= sum(_room(node, choice, gpus, memory) for node in nodes):
            return Workers(needed, choice, gpus)
    if room:
        message = _("There is room for {room} workers here, not for {number}. Use --workers {room}, or fewer.")
        in_app = _("There is room for {room} workers here, not for {number}. Choose {room}, or fewer.")
        values = {"room": room, "number": number}
        raise UserInputError(message.format(**values), in_app.format(**values))
    message = _(
        "There is no machine here with {cpus} free cores, {gpus} GPUs and {memory} GB of memory, which a worker needs. "
        "Use fewer threads or GPUs for each worker, or other machines."
    )
    raise UserInputError(message.format(cpus=threads or 1, gpus=f"{gpus:g}", memory=f"{memory / 1e9:.1f}"))


def _max_threads(nodes: Sequence[NodeResources], number: int, gpus: float) -> int:
    threads = max(1, int(sum(node.cpus for node in nodes)) // number)
    return min(threads, _GPU_THREADS) if gpus else threads


def _room(node: NodeResources, threads: int, gpus: float, memory: float) -> int:
    by_gpus = [int(node.gpus / gpus + 1e-9)] if gpus else []
    return min(int(node.cpus) // threads, int(node.memory / memory), *by_gpus)

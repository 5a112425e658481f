"""Data parallelism: several processes compute the gradient of each optimizer step together.

The semantics are those of PyTorch's DistributedDataParallel (Li et al. 2020, "PyTorch Distributed: Experiences on
Accelerating Data Parallel Training"): all processes begin with the state of rank 0, each computes the gradient of its
share of a step, and an all-reduce gives all of them the same sum, with which they make the same update. That class
overlaps the all-reduce of large models with their backward pass. An adapter has a million numbers, so here all
gradients of a step are one buffer, which also holds the other numbers that the processes share.
"""

from __future__ import annotations

import os
import pickle
import secrets
import select
import socket
import time
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch import distributed as dist
from torch.distributed.rendezvous import rendezvous

from weibo_tui.engine.batches import Indices
from weibo_tui.engine.cores import usable_cores
from weibo_tui.engine.device import Compute
from weibo_tui.errors import UserInputError, WeiboTuiError
from weibo_tui.locale import gettext as _

TIMEOUT = timedelta(days=365)
"""Limit for a collective operation: a pause may last days, and the end of a process is noticed without a limit."""

START_TIMEOUT = timedelta(minutes=10)
"""Limit for the start of all processes. Some may never start, for example on a machine without this package."""

CONNECT_SECONDS = 60.0
END_SECONDS = 5.0
"""Time that a process that cannot continue waits for notice of the process that ended."""
MAX_REASON = 2_000
"""Bytes of the reason that a process gives for its end."""

# A waiting process looks for the end of the others after this share of the time that it has waited, in seconds.
POLL_SHARE, MIN_POLL, MAX_POLL = 0.02, 5e-5, 0.05

T = TypeVar("T")


class ProcessEndedError(WeiboTuiError):
    """Another process of the training has ended, so that this one cannot continue."""


class Processes:
    """The processes of a training, of which this is number `rank` of `size`. By default it is alone.

    Rank 0 has a connection to each of the others, which closes when either process ends. A collective operation alone
    does not tell which process ended, and one of NCCL would wait for ever."""

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        self.rank = rank
        self.size = size
        self.share = slice(rank, None, size)
        """Selects the share of this process from a sequence. Of posts sorted by length, each gets all lengths."""
        self._others: dict[socket.socket, tuple[int, str]] = {}
        """Rank and host of the process at the other end of each connection."""

    def connect(self) -> None:
        """Connect the processes, which must have a process group, for notice of their ends."""
        if self.rank == 0:
            self._accept_others()
        else:
            self._connect_to_rank_0()

    def place(self, compute: Compute, threads: int) -> Compute:
        """Return `compute` on the card of this process, and with its share of the CPU, at most `threads` (0: any)."""
        if self.size == 1:
            return compute
        neighbors = int(os.environ["LOCAL_WORLD_SIZE"])
        device = compute.device
        if device.type not in ("cuda", "cpu"):
            message = _("Several processes cannot train on {device}. Choose cpu or cuda as the device.")
            raise UserInputError(message.format(device=device))
        if device.type == "cuda":
            if neighbors > (cards := torch.cuda.device_count()):
                message = _("{number} processes on {host} need a CUDA device each, and it has {cards}. Start fewer.")
                raise UserInputError(message.format(number=neighbors, host=socket.gethostname(), cards=cards))
            device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
            torch.cuda.set_device(device)
        share = max(1, usable_cores() // neighbors)
        placed = replace(compute, device=device, threads=min(threads or share, share))
        placed.activate()
        return placed

    def place_alone(self, compute: Compute, threads: int) -> Compute:
        """Return `compute` with all of the CPU, at most `threads` (0: any), for work that the others wait for."""
        if self.size == 1:
            return compute
        return replace(compute, threads=min(threads or usable_cores(), usable_cores()))

    def owned(self, indices: Indices, number: int) -> Indices:
        """Return those of `indices`, modulo `number`, that always belong to this process, so that it can cache them."""
        owned: Indices = indices[indices % number % self.size == self.rank]
        return owned

    def sum_gradients(self, module: nn.Module, values: Tensor) -> Tensor:
        """Replace the gradients of `module` by their sums over all processes, and return the sums of `values`, (n,).

        A process without a share of the step has no gradients, which count as zero."""
        if self.size == 1:
            return values
        parameters = list(module.parameters())
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        flat = torch.cat([*(gradient.reshape(-1) for gradient in gradients), values.to(gradients[0])])
        self._finish(dist.all_reduce(flat, async_op=True))
        sums: list[Tensor] = list(flat.split([*(p.numel() for p in parameters), len(values)]))
        for parameter, total in zip(parameters, sums[:-1], strict=True):
            parameter.grad = total.view_as(parameter)
        return sums[-1]

    def sum(self, array: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sum of the arrays of all processes, which have the same shape."""
        if self.size > 1:
            array = array.copy()
            self._finish(dist.all_reduce(torch.from_numpy(array), async_op=True))
        return array

    def broadcast(self, value: T) -> T:
        """Return the value of rank 0. The processes trust each other, as in `torch.distributed`: it is a pickle."""
        if self.size == 1:
            return value
        data = pickle.dumps(value) if self.rank == 0 else b""
        size = torch.tensor([len(data)])
        self._finish(dist.broadcast(size, 0, async_op=True))
        content = torch.frombuffer(bytearray(data or int(size)), dtype=torch.uint8)
        self._finish(dist.broadcast(content, 0, async_op=True))
        return cast(T, pickle.loads(content.numpy().data)) if self.rank else value

    def wait_for_all(self) -> None:
        """Wait until all processes are here. In rank 0, raise ProcessEndedError with the reason of one that ended."""
        self.sum(np.zeros(1))

    @property
    def has_ended(self) -> bool:
        """True where another process has ended: in rank 0 any one, in the others rank 0."""
        return bool(self._ended())

    def check(self) -> None:
        """Raise ProcessEndedError where another process has ended, with the reason that it gave, if any."""
        if ended := self._ended():
            # Of several, those without a reason ended first: the others tell that they cannot continue.
            reason, (rank, host) = min((_read_reason(connection), self._others[connection]) for connection in ended)
            message = (
                _("Process {number} of {size} on {host} cannot continue. {reason}")
                if reason
                else _("Process {number} of {size} on {host} ended, and the others cannot continue without it.")
            )
            text = message.format(number=rank + 1, size=self.size, host=host, reason=reason)
            raise ProcessEndedError(text) from ConnectionError(f"rank {rank}")

    def give_reason(self, reason: str) -> None:
        """Tell rank 0 why this process ends, and wait for the end of rank 0, whose message is then the only one."""
        (connection,) = self._others
        with suppress(OSError):
            connection.sendall(reason.encode()[:MAX_REASON])
            connection.shutdown(socket.SHUT_WR)
            connection.recv(1)

    def _ended(self) -> list[socket.socket]:
        return select.select(list(self._others), [], [], 0)[0] if self._others else []

    def _finish(self, work: Any) -> None:
        """Wait for the end of a collective operation, or of another process."""
        started = time.monotonic()
        while not work.is_completed():
            self.check()
            time.sleep(min(max(MIN_POLL, POLL_SHARE * (time.monotonic() - started)), MAX_POLL))
        try:
            work.wait()
        except RuntimeError as error:
            # The connection of a process that ended may close a little later, and rank 0 may be busy.
            select.select(list(self._others), [], [], END_SECONDS)
            self.check()
            raise _not_connected(error) from ConnectionError()

    def _accept_others(self) -> None:
        token = secrets.token_hex()
        with _open_server(self.size) as server:
            server.settimeout(CONNECT_SECONDS)
            self.broadcast((server.getsockname()[1], token))
            while len(self._others) < self.size - 1:
                connection = server.accept()[0]
                connection.settimeout(END_SECONDS)
                # Other programs may connect too, but do not know the token.
                with suppress(OSError, ValueError), connection.makefile("rb", buffering=0) as greeting:
                    sent, rank, name = greeting.readline(1_000).split()
                    if secrets.compare_digest(sent, token.encode()):
                        _keep_alive(connection)
                        self._others[connection] = int(rank), name.decode()

    def _connect_to_rank_0(self) -> None:
        host = "127.0.0.1" if _is_one_machine(self.size) else os.environ["MASTER_ADDR"]
        port, token = self.broadcast((0, ""))
        connection = socket.create_connection((host, port), CONNECT_SECONDS)
        connection.settimeout(None)
        _keep_alive(connection)
        connection.sendall(f"{token} {self.rank} {socket.gethostname()}\n".encode())
        self._others[connection] = 0, host


def _is_one_machine(size: int) -> bool:
    return int(os.environ["LOCAL_WORLD_SIZE"]) == size


def _open_server(size: int) -> socket.socket:
    """Listen on a free port, which other machines reach only where they have some of the `size` processes."""
    if _is_one_machine(size):
        return socket.create_server(("127.0.0.1", 0), backlog=size)
    is_dual = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if is_dual else socket.AF_INET
    return socket.create_server(("", 0), family=family, backlog=size, dualstack_ipv6=is_dual)


def _read_reason(connection: socket.socket) -> str:
    reason = b""
    with suppress(OSError):
        while part := connection.recv(MAX_REASON):
            reason += part
    return reason.decode(errors="replace")


def _keep_alive(connection: socket.socket) -> None:
    """Let the connection close about a minute after the other machine has lost its power or its network."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}.items():
        if hasattr(socket, name):  # not everywhere
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


ALONE = Processes()
"""The processes of a training without others."""

_current = ALONE


def current() -> Processes:
    """Return the processes that this one has joined. They are global, as the process group of torch is."""
    return _current


def join() -> Processes:
    """Join the processes that torchrun has started, and return them. They wait here for each other.

    Raises WeiboTuiError where they cannot reach each other."""
    global _current  # noqa: PLW0603 - one group a process
    # By default torch ends the process when it notices a failure of NCCL, before a checkpoint is saved.
    os.environ.setdefault("TORCH_NCCL_ASYNC_ERROR_HANDLING", "0")
    has_nccl = torch.cuda.is_available() and dist.is_nccl_available()
    try:
        store, rank, size = next(rendezvous("env://", timeout=START_TIMEOUT))
        store.set(f"started/{rank}", "")
        store.wait([f"started/{number}" for number in range(size)], START_TIMEOUT)
        backend = "cpu:gloo,cuda:nccl" if has_nccl else "gloo"
        dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=TIMEOUT)
        _current = Processes(dist.get_rank(), dist.get_world_size())
        _current.connect()
    except (OSError, RuntimeError) as error:
        raise _not_connected(error) from error
    return _current


def _not_connected(error: Exception) -> ProcessEndedError:
    message = _("The connection to another process failed ({reason}). Check the network between the machines.")
    return ProcessEndedError(message.format(reason=str(error).partition("\n")[0]))

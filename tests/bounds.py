"""Memory limits and peaks for tests, so that a decompression bomb ends the test and not the machine."""

from __future__ import annotations

import re
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def little_memory(more: int = 2**30) -> Iterator[None]:
    """Raise MemoryError inside the block when the process takes more than `more` additional bytes."""
    limits = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + more, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


def reset_peak_memory() -> int:
    """Set the peak of this process's memory to its present memory, in bytes, and return it. Linux only."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return peak_memory()


def peak_memory() -> int:
    """Return the most memory in bytes that this process has had since `reset_peak_memory`."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(re.search(r"VmHWM:\s*(\d+)", status)[1]) * 1024  # type: ignore[index]


def sparse(path: Path, size: int, head: bytes = b"") -> Path:
    """Write a sparse file of `size` bytes that begins with `head`."""
    with path.open("wb") as file:
        file.write(head)
        file.truncate(size)
    return path

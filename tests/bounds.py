"""Memory limits for tests, so that a decompression bomb ends the test and not the machine."""

from __future__ import annotations

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


def sparse(path: Path, size: int, head: bytes = b"") -> Path:
    """Write a sparse file of `size` bytes that begins with `head`."""
    with path.open("wb") as file:
        file.write(head)
        file.truncate(size)
    return path

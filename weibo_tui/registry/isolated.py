"""Reading files from outside in a child process, where a native library may crash, hang, take all memory or print.

The child has no terminal and no network, and limits on memory and time. It writes its result into a folder of the
caller, which reads that as data.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

from weibo_tui.errors import CorruptFileError, UserInputError, WeiboTuiError
from weibo_tui.locale import gettext as _
from weibo_tui.progress import Progress
from weibo_tui.text.terminal import truncate

# Bytes. Importing torch needs a quarter of a gigabyte. Weights are in memory several times: read, as float32, written.
MEMORY = 3 * 2**30
MEMORY_PER_BYTE = 6

# Seconds of processor time, and by the clock, where a slow disk counts too.
CPU_SECONDS, MAX_SECONDS = 120.0, 360.0
BYTES_PER_SECOND = 10 * 2**20

_POLL_SECONDS = 0.05
_MAX_ANSWER_SIZE = 2**14

_ENVIRONMENT = {
    **dict.fromkeys(("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"), "1"),
    **dict.fromkeys(("OMP_NUM_THREADS", "RAYON_NUM_THREADS"), "2"),  # each thread needs memory for its stack
    "CUDA_VISIBLE_DEVICES": "",  # the driver maps more memory than the limit
    **dict.fromkeys(("HF_ENDPOINT", "HF_TOKEN"), ""),  # so that no error can quote them
}
_START = f"""
import json, sys
request = json.loads(sys.stdin.buffer.readline())
sys.path[:] = request["path"]
from {__name__} import main
main(request)
"""
_ERRORS: dict[str, type[WeiboTuiError]] = {
    kind.__name__: kind for kind in (UserInputError, CorruptFileError, WeiboTuiError)
}


def run(task: Callable[..., object], source: Path, *arguments: Any) -> Generator[Progress, None, None]:
    """Run `task(source, *arguments)` in a child process; the arguments are paths or JSON values.

    Closing the generator ends the child. Raises the errors of `weibo_tui.errors` and the OSErrors that the task raises,
    and UserInputError where the child crashes or exceeds a limit."""
    size = _disk_size(source)
    more_seconds = size / BYTES_PER_SECOND
    request = {
        # This program may have been imported from a folder that neither `-P` nor the environment gives.
        "path": list(map(str, sys.path)),
        "task": [task.__module__, task.__qualname__],
        "arguments": [str(value) if isinstance(value, Path) else value for value in (source.absolute(), *arguments)],
        "memory": MEMORY + MEMORY_PER_BYTE * size,
        "seconds": CPU_SECONDS + more_seconds,
    }
    with TemporaryDirectory(prefix="weibo-tui-", ignore_cleanup_errors=True) as scratch:
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", _START],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | _ENVIRONMENT | {"TMPDIR": scratch},  # deleted even if the child is killed
            start_new_session=True,  # Ctrl-C reaches this process only, which ends the child
        )
        assert process.stdin is not None and process.stdout is not None
        try:
            with suppress(BrokenPipeError):
                process.stdin.write(json.dumps(request).encode() + b"\n")
                process.stdin.flush()
            deadline = time.monotonic() + MAX_SECONDS + 3 * more_seconds
            while process.poll() is None and time.monotonic() < deadline:
                yield Progress("checking", 0)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(_POLL_SECONDS)
            if process.poll() is None:
                message = _("{source} was refused: reading it takes too long. Get it from another source.")
                raise UserInputError(message.format(source=source))
            answer = process.stdout.read(_MAX_ANSWER_SIZE)
        finally:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                with suppress(OSError):
                    pipe.close()
    _raise_error(answer, source)


def _raise_error(answer: bytes, source: Path) -> None:
    """Raise the error in the child's answer, if there is one."""
    try:
        values = json.loads(answer)
    except ValueError:
        message = _(
            "{source} was refused: reading it crashes, or takes too much memory or time. Get it from another source."
        )
        raise UserInputError(message.format(source=source)) from None
    if "number" in values:
        raise OSError(values["number"], os.strerror(values["number"]), values["path"])
    if "error" in values:
        raise _ERRORS[values["error"]](values["message"])


def _disk_size(source: Path) -> int:
    """Return the bytes that a file, or the files in a folder, use on disk. The length of a sparse file would raise the
    limits without bounds."""
    files = source.iterdir() if source.is_dir() else [source]
    stats = [file.stat() for file in files if file.is_file()]
    return sum(min(stat.st_size, 512 * getattr(stat, "st_blocks", stat.st_size)) for stat in stats)


def main(request: dict[str, Any]) -> None:
    """Run the task of a request as the child, and write the answer."""
    answer = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    Thread(target=_exit_with_parent, daemon=True).start()
    module, name = request["task"]
    task = getattr(importlib.import_module(module), name)
    try:
        _set_limits(request["memory"], request["seconds"])
        task(Path(request["arguments"][0]), *request["arguments"][1:])
        values: dict[str, Any] = {}
    except WeiboTuiError as error:
        values = {"error": type(error).__name__, "message": truncate(str(error), 2000)}
    except OSError as error:
        values = {"number": error.errno or 0, "path": str(error.filename or request["arguments"][0])}
    os.write(answer, json.dumps(values).encode())
    os._exit(0)  # no exit handler of a library that read hostile data runs


def _exit_with_parent() -> None:
    sys.stdin.buffer.read(1)
    os._exit(1)


def _set_limits(memory: int, seconds: float) -> None:
    if sys.platform == "win32":  # only the caller's deadline there
        return
    try:
        import resource
    except ImportError:  # a Python without it
        return
    for kind, limit in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_DATA, memory),
        (resource.RLIMIT_CPU, int(time.process_time() + seconds) + 1),
    ):
        hard = resource.getrlimit(kind)[1]
        with suppress(OSError, ValueError):  # macOS does not support all of them
            resource.setrlimit(kind, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))

"""Reading files from outside in a child process: where a native library crashes, hangs, takes all memory or prints, it
does so there.

The child has no terminal and no network, and limits on its memory and time. It leaves what it made in a folder that
belongs to the caller, who reads that as data.
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

# Importing torch takes a quarter of a gigabyte, and weights are in memory several times: read, as float32, written.
MEMORY = 3 * 2**30
MEMORY_PER_BYTE = 6
SECONDS, LONGEST_WAIT = 120.0, 360.0
"""Of computing, and by the clock, where a slow disk counts too."""
BYTES_PER_SECOND = 10 * 2**20
_POLL = 0.05
_LONGEST_ANSWER = 2**14

_ENVIRONMENT = {
    **dict.fromkeys(("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"), "1"),
    **dict.fromkeys(("OMP_NUM_THREADS", "RAYON_NUM_THREADS"), "2"),  # each takes memory for its stack
    "CUDA_VISIBLE_DEVICES": "",  # its driver maps more memory than any limit allows
    **dict.fromkeys(("HF_ENDPOINT", "HF_TOKEN"), ""),  # nothing is fetched there, and no error can quote them
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
    """Run `task(source, *arguments)` in a child; the arguments are paths or JSON. Closing the generator ends it.

    Raises what the task raises of `weibo_tui.errors` and of OSError, and UserInputError where the child died of
    `source`."""
    size = _size(source)
    longer = size / BYTES_PER_SECOND
    request = {
        # Not what `-P` and the environment give: this program may have been found in a folder that is on neither.
        "path": list(map(str, sys.path)),
        "task": [task.__module__, task.__qualname__],
        "arguments": [str(one) if isinstance(one, Path) else one for one in (source.absolute(), *arguments)],
        "memory": MEMORY + MEMORY_PER_BYTE * size,
        "seconds": SECONDS + longer,
    }
    with TemporaryDirectory(prefix="weibo-tui-", ignore_cleanup_errors=True) as scratch:
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", _START],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | _ENVIRONMENT | {"TMPDIR": scratch},  # what a killed child leaves in it goes too
            start_new_session=True,  # Ctrl-C is for this process, which then ends the other
        )
        assert process.stdin is not None and process.stdout is not None
        try:
            with suppress(BrokenPipeError):
                process.stdin.write(json.dumps(request).encode() + b"\n")
                process.stdin.flush()
            deadline = time.monotonic() + LONGEST_WAIT + 3 * longer
            while process.poll() is None and time.monotonic() < deadline:
                yield Progress("checking", 0)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(_POLL)
            if process.poll() is None:
                raise UserInputError(
                    _("{source} was refused: reading it takes too long. Get it from elsewhere.").format(source=source)
                )
            answer = process.stdout.read(_LONGEST_ANSWER)
        finally:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                with suppress(OSError):
                    pipe.close()
    _raise(answer, source)


def _raise(answer: bytes, source: Path) -> None:
    """Raise what the child's answer says."""
    try:
        values = json.loads(answer)
    except ValueError:
        message = _(
            "{source} was refused: reading it crashes, or takes too much memory or time. Get it from elsewhere."
        )
        raise UserInputError(message.format(source=source)) from None
    if "number" in values:
        raise OSError(values["number"], os.strerror(values["number"]), values["path"])
    if "error" in values:
        raise _ERRORS[values["error"]](values["message"])


def _size(source: Path) -> int:
    """Bytes of a file, or of the files in a folder, as far as they take room on the disk: a sparse file of any length
    would raise the limits to any height."""
    files = source.iterdir() if source.is_dir() else [source]
    found = [file.stat() for file in files if file.is_file()]
    return sum(min(one.st_size, 512 * getattr(one, "st_blocks", one.st_size)) for one in found)


def main(request: dict[str, Any]) -> None:
    """Be the child: run the task of a request, answer."""
    answer = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    Thread(target=_end_with_parent, daemon=True).start()
    module, name = request["task"]
    task = getattr(importlib.import_module(module), name)
    try:
        _limit(request["memory"], request["seconds"])
        task(Path(request["arguments"][0]), *request["arguments"][1:])
        values: dict[str, Any] = {}
    except WeiboTuiError as error:
        values = {"error": type(error).__name__, "message": truncate(str(error), 2000)}
    except OSError as error:
        values = {"number": error.errno or 0, "path": str(error.filename or request["arguments"][0])}
    os.write(answer, json.dumps(values).encode())
    os._exit(0)  # nothing of a library that was led astray runs at the exit


def _end_with_parent() -> None:
    sys.stdin.buffer.read(1)
    os._exit(1)


def _limit(memory: int, seconds: float) -> None:
    if sys.platform == "win32":  # the caller's clock alone
        return
    try:
        import resource
    except ImportError:  # a Python built without it
        return
    for kind, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_DATA, memory),
        (resource.RLIMIT_CPU, int(time.process_time() + seconds) + 1),
    ):
        hard = resource.getrlimit(kind)[1]
        with suppress(OSError, ValueError):  # macOS knows not all of them
            resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))

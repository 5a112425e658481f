"""Labeling on Ray as long work of the workbench: a child process does it, so that this one never imports Ray.

Ray would otherwise change its signals, its output and its environment.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

from weibo_tui import locale
from weibo_tui.atomic import cannot_write, make_private_folder
from weibo_tui.errors import UserInputError, WeiboTuiError
from weibo_tui.extras import missing_extra
from weibo_tui.locale import gettext as _
from weibo_tui.paths import Paths
from weibo_tui.progress import Progress
from weibo_tui.storage.history import History, LabeledFile
from weibo_tui.text.terminal import truncate
from weibo_tui.workbench.cluster.leftovers import kill_session
from weibo_tui.workbench.cluster.locations import parse_location
from weibo_tui.workbench.cluster.polling import poll
from weibo_tui.workbench.cluster.result import ClusterLabelingResult
from weibo_tui.workbench.config import ClusterLabelingConfig

_POLL_SECONDS = 0.25
_MAX_LOG = 2**20
_STOP_SECONDS = 15.0
"""Time that the child gets to end, with all of Ray."""
_MAX_FOLDER = 25
"""Bytes of the path of the folder for Ray's files. Ray adds 78, and paths of sockets have 103 at most on macOS."""
_ERRORS: dict[str, type[WeiboTuiError]] = {kind.__name__: kind for kind in (UserInputError, WeiboTuiError)}


def label_on_ray(
    paths: Paths, history: History | None, config: ClusterLabelingConfig
) -> Iterator[Progress | ClusterLabelingResult]:
    """Label files on Ray, and add them to the history if there is one; see `Workbench.iter_label_on_ray`."""
    if find_spec("ray") is None:
        raise missing_extra("Ray", "ray")
    if history is not None:
        history.check_writable()  # before the work rather than after it
    with tempfile.TemporaryDirectory(prefix="wt-", dir=_short_folder(), ignore_cleanup_errors=True) as folder:
        result = yield from _run_child(paths, config, Path(folder))
    if history is not None and result.finished_at:
        _record(history, config, result)
    yield result


def _short_folder() -> str | None:
    """Return the folder for temporary files if its path is short, otherwise that of the system."""
    folder = tempfile.gettempdir()
    return folder if len(os.fsencode(folder)) <= _MAX_FOLDER or not os.access("/tmp", os.W_OK) else "/tmp"


def _record(history: History, config: ClusterLabelingConfig, result: ClusterLabelingResult) -> None:
    out = Path(result.out)
    entry = LabeledFile(
        _source(config), out, result.adapter, result.rows, result.failed, result.counts, result.finished_at
    )
    if not history.contains_file(entry):  # the same command may have been run again
        history.add_file(entry)


def _source(config: ClusterLabelingConfig) -> Path:
    """Return the source, or of several the folder that has all of them. URLs are without credentials."""
    sources = [parse_location(source).shown for source in config.sources]
    with suppress(ValueError):  # paths and URLs, or different drives
        return Path(os.path.commonpath(sources) or sources[0])
    return Path(sources[0])


def _run_child(
    paths: Paths, config: ClusterLabelingConfig, folder: Path
) -> Generator[Progress, None, ClusterLabelingResult]:
    """Do the work in a child process, which ends with the generator, and return the result."""
    request = {
        "config": config.to_json(),
        "paths": list(map(str, (paths.data, paths.config, paths.state, paths.starter))),
        "folder": str(folder),
        "language": locale.language_tag().replace("-", "_"),
    }
    log_path = paths.log_file.with_name(f"{paths.log_file.name}.ray")
    with _open_log(log_path) as log:
        start = log.tell()
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "weibo_tui.workbench.cluster.driver"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=_environment(),
            start_new_session=True,  # Ctrl-C reaches this process only, which ends the child
        )
        try:
            result = yield from _follow(process, request)
        finally:
            _stop(process)
        if result is None:
            message = _("Ray ended unexpectedly ({reason}). Its messages are in {path}. Start the labeling again.")
            raise WeiboTuiError(message.format(reason=_reason(process, log, start), path=log_path))
        return result


def _open_log(path: Path) -> IO[bytes]:
    """Open the file for what Ray prints, for appending, and emptied where it is large."""
    try:
        make_private_folder(path.parent)
        log = open(path, "ab+", opener=lambda name, flags: os.open(name, flags, 0o600))  # noqa: SIM115
        if log.tell() > _MAX_LOG:
            log.truncate(0)
    except OSError as error:
        raise cannot_write(path, error) from error
    return log


def _reason(process: subprocess.Popen[bytes], log: IO[bytes], start: int) -> str:
    """Return the signal that ended the child, or the last line that it has written since `start`."""
    if process.returncode < 0:
        return signal.strsignal(-process.returncode) or str(-process.returncode)
    log.seek(start)
    lines = log.read().decode("utf-8", "replace").splitlines()
    return truncate(next((line.strip() for line in reversed(lines) if line.strip()), _("no message")), 300)


def _environment() -> dict[str, str]:
    """Return an environment in which the child, and Ray's processes on this machine, import this very package."""
    package = str(Path(__file__).parents[3])
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))}


def _follow(
    process: subprocess.Popen[bytes], request: dict[str, Any]
) -> Generator[Progress, None, ClusterLabelingResult | None]:
    """Send the request, yield progress a few times a second, and return the result; None for no answer.

    Raise the child's error."""
    assert process.stdin is not None and process.stdout is not None
    with suppress(BrokenPipeError):
        process.stdin.write(json.dumps(request).encode() + b"\n")
        process.stdin.flush()
    progress = Progress("connecting", 0)
    yield progress
    for line in poll(_read_lines(process.stdout), _POLL_SECONDS):
        progress = replace(progress, note="")
        if line is not None:
            event = json.loads(line)
            if "error" in event:
                error = event["error"]
                raise _ERRORS[error["kind"]](error["message"], error["in_app"])
            if "result" in event:
                values = event["result"]
                return ClusterLabelingResult(**values | {"failed_parts": tuple(values["failed_parts"])})
            progress = Progress(**event["progress"])
        yield progress
    return None


def _read_lines(stream: IO[bytes]) -> Iterator[bytes]:
    with stream:
        yield from stream


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the child: by the end of its input, so that it takes Ray down, or if it does not, by force."""
    assert process.stdin is not None
    with suppress(OSError):
        process.stdin.close()
    try:
        with suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_SECONDS)
    finally:  # also at a second Ctrl-C
        process.kill()
        process.wait()
        kill_session(process.pid)

"""The child process that talks to Ray.

It reads a request from stdin, and writes events to stdout, both as lines of JSON. It stops when stdin is closed, also
by the death of its parent.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import traceback
from dataclasses import asdict
from pathlib import Path
from threading import Thread
from typing import Any

from weibo_tui import locale
from weibo_tui.errors import UserInputError, WeiboTuiError
from weibo_tui.paths import Paths
from weibo_tui.progress import Progress
from weibo_tui.workbench.cluster.leftovers import kill_session
from weibo_tui.workbench.cluster.reader import describe
from weibo_tui.workbench.cluster.work import ClusterWork
from weibo_tui.workbench.config import ClusterLabelingConfig
from weibo_tui.workbench.models import ModelLoader


def main() -> None:
    """Do the work of a request."""
    events = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)  # for what Ray prints

    def send(kind: str, values: dict[str, Any]) -> None:
        try:
            print(json.dumps({kind: values}), file=events, flush=True)
        except BrokenPipeError:  # the parent was killed, and the other thread ends this process
            stopper.join()

    request = json.loads(sys.stdin.buffer.readline())
    stopper = Thread(target=_stop_with_parent, args=(request["folder"],), daemon=True)
    stopper.start()
    locale.use(request["language"])
    try:
        config = ClusterLabelingConfig.from_json(request["config"])
        models = ModelLoader(Paths(*map(Path, request["paths"])))
        work = ClusterWork(models, config, Path(request["folder"]), request["language"])
        for event in work.run():
            send("progress" if isinstance(event, Progress) else "result", asdict(event))
    except Exception as error:
        kind = UserInputError if isinstance(error, UserInputError) else WeiboTuiError
        in_app = error.in_app if isinstance(error, WeiboTuiError) else ""
        if not isinstance(error, WeiboTuiError):
            traceback.print_exc()
        send("error", {"kind": kind.__name__, "message": describe(error), "in_app": in_app})
    os._exit(0)  # no exit handler of Ray waits for a connection that is closed


def _stop_with_parent(folder: str) -> None:
    while os.read(0, 2**16):
        pass
    # The parent may have been killed. Ray ends this process too when its others are dead, so the folder goes first.
    shutil.rmtree(folder, ignore_errors=True)
    # Not ray.shutdown, which waits for what the other thread does, or lets it start Ray again.
    kill_session(os.getpid())
    shutil.rmtree(folder, ignore_errors=True)  # files that were written in between
    os._exit(1)


if __name__ == "__main__":
    main()

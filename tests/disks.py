"""Full disks and accounts without rights: the command line run on them, and what must hold then."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import io
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self

from commands import CommandResult, listing

NOBODY = 65534
LOADED = (
    "torch",
    "filelock",
    "safetensors.torch",
    "tokenizers",
    "weibo_tui.workbench.workbench",
    "weibo_tui.engine.training",
    "weibo_tui.registry.legacy_checkpoint",
    "weibo_tui.cli.commands",
)
PAGE = 4096


class Shell:
    """A process that has loaded the program, and runs its command line in forks, seconds faster than a new process.

    With a `disk`, a small file system is mounted on that folder, which other processes see at `seen`.
    """

    def __init__(self, disk: Path | None = None, size: str = "64m") -> None:
        words = [sys.executable, "-c", "import disks; disks.serve()"]
        if disk is not None:
            mount = f'mount -t tmpfs -o size={size},mode=755 tmpfs "$0" && exec "$@"'
            kind = ["--mount"] if os.geteuid() == 0 else ["--user", "--map-root-user", "--mount"]
            words = ["unshare", *kind, "--propagation", "private", "sh", "-c", mount, str(disk), *words]
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent), "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        self._read_code()  # it is ready
        self.disk = disk
        self.seen = Path(f"/proc/{self._process.pid}/root{disk}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def run(
        self,
        *arguments: str | Path,
        environment: Mapping[str, str] | None = None,
        user: int | None = None,
        largest: int = -1,
        folder: Path = Path("/"),
    ) -> CommandResult:
        """Run `weibo-tui` with `arguments`, as another `user`, or with files of at most `largest` bytes."""
        with tempfile.TemporaryDirectory() as log_folder:
            names = [f"{log_folder}/out", f"{log_folder}/err"]
            request = {
                "arguments": [str(word) for word in arguments],
                "environment": dict(environment or os.environ),
                "user": user,
                "largest": largest,
                "folder": str(folder),
                "streams": names,
            }
            code = self._send(request)
            out, err = (Path(name).read_text("utf-8") for name in names)
            return CommandResult(code, out, err)

    def mount(self, options: str) -> None:
        """Remount the disk, as `ro` or `rw`."""
        assert self._send({"mount": ["mount", "-o", f"remount,{options}", str(self.disk)]}) == 0

    @property
    def entered(self) -> list[str]:
        """The prefix of a command that is to see the mounted disk."""
        user = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
        return ["nsenter", f"--target={self._process.pid}", *user, "--mount", "--"]

    def _send(self, request: dict[str, Any]) -> int:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        return self._read_code()

    def _read_code(self) -> int:
        assert self._process.stdout
        line = self._process.stdout.readline()
        assert line, "the process that runs the commands is gone"
        return int(line)

    # ---- the disk, seen from outside

    def empty(self) -> None:
        """Delete everything on the disk."""
        for path in self.seen.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def fill(self, left: int) -> None:
        """Fill the disk until `left` KiB are free."""
        self.free()
        state = os.statvfs(self.seen)
        room = state.f_bavail * state.f_frsize - left * 1024
        with (self.seen / "filler").open("wb") as file:
            if room > 0:
                os.posix_fallocate(file.fileno(), 0, room)

    def free(self) -> None:
        """Delete the filler."""
        (self.seen / "filler").unlink(missing_ok=True)


def can_mount() -> bool:
    """Return whether this machine allows mounting."""
    kind = ["--mount"] if os.geteuid() == 0 else ["--user", "--map-root-user", "--mount"]
    words = ["unshare", *kind, "sh", "-c", "mount -t tmpfs tmpfs /mnt"]
    return bool(shutil.which("unshare")) and subprocess.run(words, capture_output=True, check=False).returncode == 0


@contextmanager
def open_folder() -> Iterator[Path]:
    """Create a folder that other accounts may enter, unlike those of pytest."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        try:
            yield folder
        finally:
            writable(folder)


def read_only(folder: Path) -> None:
    """Make `folder` readable by everybody and writable by no user."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)


def writable(folder: Path) -> None:
    """Make `folder` writable by its owner again."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)


def stranger() -> int | None:
    """Return the user to run as so that rights count, since root is refused nothing."""
    return NOBODY if os.geteuid() == 0 else None


# ---- what must hold


def check_message(result: CommandResult, *places: str | Path) -> str:
    """Return the error of a failed command: one line that names one of `places`, without a traceback."""
    assert result.code in (1, 2), result
    for words in ("Traceback", "Exception ignored", "Unexpected error"):
        assert words not in result.err, result.err
    message = result.err.splitlines()[-1]
    assert [line for line in result.err.splitlines() if line.startswith("weibo-tui: ")] == [message], result.err
    assert not places or any(str(place) in message for place in places), message
    return message


def kept(folder: Path) -> dict[str, str]:
    """Return the content of `folder` without locks, temporary files of SQLite, and the filler."""
    passing = ("-wal", "-shm", ".lock", "/lock", "filler")
    return {name: content for name, content in listing(folder).items() if not name.endswith(passing)}


def leftovers(folder: Path) -> list[str]:
    """Return the temporary files that a program left."""
    return [name for name in listing(folder) if ".partial" in name or "tmp" in Path(name).name]


# ---- in the process that runs the commands


def serve() -> None:
    """Answer the requests of `Shell`, line by line, until its end."""
    for name in LOADED:
        importlib.import_module(name)
    gc.freeze()
    print(0, flush=True)
    for line in sys.stdin.buffer:
        request = json.loads(line)
        if "mount" in request:
            code = subprocess.run(request["mount"], check=False).returncode
        else:
            child = os.fork()
            if not child:
                _become(request)
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(code, flush=True)


def _turn_into(user: int) -> None:
    """Become another account that may read everything, since Python itself may be where only root reads."""
    libc = ctypes.CDLL(None, use_errno=True)
    keep_capabilities, version, read_and_search = 8, 0x20080522, 1 << 2
    libc.prctl(keep_capabilities, 1, 0, 0, 0)
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    header = (ctypes.c_uint32 * 2)(version, 0)
    effective_permitted_inherited = (ctypes.c_uint32 * 6)(read_and_search, read_and_search, 0, 0, 0, 0)
    assert libc.capset(header, effective_permitted_inherited) == 0


def _become(request: dict[str, Any]) -> NoReturn:
    """Become the requested command."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    for number, name in enumerate(request["streams"], start=1):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT, 0o600), number)
    sys.stdout = io.TextIOWrapper(open(1, "wb", closefd=False), "utf-8")  # noqa: SIM115 - lives on
    sys.stderr = io.TextIOWrapper(open(2, "wb", closefd=False), "utf-8", line_buffering=True)  # noqa: SIM115
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    os.umask(0o022)
    if request["largest"] >= 0:
        resource.setrlimit(resource.RLIMIT_FSIZE, (request["largest"], resource.RLIM_INFINITY))
    if request["user"] is not None:
        _turn_into(request["user"])
    sys.argv = ["weibo-tui", *request["arguments"]]
    from weibo_tui.cli import main

    code = 70
    try:
        main()
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else 70
    except BaseException:  # which a real one would show too
        import traceback

        traceback.print_exc()
    with contextlib.suppress(BaseException):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)

"""Repositories of the Hugging Face Hub, or of a mirror of it, fetched into a folder. Nothing else opens a socket.

What has come before a break stays, and the next try goes on there. It all stands in a folder of its own, beside what
the program offers, and counts only when each file is the one that the Hub names, by size and by hash.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from weibo_tui.atomic import make_private_folder, sha256
from weibo_tui.errors import CorruptFileError, UserInputError, WeiboTuiError
from weibo_tui.locale import gettext as _
from weibo_tui.progress import Progress
from weibo_tui.registry import hub_client

if TYPE_CHECKING:
    from huggingface_hub import HfApi

Kind = Literal["model", "dataset"]
T = TypeVar("T")

TELL_SECONDS = 0.1
"""How often a fetch tells how far it is."""

TRIES = 5
"""How often a connection may break in a row without a byte in between."""

SPARE = 2**26
"""Bytes that stay free on the disk."""

LARGEST, LARGEST_SMALL = 2**33, 2**26
"""Bytes that a file may have, and one that stands in no large-file storage, which is read whole."""

_NAME = re.compile(r"([A-Za-z0-9][\w.-]{0,95}/)?[A-Za-z0-9][\w.-]{0,95}", re.ASCII)


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file of a repository, with its size in bytes. The hashes are in hex: the SHA-256 of what stands in large-file
    storage, of all else the SHA-1 that Git names its content by."""

    name: str
    size: int
    sha256: str
    git: str

    def is_at(self, path: Path) -> bool:
        """Whether this file, whole, is what stands at `path`."""
        if not path.is_file() or path.stat().st_size != self.size:
            return False
        if self.sha256:
            return sha256(path) == self.sha256
        content = path.read_bytes()
        return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest() == self.git


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository at one commit, with the files that stand in its topmost folder, by name."""

    kind: Kind
    name: str
    commit: str
    files: dict[str, RemoteFile]


def check_name(repository: str) -> None:
    """Raise UserInputError where no repository can have this name."""
    if not _NAME.fullmatch(repository) or ".." in repository or "--" in repository:
        raise UserInputError(
            _("'{name}' is no name of the Hub's: write it as in uer/gpt2-chinese-cluecorpussmall.").format(
                name=repository
            )
        )


@contextmanager
def place(folder: Path, kind: Kind, repository: str) -> Iterator[Path]:
    """For the block, the folder in `folder` that a repository is fetched into, for one program at a time. It stays
    until the block ends well: then it was of use, and goes."""
    from filelock import FileLock, Timeout

    check_name(repository)
    target = folder / f"{kind}s--{repository.replace('/', '--')}"
    try:
        make_private_folder(target)
        with FileLock(f"{target}.lock", timeout=0):
            try:
                yield target
                shutil.rmtree(target)
            finally:
                with suppress(OSError):
                    target.rmdir()  # nothing came
    except Timeout as error:
        raise UserInputError(
            _("{repository} is being fetched by another program already: wait for it.").format(repository=repository)
        ) from error
    except OSError as error:
        raise hub_client.explained(error, repository, target) from error


def look(kind: Kind, repository: str, file: str) -> Generator[Progress, None, Repository]:
    """The repository as its main branch is now, in which there is `file`. Raises UserInputError or
    HubUnreachableError."""

    def ask(_meter: ProgressCounter) -> Repository:
        api = hub_client.connect()
        commit = hub_client.commit_of(api, kind, repository, file)
        files = {}
        for entry in hub_client.list_files(api, kind, repository, commit):
            if entry["type"] == "file":
                name, digest = entry["path"], entry["lfs"]["oid"] if entry.get("lfs") else ""
                files[name] = RemoteFile(name, int(entry["size"]), digest, entry["oid"])
        return Repository(kind, repository, commit, files)

    found = yield from _beside("asking", ask, repository, Path())
    if file not in found.files:
        raise UserInputError(
            _("{repository} does not hold {file}: check the name.").format(repository=repository, file=file)
        )
    return found


def fetch(repository: Repository, names: Iterable[str], folder: Path) -> Generator[Progress, None, Path]:
    """Fetch files of a repository, in bytes of all of them; the result is the folder in `folder` that holds them.

    Raises UserInputError, HubUnreachableError, or CorruptFileError where a file is not the one that the Hub names: it
    is gone then."""
    target = folder / repository.commit
    for other in folder.iterdir():
        if other != target:
            shutil.rmtree(other)  # of an older commit, which nobody asks for any more
    files = [repository.files[name] for name in names]
    for file in files:
        if file.size > (LARGEST if file.sha256 else LARGEST_SMALL):
            raise UserInputError(
                _("{file} of {repository} is too large for what it should be: name another repository.").format(
                    file=file.name, repository=repository.name
                )
            )
    _check_room(files, target)
    target.mkdir(mode=0o700, exist_ok=True)

    def download(meter: ProgressCounter) -> None:
        api = hub_client.connect()
        for file in files:
            if (target / file.name).is_file():
                meter.done += file.size
            else:
                _download(api, repository, file, target, meter)

    yield from _beside("fetching", download, repository.name, target, sum(file.size for file in files))
    return target


def _check_room(files: Iterable[RemoteFile], target: Path) -> None:
    """Raise where the disk will not hold what is to come, and once more for what is made of it."""
    wanted = sum(2 * file.size for file in files if not (target / file.name).is_file()) + SPARE
    free = shutil.disk_usage(target.parent).free
    if free < wanted:
        raise WeiboTuiError(
            _(
                "There is no room in {folder}: {wanted} MB are needed, {free} are free; make room, then try again."
            ).format(folder=target.parent, wanted=f"{wanted // 10**6:,}", free=f"{free // 10**6:,}")
        )


def _download(api: HfApi, repository: Repository, file: RemoteFile, folder: Path, meter: ProgressCounter) -> None:
    """Fetch a file, which takes its name when it is the one that the Hub names."""
    part, begun = folder / f"{file.name}.part", meter.done
    if part.exists() and part.stat().st_size > file.size:
        part.unlink()  # of whatever that was
    tries, before = TRIES, meter.came
    while True:
        try:
            meter.done = begun + (part.stat().st_size if part.exists() else 0)
            hub_client.download(
                api, repository.kind, repository.name, repository.commit, file.name, file.size, part, meter.tell
            )
            break
        except Exception as error:
            if not hub_client.is_transport(error) or not tries:
                raise
        tries = TRIES if meter.came > before else tries - 1
        before = meter.came
        if meter.stopped.wait(1):
            raise DownloadStoppedError
    meter.done = begun + file.size
    if not file.is_at(part):
        part.unlink()
        raise CorruptFileError(
            _(
                "{file} of {repository} did not come as {endpoint} names it, and was thrown away: try again, or from "
                "elsewhere."
            ).format(file=file.name, repository=repository.name, endpoint=hub_client.endpoint())
        )
    part.replace(folder / file.name)


class DownloadStoppedError(Exception):
    """Nobody waits for the fetch any more."""


class ProgressCounter:
    """How many bytes are there, and how many came."""

    def __init__(self) -> None:
        self.done = self.came = 0
        self.stopped = threading.Event()

    def tell(self, size: int) -> None:
        """Count `size` bytes that came, or a negative number of those that are gone. Raises DownloadStoppedError."""
        if self.stopped.is_set():
            raise DownloadStoppedError
        self.done += size
        self.came += max(0, size)


def _beside(
    stage: str, work: Callable[[ProgressCounter], T], repository: str, folder: Path, total: int | None = None
) -> Generator[Progress, None, T]:
    """What `work` gives, done in a thread, with how far it is meanwhile. Left before its end, it ends by itself."""
    meter = ProgressCounter()
    given: list[T] = []
    failed: list[Exception] = []

    def run() -> None:
        try:
            given.append(work(meter))
        except Exception as error:
            failed.append(error)

    thread = threading.Thread(target=run, name="hub", daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(TELL_SECONDS)
            yield Progress(stage, meter.done, total, "B" if total else "")
    finally:
        meter.stopped.set()
    for error in failed:
        raise hub_client.explained(error, repository, folder) from error
    return given[0]

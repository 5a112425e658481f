"""Downloading repositories of the Hugging Face Hub, or of a mirror, into a folder. No other module opens a socket.

A download resumes after a break. The files are in a folder of their own, and are used only when each has the size and
the hash that the Hub announced.
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

PROGRESS_SECONDS = 0.1
"""Interval of the progress events."""

MAX_RETRIES = 5
"""Broken connections in a row without a byte in between."""

FREE_SPACE = 2**26
"""Bytes that stay free on the disk."""

MAX_FILE_SIZE, MAX_SMALL_FILE_SIZE = 2**33, 2**26
"""Bytes of a file in large-file storage, and of any other, which is hashed in memory."""

_NAME = re.compile(r"([A-Za-z0-9][\w.-]{0,95}/)?[A-Za-z0-9][\w.-]{0,95}", re.ASCII)


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file of a repository, with its size in bytes and its hash in hex: `sha256` in large-file storage, otherwise
    `git`, the SHA-1 of the Git object."""

    name: str
    size: int
    sha256: str
    git: str

    def matches(self, path: Path) -> bool:
        """Return whether the file at `path` is complete and has the right content."""
        if not path.is_file() or path.stat().st_size != self.size:
            return False
        if self.sha256:
            return sha256(path) == self.sha256
        content = path.read_bytes()
        return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest() == self.git


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository at one commit, with the files in its top folder by name."""

    kind: Kind
    name: str
    commit: str
    files: dict[str, RemoteFile]


def check_name(repository: str) -> None:
    """Raise UserInputError where no repository can have this name."""
    if not _NAME.fullmatch(repository) or ".." in repository or "--" in repository:
        message = _("'{name}' is not a repository name. Write it like uer/gpt2-chinese-cluecorpussmall.")
        raise UserInputError(message.format(name=repository))


@contextmanager
def download_folder(parent: Path, kind: Kind, repository: str) -> Iterator[Path]:
    """Yield the folder in `parent` for the files of a repository, locked for this process.

    The folder is deleted when the block succeeds, and kept for the next try when it fails."""
    from filelock import FileLock, Timeout

    check_name(repository)
    folder = parent / f"{kind}s--{repository.replace('/', '--')}"
    try:
        make_private_folder(folder)
        with FileLock(f"{folder}.lock", timeout=0):
            try:
                yield folder
                shutil.rmtree(folder)
            finally:
                with suppress(OSError):
                    folder.rmdir()  # where it is empty
    except Timeout as error:
        message = _("{repository} is being downloaded by another program. Wait for it.")
        raise UserInputError(message.format(repository=repository)) from error
    except OSError as error:
        raise hub_client.translate_error(error, repository, folder) from error


def repo_info(kind: Kind, repository: str, file: str) -> Generator[Progress, None, Repository]:
    """Fetch the list of files at the head of the main branch, which must have `file`. Raises UserInputError or
    HubUnreachableError."""

    def request(_counter: ProgressCounter) -> Repository:
        api = hub_client.connect()
        commit = hub_client.head_commit(api, kind, repository, file)
        files = {}
        for entry in hub_client.list_files(api, kind, repository, commit):
            if entry["type"] == "file":
                name, digest = entry["path"], entry["lfs"]["oid"] if entry.get("lfs") else ""
                files[name] = RemoteFile(name, int(entry["size"]), digest, entry["oid"])
        return Repository(kind, repository, commit, files)

    info = yield from _run_in_thread("connecting", request, repository, Path())
    if file not in info.files:
        message = _("{repository} has no {file}. Check the name.")
        raise UserInputError(message.format(repository=repository, file=file))
    return info


def download_files(repository: Repository, names: Iterable[str], folder: Path) -> Generator[Progress, None, Path]:
    """Download files of a repository, with progress in bytes; the result is the folder inside `folder` with them.

    Raises UserInputError, HubUnreachableError, or CorruptFileError where a file is not as the Hub announced it, and is
    deleted."""
    target = folder / repository.commit
    for other in folder.iterdir():
        if other != target:
            shutil.rmtree(other)  # of an older commit
    files = [repository.files[name] for name in names]
    for file in files:
        if file.size > (MAX_FILE_SIZE if file.sha256 else MAX_SMALL_FILE_SIZE):
            message = _("{file} of {repository} is too large. Use another repository.")
            raise UserInputError(message.format(file=file.name, repository=repository.name))
    _check_space(files, target)
    target.mkdir(mode=0o700, exist_ok=True)

    def download(counter: ProgressCounter) -> None:
        api = hub_client.connect()
        for file in files:
            if (target / file.name).is_file():
                counter.done += file.size
            else:
                _download(api, repository, file, target, counter)

    yield from _run_in_thread("downloading", download, repository.name, target, sum(file.size for file in files))
    return target


def _check_space(files: Iterable[RemoteFile], target: Path) -> None:
    """Raise WeiboTuiError where the disk has no space for the downloads and, once more, for the conversion."""
    needed = sum(2 * file.size for file in files if not (target / file.name).is_file()) + FREE_SPACE
    free = shutil.disk_usage(target.parent).free
    if free < needed:
        message = _(
            "Not enough space in {folder}: {wanted} MB needed, {free} MB free. Free some space, then try again."
        )
        raise WeiboTuiError(
            message.format(folder=target.parent, wanted=f"{needed // 10**6:,}", free=f"{free // 10**6:,}")
        )


def _download(api: HfApi, repository: Repository, file: RemoteFile, folder: Path, counter: ProgressCounter) -> None:
    """Download one file into `<name>.part`, and rename that when its content is right."""
    part, start = folder / f"{file.name}.part", counter.done
    if part.exists() and part.stat().st_size > file.size:
        part.unlink()
    retries, before = MAX_RETRIES, counter.received
    while True:
        try:
            counter.done = start + (part.stat().st_size if part.exists() else 0)
            hub_client.download(
                api, repository.kind, repository.name, repository.commit, file.name, file.size, part, counter.add
            )
            break
        except Exception as error:
            if not hub_client.is_transport(error) or not retries:
                raise
        retries = MAX_RETRIES if counter.received > before else retries - 1
        before = counter.received
        if counter.stopped.wait(1):
            raise DownloadStoppedError
    counter.done = start + file.size
    if not file.matches(part):
        part.unlink()
        raise CorruptFileError(
            _(
                "{file} of {repository} does not match its checksum at {endpoint} and was deleted. Try "
                "again, or use another mirror."
            ).format(file=file.name, repository=repository.name, endpoint=hub_client.endpoint())
        )
    part.replace(folder / file.name)


class DownloadStoppedError(Exception):
    """The caller closed the download."""


class ProgressCounter:
    """Bytes that are `done`, and that were `received` in this process."""

    def __init__(self) -> None:
        self.done = self.received = 0
        self.stopped = threading.Event()

    def add(self, size: int) -> None:
        """Count `size` received bytes, or a negative number of discarded ones. Raises DownloadStoppedError."""
        if self.stopped.is_set():
            raise DownloadStoppedError
        self.done += size
        self.received += max(0, size)


def _run_in_thread(
    stage: str, work: Callable[[ProgressCounter], T], repository: str, folder: Path, total: int | None = None
) -> Generator[Progress, None, T]:
    """Run `work` in a thread, yield its progress, and return its result. Closing the generator stops the thread."""
    counter = ProgressCounter()
    results: list[T] = []
    errors: list[Exception] = []

    def run() -> None:
        try:
            results.append(work(counter))
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="hub", daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(PROGRESS_SECONDS)
            yield Progress(stage, counter.done, total, "B" if total else "")
    finally:
        counter.stopped.set()
    for error in errors:
        raise hub_client.translate_error(error, repository, folder) from error
    return results[0]

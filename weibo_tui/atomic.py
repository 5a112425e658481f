"""Writing that is whole or not at all: beside its place, fsynced, renamed.

Whoever looks finds the old content or the new, also after a kill or a power cut. An error, or leaving the
block by any exception, leaves the place as it was. New files are for their owner only (0600, folders 0700).
"""

from __future__ import annotations

import errno
import glob
import hashlib
import os
import secrets
import shutil
import stat
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from weibo_tui.errors import UserInputError, WeiboTuiError
from weibo_tui.locale import gettext as _
from weibo_tui.paths import is_same

JUST_BEGUN = 1.0
"""Seconds in which a process that has made a file is given the time to lock it."""
_LEFT_BEHIND = 24 * 3600.0
"""Seconds after which an unfinished folder is taken for a leftover on Windows, where a folder cannot be locked."""
NO_FOLLOW: int = getattr(os, "O_NOFOLLOW", 0)
"""Flag that makes `os.open` refuse a symbolic link; Windows has none."""
_LOCKED_BYTE = 2**31 - 2
"""Offset of the byte that is locked on Windows: the last that its C library can lock. Nobody else can read it then."""


def atomic_write(path: Path, data: bytes) -> None:
    """Make ``data`` the content of the file ``path``."""
    with atomic_open(path, "wb") as file:
        file.write(data)


def check_output(path: Path, overwrite: bool = False, inputs: Iterable[Path] = ()) -> None:
    """Raise UserInputError unless a file that the user named can be written to ``path``.

    The place must be empty, or hold a regular file that may be replaced. It must not be one of ``inputs``, whatever
    the name: a link, a hard link, or another spelling."""
    for one in inputs:
        if is_same(path, one):
            message = _("Output and input are the same file: {path}. Choose another output file.")
            raise UserInputError(message.format(path=path))
    if _is_file(path) and not overwrite:
        raise file_exists(path)


@contextmanager
def open_output(
    path: Path, mode: str = "w", encoding: str | None = None, newline: str | None = None, overwrite: bool = False
) -> Iterator[IO[Any]]:
    """Open a file that the user named, as `atomic_open` does. UserInputError where `check_output` refuses it, and where
    a file has come to its place by the end of the block; unless ``overwrite`` is set."""
    check_output(path, overwrite)
    with atomic_open(path, mode, encoding, newline, replace=overwrite) as file:
        yield file


def file_exists(path: Path) -> UserInputError:
    """Return the error for an output file that exists and must not be replaced."""
    return UserInputError(
        _("File exists: {path}. Use --overwrite to replace it.").format(path=path),
        in_app=_("File exists: {path}. Start again to replace it, or choose another place.").format(path=path),
    )


@contextmanager
def atomic_open(
    path: Path, mode: str = "w", encoding: str | None = None, newline: str | None = None, replace: bool = True
) -> Iterator[IO[Any]]:
    """Open ``path`` for writing ("w" or "wb"); what is written takes its place when the block ends well.

    Missing folders above are made. A replaced file keeps its permissions, and a link goes on pointing where it did.
    WeiboTuiError when the place cannot be written; UserInputError when it holds no regular file, or any file and
    ``replace`` is off."""
    _is_file(path)
    target = Path(os.path.realpath(path))
    partial = _beside(target)
    with _failures_named(target, partial), _folders_above(target):
        _sweep(target)
        try:
            with open(partial, mode, encoding=encoding, newline=newline, opener=_private) as file, _held(partial):
                yield file
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileNotFoundError):
                partial.chmod(target.stat().st_mode & 0o777)
            if replace:
                partial.replace(target)
            else:
                _put_in_empty_place(partial, target, path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        _sync(target.parent)


@contextmanager
def atomic_folder(path: Path, replace: bool = False) -> Iterator[Path]:
    """Yield an empty folder to fill; it becomes ``path`` when the block ends well.

    Its name, `.<name>.<random>.partial`, shows a leftover of a killed process for what it is. UserInputError when
    ``path`` exists, unless it is to be replaced; WeiboTuiError when the place cannot be written.
    """
    if path.exists() and not replace:
        raise _folder_exists(path)
    _check_emptiable(path)
    partial = _beside(path)
    with _failures_named(path, partial), _folders_above(path):
        _sweep(path)
        try:
            partial.mkdir(mode=0o700)
            with _held(partial):
                yield partial
            for folder, _folders, names in os.walk(partial):
                for name in names:
                    Path(folder, name).chmod(0o600)
                    _sync(Path(folder, name))
                _sync(Path(folder))
            _put_in_place(partial, path, replace)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        _sync(path.parent)


def make_private_folder(path: Path) -> None:
    """Make the folder `path` and the missing ones above it, all for their owner only. Raises OSError."""
    # Not `parents=True`, which gives those above the mode of the umask.
    for folder in [folder for folder in (path, *path.parents) if not folder.is_dir()][::-1]:
        folder.mkdir(mode=0o700, exist_ok=True)


def move_folder(path: Path, target: Path) -> None:
    """Give a folder another place on its disk, in one step; WeiboTuiError when it cannot be."""
    try:
        path.rename(target)
    except OSError as error:
        raise cannot_write(target, error) from error
    _sync(target.parent)


def remove_folder(path: Path) -> None:
    """Delete a folder with all that is in it. It is gone from its place at once; WeiboTuiError when it cannot be,
    and what cannot go is in its place again."""
    with folder_aside(path):
        pass


@contextmanager
def folder_aside(path: Path) -> Iterator[None]:
    """For the block, a folder is out of its place. It is deleted when that ends well, and in its place again else;
    WeiboTuiError when it cannot be deleted."""
    _check_emptiable(path)
    aside = _beside(path)
    try:
        path.rename(aside)
    except OSError as error:
        raise cannot_write(path, error) from error
    try:
        yield
        try:
            aside.unlink() if aside.is_symlink() else shutil.rmtree(aside)  # where a link points stays as it is
        except OSError as error:
            raise cannot_write(path, error) from error
    except BaseException:
        with suppress(OSError):
            aside.rename(path)
        raise


def read_bounded(path: Path, largest: int) -> bytes:
    """Return the bytes of a file. Raise ValueError where it has more than `largest`, and for what is no regular file: a
    pipe would wait for its writer, and a device need not end."""
    about = path.stat()
    if not stat.S_ISREG(about.st_mode):
        raise ValueError(_("it is not a regular file"))
    if about.st_size > largest:
        raise ValueError(_("it is too large"))
    return path.read_bytes()


def lock_file(descriptor: int) -> None:
    """Lock an open file until it is closed. BlockingIOError where another process has locked it, another OSError on a
    file system without locks."""
    if sys.platform == "win32":
        import msvcrt

        position = os.lseek(descriptor, 0, os.SEEK_CUR)
        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError as error:
            raise BlockingIOError(*error.args) from error
        finally:
            os.lseek(descriptor, position, os.SEEK_SET)
    else:
        try:
            import fcntl
        except ImportError as error:
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK)) from error
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hex."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        message = _("{path} cannot be read ({reason}): check the name and its permissions.")
        raise WeiboTuiError(message.format(path=path, reason=error.strerror)) from error


def cannot_write(path: Path, error: OSError) -> WeiboTuiError:
    """What to tell a person when writing ``path`` failed with ``error``."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        message = _("There is no space left to write {path}: free some, then try again.")
    elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        message = _("{path} cannot be written: this account may not, or the place is read-only; choose another.")
    else:
        message = _("{path} cannot be written ({reason}): check the place, then try again.")
    return WeiboTuiError(message.format(path=path, reason=error.strerror or error))


def _beside(path: Path) -> Path:
    # Forty characters of the name tell what it is, and with the rest fit into the longest name allowed.
    return path.with_name(f".{path.name[:40]}.{secrets.token_hex(4)}.partial")


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_EXCL, 0o600)


def _is_file(path: Path) -> bool:
    """Return True for a regular file, False where there is nothing. UserInputError for all else, which a file would
    replace or could not."""
    try:
        mode = path.stat().st_mode  # not of the resolved path: /dev/stdout leads to a pipe, which has no path
    except OSError:
        return False
    if not stat.S_ISREG(mode):
        raise UserInputError(_("Not a regular file: {path}. Choose another output file.").format(path=path))
    return True


def _put_in_empty_place(partial: Path, target: Path, path: Path) -> None:
    """Rename a file, unless there is a file of the new name by now; UserInputError, which calls it ``path``, in that
    case."""
    try:
        os.link(partial, target)  # a rename replaces, a link does not
    except FileExistsError as error:
        raise file_exists(path) from error
    except OSError as error:  # a file system without hard links
        if os.path.lexists(target):
            raise file_exists(path) from error
        partial.rename(target)
    else:
        partial.unlink()


def _check_emptiable(path: Path) -> None:
    """Raise WeiboTuiError for a folder that could step aside, and not be deleted then."""
    if path.exists() and not os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
        raise cannot_write(path, PermissionError(errno.EACCES, os.strerror(errno.EACCES)))


def _folder_exists(path: Path) -> UserInputError:
    return UserInputError(_("{path} exists already: choose another name, or remove it first.").format(path=path))


def _put_in_place(partial: Path, path: Path, replace: bool) -> None:
    if not replace or not path.exists():
        try:
            partial.rename(path)  # fails on a folder that is not empty: another program may have made one since
        except OSError as error:
            if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                raise _folder_exists(path) from error
            raise
        return
    if _exchange(partial, path):
        shutil.rmtree(partial)
        return
    # A folder cannot be renamed over a full one: the old one steps aside, and back if the new cannot come. Killed in
    # between, both are there still, under other names.
    old = path.with_name(f".{path.name[:40]}.{secrets.token_hex(4)}.old")
    path.rename(old)
    try:
        partial.rename(path)
    except OSError:
        old.rename(path)
        raise
    shutil.rmtree(old)


def _exchange(one: Path, other: Path) -> bool:
    """Let two paths change places in one step; whether the system can do that."""
    if sys.platform != "linux":
        return False
    import ctypes

    renameat2 = getattr(ctypes.CDLL(None), "renameat2", None)
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    return renameat2 is not None and renameat2(here, os.fsencode(one), here, os.fsencode(other), exchange) == 0


@contextmanager
def _held(partial: Path) -> Iterator[None]:
    """Lock an unfinished file or folder during the block, so that `_sweep` leaves it alone."""
    if sys.platform == "win32":  # an open file cannot be deleted there, and a folder cannot be locked
        yield
        return
    descriptor = os.open(partial, os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system without locks
            lock_file(descriptor)
        yield
    finally:
        os.close(descriptor)


def _sweep(path: Path) -> None:
    """Delete what processes that were killed while they wrote `path` have left beside it."""
    for leftover in path.parent.glob(f".{glob.escape(path.name[:40])}.????????.partial"):
        with suppress(OSError):  # it is locked, not ours, or gone
            if sys.platform == "win32":
                age = time.time() - leftover.lstat().st_mtime
                if age > (_LEFT_BEHIND if leftover.is_dir() else JUST_BEGUN):
                    shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
                continue
            descriptor = os.open(leftover, os.O_RDONLY | NO_FOLLOW)
            try:
                if time.time() - os.fstat(descriptor).st_mtime > JUST_BEGUN:
                    lock_file(descriptor)
                    shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
            finally:
                os.close(descriptor)


def _sync(path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        # Some systems cannot fsync a folder, and some file systems nothing at all: the rename still is atomic. But
        # that there is no space for what a file holds is said by a disk far away, or with quotas, here at the latest.
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO) and not path.is_dir():
            raise


@contextmanager
def _folders_above(path: Path) -> Iterator[None]:
    """Make the missing folders above ``path``; when the block fails, those that it leaves empty go again."""
    missing = [folder for folder in reversed(path.parents) if not folder.exists()]
    try:
        for folder in missing:
            folder.mkdir(mode=0o700, exist_ok=True)
        yield
    except BaseException:
        for folder in reversed(missing):
            with suppress(OSError):
                folder.rmdir()
        raise


@contextmanager
def _failures_named(path: Path, partial: Path) -> Iterator[None]:
    """Turn an OSError of writing ``path`` into one for people; one about another file passes as it is."""
    try:
        yield
    except ConnectionError:  # a closed pipe: whoever was told about the work went away
        raise
    except OSError as error:
        if error.filename is not None:
            place = Path(os.fsdecode(error.filename))
            if not place.is_relative_to(partial) and not path.is_relative_to(place):
                raise
        raise cannot_write(path, error) from error

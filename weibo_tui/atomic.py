"""Atomic writes of files and folders: write to a temporary name next to the target, fsync, rename.

Other programs see the old content or the new, also after a kill or a power cut. An exception in the block leaves the
target unchanged. New files are private to their owner (0600, folders 0700).
"""

from __future__ import annotations

import errno
import glob
import hashlib
import os
import secrets
import shutil
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from weibo_tui.errors import UserInputError, WeiboTuiError
from weibo_tui.locale import gettext as _
from weibo_tui.paths import is_same

STALE_SECONDS = 3600.0
"""Age at which a temporary file or folder counts as left by a process that was killed."""
NO_FOLLOW: int = getattr(os, "O_NOFOLLOW", 0)
"""Flag that makes `os.open` refuse a symbolic link; Windows has none."""


def atomic_write(path: Path, data: bytes) -> None:
    """Replace the content of the file `path` with `data`."""
    with atomic_open(path, "wb") as file:
        file.write(data)


def check_output(path: Path, overwrite: bool = False, inputs: Iterable[Path] = ()) -> None:
    """Raise UserInputError unless an output file can be written to `path`.

    The path must be free, or a regular file that may be overwritten. It must not be one of `inputs` under any name: a
    link, a hard link, or another spelling. It must not be in a folder that is one of them either."""
    for source in inputs:
        if is_same(path, source):
            message = _("Output and input are the same file: {path}. Choose another output file.")
            raise UserInputError(message.format(path=path))
        if is_same(path.parent, source):
            message = _("Output is in the input folder {path}. Choose another output file.")
            raise UserInputError(message.format(path=source))
    if _is_file(path) and not overwrite:
        raise file_exists(path)


@contextmanager
def open_output(
    path: Path, mode: str = "w", encoding: str | None = None, newline: str | None = None, overwrite: bool = False
) -> Iterator[IO[Any]]:
    """Open an output file as `atomic_open` does.

    Raises UserInputError where `check_output` does. Without `overwrite`, a file that appears during the block is kept
    too."""
    check_output(path, overwrite)
    with atomic_open(path, mode, encoding, newline, replace=overwrite) as file:
        yield file


def file_exists(path: Path) -> UserInputError:
    """Return the error for an output file that exists and must not be replaced."""
    return UserInputError(
        _("File exists: {path}. Use --overwrite to replace it.").format(path=path),
        in_app=_("File exists: {path}. Start again to replace it, or choose another file.").format(path=path),
    )


@contextmanager
def atomic_open(
    path: Path, mode: str = "w", encoding: str | None = None, newline: str | None = None, replace: bool = True
) -> Iterator[IO[Any]]:
    """Open a temporary file ("w" or "wb") that becomes `path` when the block succeeds.

    Creates missing parent folders. A replaced file keeps its permissions, and a link its target. Raises WeiboTuiError
    where `path` cannot be written, and UserInputError where it is not a regular file, or exists and `replace` is
    False."""
    _is_file(path)
    target = Path(os.path.realpath(path))
    partial = _partial_path(target)
    with _write_errors(target, partial), _parent_folders(target):
        _delete_stale(target)
        try:
            with open(partial, mode, encoding=encoding, newline=newline, opener=_open_private) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileNotFoundError):
                partial.chmod(target.stat().st_mode & 0o777)
            if replace:
                partial.replace(target)
            else:
                _move_to_free_path(partial, target, path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        _fsync(target.parent)


@contextmanager
def atomic_folder(path: Path, replace: bool = False) -> Iterator[Path]:
    """Yield an empty temporary folder that becomes `path` when the block succeeds.

    Raises UserInputError where `path` exists and `replace` is False, and WeiboTuiError where it cannot be written."""
    if path.exists() and not replace:
        raise _folder_exists(path)
    _check_deletable(path)  # before the work
    partial = _partial_path(path)
    with _write_errors(path, partial), _parent_folders(path):
        _delete_stale(path)
        try:
            partial.mkdir(mode=0o700)
            yield partial
            for folder, _folders, names in os.walk(partial):
                for name in names:
                    Path(folder, name).chmod(0o600)
                    _fsync(Path(folder, name))
                _fsync(Path(folder))
            if replace and path.exists():
                shutil.rmtree(_replaced_path(path), ignore_errors=True)  # left by a kill after the replacement
                with folder_aside(path, _replaced_path(path)):
                    partial.rename(path)
            else:
                _move_folder_to_free_path(partial, path)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        _fsync(path.parent)


def restore_replaced_folders(parent: Path) -> None:
    """Give folders their names back that were being replaced in `parent` when the process was killed."""
    for aside in parent.glob(".*.replaced"):
        path = aside.with_name(aside.name[1:].removesuffix(".replaced"))
        with suppress(OSError):
            if not path.exists():
                aside.rename(path)


def make_private_folder(path: Path) -> None:
    """Create a folder and its missing parents, private to their owner. Raises OSError."""
    # `parents=True` would create the parents with the mode of the umask.
    for folder in [folder for folder in (path, *path.parents) if not folder.is_dir()][::-1]:
        folder.mkdir(mode=0o700, exist_ok=True)


def move_folder(path: Path, target: Path) -> None:
    """Rename a folder on its disk. Raises WeiboTuiError where that fails."""
    try:
        path.rename(target)
    except OSError as error:
        raise cannot_write(target, error) from error
    _fsync(target.parent)


def remove_folder(path: Path) -> None:
    """Delete a folder with its content. Raises WeiboTuiError where that fails, with the remainder at its old path."""
    with folder_aside(path):
        pass


@contextmanager
def folder_aside(path: Path, aside: Path | None = None) -> Iterator[None]:
    """Rename a folder for the block, and delete it if the block succeeds. Otherwise restore its name.

    Raises WeiboTuiError where it cannot be deleted."""
    _check_deletable(path)
    aside = aside or _partial_path(path)
    try:
        path.rename(aside)
    except OSError as error:
        raise cannot_write(path, error) from error
    try:
        yield
        try:
            aside.unlink() if aside.is_symlink() else shutil.rmtree(aside)  # the target of a link stays
        except OSError as error:
            raise cannot_write(path, error) from error
    except BaseException:
        with suppress(OSError):
            aside.rename(path)
        raise


def read_bounded(path: Path, max_bytes: int) -> bytes:
    """Return the bytes of a file. Raises ValueError where it is too large or not a regular file, as a pipe could block
    and a device need not end."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise ValueError(_("it is not a regular file"))
    if status.st_size > max_bytes:
        raise ValueError(_("it is too large"))
    return path.read_bytes()


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hex. Raises WeiboTuiError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeiboTuiError(str(cannot_read(path, error))) from error


def cannot_read(path: Path | str, error: OSError) -> UserInputError:
    """Return the user's error for an OSError that occurred while reading `path`."""
    message = _("Cannot read {path} ({reason}). Check the name and its permissions.")
    return UserInputError(message.format(path=path, reason=error.strerror or error))


def cannot_write(path: Path, error: OSError) -> WeiboTuiError:
    """Return the user's error for an OSError that occurred while writing `path`."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        message = _("No space left to write {path}. Free some space, then try again.")
    elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        message = _(
            "Cannot write {path}: permission denied, or the folder is read-only. "
            "Check the permissions, or choose another path."
        )
    else:
        message = _("Cannot write {path} ({reason}). Check the folder, then try again.")
    return WeiboTuiError(message.format(path=path, reason=error.strerror or error))


def _partial_path(path: Path) -> Path:
    # Forty characters of the name identify it, and keep the new name below the limit of 255 bytes.
    return path.with_name(f".{path.name[:40]}.{secrets.token_hex(4)}.partial")


def _replaced_path(path: Path) -> Path:
    return path.with_name(f".{path.name}.replaced")


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_EXCL, 0o600)


def _is_file(path: Path) -> bool:
    """Return True for a regular file and False for a free path. Raises UserInputError for anything else."""
    try:
        mode = path.stat().st_mode  # of the path itself: /dev/stdout resolves to a pipe, which has no path
    except OSError:
        return False
    if not stat.S_ISREG(mode):
        raise UserInputError(_("Not a regular file: {path}. Choose another output file.").format(path=path))
    return True


def _move_to_free_path(partial: Path, target: Path, path: Path) -> None:
    """Rename a file. Raises UserInputError about `path` where the target exists by now."""
    try:
        os.link(partial, target)  # unlike a rename, this does not replace a file
    except FileExistsError as error:
        raise file_exists(path) from error
    except OSError as error:  # a file system without hard links
        if os.path.lexists(target):
            raise file_exists(path) from error
        partial.rename(target)
    else:
        partial.unlink()


def _folder_exists(path: Path) -> UserInputError:
    return UserInputError(_("{path} exists. Choose another name, or remove it first.").format(path=path))


def _check_deletable(path: Path) -> None:
    if path.exists() and not os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
        raise cannot_write(path, PermissionError(errno.EACCES, os.strerror(errno.EACCES)))


def _move_folder_to_free_path(partial: Path, path: Path) -> None:
    try:
        partial.rename(path)  # fails on a folder with content, which another program may have created by now
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
            raise _folder_exists(path) from error
        raise


def _delete_stale(path: Path) -> None:
    """Delete the temporary files and folders of `path` that killed processes left."""
    for leftover in path.parent.glob(f".{glob.escape(path.name[:40])}.????????.partial"):
        with suppress(OSError):
            if time.time() - leftover.lstat().st_mtime > STALE_SECONDS:
                shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()


def _fsync(path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        # Windows cannot fsync a folder, and some file systems cannot fsync at all; the rename is atomic anyway. But
        # remote disks and quotas report a lack of space here at the latest.
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO) and not path.is_dir():
            raise


@contextmanager
def _parent_folders(path: Path) -> Iterator[None]:
    """Create the missing parents of `path`. If the block fails, remove those that are empty."""
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
def _write_errors(path: Path, partial: Path) -> Iterator[None]:
    """Translate an OSError about `path` or `partial` into a WeiboTuiError. Those about other files pass."""
    try:
        yield
    except ConnectionError:  # a closed pipe: the reader of the progress is gone
        raise
    except OSError as error:
        if error.filename is not None:
            filename = Path(os.fsdecode(error.filename))
            if not filename.is_relative_to(partial) and not path.is_relative_to(filename):
                raise
        raise cannot_write(path, error) from error

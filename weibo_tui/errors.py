"""Errors with messages for users.

``str(error)`` is one line: the problem, and what to do about it. It may quote untrusted text, so print it only through
``weibo_tui.text.visible``.
"""

from __future__ import annotations

import re

# What torch and the libraries below it write where a lack of memory has no type of exception: torch and oneDNN on a
# CPU; CUDA, its driver, cuBLAS and cuDNN; Metal.
_OUT_OF_MEMORY = re.compile(
    r"can't allocate memory|not enough memory|could not create a memory"
    r"|out of memory|(CUBLAS|CUDNN)_STATUS_ALLOC_FAILED"
    r"|Invalid buffer size|Failed to allocate .*MTLBuffer|Insufficient Memory",
    re.IGNORECASE,
)


class WeiboTuiError(Exception):
    """Base class: the work failed, for example for lack of space or permissions."""

    exit_code = 1

    def __init__(self, message: str, in_app: str = "") -> None:
        """Create an error. `in_app` is the message in the app, where `message` names a command-line option."""
        super().__init__(message)
        self.in_app = in_app


class UserInputError(WeiboTuiError):
    """The command, a setting or the input data is invalid."""

    exit_code = 2


class CorruptFileError(WeiboTuiError):
    """A file of the home folder, or a weights file, is corrupt."""


class RunStoppedError(WeiboTuiError):
    """A training stopped with a checkpoint, because another program asked for it."""


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether the device or the machine ran out of memory. Torch need not be imported."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":  # of torch
        return True
    return isinstance(error, RuntimeError) and _OUT_OF_MEMORY.search(str(error)) is not None

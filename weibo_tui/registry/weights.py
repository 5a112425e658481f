"""Tensors on disk: safetensors files, fingerprints of bases, and snapshots of runs."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from weibo_tui.atomic import atomic_write, sha256
from weibo_tui.engine.config import GPT2Config
from weibo_tui.engine.tokenizer import PostTokenizer
from weibo_tui.engine.training import Snapshot
from weibo_tui.errors import CorruptFileError, UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.progress import Progress
from weibo_tui.registry.int8 import SCALE, dequantize, dequantizing_reader

# Its ids show how a tokenizer treats case, width, white space, emoticons and unknown characters.
PROBE = "Weibo 微博ABC，ＡＢＣ①[哈哈]é　カナ😀！"

MAX_HEADER_SIZE = 2**22
"""Bytes. Two hundred blocks need a quarter of a megabyte."""


def save_tensors(tensors: Mapping[str, Tensor], path: Path, metadata: dict[str, str] | None = None) -> None:
    """Write a safetensors file. Raises OSError where the disk refuses."""
    try:
        safetensors.torch.save_file(dict(tensors), path, metadata=metadata)
    except SafetensorError as error:
        # The Rust library gives the error number only in its text.
        number = re.search(r"os error (\d+)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from error


def save_pickle(tensors: Mapping[str, Tensor], file: IO[bytes]) -> None:
    """Write a file for `torch.load`. Raises OSError where the disk refuses."""
    try:
        torch.save(dict(tensors), file)
    except RuntimeError as error:
        # torch tries to finish the file after the disk refused, and reports that instead.
        if isinstance(error.__context__, OSError):
            raise error.__context__ from error
        raise


def check_sha256(path: Path, expected: str) -> None:
    """Raise CorruptFileError where a file is missing or has another SHA-256 than `expected`."""
    if not path.is_file():
        raise CorruptFileError(_("{path} is missing. Remove its folder, then add or train it again.").format(path=path))
    if sha256(path) != expected:
        message = _("{path} is damaged: its content has changed. Remove its folder, then add or train it again.")
        raise CorruptFileError(message.format(path=path))


def read_tensors(path: Path, expected_sha256: str | None = None) -> dict[str, Tensor]:
    """Load all tensors of a safetensors file, int8 matrices as float32.

    Raises CorruptFileError where it is not one, or not the expected one."""
    if expected_sha256 is not None:
        check_sha256(path, expected_sha256)
    try:
        check_header(path)
        return dequantize(safetensors.torch.load_file(path))
    except (SafetensorError, OSError, ValueError) as error:
        message = _("{path} is damaged ({reason}). Remove its folder, then add or train it again.")
        raise CorruptFileError(message.format(path=path, reason=error)) from error


def check_header(path: Path) -> None:
    """Raise ValueError where the header of a safetensors file is larger than any model's. The library itself allows a
    hundred megabytes, with a tensor in each hundred bytes."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
    if size > MAX_HEADER_SIZE:
        raise ValueError(_("its header is too large"))


@contextmanager
def open_tensors(path: Path, config: GPT2Config) -> Iterator[Callable[[str], Tensor]]:
    """Open the weights of a base and yield a function that reads one tensor by its canonical name.

    Raises ValueError where the file is no safetensors file, or holds other tensors than those of the config."""
    check_header(path)
    try:
        with safe_open(path, "pt") as file:
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
            expected = dict(config.tensors())
            scales = {name + SCALE: shape[:1] for name, shape in expected.items() if name + SCALE in shapes}
            if shapes != expected | scales:
                raise ValueError(_("the weights do not match config.json"))
            yield dequantizing_reader(file.get_tensor, set(shapes))
    except SafetensorError as error:
        raise ValueError(str(error)) from error


def fingerprint(
    config: GPT2Config, read: Callable[[str], Tensor], tokenizer: PostTokenizer
) -> Generator[Progress, None, str]:
    """Compute the SHA-256, in hex, that identifies a base: its architecture, its vocabulary with the ids of a probe,
    and its canonical tensors, which `read` returns, as float32.

    The same model has the same fingerprint as .bin, safetensors, or sharded. Raises UserInputError or
    CorruptFileError where the tokenizer cannot encode."""
    digest = hashlib.sha256()
    probe = tokenizer.encode([PROBE], max_length=10_000).ids.tolist()
    head = [config.to_hugging_face(), tokenizer.vocabulary(), probe]
    digest.update(json.dumps(head, sort_keys=True, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    expected = sorted(config.tensors())
    for done, (name, shape) in enumerate(expected, start=1):
        values = read(name).float()
        if not values.isfinite().all():
            message = _("Weight {name} contains NaN or infinity. Get the model from another source.")
            raise UserInputError(message.format(name=name))
        digest.update(f"{name} {shape}".encode())
        digest.update(np.ascontiguousarray(values.numpy(), "<f4").reshape(-1).data)
        yield Progress("hashing", done, len(expected))
    return digest.hexdigest()


def save_snapshot(path: Path, snapshot: Snapshot, extra: Mapping[str, int]) -> None:
    """Write a snapshot atomically, with a few numbers of the caller's own."""
    values = json.dumps({"values": snapshot.values, "extra": dict(extra)})
    metadata = {"weibo_tui": values, "sha256": _snapshot_sha256(snapshot.tensors, values)}
    atomic_write(path, safetensors.torch.save(snapshot.tensors, metadata=metadata))


def load_snapshot(path: Path) -> tuple[Snapshot, dict[str, int]]:
    """Load a snapshot and the caller's numbers. Raises CorruptFileError where the file is not as it was written."""
    try:
        tensors = read_tensors(path)
        with safe_open(path, "pt") as file:
            metadata = file.metadata()
        expected = metadata.get("sha256")  # older snapshots have none
        if expected is not None and expected != _snapshot_sha256(tensors, metadata["weibo_tui"]):
            raise ValueError(_("its content has changed"))
        values = json.loads(metadata["weibo_tui"])
        return Snapshot(tensors, values["values"]), values["extra"]
    except (CorruptFileError, SafetensorError, OSError, AttributeError, KeyError, TypeError, ValueError) as error:
        # Only the reason, because `read_tensors` names the file too.
        reason = error.__cause__ if isinstance(error, CorruptFileError) else error
        message = _("Checkpoint {path} is damaged ({reason}). Start a new run.")
        raise CorruptFileError(message.format(path=path, reason=reason)) from error


def _snapshot_sha256(tensors: Mapping[str, Tensor], values: str) -> str:
    digest = hashlib.sha256(values.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()

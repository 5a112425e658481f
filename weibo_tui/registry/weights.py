"""Weights on disk: reading and writing them, fingerprints, and snapshots of runs. All are safetensors."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

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
from weibo_tui.registry.int8 import SCALE, restored, restoring

# Says how the tokenizer treats case, width, white space, emoticons and unknown characters.
PROBE = "Weibo 微博ABC，ＡＢＣ①[哈哈]é　カナ😀！"

# Bytes. Two hundred blocks take a quarter of a megabyte.
LARGEST_HEADER = 2**22


def check_sha256(path: Path, expected: str) -> None:
    """Raise Damaged where a file is not the one that was written."""
    if not path.is_file():
        raise CorruptFileError(_("{path} is missing: remove its folder and make it again.").format(path=path))
    if sha256(path) != expected:
        raise CorruptFileError(
            _("{path} is damaged: its content is not what was written; remove its folder and make it again.").format(
                path=path
            )
        )


def read_tensors(path: Path, expected_sha256: str | None = None) -> dict[str, Tensor]:
    """All tensors of a safetensors file. Raises CorruptFileError where it is not one, or not the one expected."""
    if expected_sha256 is not None:
        check_sha256(path, expected_sha256)
    try:
        check_header(path)
        return restored(safetensors.torch.load_file(path))
    except (SafetensorError, OSError, ValueError) as error:
        raise CorruptFileError(
            _("{path} is damaged ({reason}): remove its folder and make it again.").format(path=path, reason=error)
        ) from error


def check_header(path: Path) -> None:
    """Raise ValueError where the header of a safetensors file is larger than that of any model: the library reads up
    to a hundred megabytes of it, with a tensor in each hundred bytes."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
    if size > LARGEST_HEADER:
        raise ValueError(_("its header is too large"))


@contextmanager
def backbone_on_disk(path: Path, config: GPT2Config) -> Iterator[Callable[[str], Tensor]]:
    """For the block, what reads the tensors of a safetensors file one at a time, by name. Raises ValueError where the
    file is none, or holds other tensors than the canonical ones of the config."""
    check_header(path)
    try:
        with safe_open(path, "pt") as file:
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
            expected = dict(config.tensors())
            scales = {name + SCALE: shape[:1] for name, shape in expected.items() if name + SCALE in shapes}
            if shapes != expected | scales:
                raise ValueError(_("the weights are not those that config.json asks for"))
            yield restoring(file.get_tensor, set(shapes))
    except SafetensorError as error:
        raise ValueError(str(error)) from error


def fingerprint(
    config: GPT2Config, read: Callable[[str], Tensor], tokenizer: PostTokenizer
) -> Generator[Progress, None, str]:
    """SHA-256, in hex, of a base: architecture fields, vocabulary with a probe of how it is applied, and the
    canonical tensors, which `read` gives, as float32. The same model has the same one as .bin, safetensors, or
    sharded. Raises UserInputError or CorruptFileError where the tokenizer cannot encode."""
    digest = hashlib.sha256()
    probe = tokenizer.encode([PROBE], max_length=10_000).ids.tolist()
    head = [config.to_hugging_face(), tokenizer.vocabulary(), probe]
    digest.update(json.dumps(head, sort_keys=True, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    expected = sorted(config.tensors())
    for done, (name, shape) in enumerate(expected, start=1):
        values = read(name).float()
        if not values.isfinite().all():
            raise UserInputError(
                _("The weight {name} holds what is no number: get the model from elsewhere.").format(name=name)
            )
        digest.update(f"{name} {shape}".encode())
        digest.update(np.ascontiguousarray(values.numpy(), "<f4").reshape(-1).data)
        yield Progress("hashing", done, len(expected))
    return digest.hexdigest()


def save_snapshot(path: Path, snapshot: Snapshot, extra: Mapping[str, int]) -> None:
    """Write a snapshot, whole or not at all, with a few numbers of the caller's own."""
    values = json.dumps({"values": snapshot.values, "extra": dict(extra)})
    metadata = {"weibo_tui": values, "sha256": _snapshot_sha256(snapshot.tensors, values)}
    atomic_write(path, safetensors.torch.save(snapshot.tensors, metadata=metadata))


def load_snapshot(path: Path) -> tuple[Snapshot, dict[str, int]]:
    """The snapshot and the numbers kept with it. Raises CorruptFileError where the file is not what was written."""
    try:
        tensors = read_tensors(path)
        with safe_open(path, "pt") as file:
            metadata = file.metadata()
        promised = metadata.get("sha256")  # older ones have none
        if promised is not None and promised != _snapshot_sha256(tensors, metadata["weibo_tui"]):
            raise ValueError(_("its content is not what was written"))
        values = json.loads(metadata["weibo_tui"])
        return Snapshot(tensors, values["values"]), values["extra"]
    except (CorruptFileError, SafetensorError, OSError, AttributeError, KeyError, TypeError, ValueError) as error:
        # What is wrong alone, where `read_tensors` has named the file already.
        reason = error.__cause__ if isinstance(error, CorruptFileError) else error
        raise CorruptFileError(
            _("The checkpoint {path} is damaged ({reason}): train again from the start.").format(
                path=path, reason=reason
            )
        ) from error


def _snapshot_sha256(tensors: Mapping[str, Tensor], values: str) -> str:
    """In hex, of all that a snapshot holds."""
    digest = hashlib.sha256(values.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()

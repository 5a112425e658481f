"""A Hugging Face folder, however it is packed, as canonical tensors and a tokenizer. Nothing in it is executed."""

from __future__ import annotations

import json
import logging
import pickle
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from weibo_tui.engine.gpt2 import GPT2Config
from weibo_tui.engine.tokenizer import Frame
from weibo_tui.errors import BadInput, Damaged
from weibo_tui.locale import gettext as _

# Buffers that older transformers saved, and heads that a trunk does not have.
_NOT_TRUNK = re.compile(r"h\.\d+\.attn\.(bias|masked_bias)|lm_head\.weight|score\.weight")

# What torch says of a pickle that asks for more than tensors: by name, or in the newer form that it never writes.
_NAMES_CODE = re.compile(r"GLOBAL|Unsupported operand 14[79]\b")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A GPT-2 read from a folder: canonical tensors, and the tokenizer as the text of a `tokenizer.json`."""

    config: GPT2Config
    tensors: dict[str, Tensor]
    tokenizer: str
    frame: Frame


def read_folder(folder: Path) -> Checkpoint:
    """Read a local Hugging Face folder. Raises BadInput where it holds no GPT-2, Damaged where a file is broken."""
    if not (folder / "config.json").is_file():
        raise BadInput(
            _("{folder} is no model folder: it has no config.json; name the folder that holds it.").format(
                folder=folder
            )
        )
    config = GPT2Config.from_hugging_face(_read_json(folder / "config.json"))
    tokenizer, frame = _read_tokenizer(folder)
    tensors = {}
    for file in _weight_files(folder):
        for name, tensor in read_weights(file).items():
            canonical = name.removeprefix("transformer.")
            if not _NOT_TRUNK.fullmatch(canonical):
                # A .bin may hold parameters, and views of one storage; a safetensors file takes neither.
                tensors[canonical] = tensor.detach().clone(memory_format=torch.contiguous_format)
    return Checkpoint(config, tensors, tokenizer, frame)


def _weight_files(folder: Path) -> list[Path]:
    """The weight files, safetensors before pickles, whole before sharded."""
    for name in ("model.safetensors", "pytorch_model.bin"):
        if (folder / name).is_file():
            return [folder / name]
        index = folder / f"{name}.index.json"
        if index.is_file():
            shards = set(_weight_map(index).values())
            # A shard is a file of this folder, whatever an index from outside says.
            return [folder / Path(str(shard)).name for shard in sorted(shards)]
    raise BadInput(
        _("{folder} holds no weights: model.safetensors or pytorch_model.bin must be in it.").format(folder=folder)
    )


def _weight_map(index: Path) -> dict[str, Any]:
    found = _read_json(index).get("weight_map")
    if not isinstance(found, dict):
        raise Damaged(_("{path} names no weight files: copy it again.").format(path=index))
    return found


def read_weights(file: Path) -> Mapping[str, Tensor]:
    """The tensors of a safetensors file, or of a pickle that holds nothing else. Raises BadInput where a pickle asks
    for more, none of which is run, and Damaged where the file is broken."""
    try:
        if file.suffix == ".safetensors":
            return safetensors.torch.load_file(file)
        with warnings.catch_warnings(action="ignore"):  # torch's thoughts on old formats are not the person's
            state = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch's unpickler raises all kinds
        if isinstance(error, pickle.UnpicklingError) and _NAMES_CODE.search(str(error)):
            raise BadInput(
                _(
                    "{file} was refused: it is no plain file of weights, and what else it holds might run code; get "
                    "one of weights alone."
                ).format(file=file)
            ) from error
        # What torch says of a file that is none of its own is a page long, and of its own history.
        unknown = isinstance(error, pickle.UnpicklingError) or not str(error)
        reason = _("it holds no weights") if unknown else str(error).splitlines()[0]
        raise Damaged(
            _("{file} is damaged ({reason}): fetch or copy it again.").format(file=file, reason=reason)
        ) from error
    if not isinstance(state, dict) or not all(isinstance(k, str) and isinstance(v, Tensor) for k, v in state.items()):
        raise BadInput(_("{file} holds something else than weights: get one of weights alone.").format(file=file))
    return state


def _read_tokenizer(folder: Path) -> tuple[str, Frame]:
    """The folder's tokenizer through transformers, which knows the classes; with ids around a post and for padding."""
    from transformers import AutoTokenizer, BertTokenizer

    settings = folder / "tokenizer_config.json"
    named = settings.is_file() and "tokenizer_class" in _read_json(settings)
    has_json = (folder / "tokenizer.json").is_file()
    if not has_json and not any((folder / name).is_file() for name in ("vocab.txt", "vocab.json")):
        raise BadInput(
            _("{folder} holds no tokenizer: vocab.txt or tokenizer.json must be in it.").format(folder=folder)
        )
    try:
        with _transformers_quiet():
            if not named and not has_json and (folder / "vocab.txt").is_file():
                tokenizer: Any = BertTokenizer.from_pretrained(folder, local_files_only=True)
            else:
                tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        backend = tokenizer.backend_tokenizer
    except Exception as error:  # transformers and the Rust side raise all kinds
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BadInput(
            _("The tokenizer in {folder} cannot be read ({reason}): copy the model's tokenizer files again.").format(
                folder=folder, reason=reason
            )
        ) from error
    body = backend.encode("1", add_special_tokens=False).ids
    framed = backend.encode("1", add_special_tokens=True).ids
    start = next((at for at in range(len(framed)) if framed[at : at + len(body)] == body), 0)
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    frame = Frame(tuple(framed[:start]), tuple(framed[start + len(body) :]), pad if pad is not None else 0)
    return backend.to_str(), frame


@contextmanager
def _transformers_quiet() -> Iterator[None]:
    """For the block: what transformers thinks of a config.json of 2020 is not the person's."""
    from transformers.utils.logging import get_verbosity, set_verbosity

    before = get_verbosity()
    set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        set_verbosity(before)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise Damaged(_("{path} cannot be read ({reason}): copy it again.").format(path=path, reason=error)) from error
    if not isinstance(value, dict):
        raise Damaged(_("{path} is not a JSON object: copy it again.").format(path=path))
    return value

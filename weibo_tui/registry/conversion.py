"""Reading a Hugging Face GPT-2 folder, in any file format, as canonical tensors and a tokenizer. Runs no code in it.

A file from outside can still take all memory and time, or crash a native library: it is read in a child process, see
`isolated`.
"""

from __future__ import annotations

import json
import pickle
import re
import shutil
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from weibo_tui.atomic import read_bounded
from weibo_tui.engine.config import GPT2Config
from weibo_tui.engine.tokenizer import SpecialTokens, translate_tokenizer_errors
from weibo_tui.errors import CorruptFileError, UserInputError, is_out_of_memory
from weibo_tui.locale import gettext as _
from weibo_tui.registry.weights import check_header, save_tensors

# Buffers that older transformers saved, and heads that the backbone does not have.
_IGNORED = re.compile(r"h\.\d+\.attn\.(bias|masked_bias)|lm_head\.weight|score\.weight")

# Bytes.
MAX_JSON_SIZE = 2**23
MAX_TOKENIZER_SIZE = 2**25
MAX_WEIGHTS_SIZE = 2**33

_SETTINGS_FILES = ("config.json", "special_tokens_map.json", "tokenizer_config.json")
_TOKENIZER_FILES = ("vocab.txt", "vocab.json", "merges.txt", "tokenizer.json", "added_tokens.json")
# The settings that change how a text is encoded.
_SETTINGS = frozenset(
    (
        *("model_type", "tokenizer_class", "do_lower_case", "do_basic_tokenize", "strip_accents"),
        *("tokenize_chinese_chars", "add_prefix_space", "add_bos_token", "add_eos_token", "keep_accents"),
        *("remove_space", "legacy", "unk_token", "bos_token", "eos_token", "pad_token", "cls_token", "sep_token"),
        *("mask_token", "additional_special_tokens", "extra_special_tokens", "added_tokens_decoder"),
    )
)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A GPT-2 read from a folder: canonical tensors, and the tokenizer as the text of a `tokenizer.json`."""

    config: GPT2Config
    tensors: dict[str, Tensor]
    tokenizer: str
    special_tokens: SpecialTokens


def read_folder(folder: Path) -> Checkpoint:
    """Read a local Hugging Face folder. Raises UserInputError where it has no GPT-2, CorruptFileError where a file is
    broken."""
    if not (folder / "config.json").is_file():
        message = _("{folder} is not a model folder: it has no config.json. Give the folder that contains it.")
        raise UserInputError(message.format(folder=folder))
    config = GPT2Config.from_hugging_face(_read_json(folder / "config.json"))
    tokenizer, special_tokens = _read_tokenizer(folder)
    tensors: dict[str, Tensor] = {}
    for file in _weight_files(folder):
        loaded = {name.removeprefix("transformer."): tensor for name, tensor in read_weights(file).items()}
        tensors |= clone_tensors(file, {name: loaded[name] for name in loaded if not _IGNORED.fullmatch(name)})
    return Checkpoint(config, tensors, tokenizer, special_tokens)


def _weight_files(folder: Path) -> list[Path]:
    """Return the files of the weights: safetensors before pickles, one file before shards."""
    for name in ("model.safetensors", "pytorch_model.bin"):
        if (folder / name).is_file():
            return [folder / name]
        index = folder / f"{name}.index.json"
        if index.is_file():
            shards = _read_json(index).get("weight_map")
            if not isinstance(shards, dict):
                raise CorruptFileError(_("{path} names no weight files. Copy it again.").format(path=index))
            # Only the file names count: an index from outside must not lead out of its folder.
            return [folder / name for name in sorted({Path(str(shard)).name for shard in shards.values()})]
    message = _("No weights in {folder}: model.safetensors or pytorch_model.bin is needed.")
    raise UserInputError(message.format(folder=folder))


def read_weights(file: Path) -> Mapping[str, Tensor]:
    """Load a safetensors file, or a pickle of tensors only.

    Raises UserInputError where a pickle holds anything else, which is not run, and CorruptFileError where the file is
    broken."""
    try:
        if not file.is_file():  # a pipe would block, and a device has no end
            raise OSError(_("file not found"))
        if file.stat().st_size > MAX_WEIGHTS_SIZE:
            raise _too_large(file)
        if file.suffix == ".safetensors":
            check_header(file)
            return safetensors.torch.load_file(file)
        with warnings.catch_warnings(action="ignore"):  # torch warns of old formats
            state = torch.load(file, map_location="cpu", weights_only=True)
    except UserInputError:
        raise
    except Exception as error:  # torch's unpickler raises all kinds
        if is_out_of_memory(error):
            raise _too_large(file) from error
        if isinstance(error, pickle.UnpicklingError) and "GLOBAL" in str(error):  # a name that torch does not allow
            message = _(
                "{file} was refused: it contains more than weights and might run code. Use a file that "
                "contains only weights."
            )
            raise UserInputError(message.format(file=file)) from error
        # For a file of another format torch's message is a page long.
        unknown = isinstance(error, pickle.UnpicklingError) or not str(error)
        unknown = unknown or (isinstance(error, ValueError) and file.suffix != ".safetensors")
        reason = _("it contains no weights") if unknown else str(error).splitlines()[0][:200]
        message = _("{file} is damaged ({reason}). Download or copy it again.")
        raise CorruptFileError(message.format(file=file, reason=reason)) from error
    if not isinstance(state, dict) or not all(isinstance(key, str) and is_plain(value) for key, value in state.items()):
        raise _not_weights(file)
    return state


def is_plain(value: object) -> bool:
    """Return whether a value is a dense tensor on the CPU."""
    return isinstance(value, Tensor) and value.layout == torch.strided and value.device.type == "cpu"


def clone_tensors(file: Path, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the floating-point tensors of `file`, each with its own storage, as safetensors needs them.

    A pickle may hold parameters and views of one storage. Raises UserInputError for other types, and where the tensors
    need far more space than the file."""
    if not all(tensor.is_floating_point() for tensor in tensors.values()):
        raise _not_weights(file)
    return _clone(file, tensors)


def rewrite_weights(file: Path, out: Path | str) -> None:
    """Write the tensors of a weights file as a safetensors file. Raises what `read_weights` raises."""
    save_tensors(_clone(file, read_weights(file)), Path(out))


def _clone(file: Path, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    # Twice, because a head that shares its weights with the embeddings is in the file once.
    if sum(tensor.numel() * tensor.element_size() for tensor in tensors.values()) > 2 * file.stat().st_size:
        raise _too_large(file)
    return {name: tensor.detach().clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()}


def _too_large(file: Path) -> UserInputError:
    message = _("{file} was refused: its content is larger than the file. Get the model from another source.")
    return UserInputError(message.format(file=file))


def _not_weights(file: Path) -> UserInputError:
    return UserInputError(
        _("{file} contains more than weights. Use a file that contains only weights.").format(file=file)
    )


def _read_tokenizer(folder: Path) -> tuple[str, SpecialTokens]:
    """Read the folder's tokenizer with transformers, and the ids that it puts around a post and for padding."""
    from transformers import logging

    logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # it warns about old files

    has_json = (folder / "tokenizer.json").is_file()
    if not has_json and not any((folder / name).is_file() for name in ("vocab.txt", "vocab.json")):
        message = _("No tokenizer in {folder}: vocab.txt or tokenizer.json is needed.")
        raise UserInputError(message.format(folder=folder))
    try:
        with TemporaryDirectory() as copy:
            has_class = _copy_tokenizer(folder, Path(copy))
            with translate_tokenizer_errors():
                if not has_class and not has_json and (folder / "vocab.txt").is_file():
                    from transformers import BertTokenizer

                    tokenizer: Any = BertTokenizer.from_pretrained(copy, local_files_only=True)
                else:
                    from transformers import AutoTokenizer

                    tokenizer = AutoTokenizer.from_pretrained(copy, local_files_only=True, trust_remote_code=False)
        backend = tokenizer.backend_tokenizer
        backend.no_truncation()
        backend.no_padding()
        definition: str = backend.to_str()
        with translate_tokenizer_errors():
            body = backend.encode("1", add_special_tokens=False).ids
            framed = backend.encode("1", add_special_tokens=True).ids
    except UserInputError as error:
        raise error if str(folder) in str(error) else UserInputError(f"{folder}: {error}") from error
    except Exception as error:  # transformers raises all kinds
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        message = _("Cannot read the tokenizer in {folder} ({reason}). Copy the model's tokenizer files again.")
        raise UserInputError(message.format(folder=folder, reason=reason)) from error
    start = next((at for at in range(len(framed)) if framed[at : at + len(body)] == body), 0)
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    special_tokens = SpecialTokens(
        tuple(framed[:start]), tuple(framed[start + len(body) :]), pad if pad is not None else 0
    )
    return definition, special_tokens


def _copy_tokenizer(folder: Path, target: Path) -> bool:
    """Copy a folder's tokenizer into `target`, and return whether it names its class.

    Only known settings are copied: transformers acts on others, such as paths, code and templates."""
    has_class = False
    for name in (*_SETTINGS_FILES, *_TOKENIZER_FILES):
        path = folder / name
        if not path.is_file():
            continue
        if path.stat().st_size > MAX_TOKENIZER_SIZE:
            raise UserInputError(_("{path} was refused: it is too large.").format(path=path))
        if name not in _SETTINGS_FILES:
            shutil.copyfile(path, target / name)
            continue
        settings = {key: value for key, value in _read_json(path).items() if key in _SETTINGS}
        has_class = has_class or (name == "tokenizer_config.json" and "tokenizer_class" in settings)
        (target / name).write_text(json.dumps(settings), encoding="utf-8")
    return has_class


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(read_bounded(path, MAX_JSON_SIZE))
    except (OSError, ValueError, RecursionError) as error:
        message = _("Cannot read {path} ({reason}). Copy it again.")
        raise CorruptFileError(message.format(path=path, reason=error)) from error
    if not isinstance(value, dict):
        raise CorruptFileError(_("{path} is not a JSON object. Copy it again.").format(path=path))
    return value

"""A Hugging Face folder, however it is packed, as canonical tensors and a tokenizer. Nothing in it is executed."""

from __future__ import annotations

import json
import logging
import math
import pickle
import re
import shutil
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from weibo_tui.engine import tokenizer_check
from weibo_tui.engine.config import GPT2Config
from weibo_tui.engine.tokenizer import SpecialTokens, translate_tokenizer_errors
from weibo_tui.errors import CorruptFileError, UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.registry.serialization import save_tensors
from weibo_tui.registry.weights import LARGEST_HEADER, check_header

# Buffers that older transformers saved, and heads that a trunk does not have.
_NOT_TRUNK = re.compile(r"h\.\d+\.attn\.(bias|masked_bias)|lm_head\.weight|score\.weight")

# Bytes. What transformers reads of a tokenizer is text of a megabyte or a few.
LARGEST_JSON = 2**23
LARGEST_TOKENIZER = 2**25
LARGEST_WEIGHTS = 2**33
MOST_SPECIAL = 5000
"""Tokens that one setting names. Adding them takes time by their square."""
_TOKENIZER_FILES = (
    *("vocab.txt", "vocab.json", "merges.txt", "tokenizer.json"),
    *("added_tokens.json", "special_tokens_map.json", "tokenizer_config.json"),
)
# What of the settings says how a text is encoded.
_SETTINGS = frozenset(
    (
        *("tokenizer_class", "do_lower_case", "do_basic_tokenize", "strip_accents", "tokenize_chinese_chars"),
        *("add_prefix_space", "add_bos_token", "add_eos_token", "keep_accents", "remove_space", "legacy"),
        *("unk_token", "bos_token", "eos_token", "pad_token", "cls_token", "sep_token", "mask_token"),
        *("additional_special_tokens", "extra_special_tokens", "added_tokens_decoder"),
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
    """Read a local Hugging Face folder. Raises UserInputError where it holds no GPT-2, Damaged where a file is
    broken."""
    if not (folder / "config.json").is_file():
        raise UserInputError(
            _("{folder} is no model folder: it has no config.json; name the folder that holds it.").format(
                folder=folder
            )
        )
    config = GPT2Config.from_hugging_face(_read_json(folder / "config.json"))
    tokenizer, special_tokens = _read_tokenizer(folder)
    files = _weight_files(folder)
    _check_sizes(files, config)
    tensors: dict[str, Tensor] = {}
    for file in files:
        found = {name.removeprefix("transformer."): tensor for name, tensor in read_weights(file).items()}
        tensors |= own(file, {name: tensor for name, tensor in found.items() if not _NOT_TRUNK.fullmatch(name)})
    return Checkpoint(config, tensors, tokenizer, special_tokens)


def _weight_files(folder: Path) -> list[Path]:
    """The weight files, safetensors before pickles, whole before sharded."""
    for name in ("model.safetensors", "pytorch_model.bin"):
        if (folder / name).is_file():
            return [folder / name]
        index = folder / f"{name}.index.json"
        if index.is_file():
            # A shard is a file of this folder, whatever an index from outside says.
            return [folder / shard for shard in sorted({Path(str(one)).name for one in _weight_map(index).values()})]
    raise UserInputError(
        _("{folder} holds no weights: model.safetensors or pytorch_model.bin must be in it.").format(folder=folder)
    )


def _check_sizes(files: Sequence[Path], config: GPT2Config) -> None:
    """Raise UserInputError for weights that are far more than `config` asks for, before they are read: a sparse file of
    gigabytes takes no room where it comes from."""
    asked = sum(math.prod(shape) for _name, shape in config.tensors())
    # In float64, with a head, and with the masks that older transformers saved in each block.
    asked += config.vocabulary * config.width + config.layers * config.positions**2
    found = 0
    for file in files:
        found += file.stat().st_size if file.is_file() else 0
        if found > 8 * asked + len(files) * LARGEST_HEADER:
            raise UserInputError(
                _("{file} was refused: it holds more than config.json asks for. Get the model from elsewhere.").format(
                    file=file
                )
            )


def _weight_map(index: Path) -> dict[str, Any]:
    found = _read_json(index).get("weight_map")
    if not isinstance(found, dict):
        raise CorruptFileError(_("{path} names no weight files: copy it again.").format(path=index))
    return found


def read_weights(file: Path) -> Mapping[str, Tensor]:
    """The tensors of a safetensors file, or of a pickle that holds nothing else. Raises UserInputError where a pickle
    asks for more, none of which is run, and CorruptFileError where the file is broken.

    A pickle can take all memory and time: one from outside is read in a child process (see `isolated`)."""
    try:
        if not file.is_file():  # a pipe would be waited for, and a device has no end
            raise OSError(_("there is no such file"))
        if file.stat().st_size > LARGEST_WEIGHTS:
            raise _too_large(file)
        if file.suffix == ".safetensors":
            check_header(file)
            return safetensors.torch.load_file(file)
        with warnings.catch_warnings(action="ignore"):  # torch's thoughts on old formats are not the person's
            state = torch.load(file, map_location="cpu", weights_only=True)
    except UserInputError:
        raise
    except MemoryError as error:
        raise _too_large(file) from error
    except pickle.UnpicklingError as error:
        if "GLOBAL" not in str(error):  # a name that is on none of torch's lists
            raise CorruptFileError(
                _("{file} is damaged ({reason}): fetch or copy it again.").format(
                    file=file, reason=_("it holds no weights")
                )
            ) from error
        raise UserInputError(
            _(
                "{file} was refused: it is no plain file of weights, and what else it holds might run code; get "
                "one of weights alone."
            ).format(file=file)
        ) from error
    except Exception as error:  # torch's unpickler raises all kinds
        if "can't allocate memory" in str(error):
            raise _too_large(file) from error
        # What torch says of a file that is none of its own is a page long, and of its own history.
        is_pickle = file.suffix != ".safetensors"
        unknown = (is_pickle and isinstance(error, ValueError)) or not str(error)
        reason = _("it holds no weights") if unknown else str(error).splitlines()[0][:200]
        raise CorruptFileError(
            _("{file} is damaged ({reason}): fetch or copy it again.").format(file=file, reason=reason)
        ) from error
    if not isinstance(state, dict) or not all(isinstance(key, str) and _is_plain(one) for key, one in state.items()):
        raise UserInputError(_("{file} holds something else than weights: get one of weights alone.").format(file=file))
    return state


def _is_plain(value: object) -> bool:
    return isinstance(value, Tensor) and value.layout == torch.strided and value.device.type == "cpu"


def own(file: Path, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors out of `file`, each in a room of its own. A pickle may hold parameters, and views of one storage, which
    a safetensors file does not take; where they are more than the file has bytes for, UserInputError."""
    if not all(tensor.is_floating_point() for tensor in tensors.values()):
        raise UserInputError(_("{file} holds something else than weights: get one of weights alone.").format(file=file))
    return _unshared(file, tensors)


def rewrite_weights(file: Path, out: Path | str) -> None:
    """Write the tensors of a weights file as a safetensors file. Raises what `read_weights` raises."""
    save_tensors(_unshared(file, read_weights(file)), Path(out))


def _unshared(file: Path, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    # A head that shares its weights with the embeddings is in the file once.
    if sum(tensor.numel() * tensor.element_size() for tensor in tensors.values()) > 2 * file.stat().st_size:
        raise _too_large(file)
    return {name: tensor.detach().clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()}


def _too_large(file: Path) -> UserInputError:
    return UserInputError(
        _("{file} was refused: it unpacks to more than it is large; get the model from elsewhere.").format(file=file)
    )


def _read_tokenizer(folder: Path) -> tuple[str, SpecialTokens]:
    """The folder's tokenizer through transformers, which knows the classes; with ids around a post and for padding."""
    from transformers import AutoTokenizer, BertTokenizer

    has_json = (folder / "tokenizer.json").is_file()
    if not has_json and not any((folder / name).is_file() for name in ("vocab.txt", "vocab.json")):
        raise UserInputError(
            _("{folder} holds no tokenizer: vocab.txt or tokenizer.json must be in it.").format(folder=folder)
        )
    try:
        with TemporaryDirectory() as place:
            named = _copy_tokenizer(folder, Path(place))
            with _transformers_quiet(), translate_tokenizer_errors():
                if not named and not has_json and (folder / "vocab.txt").is_file():
                    tokenizer: Any = BertTokenizer.from_pretrained(place, local_files_only=True)
                else:
                    tokenizer = AutoTokenizer.from_pretrained(place, local_files_only=True, trust_remote_code=False)
        backend = tokenizer.backend_tokenizer
        backend.no_truncation()
        backend.no_padding()
        definition: str = backend.to_str()
        tokenizer_check.check_definition(definition)
        with translate_tokenizer_errors():
            body = backend.encode("1", add_special_tokens=False).ids
            framed = backend.encode("1", add_special_tokens=True).ids
    except UserInputError as error:
        raise error if str(folder) in str(error) else UserInputError(f"{folder}: {error}") from error
    except Exception as error:  # transformers raises all kinds
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise UserInputError(
            _("The tokenizer in {folder} cannot be read ({reason}): copy the model's tokenizer files again.").format(
                folder=folder, reason=reason
            )
        ) from error
    start = next((at for at in range(len(framed)) if framed[at : at + len(body)] == body), 0)
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    special_tokens = SpecialTokens(
        tuple(framed[:start]), tuple(framed[start + len(body) :]), pad if pad is not None else 0
    )
    return definition, special_tokens


def _copy_tokenizer(folder: Path, place: Path) -> bool:
    """Copy of a folder's tokenizer what is known into `place`; whether it names its class.

    What else stands in these files, transformers and the library print, or act on: paths, code, templates."""
    for name in _TOKENIZER_FILES:
        if (folder / name).is_file() and (folder / name).stat().st_size > LARGEST_TOKENIZER:
            raise UserInputError(_("{path} was refused: it is too large.").format(path=folder / name))
    written: dict[str, dict[str, Any]] = {}
    for name in ("config.json", *_TOKENIZER_FILES):
        if name.endswith(".json") and (folder / name).is_file():
            written[name] = _read_json(folder / name, LARGEST_TOKENIZER)
    config = written["config.json"]
    written["config.json"] = {key: config[key] for key in ("model_type", "tokenizer_class") if key in config}
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        if name in written:
            typed = name == "tokenizer_config.json"
            known = {key: value for key, value in written[name].items() if key in _SETTINGS}
            written[name] = {key: _known(folder / name, value, typed=typed) for key, value in known.items()}
    if "added_tokens.json" in written:
        written["added_tokens.json"] = _known(folder / "added_tokens.json", written["added_tokens.json"])
    if "tokenizer.json" in written:
        definition = written["tokenizer.json"]
        definition["added_tokens"] = _known(folder / "tokenizer.json", definition.get("added_tokens") or [])
    for name, values in written.items():
        (place / name).write_text(json.dumps(values), encoding="utf-8")
    for name in ("vocab.txt", "merges.txt"):
        if (folder / name).is_file():
            shutil.copyfile(folder / name, place / name)
    return "tokenizer_class" in written.get("tokenizer_config.json", {})


def _known(file: Path, value: Any, *, typed: bool = False) -> Any:
    """A setting of a tokenizer, with the known keys of each token in it; `typed` where transformers knows a token by a
    key more, which the library does not know."""
    if isinstance(value, list):
        if len(value) > (tokenizer_check.MAX_ADDED_TOKENS if file.name == "tokenizer.json" else MOST_SPECIAL):
            raise UserInputError(_("{path} names too many tokens. Get the model from elsewhere.").format(path=file))
        return [_known(file, one, typed=typed) for one in value]
    if isinstance(value, dict) and "content" not in value:  # tokens by their ids
        return dict(zip(value, _known(file, list(value.values())), strict=True))
    if isinstance(value, dict):
        known = {key: value[key] for key in value if key in tokenizer_check.ADDED_TOKEN_KEYS}
        return known | ({"__type": "AddedToken"} if typed else {})
    return value


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


def _read_json(path: Path, most: int = LARGEST_JSON) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            text = file.read(most + 1)
        if len(text) > most:
            raise ValueError(_("it is too large"))
        value = json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise CorruptFileError(
            _("{path} cannot be read ({reason}): copy it again.").format(path=path, reason=error)
        ) from error
    if not isinstance(value, dict):
        raise CorruptFileError(_("{path} is not a JSON object: copy it again.").format(path=path))
    return value

"""The original project's checkpoint, imported as an adapter, and an adapter exported as one.

Its state dict has the tensors of a `GPT2ForSequenceClassification` under `gpt2.`. Every block is wrapped: its own
tensors are under `original_block`, followed by a bottleneck of 64 with ReLU under `adapter`. It was trained on raw
posts: `[CLS]`, at most 126 tokens and `[SEP]`, padded to 128 with `[PAD]`, and pooled at the last token that is not
padding. Our special tokens, pooling and version 0 of `text.clean` give the same. Only its predict script pools at the
128th token, because it leaves the padding token at `eos`, which no post has.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from safetensors.torch import load_file
from torch import Tensor

from weibo_tui.atomic import atomic_folder, open_output
from weibo_tui.engine.adapter import Adapter, AdapterConfig
from weibo_tui.engine.config import GPT2Config
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_list
from weibo_tui.progress import Progress
from weibo_tui.registry import isolated
from weibo_tui.registry.adapters import Adapters, write
from weibo_tui.registry.adapters import read as read_adapter
from weibo_tui.registry.bases import CONFIG, WEIGHTS, Bases
from weibo_tui.registry.cards import AdapterCard
from weibo_tui.registry.conversion import clone_tensors, is_plain, rewrite_weights
from weibo_tui.registry.weights import check_sha256, open_tensors, save_pickle

# Constants in its scripts, which every checkpoint for them must have.
ACTIVATION = "relu"
BOTTLENECK = 64
LABELS = 2
MAX_LENGTH = 128
PREPROCESSING = 0

_HEAD = "gpt2.score.weight"
_FIRST = "gpt2.transformer.h.0.adapter.down_project.weight"
# Buffers that older transformers saved, and the head of a language model.
_IGNORED = re.compile(r"gpt2\.(transformer\.h\.\d+\.original_block\.attn\.(bias|masked_bias)|lm_head\.weight)")


def import_model(
    file: Path,
    bases: Bases,
    base: str,
    adapters: Adapters,
    name: str,
    labels: Sequence[str],
    raw_labels: Sequence[str],
    overwrite: bool = False,
) -> Generator[Progress, None, AdapterCard]:
    """Import the adapters and the head of a checkpoint as the adapter `name`; the result is its card.

    Raises UserInputError where the file is no checkpoint of the original project, has another backbone than the base,
    bit by bit, or another number of labels; CorruptFileError where it is broken. Then it leaves nothing."""
    adapters.check_free(name, overwrite)
    if not file.is_file():
        raise UserInputError(_("File not found: {path}. Check the name.").format(path=file))
    yield Progress("reading", 0)
    with atomic_folder(adapters.folder / name, replace=overwrite) as folder:
        with TemporaryDirectory(dir=folder) as scratch:
            copy = Path(scratch, "tensors")
            yield from isolated.run(rewrite_weights, file, copy)
            adapter, positions = yield from _load_adapter(file, load_file(copy), bases, base, labels)
        shape = adapter.config
        card = AdapterCard(
            name=name,
            base=base,
            base_fingerprint=bases.card(base).fingerprint,
            labels=tuple(labels),
            raw_labels=tuple(raw_labels),
            width=shape.width,
            blocks=shape.blocks,
            bottleneck=shape.bottleneck,
            activation=shape.activation,
            max_length=min(MAX_LENGTH, positions),
            preprocessing=PREPROCESSING,
            temperature=1.0,
            dtype="float32",
            parameters=sum(parameter.numel() for parameter in adapter.parameters()),
            data={"checkpoint": file.name},
        )
        return write(folder, adapter, card)


def _load_adapter(
    file: Path, state: dict[str, Tensor], bases: Bases, base: str, labels: Sequence[str]
) -> Generator[Progress, None, tuple[Adapter, int]]:
    """Return the adapter in a checkpoint, and the number of positions of its base."""
    missing = next((key for key in (_HEAD, _FIRST) if key not in state or state[key].dim() != 2), None)
    if missing is not None:
        message = _("{file} is not a checkpoint of the original project: it has no {name}.")
        raise UserInputError(message.format(file=file, name=missing))
    if len(state[_HEAD]) != len(labels):
        message = _("{file} has {number} labels, not {names}. Name {number} labels with --labels, in order.")
        raise UserInputError(message.format(file=file, number=len(state[_HEAD]), names=join_list(labels)))
    with _open_base(bases, base) as (config, read):
        yield from _check_backbone(file, state, base, config, read)
    shape = AdapterConfig(config.width, tuple(range(config.layers)), len(labels), len(state[_FIRST]), ACTIVATION)
    return Adapter.load(shape, _adapter_tensors(file, state, shape)), config.positions


def export(
    adapters: Adapters, name: str, bases: Bases, base: str, out: Path, overwrite: bool = False
) -> Generator[Progress, None, None]:
    """Write the adapter `name` on its base `base` as a checkpoint that the original's predict script loads, with the
    same bytes each time.

    The temperature is merged into the head. Raises UserInputError for an adapter of another shape."""
    card = adapters.card(name)
    with _open_base(bases, base) as (config, read):
        _check_shape(card, config)
        names = [canonical for canonical, _sizes in config.tensors()]
        state = {}
        for done, canonical in enumerate(names):
            yield Progress("reading", done, len(names))
            # Pickling a tensor of a mapped file may write the whole file.
            state[_backbone_key(canonical)] = read(canonical).float().clone()
    for ours, tensor in sorted(read_adapter(adapters.path(name), card).state_dict().items()):
        state[_adapter_key(ours)] = tensor.clone()
    state[_HEAD] /= card.temperature
    yield Progress("writing", 0)
    with open_output(out, "wb", overwrite=overwrite) as file:
        save_pickle(state, file)


@contextmanager
def _open_base(bases: Bases, name: str) -> Iterator[tuple[GPT2Config, Callable[[str], Tensor]]]:
    """Open a base and yield its config and a function that reads one tensor by its canonical name."""
    folder, card = bases.path(name), bases.card(name)
    for file in (CONFIG, WEIGHTS):
        if file in card.sha256:
            check_sha256(folder / file, card.sha256[file])
    config = GPT2Config.from_hugging_face(json.loads((folder / CONFIG).read_bytes()))
    with open_tensors(folder / WEIGHTS, config) as read:
        yield config, read


def _check_backbone(
    file: Path, state: dict[str, Tensor], base: str, config: GPT2Config, read: Callable[[str], Tensor]
) -> Generator[Progress, None, None]:
    """Remove the backbone's tensors from `state`. Raises UserInputError with the first that differs from the base."""
    names = [canonical for canonical, _sizes in config.tensors()]
    different = None
    for done, canonical in enumerate(names):
        yield Progress("reading", done, len(names))
        if not _same_bits(state.pop(_backbone_key(canonical), None), read(canonical)):
            different = canonical
            break
    for key in list(state):
        if _IGNORED.fullmatch(key):
            del state[key]
        elif ".original_block." in key:  # of a block that the base does not have
            different = different or key.replace("original_block.", "").removeprefix("gpt2.transformer.")
    if different is not None:
        message = _("{file} does not belong to base '{base}': tensor {name} differs. Name its base with --base.")
        raise UserInputError(message.format(file=file, base=base, name=different[:100]))


def _same_bits(tensor: Tensor | None, other: Tensor) -> bool:
    """Compare two tensors as float32, bit by bit."""
    if tensor is None or not _is_weight(tensor) or tensor.shape != other.shape:
        return False
    return torch.equal(*(value.detach().float().contiguous().view(torch.int32) for value in (tensor, other)))


def _is_weight(tensor: Tensor) -> bool:
    return tensor.is_floating_point() and is_plain(tensor)


def _adapter_tensors(file: Path, state: dict[str, Tensor], shape: AdapterConfig) -> dict[str, Tensor]:
    """Return the adapter's tensors under our names. Raises UserInputError with the first that is missing, has another
    shape, or is unknown."""
    with torch.device("meta"):
        expected = {ours: tuple(tensor.shape) for ours, tensor in Adapter(shape).state_dict().items()}
    tensors = {}
    for ours, sizes in expected.items():
        key = _adapter_key(ours)
        tensor = state.pop(key, None)
        if tensor is None or not _is_weight(tensor) or tuple(tensor.shape) != sizes:
            message = _(
                "{file} is an incomplete checkpoint of the original project: {name} of shape {shape} is missing."
            )
            raise UserInputError(message.format(file=file, name=key, shape=sizes))
        tensors[ours] = tensor
    for key in state:
        message = _("{file} is not a checkpoint of the original project: it also contains {name}.")
        raise UserInputError(message.format(file=file, name=key[:100]))
    return clone_tensors(file, tensors)


def _check_shape(card: AdapterCard, config: GPT2Config) -> None:
    """Raise UserInputError for an adapter that the original's scripts cannot load, or would compute differently."""
    required = {
        _("a bottleneck of {width}").format(width=BOTTLENECK): card.bottleneck == BOTTLENECK,
        _("one in each of the {layers} blocks").format(layers=config.layers): card.blocks
        == tuple(range(config.layers)),
        _("the activation {name}").format(name=ACTIVATION): card.activation == ACTIVATION,
        _("{number} labels").format(number=LABELS): len(card.labels) == LABELS,
    }
    lacking = [requirement for requirement, is_met in required.items() if not is_met]
    if lacking:
        message = _(
            "The original project cannot load adapter '{name}', because it needs {what}. Train one with these settings."
        )
        raise UserInputError(message.format(name=card.name, what=join_list(lacking)))


def _backbone_key(canonical: str) -> str:
    block = re.fullmatch(r"(h\.\d+\.)(.+)", canonical)
    return "gpt2.transformer." + (f"{block[1]}original_block.{block[2]}" if block else canonical)


def _adapter_key(ours: str) -> str:
    if ours == "head.weight":
        return _HEAD
    _blocks, index, part, kind = ours.split(".")
    return f"gpt2.transformer.h.{index}.adapter.{part}_project.{kind}"

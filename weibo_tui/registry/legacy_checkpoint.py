"""The original project's checkpoint, read as an adapter of ours, and an adapter written as one.

Its state dict holds all of a `GPT2ForSequenceClassification` under `gpt2.`, with every block wrapped: the block's own
tensors under `original_block`, and behind it a bottleneck of 64 with ReLU under `adapter`. It was trained on posts as
they are, `[CLS]`, at most 126 tokens and `[SEP]`, padded to 128 with `[PAD]`, and judged at the last token that is
none: what our frame, our pooling and version 0 of `text.clean` come to. Its predict script alone judges elsewhere, at
the 128th token: it leaves the padding token at `eos`, which no post holds.
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
from weibo_tui.progress import Progress
from weibo_tui.registry import isolated
from weibo_tui.registry.adapters import Adapters, write
from weibo_tui.registry.adapters import read as read_adapter
from weibo_tui.registry.bases import CONFIG, WEIGHTS, Bases
from weibo_tui.registry.cards import AdapterCard
from weibo_tui.registry.conversion import own, rewrite_weights
from weibo_tui.registry.serialization import save_pickle
from weibo_tui.registry.weights import backbone_on_disk, check_sha256

# What its scripts fix, and a checkpoint that they load must have.
ACTIVATION = "relu"
BOTTLENECK = 64
LABELS = 2
MAX_LENGTH = 128
PREPROCESSING = 0

_HEAD = "gpt2.score.weight"
_FIRST = "gpt2.transformer.h.0.adapter.down_project.weight"
# Buffers that older transformers saved, and the head of a language model.
_NOT_READ = re.compile(r"gpt2\.(transformer\.h\.\d+\.original_block\.attn\.(bias|masked_bias)|lm_head\.weight)")


def take_in(
    file: Path,
    bases: Bases,
    base: str,
    adapters: Adapters,
    name: str,
    labels: Sequence[str],
    raw_labels: Sequence[str],
    overwrite: bool = False,
) -> Generator[Progress, None, AdapterCard]:
    """Keep adapters and head of a checkpoint as the adapter `name`; the result is its card.

    Raises UserInputError where the file is no such checkpoint, where the trunk in it is not the base's to the bit, and
    where it has other labels; Damaged where it is broken. Nothing is left then."""
    adapters.check_free(name, overwrite)
    if not file.is_file():
        raise UserInputError(_("{path} is not there: check the name.").format(path=file))
    yield Progress("reading", 0)
    with atomic_folder(adapters.folder / name, replace=overwrite) as folder:
        # A file of its own: in a folder of an adapter stands nothing else.
        with TemporaryDirectory(dir=folder) as place:
            yield from isolated.run(rewrite_weights, file, Path(place, "read"))
            adapter, card = yield from _adapter_of(
                file, load_file(Path(place, "read")), bases, base, name, labels, raw_labels
            )
        return write(folder, adapter, card)


def _adapter_of(
    file: Path,
    found: dict[str, Tensor],
    bases: Bases,
    base: str,
    name: str,
    labels: Sequence[str],
    raw_labels: Sequence[str],
) -> Generator[Progress, None, tuple[Adapter, AdapterCard]]:
    """The adapter in the tensors `found` of the checkpoint `file`, and its card."""
    lacking = next((key for key in (_HEAD, _FIRST) if key not in found or found[key].dim() != 2), None)
    if lacking is not None:
        raise UserInputError(
            _("{file} is no checkpoint of the original project: it has no {name}.").format(file=file, name=lacking)
        )
    if len(found[_HEAD]) != len(labels):
        raise UserInputError(
            _("{file} knows {number} labels and not {names}: name as many with --labels, in their order.").format(
                file=file, number=len(found[_HEAD]), names=", ".join(labels)
            )
        )
    with _backbone(bases, base) as (backbone, read):
        yield from _compare(file, found, base, backbone, read)
    shape = _shape(backbone, len(labels), len(found[_FIRST]))
    adapter = Adapter.load(shape, _adapter(file, found, shape))
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
        max_length=min(MAX_LENGTH, backbone.positions),
        preprocessing=PREPROCESSING,
        temperature=1.0,
        dtype="float32",
        parameters=sum(parameter.numel() for parameter in adapter.parameters()),
        data={"checkpoint": file.name},
    )
    return adapter, card


def export(
    adapters: Adapters, name: str, bases: Bases, base: str, out: Path, overwrite: bool = False
) -> Generator[Progress, None, None]:
    """Write the adapter `name`, on its base `base`, as a checkpoint that the original's predict script loads, the
    same bytes each time. The temperature goes into the head. Raises UserInputError for an adapter of another shape."""
    card = adapters.card(name)
    with _backbone(bases, base) as (backbone, read):
        _check_shape(card, backbone)
        names = [canonical for canonical, _sizes in backbone.tensors()]
        state = {}
        for done, canonical in enumerate(names):
            yield Progress("reading", done, len(names))
            # A tensor of a mapped file may bring the whole file along when it is pickled.
            state[_backbone_key(canonical)] = read(canonical).float().clone()
    for ours, tensor in sorted(read_adapter(adapters.path(name), card).state_dict().items()):
        state[_adapter_key(ours)] = tensor.clone()
    state[_HEAD] /= card.temperature
    yield Progress("writing", 0)
    with open_output(out, "wb", overwrite=overwrite) as file:
        save_pickle(state, file)


@contextmanager
def _backbone(bases: Bases, name: str) -> Iterator[tuple[GPT2Config, Callable[[str], Tensor]]]:
    """For the block, the shape of a base's trunk and what reads its tensors one at a time, by canonical name."""
    folder, card = bases.path(name), bases.card(name)
    for file in (CONFIG, WEIGHTS):
        if file in card.sha256:
            check_sha256(folder / file, card.sha256[file])
    config = GPT2Config.from_hugging_face(json.loads((folder / CONFIG).read_bytes()))
    with backbone_on_disk(folder / WEIGHTS, config) as read:
        yield config, read


def _compare(
    file: Path, found: dict[str, Tensor], base: str, backbone: GPT2Config, read: Callable[[str], Tensor]
) -> Generator[Progress, None, None]:
    """Take the trunk out of `found`, tensor by tensor. UserInputError names the first that is not the base's."""
    names = [canonical for canonical, _sizes in backbone.tensors()]
    different = None
    for done, canonical in enumerate(names):
        yield Progress("reading", done, len(names))
        if not _same(found.pop(_backbone_key(canonical), None), read(canonical)):
            different = canonical
            break
    for key in list(found):
        if _NOT_READ.fullmatch(key):
            del found[key]
        elif ".original_block." in key:  # of a block that the base does not have, where all of its own are the same
            different = different or key.replace("original_block.", "").removeprefix("gpt2.transformer.")
    if different is not None:
        raise UserInputError(
            _(
                "{file} belongs to another base than '{base}', the first tensor that differs is {name}: name its own "
                "with --base."
            ).format(file=file, base=base, name=different[:100])
        )


def _same(one: Tensor | None, other: Tensor) -> bool:
    """Whether both hold the same bits, as float32."""
    if one is None or not _is_plain(one) or one.shape != other.shape:
        return False
    bits = [tensor.detach().float().contiguous().view(torch.int32) for tensor in (one, other)]
    return torch.equal(*bits)


def _is_plain(tensor: Tensor) -> bool:
    return tensor.is_floating_point() and tensor.layout == torch.strided and tensor.device.type == "cpu"


def _shape(backbone: GPT2Config, labels: int, bottleneck: int) -> AdapterConfig:
    return AdapterConfig(backbone.width, tuple(range(backbone.layers)), labels, bottleneck, ACTIVATION)


def _adapter(file: Path, found: dict[str, Tensor], shape: AdapterConfig) -> dict[str, Tensor]:
    """The adapter's tensors under our names; UserInputError names the first that is missing, of another shape, or not
    one of the original's."""
    with torch.device("meta"):
        wanted = {ours: tuple(tensor.shape) for ours, tensor in Adapter(shape).state_dict().items()}
    tensors = {}
    for ours, sizes in wanted.items():
        key = _adapter_key(ours)
        tensor = found.pop(key, None)
        if tensor is None or not _is_plain(tensor) or tuple(tensor.shape) != sizes:
            raise UserInputError(
                _(
                    "{file} is no whole checkpoint of the original project: it lacks {name} of the shape {shape}."
                ).format(file=file, name=key, shape=sizes)
            )
        tensors[ours] = tensor
    for key in found:
        raise UserInputError(
            _("{file} is no checkpoint of the original project: it holds {name} too.").format(file=file, name=key[:100])
        )
    return own(file, tensors)


def _check_shape(card: AdapterCard, backbone: GPT2Config) -> None:
    """Raise UserInputError for an adapter that the original's scripts cannot load, or would compute otherwise."""
    has = {
        _("bottlenecks of {width}").format(width=BOTTLENECK): card.bottleneck == BOTTLENECK,
        _("one in each of the {layers} blocks").format(layers=backbone.layers): card.blocks
        == tuple(range(backbone.layers)),
        _("the activation {name}").format(name=ACTIVATION): card.activation == ACTIVATION,
        _("{number} labels").format(number=LABELS): len(card.labels) == LABELS,
    }
    lacking = [what for what, is_so in has.items() if not is_so]
    if lacking:
        raise UserInputError(
            _(
                "The original project cannot load the adapter '{name}', for it wants {what}: train one with "
                "'--blocks all --bottleneck {width} --activation {activation}'."
            ).format(name=card.name, what=", ".join(lacking), width=BOTTLENECK, activation=ACTIVATION)
        )


def _backbone_key(canonical: str) -> str:
    block = re.fullmatch(r"(h\.\d+\.)(.+)", canonical)
    return "gpt2.transformer." + (f"{block[1]}original_block.{block[2]}" if block else canonical)


def _adapter_key(ours: str) -> str:
    if ours == "head.weight":
        return _HEAD
    _blocks, index, part, kind = ours.split(".")
    return f"gpt2.transformer.h.{index}.adapter.{part}_project.{kind}"

"""Folders like `uer/gpt2-chinese-cluecorpussmall`, with random weights and a generated vocabulary."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import models
import torch
from models import Checkpoint
from torch import Tensor

VOCABULARY = 21_128
PUNCTUATION = "，。！？；：、“”‘’（）《》…～·—【】￥～"


def tokens(number: int) -> list[str]:
    """Return the lines of `vocab.txt`. As in BERT-Chinese, [UNK] is 100, and letters are lower case."""
    special = ["[PAD]", *(f"[unused{number}]" for number in range(1, 100)), "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    ascii_marks = [chr(code) for code in range(33, 127) if not chr(code).isupper()]
    pieces = ["##" + one for one in ascii_marks if one.isalnum()]
    known = list(dict.fromkeys([*special, "<S>", "<T>", *ascii_marks, *pieces, *PUNCTUATION]))
    return known + [chr(0x4E00 + index) for index in range(number - len(known))]


@dataclass(frozen=True)
class Packing:
    """Storage of the weights in the folder. `prefix` is that of the backbone's names; `buffers` are the masks that old
    transformers saved; `head` is that of lm_head: none, the embedding ("tied"), or its own ("untied")."""

    files: str = "pytorch_model.bin"
    shards: int = 1
    prefix: str = "transformer."
    buffers: bool = True
    head: str = "tied"
    dtype: torch.dtype = torch.float32


def reference(layers: int, heads: int, width: int, vocabulary: int = VOCABULARY) -> Checkpoint:
    """Return a model with weights of the size that training gives them."""
    return models.reference(n_layer=layers, n_head=heads, n_embd=width, n_positions=1024, vocab_size=vocabulary)


def write_folder(folder: Path, model: Checkpoint, packing: Packing = Packing(), lower_case: bool = False) -> Path:
    folder.mkdir(parents=True)
    write_json(folder / "config.json", CONFIG | model.config)
    write_weights(folder, model, packing)
    (folder / "vocab.txt").write_text("\n".join(tokens(model.config["vocab_size"])) + "\n", encoding="utf-8")
    write_json(
        folder / "tokenizer_config.json",
        {"do_lower_case": lower_case, "tokenizer_class": "BertTokenizer", "model_max_length": 1024},
    )
    names = {name: f"[{name.upper()}]" for name in ("unk", "sep", "pad", "cls", "mask")}
    write_json(folder / "special_tokens_map.json", {f"{name}_token": token for name, token in names.items()})
    return folder


def write_weights(folder: Path, model: Checkpoint, packing: Packing) -> None:
    """Write the weight files, and the index of shards."""
    tensors = dict(_tensors(model, packing))
    stem, ending = packing.files.split(".")
    if packing.shards == 1:
        models.write_weights(folder / packing.files, tensors)
        return
    names = sorted(tensors)
    parts = {
        f"{stem}-{number + 1:05}-of-{packing.shards:05}.{ending}": names[number :: packing.shards]
        for number in range(packing.shards)
    }
    for part, of_part in parts.items():
        models.write_weights(folder / part, {name: tensors[name] for name in of_part})
    placed = {name: part for part, of_part in parts.items() for name in of_part}
    size = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    write_json(folder / f"{packing.files}.index.json", {"metadata": {"total_size": size}, "weight_map": placed})


def _tensors(model: Checkpoint, packing: Packing) -> Iterator[tuple[str, Tensor]]:
    for name, weight in model.weights.items():
        yield packing.prefix + name, weight.to(packing.dtype, copy=True)
    if packing.buffers:
        positions = model.config["n_positions"]
        for layer in range(model.config["n_layer"]):
            mask = torch.ones(1, 1, positions, positions, dtype=torch.uint8).tril()
            yield f"{packing.prefix}h.{layer}.attn.bias", mask
            yield f"{packing.prefix}h.{layer}.attn.masked_bias", torch.tensor(-1e4)
    if packing.head != "none":
        head = model.weights["wte.weight"].to(packing.dtype, copy=True)
        yield "lm_head.weight", head if packing.head == "tied" else head.flip(0).contiguous()


# As transformers wrote it in 2020.
CONFIG = {
    "activation_function": "gelu_new",
    "architectures": ["GPT2LMHeadModel"],
    "attn_pdrop": 0.1,
    "embd_pdrop": 0.1,
    "gradient_checkpointing": False,
    "initializer_range": 0.02,
    "layer_norm_epsilon": 1e-05,
    "n_ctx": 1024,
    "n_inner": None,
    "output_past": True,
    "resid_pdrop": 0.1,
    "task_specific_params": {"text-generation": {"do_sample": True, "max_length": 320}},
    "tokenizer_class": "BertTokenizer",
}


def write_json(path: Path, values: dict[str, Any]) -> None:
    path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")

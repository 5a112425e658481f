"""Folders like `uer/gpt2-chinese-cluecorpussmall`, with random weights and a generated vocabulary."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import models
import torch
from torch import Tensor
from transformers import GPT2Config, GPT2Model

VOCABULARY = 21_128
PUNCTUATION = "，。！？；：、“”‘’（）《》…～·—【】￥～"


def tokens() -> list[str]:
    """Return the 21,128 lines of `vocab.txt`. As in BERT-Chinese, [UNK] is 100, and letters are lower case."""
    special = ["[PAD]", *(f"[unused{number}]" for number in range(1, 100)), "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    ascii_marks = [chr(code) for code in range(33, 127) if not chr(code).isupper()]
    pieces = ["##" + one for one in ascii_marks if one.isalnum()]
    known = list(dict.fromkeys([*special, "<S>", "<T>", *ascii_marks, *pieces, *PUNCTUATION]))
    return known + [chr(0x4E00 + number) for number in range(VOCABULARY - len(known))]


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


def reference(layers: int = 12, heads: int = 12, width: int = 768, seed: int = 0) -> GPT2Model:
    """Return transformers' model with weights of the size that training gives them."""
    return models.reference(seed, n_layer=layers, n_head=heads, n_embd=width, n_positions=1024, vocab_size=VOCABULARY)


def write_folder(folder: Path, model: GPT2Model, packing: Packing = Packing(), lower_case: bool = False) -> Path:
    folder.mkdir(parents=True)
    write_json(folder / "config.json", _config(model.config))
    write_weights(folder, model, packing)
    (folder / "vocab.txt").write_text("\n".join(tokens()) + "\n", encoding="utf-8")
    write_json(
        folder / "tokenizer_config.json",
        {"do_lower_case": lower_case, "tokenizer_class": "BertTokenizer", "model_max_length": 1024},
    )
    names = {name: f"[{name.upper()}]" for name in ("unk", "sep", "pad", "cls", "mask")}
    write_json(folder / "special_tokens_map.json", {f"{name}_token": token for name, token in names.items()})
    return folder


def write_weights(folder: Path, model: GPT2Model, packing: Packing) -> None:
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


def _tensors(model: GPT2Model, packing: Packing) -> Iterator[tuple[str, Tensor]]:
    for name, parameter in model.named_parameters():
        yield packing.prefix + name, parameter.detach().to(packing.dtype, copy=True)
    if packing.buffers:
        positions = model.config.n_positions
        for layer in range(model.config.n_layer):
            mask = torch.ones(1, 1, positions, positions, dtype=torch.uint8).tril()
            yield f"{packing.prefix}h.{layer}.attn.bias", mask
            yield f"{packing.prefix}h.{layer}.attn.masked_bias", torch.tensor(-1e4)
    if packing.head != "none":
        head = model.wte.weight.detach().to(packing.dtype, copy=True)
        yield "lm_head.weight", head if packing.head == "tied" else head.flip(0).contiguous()


def _config(shape: GPT2Config) -> dict[str, Any]:
    """Return the `config.json` that transformers wrote in 2020."""
    return {
        "activation_function": "gelu_new",
        "architectures": ["GPT2LMHeadModel"],
        "attn_pdrop": 0.1,
        "embd_pdrop": 0.1,
        "gradient_checkpointing": False,
        "initializer_range": 0.02,
        "layer_norm_epsilon": 1e-05,
        "model_type": "gpt2",
        "n_ctx": shape.n_positions,
        "n_embd": shape.n_embd,
        "n_head": shape.n_head,
        "n_inner": None,
        "n_layer": shape.n_layer,
        "n_positions": shape.n_positions,
        "output_past": True,
        "resid_pdrop": 0.1,
        "task_specific_params": {"text-generation": {"do_sample": True, "max_length": 320}},
        "tokenizer_class": "BertTokenizer",
        "vocab_size": shape.vocab_size,
    }


def write_json(path: Path, values: dict[str, Any]) -> None:
    path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")

"""Small models of random weights, of transformers and ours, their folders, and configs to train more."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import safetensors.torch
import torch
from made_up import BAD, BAD_MARKS, ENDINGS, GOOD, GOOD_MARKS, OPENINGS, THINGS, write_corpus, write_posts
from torch import Tensor

from weibo_tui import ComputeOptions, PretrainingConfig, TrainingConfig, Workbench
from weibo_tui.engine.activation_cache import OpenFile
from weibo_tui.engine.adapter import Adapter, AdapterConfig
from weibo_tui.engine.config import GPT2Config
from weibo_tui.engine.device import Compute
from weibo_tui.engine.events import RunStarted, StepDone
from weibo_tui.engine.gpt2 import GPT2, Block
from weibo_tui.engine.hyperparameters import Hyperparameters, PretrainingHyperparameters
from weibo_tui.engine.parallel import ALONE, Processes
from weibo_tui.engine.tokenizer import EncodedPosts, PostTokenizer
from weibo_tui.engine.training import AdapterTrainer, Examples
from weibo_tui.engine.vocabulary import SPECIAL, bert_special_tokens, build_tokenizer
from weibo_tui.registry.bases import OpenBase
from weibo_tui.registry.cards import AdapterCard, BaseCard
from weibo_tui.text.cleaning import PREPROCESSING
from weibo_tui.text.emoticons import without_emoticons

if TYPE_CHECKING:
    from transformers import GPT2Model

torch.set_num_threads(1)  # several threads on such small models mostly wait for each other
CPU = torch.device("cpu")
MACHINE = ComputeOptions("cpu", "float32", threads=1)
HYPER = Hyperparameters(
    epochs=2,
    batch_size=8,
    accumulation=2,
    learning_rate=1e-2,
    bottleneck=8,
    max_length=32,
    dropout=0.2,
    emoticon_dropout=0.5,
)
RECIPE = PretrainingHyperparameters(tokens=3000, context=16, batch_size=8)
MARKS = ["[哈哈]", "[泪]"]
WORDS = "".join([*OPENINGS, *THINGS, *GOOD, *BAD, *ENDINGS, *GOOD_MARKS, *BAD_MARKS])
LETTERS = sorted({letter for letter in WORDS + "abcdefghijklmnopqrstuvwxyz0123456789@[]用户" if not letter.isspace()})
TOKENS = [*SPECIAL, *MARKS, *LETTERS, *("##" + letter for letter in "abcdefghijklmnopqrstuvwxyz0123456789")]


def compute(dtype: torch.dtype = torch.float32, micro_tokens: int = 2048) -> Compute:
    return Compute(CPU, dtype, micro_tokens)


@dataclass(frozen=True)
class Checkpoint:
    """Config and weights of a GPT-2 as transformers stores them."""

    config: dict[str, Any]
    weights: dict[str, Tensor]

    def to_transformers(self) -> GPT2Model:
        """Return transformers' own model, whose import takes seconds."""
        from transformers import GPT2Config, GPT2Model

        off: dict[str, Any] = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
        model = GPT2Model(GPT2Config(**self.config, **off, bos_token_id=None, eos_token_id=None))
        model.load_state_dict(self.weights)
        model.train(False)
        return model


def reference(seed: int = 0, **changes: Any) -> Checkpoint:
    """Return a GPT-2 with random weights as large as after training, not as initialized."""
    sizes = {"n_layer": 2, "n_head": 4, "n_embd": 32, "n_positions": 64, "vocab_size": len(TOKENS)}
    config: dict[str, Any] = {"model_type": "gpt2"} | sizes | changes
    weights = {name: torch.empty(shape) for name, shape in GPT2Config.from_hugging_face(config).tensors()}
    randomize(weights.items(), seed)
    return Checkpoint(config, weights)


def randomize(weights: Iterable[tuple[str, Tensor]], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in weights:
            noise = torch.randn(weight.shape, generator=generator)
            if "ln_" in name and name.endswith("weight"):
                weight.copy_(1 + 0.3 * noise)
            elif weight.dim() == 1:
                weight.copy_(0.3 * noise)
            elif name.endswith(("wte.weight", "wpe.weight")):
                weight.copy_(0.7 * noise)
            else:
                weight.copy_(1.5 * noise / weight.shape[0] ** 0.5)


def weights_of(model: Checkpoint) -> dict[str, Tensor]:
    """Return copies of the weights by name."""
    return {name: weight.clone() for name, weight in model.weights.items()}


def config_of(model: Checkpoint) -> GPT2Config:
    return GPT2Config.from_hugging_face(model.config)


def backbone_of(model: Checkpoint, dtype: torch.dtype = torch.float32) -> GPT2:
    """Return the same model as ours, ready to use."""
    return GPT2.load(config_of(model), weights_of(model)).set_compute_dtype(dtype).pack()


def adapter_for(config: GPT2Config, seed: int = 0, labels: int = 3, **changes: Any) -> Adapter:
    """Return an adapter that changes the residual stream as much as a trained one."""
    shape: dict[str, Any] = {"blocks": tuple(range(config.layers)), "bottleneck": 8} | changes
    adapter = Adapter.initialize(AdapterConfig(width=config.width, labels=labels, **shape), seed, init=0.3)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in adapter.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(0.0, 0.3, generator=generator)
    return adapter.eval()


@functools.cache
def tokenizer() -> PostTokenizer:
    built = build_tokenizer(TOKENS)
    return PostTokenizer(built.to_str(), bert_special_tokens(built), len(TOKENS))


def encoded(rows: Sequence[Sequence[int]]) -> EncodedPosts:
    """Return posts of exactly these ids."""
    lengths = [len(row) for row in rows]
    return EncodedPosts(
        ids=np.array([index for row in rows for index in row], np.int32),
        starts=np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)]),
        chars_covered=np.array(lengths, np.int32),
        num_content_tokens=np.array(lengths, np.int32),
    )


def examples(posts: Sequence[tuple[str, int]], *, emoticon_free: bool = False, max_length: int = 32) -> Examples:
    """Return labeled posts as training examples; `emoticon_free` adds the variants without emoticons."""
    texts = [text for text, _label in posts]
    labels = np.array([label for _text, label in posts], np.int64)
    without = tokenizer().encode_posts(list(map(without_emoticons, texts)), max_length, PREPROCESSING)[1]
    return Examples(
        tokenizer().encode_posts(texts, max_length, PREPROCESSING)[1], labels, without if emoticon_free else None
    )


def trainer(
    backbone: GPT2,
    hyper: Hyperparameters,
    train: Examples,
    validation: Examples,
    *,
    blocks: tuple[int, ...] = (0, 1),
    micro_tokens: int = 2048,
    open_file: OpenFile | None = None,
    processes: Processes = ALONE,
) -> AdapterTrainer:
    """Return the training of a new adapter for two labels, in float64 where the backbone is."""
    dtype = cast(Block, backbone.blocks[0]).mlp_in.weight.dtype
    config = AdapterConfig(backbone.config.width, blocks, 2, hyper.bottleneck, dropout=hyper.dropout)
    adapter = Adapter.initialize(config, hyper.seed).to(torch.float64 if dtype == torch.float64 else torch.float32)
    return AdapterTrainer(
        backbone,
        adapter,
        train,
        validation,
        hyper,
        compute(dtype, micro_tokens),
        0,
        open_file,
        processes=processes,
    )


def steps_of(events: Iterable[object]) -> list[StepDone]:
    return [event for event in events if isinstance(event, StepDone)]


def same_bits(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    """Return True for the same names with the same bits."""

    def bits(tensor: Tensor) -> tuple[torch.dtype, torch.Size, list[int]]:
        return tensor.dtype, tensor.shape, tensor.reshape(-1).view(torch.uint8).tolist()

    return one.keys() == other.keys() and all(bits(one[name]) == bits(other[name]) for name in one)


def ragged(number: int, longest: int, seed: int = 0, shortest: int = 1) -> list[list[int]]:
    """Return posts of random ids and lengths; the first is the longest, the last the shortest."""
    draw = np.random.default_rng(seed)
    lengths = [longest, *draw.integers(shortest, longest + 1, number - 2).tolist(), shortest]
    return [draw.integers(0, len(TOKENS), length).tolist() for length in lengths]


def batch(rows: Sequence[Sequence[int]], length: int = 0, padding: int = 0) -> tuple[Tensor, Tensor]:
    """Return right-padded ids (posts, length) and the real lengths (posts,)."""
    length = max(length, *map(len, rows))
    ids = [[*row, *[padding] * (length - len(row))] for row in rows]
    return torch.tensor(ids), torch.tensor([len(row) for row in rows])


def write_folder(
    folder: Path, model: Checkpoint, *, weights: str = "model.safetensors", tokens: str = "vocab.txt"
) -> Path:
    """Write a Hugging Face folder of `model`; `weights` and `tokens` are the file names."""
    folder.mkdir(parents=True, exist_ok=True)
    config = model.config | {"pad_token_id": 0}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    write_weights(folder / weights, weights_of(model))
    if tokens == "vocab.txt":
        (folder / tokens).write_text("\n".join(TOKENS) + "\n", encoding="utf-8")
    else:
        (folder / tokens).write_text(build_tokenizer(TOKENS).to_str(), encoding="utf-8")
        named = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "[PAD]", "unk_token": "[UNK]"}
        (folder / "tokenizer_config.json").write_text(json.dumps(named), encoding="utf-8")
    return folder


def write_weights(file: Path, tensors: dict[str, Tensor]) -> None:
    if file.suffix == ".bin":
        torch.save(tensors, file)
    else:
        safetensors.torch.save_file(tensors, file, metadata={"format": "pt"})


def add_base(wb: Workbench, folder: Path, name: str = "small", seed: int = 0, **changes: Any) -> BaseCard:
    """Import a base of random weights with the tokenizer of `TOKENS`, by way of `folder`."""
    source = write_folder(folder / f"{name}-{seed}", reference(seed, **changes), tokens="tokenizer.json")
    return wb.add_base(source, name)


def add_adapter(wb: Workbench, base: OpenBase, name: str, seed: int = 0, **changes: Any) -> AdapterCard:
    """Save an adapter of random weights on `base`."""
    labels = changes.pop("labels", ("negative", "positive"))
    adapter = adapter_for(base.backbone.config, seed, len(labels))
    return wb.adapters.save(adapter, card_for(adapter, base, name, labels, **changes))


def card_for(
    adapter: Adapter, base: OpenBase, name: str, labels: Sequence[str] = ("negative", "positive"), **changes: Any
) -> AdapterCard:
    shape = adapter.config
    fields: dict[str, Any] = {
        "name": name,
        "base": base.card.name,
        "base_fingerprint": base.card.fingerprint,
        "labels": tuple(labels),
        "raw_labels": tuple(map(str, range(len(labels)))),
        "width": shape.width,
        "blocks": shape.blocks,
        "bottleneck": shape.bottleneck,
        "activation": shape.activation,
        "max_length": 32,
        "preprocessing": PREPROCESSING,
        "temperature": 1.0,
        "dtype": "float32",
        "parameters": sum(parameter.numel() for parameter in adapter.parameters()),
    }
    return AdapterCard(**(fields | changes))


def training_plan(folder: Path, name: str = "trained", posts: int = 80, **changes: Any) -> TrainingConfig:
    """Return the config of a short training on `small`, with posts written to `folder`."""
    data = folder / "posts.csv"
    if not data.exists():
        write_posts(data, posts)
    fields: dict[str, Any] = {"data": (data,), "hyper": HYPER, "machine": MACHINE, "base": "small"}
    return TrainingConfig(name=name, **(fields | changes))


def pretraining_plan(folder: Path, name: str = "pretrained") -> PretrainingConfig:
    """Return the config of a short pretraining, with a corpus written to `folder`."""
    corpus = folder / "corpus.txt"
    if not corpus.exists():
        write_corpus(corpus, 300)
    sizes: dict[str, Any] = {"layers": 1, "width": 16, "heads": 2, "positions": 32, "vocabulary": 300}
    return PretrainingConfig(corpus, name, **sizes, recipe=RECIPE, machine=MACHINE)


def stop_after(events: Iterator[Any], steps: int) -> str:
    """Run a training for some steps, close it, and return the id of its run."""
    run: str = until(events, RunStarted).run
    until(events, StepDone, steps)
    events.close()  # type: ignore[attr-defined]
    return run


def until(events: Iterator[Any], kind: type, number: int = 1) -> Any:
    """Iterate to the event `number` of a type, and return it."""
    for event in events:
        if isinstance(event, kind):
            number -= 1
            if not number:
                return event
    raise AssertionError(f"no more events of {kind}")


def cut(path: Path, share: float = 0.6) -> None:
    """Truncate a file to its first part."""
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])

"""The shape of a GPT-2: read from a `config.json`, checked, and written."""

from __future__ import annotations

import reprlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from weibo_tui.engine.layers import ACTIVATIONS
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _

# No checkpoint in use comes near these. They limit what a config.json from outside makes the program allocate.
MAX_SIZES = {"layers": 200, "heads": 256, "width": 16_384, "positions": 131_072, "vocabulary": 2_000_000}

Number = TypeVar("Number", int, float)


@dataclass(frozen=True, slots=True)
class GPT2Config:
    """Shape of a backbone. Sizes are counts; `inner` is the width of the feed-forward layer."""

    layers: int
    heads: int
    width: int
    positions: int
    vocabulary: int
    inner: int
    activation: str = "gelu_new"
    epsilon: float = 1e-5
    scale_attention: bool = True
    scale_by_layer: bool = False

    def __post_init__(self) -> None:
        """Raise UserInputError that names every size out of range."""
        wrong = [name for name, limit in MAX_SIZES.items() if not 1 <= getattr(self, name) <= limit]
        if not 1 <= self.inner <= 8 * MAX_SIZES["width"]:
            wrong.append("inner")
        if not wrong and self.width % self.heads:
            wrong.append("heads")
        if self.activation not in ACTIVATIONS:
            wrong.append("activation")
        if not 0 < self.epsilon < 1:
            wrong.append("epsilon")
        if wrong:
            values = ", ".join(f"{name}={getattr(self, name)}" for name in wrong)
            raise UserInputError(_("Invalid model size: {values}. Change these values.").format(values=values))

    @classmethod
    def from_hugging_face(cls, config: Mapping[str, Any]) -> GPT2Config:
        """Read the fields of a `config.json` (those of transformers' `GPT2Config`, with its defaults)."""
        if config.get("model_type") != "gpt2" or config.get("add_cross_attention"):
            kind = config.get("model_type") or config.get("architectures")
            raise UserInputError(_("This model is {kind}. A base model must be a GPT-2.").format(kind=_name(kind)))
        width = _number(config, "n_embd", 768)
        return cls(
            layers=_number(config, "n_layer", 12),
            heads=_number(config, "n_head", 12),
            width=width,
            positions=_number(config, "n_positions", 1024),
            vocabulary=_number(config, "vocab_size", 50257),
            inner=_number(config, "n_inner", 4 * width),
            activation=_name(config.get("activation_function", "gelu_new")),
            epsilon=_number(config, "layer_norm_epsilon", 1e-5),
            scale_attention=bool(config.get("scale_attn_weights", True)),
            scale_by_layer=bool(config.get("scale_attn_by_inverse_layer_idx", False)),
        )

    def to_hugging_face(self) -> dict[str, Any]:
        """Return the `config.json` with which transformers opens the same model."""
        return {
            "architectures": ["GPT2LMHeadModel"],
            "model_type": "gpt2",
            "n_layer": self.layers,
            "n_head": self.heads,
            "n_embd": self.width,
            "n_positions": self.positions,
            "vocab_size": self.vocabulary,
            "n_inner": self.inner,
            "activation_function": self.activation,
            "layer_norm_epsilon": self.epsilon,
            "scale_attn_weights": self.scale_attention,
            "scale_attn_by_inverse_layer_idx": self.scale_by_layer,
            "tie_word_embeddings": True,
        }

    def tensors(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Yield name and shape of each tensor as in transformers' `GPT2Model`, where linear layers are `Conv1D`,
        (in, out)."""
        width, inner = self.width, self.inner
        yield "wte.weight", (self.vocabulary, width)
        yield "wpe.weight", (self.positions, width)
        shapes = {
            "ln_1": (width,),
            "attn.c_attn": (width, 3 * width),
            "attn.c_proj": (width, width),
            "ln_2": (width,),
            "mlp.c_fc": (width, inner),
            "mlp.c_proj": (inner, width),
        }
        for layer in range(self.layers):
            for name, shape in shapes.items():
                yield f"h.{layer}.{name}.weight", shape
                yield f"h.{layer}.{name}.bias", shape[-1:]
        yield "ln_f.weight", (width,)
        yield "ln_f.bias", (width,)


def _number(config: Mapping[str, Any], key: str, default: Number) -> Number:
    """Return a number of the default's type. An integer may be null, which is its default."""
    whole = isinstance(default, int)
    value = config.get(key, default)
    if value is None and whole:
        return default
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float) or abs(value) >= 2**63:
        message = (
            _("Invalid value in config.json: {key}={value}. It must be a whole number.")
            if whole
            else _("Invalid value in config.json: {key}={value}. It must be a number.")
        )
        raise UserInputError(message.format(key=key, value=_short(value)))
    return value


def _name(value: Any) -> str:
    return value[:40] if isinstance(value, str) else _short(value)


def _short(value: Any) -> str:
    too_long = isinstance(value, int) and abs(value) >= 2**63  # Python writes out 4,300 digits at most
    return _("a huge number") if too_long else reprlib.repr(value)

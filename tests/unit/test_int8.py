"""Weights as int8 need a quarter of the space, and are the same base wherever they are read."""

from __future__ import annotations

from pathlib import Path

import models
import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from weibo_tui.progress import drain
from weibo_tui.registry.bases import WEIGHTS, Bases, OpenBase
from weibo_tui.registry.conversion import Checkpoint
from weibo_tui.registry.int8 import SCALE, dequantize, quantize

VALUES = st.floats(-1e4, 1e4, width=32)
MATRICES = st.integers(1, 5).flatmap(
    lambda width: st.lists(st.lists(VALUES, min_size=width, max_size=width), min_size=1, max_size=5)
)


@settings(max_examples=30)
@given(MATRICES)
def test_quantization_error_is_at_most_half_a_step(rows: list[list[float]]) -> None:
    matrix = torch.tensor(rows)
    again = dequantize(quantize({"wte.weight": matrix}))["wte.weight"]
    step = matrix.abs().amax(dim=1, keepdim=True) / 127
    assert ((again - matrix).abs() <= 0.5 * step * (1 + 1e-5) + 1e-30).all()
    twice = dequantize(quantize({"wte.weight": again}))["wte.weight"]
    assert torch.allclose(again, twice, rtol=1e-6, atol=0)


@pytest.mark.parametrize("shape", [(1,), (1000,), (3, 1), ()])
def test_scales_of_another_length_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="scales of a do not fit"):
        dequantize({"a": torch.ones(3, 4, dtype=torch.int8), "a" + SCALE: torch.ones(shape)})


def test_vectors_and_float_tensors_stay_unchanged() -> None:
    vector: dict[str, Tensor] = {"ln_f.weight": torch.randn(4), "a.scale": torch.randn(3)}
    assert models.same_bits(quantize(vector), vector)
    plain = {"wte.weight": torch.randn(3, 4), **vector}
    assert models.same_bits(dequantize(plain), plain)


def checkpoint(base: OpenBase) -> Checkpoint:
    definition, special_tokens = base.tokenizer._tokenizer.to_str(), base.tokenizer.special_tokens
    return Checkpoint(base.backbone.config, base.backbone.to_hf_state_dict(), definition, special_tokens)


@pytest.fixture
def small(base: OpenBase, tmp_path: Path) -> Bases:
    """A store of bases with one int8 base, `small`."""
    bases = Bases(tmp_path / "bases")
    bases.create("small", checkpoint(base), "elsewhere", {}, int8=True)
    return bases


def test_int8_base_is_small_and_matches_its_fingerprint(small: Bases, base: OpenBase, tmp_path: Path) -> None:
    opened = small.open("small")
    full = sum(tensor.nbytes for tensor in base.backbone.to_hf_state_dict().values())
    assert (small.path("small") / WEIGHTS).stat().st_size < 0.6 * full  # short rows: the scales are a large part
    plain = Bases(tmp_path / "plain").create("plain", checkpoint(opened), "elsewhere", {})
    assert plain.fingerprint == opened.card.fingerprint != base.card.fingerprint
    assert plain.parameters == opened.card.parameters == base.card.parameters


def test_int8_base_is_exported_and_imported(small: Bases, tmp_path: Path) -> None:
    drain(small.export("small", tmp_path / "small.zip"))
    card = drain(small.import_model(tmp_path / "small.zip", "again"))
    assert card.fingerprint == small.card("small").fingerprint
    assert models.same_bits(
        small.open("again").backbone.to_hf_state_dict(), small.open("small").backbone.to_hf_state_dict()
    )


def test_file_with_wrong_scales_is_refused(small: Bases) -> None:
    path = small.path("small") / WEIGHTS
    tensors = safetensors.torch.load_file(path)
    name = next(name for name in tensors if name.endswith(SCALE))
    for wrong in (tensors[name][:-1], tensors[name][:, None]):
        safetensors.torch.save_file(tensors | {name: wrong.contiguous()}, path)
        with pytest.raises(ValueError, match="do not match config.json"):
            small.check("small")

"""The backbone compared with transformers' GPT-2, and the checkpoints that are refused."""

from __future__ import annotations

import json
from typing import Any

import models
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from weibo_tui.engine.adapter import Adapter
from weibo_tui.engine.attention import PackedLayout
from weibo_tui.engine.config import MAX_SIZES, GPT2Config
from weibo_tui.engine.gpt2 import GPT2
from weibo_tui.engine.layers import ACTIVATIONS
from weibo_tui.errors import CorruptFileError, UserInputError

VARIANTS: dict[str, dict[str, Any]] = {
    "odd heads": {"n_head": 3, "n_embd": 33},
    "one head": {"n_head": 1},
    "inner set": {"n_inner": 50},
    "relu": {"activation_function": "relu"},
    "exact gelu": {"activation_function": "gelu"},
    "silu": {"activation_function": "silu"},
    "scaled by layer": {"scale_attn_by_inverse_layer_idx": True, "n_layer": 3},
    "unscaled": {"scale_attn_weights": False},
    "unscaled, by layer": {"scale_attn_weights": False, "scale_attn_by_inverse_layer_idx": True},
    "another epsilon": {"layer_norm_epsilon": 1e-2},
    "one block": {"n_layer": 1},
    "upcast": {"reorder_and_upcast_attn": True},
}


@pytest.mark.parametrize("changes", VARIANTS.values(), ids=VARIANTS)
def test_variant_equals_transformers(changes: dict[str, Any]) -> None:
    model = models.reference(**changes)
    plain, backbone = model.to_transformers().double(), models.backbone_of(model, torch.float64)
    ids, lengths = models.batch(models.ragged(6, 30))
    with torch.no_grad():
        expected = plain(ids).last_hidden_state
        assert (backbone.hidden_states(ids) - expected).abs().max() < 1e-9
        last = expected[torch.arange(len(ids)), lengths - 1]
        assert (backbone(ids, lengths) - last).abs().max() < 1e-9
    assert expected.std() > 0.3


def full_model(backbone: GPT2, adapter: Adapter, ids: Tensor) -> Tensor:
    """Compute the adapted model at every token, with padding."""
    layout = PackedLayout.uniform(len(ids), ids.shape[1], None, ids.device)
    x = (backbone.wte(ids) + backbone.wpe.weight[: ids.shape[1]]).flatten(0, 1)
    for index, block in enumerate(backbone.blocks):
        x = adapter.adapt(index, block(x, layout))
    states: Tensor = backbone.ln_f(x).view(*ids.shape, -1)
    return states


def test_last_token_shortcut_equals_full_block() -> None:
    backbone = models.backbone_of(models.reference(n_layer=3), torch.float64)
    adapter = models.adapter_for(backbone.config).double()
    ids, lengths = models.batch(models.ragged(9, 64))
    with torch.no_grad():
        expected = full_model(backbone, adapter, ids)[torch.arange(len(ids)), lengths - 1]
        assert (backbone(ids, lengths, adapter) - expected).abs().max() < 1e-12


def test_last_token_shortcut_gradients_equal_full_block() -> None:
    backbone = models.backbone_of(models.reference(), torch.float64)
    adapter = models.adapter_for(backbone.config).double()
    ids, lengths = models.batch(models.ragged(7, 20))
    adapter(backbone(ids, lengths, adapter)).square().sum().backward()
    short = {name: p.grad.clone() for name, p in adapter.named_parameters() if p.grad is not None}
    adapter.zero_grad()
    adapter(full_model(backbone, adapter, ids)[torch.arange(len(ids)), lengths - 1]).square().sum().backward()
    for name, parameter in adapter.named_parameters():
        assert parameter.grad is not None
        assert torch.allclose(parameter.grad, short[name], rtol=1e-9, atol=1e-12), name


def test_bfloat16_training_logits_equal_inference() -> None:
    """On a CPU, training uses another attention kernel than inference."""
    backbone = models.backbone_of(models.reference(), torch.bfloat16)
    adapter = models.adapter_for(backbone.config).train()
    ids, lengths = models.batch(models.ragged(9, 40))
    trained = adapter(backbone(ids, lengths, adapter))
    with torch.inference_mode():
        used = adapter(backbone(ids, lengths, adapter))
    assert trained.requires_grad
    assert (trained.softmax(1) - used.softmax(1)).abs().max() < 0.01


def weights() -> tuple[GPT2Config, dict[str, Tensor]]:
    plain = models.reference()
    return models.config_of(plain), models.weights_of(plain)


@pytest.mark.parametrize(("name", "shape"), [("h.0.mlp.c_fc.weight", (128, 32)), ("ln_f.bias", ())])
def test_load_names_weight_of_wrong_shape(name: str, shape: tuple[int, ...]) -> None:
    config, tensors = weights()
    with pytest.raises(CorruptFileError, match=f"{name} has shape") as error:
        GPT2.load(config, tensors | {name: torch.ones(shape)})
    assert str(shape) in str(error.value)
    assert str(dict(config.tensors())[name]) in str(error.value)


def test_to_hf_state_dict_returns_loaded_weights() -> None:
    config, tensors = weights()
    backbone = GPT2.load(config, tensors)
    assert models.same_bits(backbone.to_hf_state_dict(), tensors)
    assert {name: tuple(tensor.shape) for name, tensor in tensors.items()} == dict(config.tensors())


def test_set_compute_dtype_keeps_stream_in_float32() -> None:
    backbone = models.backbone_of(models.reference(), torch.bfloat16)
    for module in backbone.modules():
        for parameter in module.parameters(recurse=False):
            assert parameter.dtype == (torch.bfloat16 if isinstance(module, nn.Linear) else torch.float32)
    ids, lengths = models.batch(models.ragged(3, 9))
    assert backbone(ids, lengths).dtype == torch.float32


def test_config_round_trip_and_defaults() -> None:
    for changes in VARIANTS.values():
        config = models.config_of(models.reference(**changes))
        assert GPT2Config.from_hugging_face(json.loads(json.dumps(config.to_hugging_face()))) == config
    from transformers import GPT2Config as ReferenceConfig

    small = GPT2Config.from_hugging_face({"model_type": "gpt2"})
    assert small == GPT2Config.from_hugging_face(ReferenceConfig().to_dict())
    assert (small.layers, small.width, small.inner, small.vocabulary) == (12, 768, 3072, 50257)


VALID: dict[str, Any] = {"model_type": "gpt2", "n_layer": 1, "n_head": 1, "n_embd": 8, "vocab_size": 10}


INVALID: dict[str, list[Any]] = {
    "n_layer": [0, MAX_SIZES["layers"] + 1, True, "12"],
    "n_head": [3, 1.0],
    "n_embd": [-8, 10**30],
    "vocab_size": [0],
    "n_positions": [10**9],
    "n_inner": [0],
    "activation_function": ["os.system", ["gelu"]],
    "layer_norm_epsilon": ["small", float("nan"), -1e-5, None, 10**400],
    "model_type": ["llama", None],
    "add_cross_attention": [True],
}


@pytest.mark.parametrize("key", INVALID)
def test_config_invalid_is_refused(key: str) -> None:
    assert GPT2Config.from_hugging_face(VALID).width == 8
    for value in INVALID[key]:
        with pytest.raises(UserInputError):
            GPT2Config.from_hugging_face(VALID | {key: value})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=3,
)


@given(st.sampled_from(sorted(GPT2Config.from_hugging_face(VALID).to_hugging_face())), JSON)
@settings(max_examples=25)
def test_config_any_value_is_accepted_or_refused(key: str, value: Any) -> None:
    try:
        config = GPT2Config.from_hugging_face(VALID | {key: value})
    except UserInputError as error:
        assert "\n" not in str(error).replace(str(value), "")
    else:
        assert config.activation in ACTIVATIONS
        assert all(1 <= getattr(config, name) <= most for name, most in MAX_SIZES.items())

"""The trunk against transformers' own GPT-2, and the checkpoints it refuses."""

from __future__ import annotations

import json
from typing import Any

import models
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from transformers import GPT2Config as ReferenceConfig

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
def test_every_variant_equals_transformers(changes: dict[str, Any]) -> None:
    plain = models.reference(**changes).double()
    backbone = models.backbone_of(plain, torch.float64)
    ids, lengths = models.batch(models.ragged(6, 30))
    with torch.no_grad():
        want = plain(ids).last_hidden_state
        assert (backbone.hidden_states(ids) - want).abs().max() < 1e-9
        last = want[torch.arange(len(ids)), lengths - 1]
        assert (backbone(ids, lengths) - last).abs().max() < 1e-9
    assert want.std() > 0.3


def whole(backbone: GPT2, adapter: Adapter, ids: Tensor) -> Tensor:
    """The adapted model at every token, padding too, with no block cut short."""
    layout = PackedLayout.uniform(len(ids), ids.shape[1], None, ids.device)
    x = (backbone.wte(ids) + backbone.wpe.weight[: ids.shape[1]]).flatten(0, 1)
    for index, block in enumerate(backbone.blocks):
        x = adapter.adapt(index, block(x, layout))
    states: Tensor = backbone.ln_f(x).view(*ids.shape, -1)
    return states


def test_last_block_read_at_one_token_equals_the_whole_block() -> None:
    """`forward` computes the last block for the pooled token only; this is the same adapted model without that."""
    backbone = models.backbone_of(models.reference(n_layer=3), torch.float64)
    adapter = models.adapter_for(backbone.config).double()
    ids, lengths = models.batch(models.ragged(9, 64))
    with torch.no_grad():
        want = whole(backbone, adapter, ids)[torch.arange(len(ids)), lengths - 1]
        assert (backbone(ids, lengths, adapter) - want).abs().max() < 1e-12


def test_gradients_through_the_shortcut_equal_those_through_the_whole() -> None:
    backbone = models.backbone_of(models.reference(), torch.float64)
    adapter = models.adapter_for(backbone.config).double()
    ids, lengths = models.batch(models.ragged(7, 20))
    adapter(backbone(ids, lengths, adapter)).square().sum().backward()
    short = {name: p.grad.clone() for name, p in adapter.named_parameters() if p.grad is not None}
    adapter.zero_grad()
    adapter(whole(backbone, adapter, ids)[torch.arange(len(ids)), lengths - 1]).square().sum().backward()
    for name, parameter in adapter.named_parameters():
        assert parameter.grad is not None
        assert torch.allclose(parameter.grad, short[name], rtol=1e-9, atol=1e-12), name


def test_bfloat16_attention_for_training_equals_the_one_for_use() -> None:
    """On a CPU the backward pass takes another way through attention; the verdict must not see it."""
    backbone = models.backbone_of(models.reference(), torch.bfloat16)
    adapter = models.adapter_for(backbone.config).train()
    ids, lengths = models.batch(models.ragged(9, 40))
    trained = adapter(backbone(ids, lengths, adapter))
    with torch.inference_mode():
        used = adapter(backbone(ids, lengths, adapter))
    assert trained.requires_grad
    assert (trained.softmax(1) - used.softmax(1)).abs().max() < 0.01


def test_tokens_behind_a_post_and_other_posts_do_not_reach_it() -> None:
    backbone = models.backbone_of(models.reference(), torch.float64)
    ids, lengths = models.batch(models.ragged(8, 30))
    changed = ids.clone()
    changed[torch.arange(ids.shape[1]) >= lengths[:, None]] = 9
    changed[0] = ids[0].flip(0)
    with torch.no_grad():
        one, other = backbone(ids, lengths), backbone(changed, lengths)
    assert torch.equal(one[1:], other[1:])
    assert not torch.allclose(one[0], other[0])


def weights() -> tuple[GPT2Config, dict[str, Tensor]]:
    plain = models.reference()
    return models.config_of(plain), models.weights_of(plain)


@pytest.mark.parametrize("name", ["wte.weight", "h.1.attn.c_attn.bias", "ln_f.weight"])
def test_missing_weight_is_named(name: str) -> None:
    config, tensors = weights()
    del tensors[name]
    with pytest.raises(CorruptFileError, match=f"lack {name}"):
        GPT2.load(config, tensors)


def test_weight_that_no_trunk_has_is_named() -> None:
    config, tensors = weights()
    with pytest.raises(CorruptFileError, match="hold h.2.ln_1.weight, which"):
        GPT2.load(config, tensors | {"h.2.ln_1.weight": torch.ones(32)})


@pytest.mark.parametrize(
    ("name", "shape"),
    [("h.0.mlp.c_fc.weight", (128, 32)), ("wpe.weight", (63, 32)), ("h.1.ln_2.bias", (1,)), ("ln_f.bias", ())],
)
def test_weight_of_another_shape_is_named_with_both(name: str, shape: tuple[int, ...]) -> None:
    config, tensors = weights()
    with pytest.raises(CorruptFileError, match=f"{name} has the shape") as refused:
        GPT2.load(config, tensors | {name: torch.ones(shape)})
    assert str(shape) in str(refused.value)
    assert str(dict(config.tensors())[name]) in str(refused.value)


def test_canonical_weights_are_those_that_were_loaded() -> None:
    config, tensors = weights()
    backbone = GPT2.load(config, tensors)
    assert models.same_bits(backbone.to_hf_state_dict(), tensors)
    assert {name: tuple(tensor.shape) for name, tensor in tensors.items()} == dict(config.tensors())


def test_bfloat16_is_for_matrix_products_only() -> None:
    backbone = models.backbone_of(models.reference(), torch.bfloat16)
    for module in backbone.modules():
        for parameter in module.parameters(recurse=False):
            assert parameter.dtype == (torch.bfloat16 if isinstance(module, nn.Linear) else torch.float32)
    ids, lengths = models.batch(models.ragged(3, 9))
    assert backbone(ids, lengths).dtype == torch.float32


def test_config_is_the_same_when_read_back_and_transformers_defaults_are_ours() -> None:
    for changes in VARIANTS.values():
        config = models.config_of(models.reference(**changes))
        assert GPT2Config.from_hugging_face(json.loads(json.dumps(config.to_hugging_face()))) == config
    small = GPT2Config.from_hugging_face({"model_type": "gpt2"})
    assert small == GPT2Config.from_hugging_face(ReferenceConfig().to_dict())
    assert (small.layers, small.width, small.inner, small.vocabulary) == (12, 768, 3072, 50257)


SOUND: dict[str, Any] = {"model_type": "gpt2", "n_layer": 1, "n_head": 1, "n_embd": 8, "vocab_size": 10}


@pytest.mark.parametrize(
    "changes",
    [
        {"n_layer": 0},
        {"n_layer": MAX_SIZES["layers"] + 1},
        {"n_head": 3},
        {"n_embd": -8},
        {"n_embd": 10**30},
        {"vocab_size": 0},
        {"n_positions": 10**9},
        {"n_inner": 0},
        {"n_layer": True},
        {"n_layer": "12"},
        {"n_head": 1.0},
        {"activation_function": "os.system"},
        {"activation_function": ["gelu"]},
        {"layer_norm_epsilon": "small"},
        {"layer_norm_epsilon": float("nan")},
        {"layer_norm_epsilon": -1e-5},
        {"layer_norm_epsilon": None},
        {"layer_norm_epsilon": 10**400},
        {"model_type": "llama"},
        {"model_type": None, "architectures": ["GPT2LMHeadModel"]},
        {"add_cross_attention": True},
    ],
    ids=str,
)
def test_config_of_no_gpt2_is_refused(changes: dict[str, Any]) -> None:
    assert GPT2Config.from_hugging_face(SOUND).width == 8
    with pytest.raises(UserInputError):
        GPT2Config.from_hugging_face(SOUND | changes)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(sorted(GPT2Config.from_hugging_face(SOUND).to_hugging_face())), JSON)
def test_any_value_in_a_config_is_taken_or_refused_in_words(key: str, value: Any) -> None:
    try:
        config = GPT2Config.from_hugging_face(SOUND | {key: value})
    except UserInputError as refused:
        assert "\n" not in str(refused).replace(str(value), "")
    else:
        assert config.activation in ACTIVATIONS
        assert all(1 <= getattr(config, name) <= most for name, most in MAX_SIZES.items())


def test_pooled_state_is_that_of_the_last_real_token_whatever_the_lengths() -> None:
    backbone = models.backbone_of(models.reference(), torch.float64)
    rows = models.ragged(1 + 63, 64)
    random = np.random.default_rng(0)
    ids, _lengths = models.batch(rows, 64)
    lengths = torch.from_numpy(random.permutation(64) + 1)
    with torch.no_grad():
        want = backbone.hidden_states(ids)[torch.arange(64), lengths - 1]
        assert (backbone(ids, lengths) - want).abs().max() < 1e-9

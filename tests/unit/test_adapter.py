"""The adapter: initialization, dropout, and the shapes and weights that are refused."""

from __future__ import annotations

from typing import Any

import models
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from weibo_tui.engine.adapter import Adapter, AdapterConfig, parse_blocks
from weibo_tui.errors import CorruptFileError, UserInputError

CONFIG = AdapterConfig(width=32, blocks=(0, 1), labels=3, bottleneck=8)


def test_parse_blocks_accepts() -> None:
    assert parse_blocks("all", 12) == parse_blocks("last12", 12) == tuple(range(12))
    assert parse_blocks("2, 5,8-11", 12) == (2, 5, 8, 9, 10, 11)
    assert parse_blocks("1,1,0-1", 12) == (0, 1)
    assert parse_blocks("last1,0", 12) == (0, 11)


@pytest.mark.parametrize("text", ["", ",", "12", "last13", "last0", "-1", "5-3", "all,x", "９９９"])
def test_parse_blocks_refuses(text: str) -> None:
    with pytest.raises(UserInputError, match=r"Invalid blocks .* for a base of 12 blocks. .* 0-11"):
        parse_blocks(text, 12)


@given(st.text(alphabet="0123456789-,alst ", max_size=12), st.integers(1, 200))
def test_parse_blocks_any_text_is_sorted_or_refused(text: str, layers: int) -> None:
    try:
        blocks = parse_blocks(text, layers)
    except UserInputError:
        return
    assert blocks
    assert list(blocks) == sorted(set(blocks) & set(range(layers)))


def test_initialize_is_near_identity() -> None:
    x = torch.randn(4, 9, 32, generator=torch.Generator().manual_seed(0))
    for init, most in ((0.0, 0.0), (1e-3, 0.05)):
        adapter = Adapter.initialize(CONFIG, seed=0, init=init)
        change = (adapter.adapt(1, x) - x).abs().max().item()
        assert change <= most
        assert (change > 0) == (init > 0)
    assert adapter.adapt(5, x) is x


def test_initialize_depends_on_seed_only() -> None:
    start = Adapter.initialize(CONFIG, 7).state_dict()
    assert models.same_bits(start, Adapter.initialize(CONFIG, 7).state_dict())
    assert not models.same_bits(start, Adapter.initialize(CONFIG, 8).state_dict())
    assert all(tensor.isfinite().all() for tensor in start.values())


def test_state_dict_equals_parameters() -> None:
    adapter = Adapter.initialize(AdapterConfig(32, (3, 1), 2, 8), 0)
    assert adapter.state_dict().keys() == dict(adapter.named_parameters()).keys()
    parts = [f"{side}.{kind}" for side in ("down", "up") for kind in ("weight", "bias")]
    assert adapter.state_dict().keys() == {"head.weight"} | {f"blocks.{i}.{part}" for i in (1, 3) for part in parts}


def test_load_returns_saved_weights_in_eval_mode() -> None:
    adapter = models.adapter_for(models.config_of(models.reference()))
    loaded = Adapter.load(adapter.config, adapter.state_dict())
    assert models.same_bits(loaded.state_dict(), adapter.state_dict())
    assert not loaded.training


@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        ("head.weight", torch.ones(2, 32)),
        ("blocks.0.up.bias", torch.ones(())),
        ("blocks.1.down.weight", None),
        ("blocks.2.down.weight", torch.ones(8, 32)),
        ("wte.weight", torch.ones(2)),
    ],
)
def test_load_names_weight_of_wrong_shape(name: str, tensor: torch.Tensor | None) -> None:
    tensors = dict(Adapter.initialize(CONFIG, 0).state_dict())
    tensors.pop(name, None)
    with pytest.raises(CorruptFileError, match=f"weight {name} has shape"):
        Adapter.load(CONFIG, tensors if tensor is None else tensors | {name: tensor})


INVALID: dict[str, list[Any]] = {
    "width": [0, 10**12],
    "blocks": [(), (-1,), (10**9,), tuple(range(10**5))],
    "labels": [0, 10**9],
    "bottleneck": [-3, 10**9],
    "activation": ["eval"],
    "dropout": [1.0, float("nan")],
}


@pytest.mark.parametrize("key", INVALID)
def test_config_out_of_range_is_refused(key: str) -> None:
    shape: dict[str, Any] = {"width": 32, "blocks": (0, 1), "labels": 3, "bottleneck": 8}
    for value in INVALID[key]:
        with pytest.raises(UserInputError, match="Invalid adapter size"):
            AdapterConfig(**(shape | {key: value}))


def test_dropout_depends_on_seed_and_is_off_in_use() -> None:
    config = AdapterConfig(32, (0, 1), 3, bottleneck=64, dropout=0.5)
    adapter = Adapter.initialize(config, 0, init=0.5)
    x = torch.randn(4, 9, 32, generator=torch.Generator().manual_seed(0))

    def trained(seed: int) -> torch.Tensor:
        adapter.train().seed_dropout(seed)
        return torch.stack([adapter.adapt(0, x), adapter.adapt(1, x)])

    first = trained(1)
    torch.manual_seed(99)  # the global generator has no effect
    assert torch.equal(trained(1), first)
    assert not torch.equal(trained(2), first)
    adapter.eval()
    used = adapter.adapt(0, x)
    assert torch.equal(used, adapter.adapt(0, x))
    # Inverted dropout keeps the mean.
    adapter.train().seed_dropout(3)
    mean = torch.stack([adapter.adapt(0, x) for _ in range(400)]).mean(0)
    spread = (first[0] - used).std()
    assert (mean - used).abs().mean() < 0.1 * spread

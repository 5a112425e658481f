"""Devices are chosen by what works, and each has its own rules. A card is imitated by what torch says of it."""

from __future__ import annotations

import types
from collections.abc import Iterator

import models
import numpy as np
import pytest
import torch

from weibo_tui.engine.device import Compute, memory, to_device
from weibo_tui.errors import UserInputError

CUDA, MPS = torch.device("cuda"), torch.device("mps")


@pytest.fixture
def useless_card(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let torch report a card on which every computation fails, as on one that its build has no kernels for."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch, "ones", _no_kernel)


@pytest.fixture
def flags() -> Iterator[None]:
    """Restore what torch keeps for all CUDA devices."""
    cudnn, tf32 = torch.backends.cuda.cudnn_sdp_enabled(), torch.backends.cuda.matmul.allow_tf32
    yield
    torch.backends.cuda.enable_cudnn_sdp(cudnn)
    torch.backends.cuda.matmul.allow_tf32 = tf32


def _no_kernel(*_size: int, device: str) -> None:
    raise RuntimeError(f"CUDA error: no kernel image is available for execution on the device\n{device}")


def give_memory(monkeypatch: pytest.MonkeyPatch, gigabytes: float) -> None:
    """Let torch report a card that works and has this memory."""
    card = types.SimpleNamespace(total_memory=int(gigabytes * 1e9))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch, "ones", lambda _size, **_device: torch.full((1,), 1.0))
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _device: card)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _device: (9, 0))


def test_auto_passes_over_card_that_cannot_compute(useless_card: None) -> None:
    assert Compute.choose().device == models.CPU


def test_card_that_cannot_compute_is_refused(useless_card: None) -> None:
    with pytest.raises(UserInputError) as refused:
        Compute.choose("cuda")
    assert str(refused.value) == (
        "PyTorch cannot compute on cuda (CUDA error: no kernel image is available for execution on the device). "
        "Choose cpu, or install a PyTorch for this card."
    )


def test_missing_device_is_refused_with_those_there_are() -> None:
    with pytest.raises(UserInputError, match=r"Device not found: mps. This machine has .*cpu"):
        Compute.choose("mps")


@pytest.mark.parametrize(("gigabytes", "tokens"), [(4, 4_166), (8, 8_333), (24, 16_384), (140, 16_384)])
def test_small_cards_get_smaller_micro_batches(
    gigabytes: float, tokens: int, monkeypatch: pytest.MonkeyPatch, flags: None
) -> None:
    give_memory(monkeypatch, gigabytes)
    compute = Compute.choose()
    assert (compute.device, compute.dtype, compute.micro_tokens) == (CUDA, torch.bfloat16, tokens)


def test_card_uses_tf32_for_adapters_of_bfloat16_only(flags: None) -> None:
    for dtype in (torch.bfloat16, torch.float32, torch.bfloat16):
        Compute(CUDA, dtype, 1).activate()
        assert torch.backends.cuda.matmul.allow_tf32 == (dtype == torch.bfloat16)
        assert not torch.backends.cuda.cudnn_sdp_enabled()
    Compute(models.CPU, torch.float32, 1).activate()
    assert torch.backends.cuda.matmul.allow_tf32


def test_mps_has_its_own_micro_batches_and_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    compute = Compute.choose("mps")
    assert (compute.device, compute.dtype, compute.micro_tokens) == (MPS, torch.float32, 4_096)
    assert Compute.choose().device == MPS
    monkeypatch.setattr(torch.mps, "driver_allocated_memory", lambda: 123)
    assert memory(compute.device) == 123


def test_arrays_are_copied_to_the_cpu_as_they_are() -> None:
    array = np.arange(6, dtype=np.int64).reshape(2, 3)
    assert to_device(array, models.CPU).tolist() == array.tolist()


@pytest.mark.parametrize(
    ("dtype", "width", "factor"),
    [(torch.bfloat16, 768, 2), (torch.bfloat16, 320, 4), (torch.int8, 320, 4), (torch.float32, 320, 1)],
)
def test_predictions_have_larger_micro_batches_on_cpus(dtype: torch.dtype, width: int, factor: int) -> None:
    compute = Compute(torch.device("cpu"), dtype, micro_tokens=100)
    assert compute.for_predictions(width).micro_tokens == 100 * factor
    card = Compute(torch.device("cuda"), dtype, micro_tokens=100)
    assert card.for_predictions(width) == card


@pytest.mark.parametrize(("width", "tokens"), [(768, 200), (320, 300)])
def test_trainings_of_wide_bases_have_smaller_micro_batches(width: int, tokens: int) -> None:
    compute = Compute(torch.device("cpu"), torch.float32, micro_tokens=300)
    assert compute.for_training(width).micro_tokens == tokens
    card = Compute(torch.device("cuda"), torch.float32, micro_tokens=300)
    assert card.for_training(width) == card

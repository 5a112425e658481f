"""Our AdamW, compared with torch's."""

from __future__ import annotations

import subprocess
import sys

import models
import pytest
import torch
from torch import nn

from weibo_tui.engine.optimizers import AdamW, load_optimizer_tensors, make_adamw, optimizer_tensors

RATES = (1e-3, 5e-3, 0.0, 1e-2)


def module() -> nn.Module:
    layer = nn.Sequential(nn.Linear(40, 30), nn.Linear(30, 3, bias=False))
    layer.load_state_dict({name: drawn(tensor, 0) for name, tensor in layer.state_dict().items()})
    return layer


def drawn(like: torch.Tensor, seed: int) -> torch.Tensor:
    return torch.randn(like.shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("weight_decay", [0.0, 0.01])
def test_adamw_equals_torch_to_the_bit(weight_decay: float) -> None:
    ours, theirs = module(), module()
    ours_optimizer = make_adamw(ours, 1e-3, weight_decay)
    assert isinstance(ours_optimizer, AdamW)
    torch_optimizer = torch.optim.AdamW(theirs.parameters(), lr=1e-3, weight_decay=weight_decay)
    for step, rate in enumerate(RATES):
        for optimizer, trained in ((ours_optimizer, ours), (torch_optimizer, theirs)):
            for group in optimizer.param_groups:
                group["lr"] = rate
            for number, parameter in enumerate(trained.parameters()):
                # A parameter without a gradient stays as it is.
                parameter.grad = None if step == 1 and number == 1 else drawn(parameter, 10 * step + number) / 100
            optimizer.step()
        assert models.same_bits(ours.state_dict(), theirs.state_dict())
    saved = optimizer_tensors([ours_optimizer], ours)
    assert models.same_bits(saved, optimizer_tensors([torch_optimizer], theirs))


def test_loaded_state_continues_to_the_bit() -> None:
    uninterrupted, resumed = module(), module()
    first, second = make_adamw(uninterrupted, 1e-2, 0.1), make_adamw(resumed, 1e-2, 0.1)
    for step in range(4):
        for trained in (uninterrupted, resumed):
            for parameter in trained.parameters():
                parameter.grad = drawn(parameter, step)
        first.step()
        if step == 1:
            resumed.load_state_dict(uninterrupted.state_dict())
            load_optimizer_tensors([second], resumed, optimizer_tensors([first], uninterrupted))
        elif step > 1:
            second.step()
    assert models.same_bits(uninterrupted.state_dict(), resumed.state_dict())


def test_training_does_not_import_torchs_compiler() -> None:
    lines = (
        "import sys, torch",
        "from weibo_tui.engine.optimizers import make_adamw",
        "module = torch.nn.Linear(2, 2)",
        "optimizer = make_adamw(module, 0.1, 0.1)",
        "module(torch.ones(1, 2)).sum().backward()",
        "optimizer.step()",
        "sys.exit('torch._dynamo' in sys.modules)",
    )
    subprocess.run([sys.executable, "-c", "\n".join(lines)], check=True)

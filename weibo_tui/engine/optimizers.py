"""AdamW, Muon, and the state of optimizers as named tensors."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor, nn


class Optimizer(Protocol):
    """The part of `torch.optim.Optimizer` that trainings use."""

    param_groups: list[dict[str, Any]]
    state: defaultdict[Tensor, Any]
    defaults: dict[str, Any]

    def step(self) -> Any: ...


def make_adamw(module: nn.Module, learning_rate: float, weight_decay: float) -> Optimizer:
    """Return AdamW (Loshchilov & Hutter 2019) for the parameters of a module, which are on one device."""
    parameters = list(module.parameters())
    device = parameters[0].device.type
    if device == "cpu":
        return AdamW(parameters, learning_rate, weight_decay)
    # False would choose the slowest of torch's other kernels.
    fused = device == "cuda" or None
    return torch.optim.AdamW(parameters, lr=learning_rate, weight_decay=weight_decay, fused=fused)


def make_muon(
    blocks: nn.Module, module: nn.Module, learning_rate: float, weight_decay: float, second_beta: float = 0.95
) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
    """Return Muon (Jordan et al. 2024) for the matrices of the blocks, AdamW for all else in a module.

    Muon's steps are scaled to the size of AdamW's (Liu et al. 2025), so that both use the same learning rate.
    `second_beta` is AdamW's, for squared gradients."""
    matrices = [p for p in blocks.parameters() if p.dim() > 1]
    in_blocks = set(matrices)
    others = [p for p in module.parameters() if p not in in_blocks]
    return (
        torch.optim.Muon(matrices, lr=learning_rate, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(
            others,
            lr=learning_rate,
            betas=(0.9, second_beta),
            weight_decay=0.0,
            fused=others[0].device.type == "cuda",
        ),
    )


class AdamW:
    """`torch.optim.AdamW` on a CPU, equal to the bit. Torch's own imports a compiler: 70 MB and a second."""

    betas = (0.9, 0.999)
    epsilon = 1e-8

    def __init__(self, parameters: Iterable[nn.Parameter], learning_rate: float, weight_decay: float) -> None:
        self.defaults: dict[str, Any] = {"weight_decay": weight_decay, "fused": None}
        self.param_groups: list[dict[str, Any]] = [{"params": list(parameters), "lr": learning_rate}]
        self.state: defaultdict[Tensor, dict[str, Tensor]] = defaultdict(dict)

    @torch.no_grad()
    def step(self) -> None:
        """Update the parameters that have gradients."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, parameter.grad, group["lr"])

    def _update(self, parameter: nn.Parameter, gradient: Tensor, rate: float) -> None:
        state = self.state[parameter]
        if not state:
            state["step"] = torch.zeros(())
            state["exp_avg"] = torch.zeros_like(parameter)
            state["exp_avg_sq"] = torch.zeros_like(parameter)
        state["step"] += 1
        first_bias, second_bias = (1 - beta ** state["step"].item() for beta in self.betas)
        parameter.mul_(1 - rate * self.defaults["weight_decay"])
        state["exp_avg"].lerp_(gradient, 1 - self.betas[0])
        state["exp_avg_sq"].mul_(self.betas[1]).addcmul_(gradient, gradient, value=1 - self.betas[1])
        spread = (state["exp_avg_sq"].sqrt() / second_bias**0.5).add_(self.epsilon)
        parameter.addcdiv_(state["exp_avg"], spread, value=-rate / first_bias)


def optimizer_tensors(optimizers: Iterable[Optimizer], module: nn.Module) -> dict[str, Tensor]:
    """Return copies of the optimizers' state as `optimizer.<key>.<parameter name>`."""
    names: dict[Tensor, str] = {parameter: name for name, parameter in module.named_parameters()}
    return {
        f"optimizer.{key}.{names[parameter]}": tensor.detach().cpu().clone()
        for optimizer in optimizers
        for parameter, state in optimizer.state.items()
        for key, tensor in state.items()
    }


def load_optimizer_tensors(optimizers: Iterable[Optimizer], module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Load what `optimizer_tensors` returned."""
    parameters = dict(module.named_parameters())
    owners = {p: optimizer for optimizer in optimizers for group in optimizer.param_groups for p in group["params"]}
    for name, tensor in tensors.items():
        kind, key, parameter_name = (*name.split(".", 2), "", "")[:3]
        if kind == "optimizer":
            parameter = parameters[parameter_name]
            owner = owners[parameter]
            # torch keeps the step count of AdamW on the CPU, except for its fused kernel.
            device = "cpu" if key == "step" and not owner.defaults["fused"] else parameter.device
            owner.state[parameter][key] = tensor.clone().to(device)

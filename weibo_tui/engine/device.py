"""Device, dtype and threads of a computation."""

from __future__ import annotations

import sys
import warnings
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from weibo_tui.engine import int8_layers
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_list

DEFAULT_THREADS = torch.get_num_threads()
"""The number of CPU threads that torch chooses itself."""

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float64": torch.float64, "int8": torch.int8}

# Tokens in a micro-batch. A CPU computes fastest what fits its caches. A card needs some thousands for all its cores,
# and more gain nothing. What a training keeps of each token, 480 kB on 12 blocks of width 768 in float32, may fill half
# of a small card.
CPU_MICRO_TOKENS, MPS_MICRO_TOKENS, CUDA_MICRO_TOKENS = 768, 4_096, 16_384
TRAINING_BYTES_PER_TOKEN = 480_000
NARROW_WIDTH = 384
"""Half of the usual width. Up to this one, larger micro-batches take no more memory than elsewhere, and pay, because
they spread the costs of each operator."""


@dataclass(frozen=True, slots=True)
class Compute:
    """Device, dtype of the backbone's matrix products, tokens in a micro-batch (about), and CPU threads.

    A model in memory can be used with any number of threads, so `threads` is not compared."""

    device: torch.device
    dtype: torch.dtype
    micro_tokens: int
    threads: int = field(default=DEFAULT_THREADS, compare=False, repr=False)

    @classmethod
    def choose(cls, device: str = "auto", dtype: str = "auto", threads: int = 0) -> Compute:
        """Return the compute that settings name, and use its threads from now on.

        `auto` is CUDA, MPS or the CPU, whichever works first, and bf16 where the hardware supports it. `threads` = 0 is
        torch's own number. Raises UserInputError for a device or dtype that does not exist."""
        selected = _select_device(device)
        if dtype != "auto" and dtype not in DTYPES:
            raise UserInputError(
                _("Unknown dtype: {dtype}. Write auto, float32, bfloat16 or int8.").format(dtype=dtype)
            )
        if dtype == "int8":
            _check_int8(selected)
        native = torch.bfloat16 if native_bfloat16(selected) else torch.float32
        compute = cls(selected, DTYPES.get(dtype, native), _micro_tokens(selected), threads or DEFAULT_THREADS)
        compute.activate()  # loading a model computes too
        return compute

    def activate(self) -> None:
        """Let torch use `threads` CPU threads, and on a card the kernels that suit short posts, from now on.

        Both are global in torch, so jobs that alternate set theirs before each step."""
        torch.set_num_threads(self.threads)
        if self.device.type == "cuda":
            # cuDNN makes a plan on the CPU for each new shape of a batch, which takes longer than its attention.
            torch.backends.cuda.enable_cudnn_sdp(False)
            # TF32 has more digits than bf16, and is several times as fast as float32, which adapters always have.
            torch.backends.cuda.matmul.allow_tf32 = self.dtype == torch.bfloat16

    def for_predictions(self, width: int) -> Compute:
        """Return the same with larger micro-batches on a CPU, where a prediction keeps no activations for gradients,
        for a base of this `width`.

        In float32 they stay, so that its results stay the same to the bit. Those of a card are large enough."""
        if self.device.type != "cpu" or self.dtype not in (torch.bfloat16, torch.int8):
            return self
        return replace(self, micro_tokens=self.micro_tokens * (4 if width <= NARROW_WIDTH else 2))

    def for_training(self, width: int) -> Compute:
        """Return the same with smaller micro-batches on a CPU, for a base of this `width`: if it is not narrow, they
        are as fast, and a training keeps a third less for its gradients."""
        if self.device.type != "cpu" or width <= NARROW_WIDTH:
            return self
        return replace(self, micro_tokens=2 * self.micro_tokens // 3)

    @property
    def float_dtype(self) -> torch.dtype:
        """The dtype of the products that `dtype` does not change: with int8, the device's native one."""
        native = torch.bfloat16 if native_bfloat16(self.device) else torch.float32
        return native if self.dtype == torch.int8 else self.dtype

    @property
    def dtype_name(self) -> str:
        """Name of the dtype in settings and cards."""
        return str(self.dtype).removeprefix("torch.")


def _check_int8(device: torch.device) -> None:
    """Raise UserInputError where int8 products do not exist, or are not fast."""
    if device.type != "cpu":
        message = _("int8 is for CPUs, and the device is {device}. Choose the device cpu, or another number format.")
        raise UserInputError(message.format(device=device.type))
    if not int8_layers.is_supported():
        raise UserInputError(
            _(
                "int8 needs a CPU with VNNI or AMX, which torch does not find here. Choose auto, float32 or bfloat16 "
                "as the number format."
            )
        )


def _select_device(name: str) -> torch.device:
    """Return the device `name`, or the first that works for `auto`. Raises UserInputError where it does not work."""
    available = [kind for kind in ("cuda", "mps", "cpu") if _is_available(kind)] if name != "cpu" else ["cpu"]
    if name == "auto":
        return torch.device(next(kind for kind in available if kind != "cuda" or not _cuda_problem()))
    if name not in available:
        message = _("Device not found: {device}. This machine has {there}.")
        raise UserInputError(message.format(device=name, there=join_list(available)))
    if name == "cuda" and (problem := _cuda_problem()):
        message = _("PyTorch cannot compute on {device} ({reason}). Choose cpu, or install a PyTorch for this card.")
        raise UserInputError(message.format(device=name, reason=problem))
    return torch.device(name)


def _is_available(kind: str) -> bool:
    if kind == "cpu":
        return True
    with warnings.catch_warnings(action="ignore"):  # about drivers; what matters is whether the card computes
        return torch.cuda.is_available() if kind == "cuda" else torch.backends.mps.is_available()


def _cuda_problem() -> str:
    """Return why a small tensor cannot be made and added on the card, or an empty text.

    A card for which this torch has no kernels is available too, but fails in every computation."""
    try:
        with warnings.catch_warnings(action="ignore"):
            one = torch.ones(1, device="cuda")
            return "" if (one + one).item() == 2 else "1 + 1 is not 2"
    except RuntimeError as error:
        return str(error).partition("\n")[0]


def _micro_tokens(device: torch.device) -> int:
    """Return the number of tokens in a micro-batch on the device."""
    if device.type == "cuda":
        total = torch.cuda.get_device_properties(device).total_memory
        return min(CUDA_MICRO_TOKENS, total // 2 // TRAINING_BYTES_PER_TOKEN)
    return MPS_MICRO_TOKENS if device.type == "mps" else CPU_MICRO_TOKENS


def to_device(array: NDArray[Any], device: torch.device) -> Tensor:
    """Copy an array to the device. On a card, this waits for nothing that is still being computed."""
    tensor = torch.from_numpy(array)
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def native_bfloat16(device: torch.device) -> bool:
    """Return whether the hardware has bf16 matrix products: CUDA from 8.0 on, AVX512-BF16 or AMX on CPUs."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu":
        tests = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")  # private, so they may vanish
        return any(getattr(torch.cpu, name, bool)() for name in tests)
    return False


def memory(device: torch.device) -> int:
    """Return the peak memory in bytes since `reset_peak_memory`, of the GPU if it is used, otherwise of the process.

    MPS has no peak. There it is the memory that torch holds, which it seldom gives back."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if device.type == "mps":
        return torch.mps.driver_allocated_memory()
    if sys.platform != "win32":
        with suppress(ImportError):
            import resource

            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            return peak if sys.platform == "darwin" else peak * 1024
    import psutil

    usage = psutil.Process().memory_info()
    return int(getattr(usage, "peak_wset", usage.rss))


def reset_peak_memory(device: torch.device) -> None:
    """Forget the peak of earlier work on the card, which counts for the whole process."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)

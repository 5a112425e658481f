"""Device, dtype and threads of a computation."""

from __future__ import annotations

import sys
from contextlib import suppress
from dataclasses import dataclass, field, replace

import torch

from weibo_tui.engine import int8_layers
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_list

DEFAULT_THREADS = torch.get_num_threads()
"""The number of CPU threads that torch chooses itself."""

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float64": torch.float64, "int8": torch.int8}


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

        `auto` is CUDA, MPS or the CPU, whichever exists first, and bf16 where the hardware supports it. `threads` = 0
        is torch's own number. Raises UserInputError for a device or dtype that does not exist."""
        available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
        if device != "auto" and not available.get(device):
            raise UserInputError(
                _("Device not found: {device}. This machine has {there}.").format(
                    device=device, there=join_list(name for name in available if available[name])
                )
            )
        selected = torch.device(device if device != "auto" else next(name for name in available if available[name]))
        if dtype != "auto" and dtype not in DTYPES:
            raise UserInputError(
                _("Unknown dtype: {dtype}. Write auto, float32, bfloat16 or int8.").format(dtype=dtype)
            )
        if dtype == "int8":
            _check_int8(selected)
        native = torch.bfloat16 if native_bfloat16(selected) else torch.float32
        micro_tokens = 65_536 if selected.type == "cuda" else 768
        compute = cls(selected, DTYPES.get(dtype, native), micro_tokens, threads or DEFAULT_THREADS)
        compute.use_threads()  # loading a model computes too
        return compute

    def use_threads(self) -> None:
        """Let torch use `threads` CPU threads from now on.

        The number is global in torch, so jobs that alternate set theirs before each step."""
        torch.set_num_threads(self.threads)

    def for_predictions(self) -> Compute:
        """Return the same with larger micro-batches, because a prediction keeps no activations for gradients.

        In float32 they stay, so that its results stay the same to the bit."""
        is_faster = self.device.type == "cpu" and self.dtype in (torch.bfloat16, torch.int8)
        return replace(self, micro_tokens=2 * self.micro_tokens) if is_faster else self

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


def native_bfloat16(device: torch.device) -> bool:
    """Return whether the hardware has bf16 matrix products: CUDA from 8.0 on, AVX512-BF16 or AMX on CPUs."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu":
        tests = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")  # private, so they may vanish
        return any(getattr(torch.cpu, name, bool)() for name in tests)
    return False


def memory(device: torch.device) -> int:
    """Return the peak memory in bytes, of the GPU if it is used, otherwise of the process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if sys.platform != "win32":
        with suppress(ImportError):
            import resource

            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            return peak if sys.platform == "darwin" else peak * 1024
    import psutil

    usage = psutil.Process().memory_info()
    return int(getattr(usage, "peak_wset", usage.rss))

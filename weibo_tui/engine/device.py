"""Where and how the engine computes: CUDA, else Apple's MPS, else the CPU; bf16 where the hardware has it natively."""

from __future__ import annotations

import sys
from contextlib import suppress
from dataclasses import dataclass, field

import torch

from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _

DEFAULT_THREADS = torch.get_num_threads()
"""The number of CPU threads that torch chose itself, before anything here sets another."""

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float64": torch.float64}


@dataclass(frozen=True, slots=True)
class Compute:
    """A device, the dtype of the trunk's matrix products, how many tokens a micro-batch holds, or nearly, and the
    number of CPU threads. A model in memory serves any number of threads, so two that differ only there are equal."""

    device: torch.device
    dtype: torch.dtype
    micro_tokens: int
    threads: int = field(default=DEFAULT_THREADS, compare=False, repr=False)

    @classmethod
    def choose(cls, device: str = "auto", dtype: str = "auto", threads: int = 0) -> Compute:
        """The compute that settings name, with its threads in use; `threads` = 0 is torch's own number of CPU threads.

        Raises UserInputError where a device that is not there is named."""
        there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
        if device != "auto" and not there.get(device):
            raise UserInputError(
                _("The device {device} is not there: this machine has {there}.").format(
                    device=device, there=", ".join(name for name in there if there[name])
                )
            )
        chosen = torch.device(device if device != "auto" else next(name for name in there if there[name]))
        if dtype != "auto" and dtype not in DTYPES:
            raise UserInputError(_("There is no dtype {dtype}: write auto, float32 or bfloat16.").format(dtype=dtype))
        native = torch.bfloat16 if native_bfloat16(chosen) else torch.float32
        micro_tokens = 65_536 if chosen.type == "cuda" else 768
        compute = cls(chosen, DTYPES.get(dtype, native), micro_tokens, threads or DEFAULT_THREADS)
        compute.use_threads()  # loading a model computes too
        return compute

    def use_threads(self) -> None:
        """Let torch use `threads` CPU threads from now on.

        Torch has one number for the whole process. Work that takes turns with other work therefore sets its own number
        before each of its turns."""
        torch.set_num_threads(self.threads)

    @property
    def dtype_name(self) -> str:
        return str(self.dtype).removeprefix("torch.")


def native_bfloat16(device: torch.device) -> bool:
    """Whether bf16 matrix products are done by the hardware: CUDA from 8.0 on, AVX512-BF16 or AMX on CPUs."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu":
        return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return False


def memory(device: torch.device) -> int:
    """Peak memory so far, in bytes: the card's where there is one, else the process's."""
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

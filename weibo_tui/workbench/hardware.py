"""Description of the machine that the engine computes on."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path

from weibo_tui.engine.cores import usable_cores
from weibo_tui.settings import Settings

_VARIABLE = "WEIBO_TUI_DEVICE"


@dataclass(frozen=True, slots=True)
class Hardware:
    """A device, with its name, its own `memory` in bytes, and the dtype in use.

    `chosen_by` is "auto", or the setting or variable that names the device. `bfloat16` and `int8` tell whether the
    hardware supports these dtypes natively."""

    device: str
    chosen_by: str
    name: str
    memory: int
    cores: int
    threads: int
    dtype: str
    bfloat16: bool
    int8: bool


def detect_hardware(settings: Settings) -> Hardware:
    """Return the hardware that the settings select. Raises UserInputError where they name a missing device."""
    import psutil
    import torch

    from weibo_tui.engine import int8_layers
    from weibo_tui.engine.device import Compute, native_bfloat16

    compute = Compute.choose(settings.device, settings.dtype, settings.threads)
    if compute.device.type == "cuda":
        gpu = torch.cuda.get_device_properties(compute.device)
        name, memory = gpu.name, gpu.total_memory
    else:
        name, memory = _processor_name(), psutil.virtual_memory().total
    chosen_by = _VARIABLE if os.environ.get(_VARIABLE) else "settings.toml"
    return Hardware(
        device=compute.device.type,
        chosen_by="auto" if settings.device == "auto" else chosen_by,
        name=name,
        memory=memory,
        cores=usable_cores(),
        threads=compute.threads,
        dtype=compute.dtype_name,
        bfloat16=native_bfloat16(compute.device),
        int8=compute.device.type == "cpu" and int8_layers.is_supported(),
    )


def _processor_name() -> str:
    try:
        match = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text("utf-8"), re.MULTILINE)
    except (OSError, ValueError):
        match = None
    return match[1] if match else platform.processor() or platform.machine()

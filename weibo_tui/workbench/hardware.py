"""Where the engine computes, in words for people and plain values for programs."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path

from weibo_tui.settings import Settings

_VARIABLE = "WEIBO_TUI_DEVICE"


@dataclass(frozen=True, slots=True)
class Hardware:
    """The device, and who chose it: "auto", or the setting or variable that names it. `name` is the card's or the
    processor's; `memory` in bytes is its own. `dtype` is what a base computes with; `bfloat16` whether the hardware
    does that by itself."""

    device: str
    chosen_by: str
    name: str
    memory: int
    cores: int
    threads: int
    dtype: str
    bfloat16: bool


def look_at_computer(settings: Settings) -> Hardware:
    """The computer as the settings use it. Raises UserInputError where they name a device that is not there."""
    import psutil
    import torch

    from weibo_tui.engine.device import Compute, native_bfloat16

    compute = Compute.choose(settings.device, settings.dtype, settings.threads)
    if compute.device.type == "cuda":
        card = torch.cuda.get_device_properties(compute.device)
        name, memory = card.name, card.total_memory
    else:
        name, memory = _processor(), psutil.virtual_memory().total
    named_in = _VARIABLE if os.environ.get(_VARIABLE) else "settings.toml"
    return Hardware(
        device=compute.device.type,
        chosen_by="auto" if settings.device == "auto" else named_in,
        name=name,
        memory=memory,
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        threads=compute.threads,
        dtype=compute.dtype_name,
        bfloat16=native_bfloat16(compute.device),
    )


def _processor() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text("utf-8"), re.MULTILINE)
    except (OSError, ValueError):
        found = None
    return found[1] if found else platform.processor() or platform.machine()

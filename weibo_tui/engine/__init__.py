"""Tensors: backbone, adapters, training and prediction. Independent of files, the database and the screens."""

from __future__ import annotations

import os

# Torch's threads wait for each other by spinning. While another program uses the same two cores, steps take fourteen
# times as long with the default spin, and two to three times with a short one. libgomp reads this on torch's import.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")

# Huge pages for allocations of 2 MB and more. A training step allocates and frees gigabytes, and takes 3 to 7 % less
# time with them. Torch reads this when it makes its first tensor.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

"""Tensors: the trunk, adapters, training and prediction. Knows no file layout, no database and no screen."""

from __future__ import annotations

import os

# Torch's threads wait for each other by spinning. Beside a program that wants the same two cores, steps were seen to
# take fourteen times as long with the default spin, and two to three times with a short one. libgomp reads this
# when torch is imported.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")

# Torch asks for memory of 2 MB and more in huge pages. A training step takes gigabytes and gives them back: it was seen
# to take 3 to 7 % less time so. Torch reads this when it makes its first tensor.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

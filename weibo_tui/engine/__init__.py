"""Tensors: the trunk, adapters, training and prediction. Knows no file layout, no database and no screen."""

from __future__ import annotations

import os

# Torch's threads wait for each other by spinning. Beside a program that wants the same two cores, steps were seen to
# take fourteen times as long with the default spin, and two to three times with a short one. libgomp reads this
# when torch is imported.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")

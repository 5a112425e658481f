"""Tensors: the trunk, adapters, training and prediction. Knows no file layout, no database and no screen."""

from __future__ import annotations

import os

# Torch's threads wait for each other by spinning. Where another program wants the same cores, the default spin of
# milliseconds makes a step ten times slower; one of microseconds costs nothing measurable when alone. libgomp
# reads this when torch is imported.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")

"""Mean, standard deviation and interval of a figure over trainings that differ in nothing but the seed."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from math import sqrt


def summary(values: Sequence[float]) -> dict[str, float | None]:
    """Return `mean`, `sd` (n - 1), and `low` and `high`, the ends of the 95 % interval of the mean by Student's t.

    A single value has a mean only. Without values, each is None."""
    if len(values) < 2:
        return {"mean": values[0] if values else None, "sd": None, "low": None, "high": None}
    from scipy.special import stdtrit

    mean, deviation = statistics.fmean(values), statistics.stdev(values)
    margin = float(stdtrit(len(values) - 1, 0.975)) * deviation / sqrt(len(values))
    return {"mean": mean, "sd": deviation, "low": mean - margin, "high": mean + margin}

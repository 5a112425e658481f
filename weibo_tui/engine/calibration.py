"""Temperature scaling: one number that makes confidences honest (Guo et al. 2017, "On Calibration of Modern
Neural Networks")."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from weibo_tui.engine.prediction import Floats

# Bounds of the search. A validation split without an error would ask for a temperature of 0, which makes every
# later verdict look certain; past the other bound the logits say nothing.
COLDEST, HOTTEST = 0.5, 20.0


def negative_log_likelihood(logits: Floats, truth: NDArray[np.int64], temperature: float = 1.0) -> float:
    """Mean of -log p(truth) in nats over logits (posts, labels)."""
    scaled = logits / temperature
    peak = scaled.max(axis=1)
    log_sum = peak + np.log(np.exp(scaled - peak[:, None]).sum(axis=1))
    return float((log_sum - scaled[np.arange(len(truth)), truth]).mean())


def fit_temperature(logits: Floats, truth: NDArray[np.int64]) -> float:
    """The temperature with the least validation NLL; 1.0 where none is better, or there are no posts."""
    if not len(truth):
        return 1.0
    from scipy.optimize import minimize_scalar

    found = minimize_scalar(
        lambda log: negative_log_likelihood(logits, truth, float(np.exp(log))),
        bounds=(np.log(COLDEST), np.log(HOTTEST)),
        method="bounded",
    )
    temperature = float(np.exp(found.x))
    better = negative_log_likelihood(logits, truth, temperature) < negative_log_likelihood(logits, truth)
    return temperature if better else 1.0

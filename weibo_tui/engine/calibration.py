"""Temperature scaling of confidences (Guo et al. 2017, "On Calibration of Modern Neural Networks")."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from weibo_tui.engine.prediction import Floats

# Bounds of the search. Without errors on the validation split, the best temperature would be 0, and every prediction
# would look certain. At the upper bound the logits carry no information.
MIN_TEMPERATURE, MAX_TEMPERATURE = 0.5, 20.0


def negative_log_likelihood(logits: Floats, truth: NDArray[np.int64], temperature: float = 1.0) -> float:
    """Return the mean of -log p(truth) in nats for logits (posts, labels)."""
    scaled = logits / temperature
    peak = scaled.max(axis=1)
    log_sum = peak + np.log(np.exp(scaled - peak[:, None]).sum(axis=1))
    return float((log_sum - scaled[np.arange(len(truth)), truth]).mean())


def fit_temperature(logits: Floats, truth: NDArray[np.int64]) -> float:
    """Return the temperature with the lowest NLL, or 1.0 if none is better or there are no posts."""
    if not len(truth):
        return 1.0
    from scipy.optimize import minimize_scalar

    result = minimize_scalar(
        lambda log: negative_log_likelihood(logits, truth, float(np.exp(log))),
        bounds=(np.log(MIN_TEMPERATURE), np.log(MAX_TEMPERATURE)),
        method="bounded",
    )
    temperature = float(np.exp(result.x))
    better = negative_log_likelihood(logits, truth, temperature) < negative_log_likelihood(logits, truth)
    return temperature if better else 1.0

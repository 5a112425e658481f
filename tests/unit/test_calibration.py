"""Temperature scaling: lowers the NLL and keeps the predictions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from weibo_tui.engine.calibration import MAX_TEMPERATURE, MIN_TEMPERATURE, fit_temperature, negative_log_likelihood
from weibo_tui.engine.prediction import Floats, softmax

LOGITS = st.tuples(st.integers(1, 20), st.integers(2, 5)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.floats(-1e4, 1e4))
)


@given(LOGITS, st.integers(0, 2**32 - 1))
@settings(max_examples=50)
def test_fit_temperature_never_raises_nll_and_keeps_argmax(logits: Floats, seed: int) -> None:
    truth = np.random.default_rng(seed).integers(0, logits.shape[1], len(logits))
    temperature = fit_temperature(logits, truth)
    assert temperature == 1.0 or MIN_TEMPERATURE <= temperature <= MAX_TEMPERATURE
    assert negative_log_likelihood(logits, truth, temperature) <= negative_log_likelihood(logits, truth)
    probabilities = softmax(logits, temperature)
    rows = np.arange(len(logits))
    # Probabilities of almost equal logits may be the same.
    assert (probabilities[rows, logits.argmax(axis=1)] == probabilities.max(axis=1)).all()
    assert np.allclose(probabilities.sum(axis=1), 1)


@given(LOGITS, st.floats(MIN_TEMPERATURE, MAX_TEMPERATURE), st.integers(0, 2**32 - 1))
@settings(max_examples=30)
def test_nll_equals_scipy(logits: Floats, temperature: float, seed: int) -> None:
    truth = np.random.default_rng(seed).integers(0, logits.shape[1], len(logits))
    from scipy.special import log_softmax

    expected = -log_softmax(logits / temperature, axis=1)[np.arange(len(truth)), truth].mean()
    assert negative_log_likelihood(logits, truth, temperature) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("true", [0.7, 1.0, 2.5])
def test_fit_temperature_finds_true_temperature(true: float) -> None:
    random = np.random.default_rng(0)
    logits = random.normal(0, 3, (20_000, 3))
    shares = softmax(logits, true)
    truth = (shares.cumsum(axis=1) > random.random((len(logits), 1))).argmax(axis=1)
    assert fit_temperature(logits, truth) == pytest.approx(true, rel=0.05)


def test_fit_temperature_is_bounded() -> None:
    logits = np.array([[4.0, -4.0], [-4.0, 4.0]])
    assert fit_temperature(logits, np.array([0, 1])) == pytest.approx(MIN_TEMPERATURE, rel=0.1)
    assert fit_temperature(logits, np.array([1, 0])) == pytest.approx(MAX_TEMPERATURE, rel=0.1)
    assert fit_temperature(np.zeros((3, 2)), np.array([0, 1, 0])) == 1.0
    assert fit_temperature(np.empty((0, 2)), np.empty(0, np.int64)) == 1.0

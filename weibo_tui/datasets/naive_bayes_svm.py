"""NBSVM: a linear support vector machine on naive Bayes log-count ratios, and an interpolation of both.

Source: S. Wang and C. D. Manning, "Baselines and bigrams: simple, good sentiment and topic classification", ACL 2012.
"""

from __future__ import annotations

import warnings
from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from weibo_tui.datasets.character_grams import Matrix
from weibo_tui.progress import Progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SHARES = (0.25, 0.5, 0.75, 1.0)
"""Shares of the support vector machine in the interpolation. The paper's is the first."""

_SMOOTHING = 1.0
_PENALTY = 0.1  # C; the paper's 1 takes four times as long and scores the same on Weibo posts
_MAX_ITERATIONS = 200


@dataclass(frozen=True, slots=True)
class NaiveBayesSVM:
    """One model a label, against all others; a single one for two labels.

    `ratios` (models, n-grams) are log-count ratios, `weights` those of the machine on features times ratios, and
    `biases` (models,)."""

    labels: NDArray[np.int64]
    ratios: NDArray[np.float32]
    weights: NDArray[np.float32]
    biases: NDArray[np.float32]

    @classmethod
    def fit(cls, counts: Matrix, codes: NDArray[np.int64], stage: str = "training") -> Generator[Progress, None, Self]:
        """Train on counts (posts, n-grams) and labels (posts,) of two labels or more."""
        import numpy as np

        labels = np.unique(codes)
        present = counts.copy()
        present.data = np.ones_like(present.data)
        models = []
        modeled = labels if len(labels) > 2 else labels[1:]
        for label in modeled:
            models.append(_fit(present, codes == label))
            yield Progress(stage, len(models), len(modeled))
        ratios, weights, biases = (np.array(column, np.float32) for column in zip(*models, strict=True))
        return cls(labels, ratios, weights, biases)

    def predict(self, counts: Matrix, share: float) -> NDArray[np.int64]:
        """Return the label of each post, (posts,), where `share` of the weights are those of the machine."""
        import numpy as np

        present = counts.copy()
        present.data = np.ones_like(present.data)
        means = np.abs(self.weights).mean(axis=1, keepdims=True)
        mixed = self.ratios * ((1 - share) * means + share * self.weights)
        scores = present @ mixed.T + self.biases
        best = scores[:, 0] > 0 if len(self.labels) == 2 else scores.argmax(axis=1)
        labels: NDArray[np.int64] = self.labels[best.astype(np.int64)]
        return labels


def _fit(present: Matrix, is_label: NDArray[np.bool_]) -> tuple[NDArray[np.float32], NDArray[np.float32], float]:
    """Return ratios, weights and bias of the model of one label, of n-grams that are there (1) or not."""
    import numpy as np
    from scipy.sparse import csr_array
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.svm import LinearSVC

    shares = []
    for members in (is_label, ~is_label):
        number = _SMOOTHING + present.T @ members.astype(np.float32)
        shares.append(number / number.sum())
    ratios = np.log(shares[0] / shares[1]).astype(np.float32)
    features = csr_array((ratios[present.indices], present.indices, present.indptr), shape=present.shape)
    machine = LinearSVC(C=_PENALTY, tol=1e-2, max_iter=_MAX_ITERATIONS, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the last digits do not matter
        machine.fit(features, is_label)
    return ratios, machine.coef_[0].astype(np.float32), float(machine.intercept_[0])

"""Agreement of two answers to the same posts, by two people or by one person at two times.

Sources: J. Cohen, Educational and Psychological Measurement 20 (1960) 37-46, kappa. K. L. Gwet, British Journal of
Mathematical and Statistical Psychology 61 (2008) 29-48, AC1, which does not fall where one label is rare.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from weibo_tui.engine.uncertainty import DRAWS

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Agreement:
    """Agreement on `n` posts. `kappa` is missing where both gave one and the same label to all posts.

    The intervals are of 95 %, and missing for fewer than two posts.
    """

    n: int
    agreeing: int
    kappa: float | None
    ac1: float | None
    kappa_ci: tuple[float, float] | None
    ac1_ci: tuple[float, float] | None

    @property
    def share(self) -> float | None:
        """Share of the posts with the same answer."""
        return self.agreeing / self.n if self.n else None

    def to_dict(self) -> dict[str, Any]:
        """Return the object that `weibo-tui annotations agreement --json` prints."""
        return {
            "n": self.n,
            "agreeing": self.agreeing,
            "share": self.share,
            "kappa": self.kappa,
            "kappa_ci": None if self.kappa_ci is None else list(self.kappa_ci),
            "ac1": self.ac1,
            "ac1_ci": None if self.ac1_ci is None else list(self.ac1_ci),
        }


def agreement(pairs: Sequence[tuple[str, str]], seed: int = 0) -> Agreement:
    """Return the agreement of pairs of labels, with percentile intervals of a bootstrap over the posts."""
    labels = sorted({label for pair in pairs for label in pair})
    codes = {label: code for code, label in enumerate(labels)}
    cells = np.array([codes[one] * len(labels) + codes[other] for one, other in pairs], np.int64)
    return agreement_of_counts(np.bincount(cells, minlength=len(labels) ** 2).reshape(len(labels), len(labels)), seed)


def agreement_of_counts(table: NDArray[np.integer], seed: int = 0) -> Agreement:
    """Return the same from the number of posts with each pair of labels (labels, labels)."""
    posts = int(table.sum())
    if not posts:
        return Agreement(0, 0, None, None, None, None)
    drawn = np.random.default_rng(seed).multinomial(posts, table.ravel() / posts, size=DRAWS)
    tables = np.vstack([table.ravel(), drawn]).reshape(-1, *table.shape)
    kappas, ac1s = kappa(tables), ac1(tables)
    return Agreement(
        n=posts,
        agreeing=int(np.trace(table)),
        kappa=_finite(kappas[0]),
        ac1=_finite(ac1s[0]),
        kappa_ci=_interval(kappas[1:], posts),
        ac1_ci=_interval(ac1s[1:], posts),
    )


def kappa(tables: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return Cohen's κ = (p_o - p_e) / (1 - p_e) of contingency tables (tables, labels, labels), NaN where p_e is 1.

    p_e is the agreement of two independent raters with these shares of labels.
    """
    observed, one, other = _shares(tables)
    return _corrected(observed, (one * other).sum(axis=1))


def ac1(tables: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return Gwet's AC1 = (p_o - p_g) / (1 - p_g) of contingency tables (tables, labels, labels).

    With the mean shares π_k of K labels, p_g = Σ π_k (1 - π_k) / (K - 1). It is 2q (1 - q) for two labels.
    """
    observed, one, other = _shares(tables)
    mean = (one + other) / 2
    return _corrected(observed, (mean * (1 - mean)).sum(axis=1) / max(1, mean.shape[1] - 1))


def _shares(tables: NDArray[np.integer]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the share of equal answers (tables,), and the share of each label on both sides (tables, labels)."""
    shares = tables / np.maximum(1, tables.sum(axis=(1, 2), keepdims=True))
    return np.trace(shares, axis1=1, axis2=2), shares.sum(axis=2), shares.sum(axis=1)


def _corrected(observed: NDArray[np.float64], expected: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the part of the possible agreement beyond chance, NaN where chance alone gives full agreement."""
    possible = 1 - expected
    is_defined = possible > 1e-12
    return np.where(is_defined, (observed - expected) / np.where(is_defined, possible, 1.0), np.nan)


def _interval(values: NDArray[np.float64], posts: int) -> tuple[float, float] | None:
    known = values[np.isfinite(values)]
    if posts < 2 or not len(known):
        return None
    low, high = np.quantile(known, (0.025, 0.975)).tolist()
    return low, high


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None

"""A linear model of labeled posts: logistic regression on the characters of a post, one, two and three at a time."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from weibo_tui.datasets.character_grams import Matrix, count_grams
from weibo_tui.datasets.folds import splits
from weibo_tui.progress import Progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_WEIGHTS = 3_000_000
"""Weights of a model. The solver for more than two labels needs twenty times their memory."""


@dataclass(frozen=True, slots=True)
class LinearModel:
    """Logistic regression on TF-IDF (sublinear, of unit length) of n-grams, as scikit-learn has them.

    `columns` are the n-grams in use, `known` the labels that it was trained with."""

    columns: NDArray[np.int64]
    idf: NDArray[np.float32]
    known: NDArray[np.int64]
    _model: Any

    @classmethod
    def fit(cls, counts: Matrix, codes: NDArray[np.int64]) -> Self:
        """Train on counts of n-grams (posts, n-grams) and labels (posts,)."""
        import numpy as np
        from sklearn.linear_model import LogisticRegression

        known = np.unique(codes)
        columns, idf = _frequent_grams(counts, MAX_WEIGHTS // len(known))
        model = None
        if len(known) > 1:
            solver = "liblinear" if len(known) == 2 else "lbfgs"
            model = LogisticRegression(C=4.0, solver=solver, max_iter=300)
            model.fit(_tf_idf(counts[:, columns], idf), codes)
        return cls(columns, idf, known, model)

    def probabilities(self, counts: Matrix, number: int) -> NDArray[np.float64]:
        """Return the probability of each of the `number` labels, (posts, number); 0 for labels that are not known."""
        import numpy as np

        result = np.zeros((counts.shape[0], number))
        if self._model is None:
            result[:, self.known] = 1.0
        elif len(result):
            result[:, self.known] = self._model.predict_proba(_tf_idf(counts[:, self.columns], self.idf))
        return result


def _frequent_grams(counts: Matrix, most: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the columns of the n-grams that two posts or more have, at most `most`, and their inverse frequencies."""
    import numpy as np

    posts = np.bincount(counts.indices, minlength=counts.shape[1])
    columns = np.flatnonzero(posts > 1)
    if len(columns) > most:
        columns = np.sort(columns[np.argsort(-posts[columns], kind="stable")[:most]])
    return columns, (np.log((1 + counts.shape[0]) / (1 + posts[columns])) + 1).astype(np.float32)


def _tf_idf(counts: Matrix, idf: NDArray[np.float32]) -> Matrix:
    import numpy as np
    from scipy.sparse import csr_array

    weights = (1 + np.log(counts.data)) * idf[counts.indices]
    rows = np.repeat(np.arange(counts.shape[0], dtype=np.int32), np.diff(counts.indptr))
    lengths = np.sqrt(np.bincount(rows, weights=weights**2, minlength=counts.shape[0])).astype(np.float32)
    return csr_array((weights / lengths[rows], counts.indices, counts.indptr), shape=counts.shape)


def out_of_fold_probabilities(
    posts: Sequence[str], labels: Sequence[int], number: int, folds: Sequence[NDArray[np.int64]]
) -> Generator[Progress, None, NDArray[np.float64]]:
    """Return the probability of each of the `number` labels, (posts, number), by a model that has not seen the post.

    A label that the model of a fold has not seen has the probability 0."""
    import numpy as np

    codes = np.array(labels, np.int64)
    probabilities = np.zeros((len(posts), number))
    counts = yield from count_grams(posts)
    for done, (rest, fold) in enumerate(splits(folds)):
        yield Progress("training", done, len(folds))
        probabilities[fold] = LinearModel.fit(counts[rest], codes[rest]).probabilities(counts[fold], number)
    yield Progress("training", len(folds), len(folds))
    return probabilities

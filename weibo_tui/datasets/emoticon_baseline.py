"""Logistic regression on the emoticons of posts: how far these alone predict the labels.

scikit-learn's LogisticRegression has the same loss, solver and limits, but its import takes longer than this training.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from weibo_tui.datasets.splitting import Split

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_ITERATIONS = 1000
MAX_GRADIENT = 1e-4  # at the end of the training
MAX_LINE_STEPS = 50  # of one iteration
MIN_DECREASE = 64 * 2.0**-52  # of the loss in an iteration, as a share


@dataclass(frozen=True, slots=True)
class _Counts:
    """The emoticons of `number` posts: the post and the column of each. The last column is 1 in each post."""

    number: int
    posts: NDArray[np.int64]
    columns: NDArray[np.int64]

    @classmethod
    def of(cls, emoticons: Iterable[Sequence[str]], column_of: Mapping[str, int]) -> _Counts:
        """Count the emoticons that have a column."""
        import numpy as np

        posts: list[int] = []
        columns: list[int] = []
        number = 0
        for number, post in enumerate(emoticons, 1):
            known = [column_of[emoticon] for emoticon in post if emoticon in column_of]
            columns += (*known, len(column_of))
            posts += [number - 1] * (len(known) + 1)
        return cls(number, np.array(posts, np.int64), np.array(columns, np.int64))

    def times(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the product (posts, labels) with weights (columns, labels)."""
        return self._sums(self.posts, weights[self.columns], self.number)

    def transposed_times(self, values: NDArray[np.float64], num_columns: int) -> NDArray[np.float64]:
        """Return the product (columns, labels) of the transposed counts with values (posts, labels)."""
        return self._sums(self.columns, values[self.posts], num_columns)

    @staticmethod
    def _sums(places: NDArray[np.int64], values: NDArray[np.float64], number: int) -> NDArray[np.float64]:
        import numpy as np

        return np.stack([np.bincount(places, column, number) for column in values.T], axis=1)


def emoticon_accuracy(emoticons: Sequence[Sequence[str]], codes: NDArray[np.int64], parts: Split) -> float:
    """Train on the emoticons and labels (posts,) of the part `train`, and return the accuracy on the part `test`."""
    import numpy as np

    training = [emoticons[index] for index in parts.train.tolist()]
    column_of = {name: column for column, name in enumerate(sorted({name for post in training for name in post}))}
    known, labels = np.unique(codes[parts.train], return_inverse=True)
    weights = _train(_Counts.of(training, column_of), labels, len(column_of) + 1, len(known))
    held_out = _Counts.of((emoticons[index] for index in parts.test.tolist()), column_of)
    predicted = known[_with_first_label(held_out.times(weights), len(known)).argmax(1)]
    return float(np.mean(predicted == codes[parts.test]))


def _train(counts: _Counts, labels: NDArray[np.int64], num_columns: int, num_labels: int) -> NDArray[np.float64]:
    """Return the weights (columns, labels) with the least loss, (columns, 1) for two labels."""
    import numpy as np
    from scipy.optimize import minimize
    from scipy.special import log_softmax

    posts = np.arange(counts.number)
    shape = num_columns, 1 if num_labels == 2 else num_labels
    penalty = np.full((num_columns, 1), 1 / counts.number)
    penalty[-1] = 0

    def loss_and_gradient(flat: NDArray[np.float64]) -> tuple[Any, Any]:
        weights = flat.reshape(shape)
        scores = log_softmax(_with_first_label(counts.times(weights), num_labels), axis=1)
        loss = -scores[posts, labels].mean() + (penalty * weights**2).sum() / 2
        errors = np.exp(scores)
        errors[posts, labels] -= 1
        gradient = counts.transposed_times(errors[:, -shape[1] :] / counts.number, num_columns) + penalty * weights
        return loss, gradient.ravel()

    limits = {"maxiter": MAX_ITERATIONS, "maxls": MAX_LINE_STEPS, "gtol": MAX_GRADIENT, "ftol": MIN_DECREASE}
    result = minimize(loss_and_gradient, np.zeros(shape).ravel(), method="L-BFGS-B", jac=True, options=limits)
    weights: NDArray[np.float64] = result.x.reshape(shape)
    return weights


def _with_first_label(scores: NDArray[np.float64], num_labels: int) -> NDArray[np.float64]:
    """Return the scores of all labels. Of two labels the first has no weights, and the score 0."""
    import numpy as np

    return np.pad(scores, ((0, 0), (num_labels - scores.shape[1], 0)))

"""Logistic regression on the emoticons of posts: how far these alone predict the labels.

scikit-learn's LogisticRegression has the same loss, solver and limits, but its import takes longer than this training.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from weibo_tui.datasets.splitting import Split

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_ITERATIONS = 1000
MAX_GRADIENT = 1e-4  # at the end of the training
MAX_LINE_STEPS = 50  # of one iteration
MIN_DECREASE = 64 * 2.0**-52  # of the loss in an iteration, as a share


def _count(emoticons: Iterable[Sequence[str]], column_of: Mapping[str, int]) -> Any:
    """Return how often each emoticon with a column is in each post, a sparse matrix (posts, columns).

    Its last column is 1 in each post."""
    import numpy as np
    from scipy.sparse import csr_array

    ends, columns = [0], []
    for post in emoticons:
        columns += [*(column_of[emoticon] for emoticon in post if emoticon in column_of), len(column_of)]
        ends.append(len(columns))
    counts = csr_array((np.ones(len(columns)), columns, ends), (len(ends) - 1, len(column_of) + 1))
    counts.sum_duplicates()
    return counts


def emoticon_accuracy(emoticons: Sequence[Sequence[str]], codes: NDArray[np.int64], parts: Split) -> float:
    """Train on the emoticons and labels (posts,) of the part `train`, and return the accuracy on the part `test`."""
    import numpy as np

    training = [emoticons[index] for index in parts.train.tolist()]
    column_of = {name: column for column, name in enumerate(sorted({name for post in training for name in post}))}
    known, labels = np.unique(codes[parts.train], return_inverse=True)
    weights = _train(_count(training, column_of), labels, len(known))
    held_out = _count((emoticons[index] for index in parts.test.tolist()), column_of)
    predicted = known[_with_first_label(held_out @ weights, len(known)).argmax(1)]
    return float(np.mean(predicted == codes[parts.test]))


def _train(counts: Any, labels: NDArray[np.int64], num_labels: int) -> NDArray[np.float64]:
    """Return the weights (columns, labels) with the least loss, (columns, 1) for two labels."""
    import numpy as np
    from scipy.optimize import minimize
    from scipy.special import log_softmax

    number, num_columns = counts.shape
    posts, transposed = np.arange(number), counts.T.tocsr()
    shape = num_columns, 1 if num_labels == 2 else num_labels
    penalty = np.full((num_columns, 1), 1 / number)
    penalty[-1] = 0

    def loss_and_gradient(flat: NDArray[np.float64]) -> tuple[Any, Any]:
        weights = flat.reshape(shape)
        scores = log_softmax(_with_first_label(counts @ weights, num_labels), axis=1)
        loss = -scores[posts, labels].mean() + (penalty * weights**2).sum() / 2
        errors = np.exp(scores, out=scores)
        errors[posts, labels] -= 1
        gradient = transposed @ errors[:, -shape[1] :] / number + penalty * weights
        return loss, gradient.ravel()

    limits = {"maxiter": MAX_ITERATIONS, "maxls": MAX_LINE_STEPS, "gtol": MAX_GRADIENT, "ftol": MIN_DECREASE}
    result = minimize(loss_and_gradient, np.zeros(shape).ravel(), method="L-BFGS-B", jac=True, options=limits)
    weights: NDArray[np.float64] = result.x.reshape(shape)
    return weights


def _with_first_label(scores: NDArray[np.float64], num_labels: int) -> NDArray[np.float64]:
    """Return the scores of all labels. Of two labels the first has no weights, and the score 0."""
    import numpy as np

    return np.pad(scores, ((0, 0), (num_labels - scores.shape[1], 0)))

"""Labels that are probably wrong, by probabilities of a model that was not trained on the post in question.

Source: C. Northcutt, L. Jiang and I. Chuang, "Confident learning", Journal of Artificial Intelligence Research 70
(2021) 1373-1411: label errors by the confident joint, in the order of normalized margins.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class LabelErrors:
    """The most probable errors first: `posts` (errors,) are indices, `guesses` their probable labels.

    `margins` are the probability of the given label minus the largest of another one.
    """

    posts: NDArray[np.int64]
    guesses: NDArray[np.int64]
    margins: NDArray[np.float64]


def find_label_errors(labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> LabelErrors:
    """Return the posts whose label (posts,) is probably wrong, by out-of-sample probabilities (posts, labels).

    The threshold t_j is the mean probability of label j where the label is j. A post's probable label is the one with
    the largest probability among those that reach their threshold. It is an error where this is not its label.
    """
    rows = np.arange(len(labels))
    own = probabilities[rows, labels]
    thresholds = np.array(
        [own[labels == label].mean() if (labels == label).any() else np.inf for label in range(probabilities.shape[1])]
    )
    confident = np.where(probabilities >= thresholds, probabilities, -1.0)
    guesses = np.where(confident.max(axis=1) >= 0, confident.argmax(axis=1), labels)
    others = probabilities.copy()
    others[rows, labels] = -1.0
    margins = own - others.max(axis=1)
    posts = np.flatnonzero(guesses != labels)
    posts = posts[np.argsort(margins[posts], kind="stable")]
    return LabelErrors(posts, guesses[posts], margins[posts])

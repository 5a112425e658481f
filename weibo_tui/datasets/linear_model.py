"""A linear model of labeled posts: logistic regression on the characters of a post, one, two and three at a time."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING

from weibo_tui.datasets.splitting import group_posts
from weibo_tui.progress import Progress
from weibo_tui.text.cleaning import clean

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FOLDS = 5
MIN_GROUPS = 2 * FOLDS
"""Groups of similar posts from which the folds are large enough."""


def out_of_fold_probabilities(
    posts: Sequence[str], labels: Sequence[int], number: int, seed: int = 0
) -> Generator[Progress, None, NDArray[np.float64] | None]:
    """Return the probability of each of the `number` labels, (posts, number), by a model that has not seen the post.

    Posts that share a text are in the same fold. A label that the model of a fold has not seen has the probability 0.
    Return None where there are fewer than MIN_GROUPS groups of posts.
    """
    import numpy as np

    groups = yield from group_posts(posts)
    if len(groups) < MIN_GROUPS:
        return None
    codes = np.array(labels, np.int64)
    probabilities = np.zeros((len(posts), number))
    folds = _folds(groups, seed)
    texts = [clean(post).text for post in posts]
    for done, fold in enumerate(folds):
        yield Progress("training", done, len(folds))
        rest = np.concatenate([other for other in folds if other is not fold])
        probabilities[fold] = _predict(texts, codes, rest, fold, number)
    yield Progress("training", len(folds), len(folds))
    return probabilities


def _folds(groups: Sequence[Sequence[int]], seed: int) -> list[NDArray[np.int64]]:
    """Return the posts of each fold: the groups in random order, the largest first, each to the smallest fold."""
    import numpy as np

    order = np.random.default_rng(seed).permutation(len(groups)).tolist()
    folds: list[list[int]] = [[] for _fold in range(FOLDS)]
    for index in sorted(order, key=lambda index: -len(groups[index])):
        min(folds, key=len).extend(groups[index])
    return [np.array(fold, np.int64) for fold in folds]


def _predict(
    texts: Sequence[str], codes: NDArray[np.int64], train: NDArray[np.int64], test: NDArray[np.int64], number: int
) -> NDArray[np.float64]:
    """Return the probabilities of the test posts, (test posts, number), by a model of the training posts."""
    import numpy as np
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    probabilities = np.zeros((len(test), number))
    known = np.unique(codes[train])
    if len(known) == 1:
        probabilities[:, known] = 1.0
        return probabilities
    grams = TfidfVectorizer(analyzer="char", ngram_range=(1, 3), min_df=2, sublinear_tf=True, dtype=np.float32)
    features = grams.fit_transform(texts[index] for index in train.tolist())
    solver = "liblinear" if len(known) == 2 else "lbfgs"
    model = LogisticRegression(C=4.0, solver=solver, max_iter=300).fit(features, codes[train])
    probabilities[:, model.classes_] = model.predict_proba(grams.transform(texts[index] for index in test.tolist()))
    return probabilities

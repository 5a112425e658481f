"""Simple models that an adapter is compared with: they are trained and tested on the same posts.

The majority label, logistic regression on TF-IDF (see `linear_model`) and NBSVM (see `naive_bayes_svm`). Their options
are constants, except NBSVM's interpolation, which the validation posts choose.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING

from weibo_tui.datasets.character_grams import count_grams
from weibo_tui.datasets.linear_model import LinearModel
from weibo_tui.datasets.naive_bayes_svm import SHARES, NaiveBayesSVM
from weibo_tui.datasets.splitting import Split
from weibo_tui.progress import Progress, as_part
from weibo_tui.text.cleaning import PREPROCESSING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_POSTS_TIMES_LABELS = 2_000_000
"""With more, only the majority label is compared, because the other models would take many minutes."""


def predict_baselines(
    posts: Sequence[str], labels: Sequence[int], split: Split, preprocessing: int = PREPROCESSING
) -> Generator[Progress, None, dict[str, NDArray[np.int64]]]:
    """Return the label of each test post, (test posts,), by `majority`, `linear` and `nbsvm`."""
    import numpy as np

    codes = np.array(labels, np.int64)
    train, validation = codes[split.train], codes[split.validation]
    predictions = {"majority": np.full(len(split.test), np.bincount(train).argmax())}
    known = len(np.unique(train))
    if known < 2 or known * len(train) > MAX_POSTS_TIMES_LABELS:
        return predictions
    parts = (split.train, split.validation, split.test)
    indices = np.concatenate(parts)
    counts = yield from count_grams([posts[index] for index in indices.tolist()], preprocessing, "baselines")
    starts = np.cumsum([len(part) for part in parts])
    fitted, chosen, held_out = counts[: starts[0]], counts[starts[0] : starts[1]], counts[starts[1] :]
    models = 1 + (known if known > 2 else 1)
    yield Progress("baselines", 0, models)
    number = int(codes.max()) + 1
    predictions["linear"] = LinearModel.fit(fitted, train).probabilities(held_out, number).argmax(axis=1)
    yield Progress("baselines", 1, models)
    nbsvm = yield from as_part(NaiveBayesSVM.fit(fitted, train, "baselines"), 1, models)
    hits = [np.count_nonzero(nbsvm.predict(chosen, share) == validation) for share in SHARES]
    predictions["nbsvm"] = nbsvm.predict(held_out, SHARES[int(np.argmax(hits))])
    return predictions

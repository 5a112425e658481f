"""Comparison of a new adapter with the baselines on its test posts."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from weibo_tui.datasets.baselines import predict_baselines
from weibo_tui.datasets.dataset import Dataset
from weibo_tui.datasets.splitting import Split
from weibo_tui.progress import Progress
from weibo_tui.workbench.evaluation import Predictions

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def compare_with_baselines(
    dataset: Dataset, split: Split, preprocessing: int, predictions: Predictions, texts: NDArray[np.int64]
) -> Generator[Progress, None, tuple[dict[str, Any], ...]]:
    """Return the figures of each baseline, as `ScoreCard.baselines` has them.

    `predictions` are the adapter's for the test posts. `texts`, (test posts,), are equal for copies of a text. Posts
    that the adapter cannot read count for neither.
    """
    import numpy as np

    from weibo_tui.engine.comparison import compare_hits
    from weibo_tui.engine.metrics import accuracy_and_macro_f1
    from weibo_tui.engine.uncertainty import accuracy_interval, effective_size

    readable = predictions.readable
    if not len(readable):
        return ()
    baselines = yield from predict_baselines(dataset.posts, dataset.labels, split, preprocessing)
    actual, groups = np.array(dataset.labels, np.int64)[split.test][readable], texts[readable]
    hits = predictions.probabilities.argmax(axis=1) == actual
    figures = []
    for name, every in baselines.items():
        predicted = every[readable]
        accuracy, macro_f1 = accuracy_and_macro_f1(actual, predicted, len(dataset.names))
        own = predicted == actual
        test = compare_hits(hits, own, groups)
        figures.append(
            {
                "name": name,
                "accuracy": accuracy,
                "accuracy_ci": accuracy_interval(accuracy, effective_size(groups)),
                "macro_f1": macro_f1,
                "difference": test.difference,
                "difference_ci": test.difference_ci,
                "adapter_only": test.first_only,
                "baseline_only": test.second_only,
                "p": test.p,
                "mid_p": test.mid_p,
            }
        )
    return tuple(figures)

"""The methods of the workbench for files with predicted and human labels."""

from __future__ import annotations

import warnings
from collections.abc import Generator
from datetime import datetime
from typing import TYPE_CHECKING

from weibo_tui.datasets.answers import SampledAnswers
from weibo_tui.datasets.label_map import Rules
from weibo_tui.datasets.labeled_rows import FileOptions
from weibo_tui.datasets.tables import Columns
from weibo_tui.progress import Progress
from weibo_tui.workbench import blocking, estimation, frames, reporting
from weibo_tui.workbench.config import EstimationConfig
from weibo_tui.workbench.core import Events
from weibo_tui.workbench.estimation import EstimationResult
from weibo_tui.workbench.files import FileMethods
from weibo_tui.workbench.report import Report

if TYPE_CHECKING:
    import pandas as pd


class LabeledFileMethods(FileMethods):
    """Base class of the workbench with these methods."""

    def iter_estimate(self, config: EstimationConfig) -> Events:
        """Estimate the share of each label in a labeled file: progress, then an `EstimationResult`.

        Answers that were given here to rows of the file count instead of its own column, unless that is named."""
        sampled = yield from self._answers_for(config)
        yield from estimation.estimate(config, sampled)

    def _answers_for(self, config: EstimationConfig) -> Generator[Progress, None, SampledAnswers | None]:
        if config.columns.label is not None:
            return None
        options = FileOptions(config.columns, config.predicted_column, config.date_column, config.collected_at)
        return (yield from self.iter_sampled_answers(config.data, options))

    def estimate(
        self,
        data: frames.FileName | pd.DataFrame,
        label: str | None = None,
        *,
        by: str | None = None,
        predicted_column: str | None = None,
        label_column: str | None = None,
        date_column: str | None = None,
        collected: str | datetime | None = None,
        encoding: str | None = None,
        map: Rules = (),  # noqa: A002 - as the option
        progress: bool = True,
    ) -> EstimationResult:
        """Estimate the share of each label in a file of predictions of which some rows have a human label too.

        These rows must be a random sample of the file. `by` also estimates each `day`, `week` or value of a column.
        Dates such as `昨天 08:30` are read by the post's id, or refer to `collected`. `map` are rules for the human
        labels, as in `evaluate`. Warns where the rows seem to be no random sample.

        >>> import pandas as pd
        >>> predicted = ["positive"] * 40 + ["negative"] * 60
        >>> human = ["positive", None, None, None] * 10 + ["negative", None, None, None] * 15
        >>> result = wb.estimate(pd.DataFrame({"predicted": predicted, "label": human}), "positive")
        >>> [(one.label, one.n, one.rows, round(one.share, 2), round(one.low, 2)) for one in result.estimates]
        [('positive', 25, 100, 0.4, 0.31)]
        """
        columns = Columns(label=label_column, encoding=encoding)
        with frames.labeled_table(data) as path:
            config = EstimationConfig(path, label, by, columns, predicted_column, date_column, collected, map)
            result = blocking.run(self.iter_estimate(config), EstimationResult, progress)
        for warning in result.warnings:
            warnings.warn(warning, UserWarning, stacklevel=2)
        return result

    def iter_report(self, config: EstimationConfig, sampled: SampledAnswers | None = None) -> Events:
        """Make a report of a labeled file: progress, then a `Report`. `by` is `day` or `week` (default: chosen).

        `sampled` are the human labels, as of `OpenedFile.sampled_answers`; by default they are those that
        `iter_estimate` uses."""
        if sampled is None:
            sampled = yield from self._answers_for(config)
        yield (yield from reporting.make_report(config, sampled))

    def report(
        self,
        data: frames.FileName,
        label: str | None = None,
        *,
        by: str | None = None,
        text_column: str | None = None,
        predicted_column: str | None = None,
        label_column: str | None = None,
        date_column: str | None = None,
        collected: str | datetime | None = None,
        encoding: str | None = None,
        map: Rules = (),  # noqa: A002 - as the option
        progress: bool = True,
    ) -> Report:
        """Return a report of a file of predictions: shares over time, terms, posts, and more; see `Report`.

        The arguments are those of `estimate`. `by` is `day` or `week`, `label` is that of the timeline. Write it with
        `weibo_tui.write_report`.

        >>> report = wb.report("posts.csv", predicted_column="label")
        >>> report.sampling.rows, report.labels
        (40, ('positive',))
        """
        columns = Columns(text_column, label_column, encoding)
        path = frames.to_path(data)
        config = EstimationConfig(path, label, by, columns, predicted_column, date_column, collected, map)
        result = blocking.run(self.iter_report(config), Report, progress)
        for warning in result.estimation.warnings:
            warnings.warn(warning, UserWarning, stacklevel=2)
        return result

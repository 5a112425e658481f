"""The workbench of a script or a notebook: each method does its work and returns the result."""

from __future__ import annotations

import warnings
from collections.abc import Generator, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, overload

from weibo_tui.datasets.auditing import Audit
from weibo_tui.datasets.label_map import Rules
from weibo_tui.datasets.tables import Columns
from weibo_tui.engine.events import RunFinished
from weibo_tui.engine.hyperparameters import ComputeOptions, Parameter
from weibo_tui.engine.score_card import ScoreCard
from weibo_tui.errors import UserInputError, WeiboTuiError
from weibo_tui.locale import gettext as _
from weibo_tui.progress import Progress, drain
from weibo_tui.registry.cards import AdapterCard, BaseCard
from weibo_tui.storage.history import EVERYTHING, HistoryFilter
from weibo_tui.workbench import blocking, downloads, explanation, frames, prediction, training
from weibo_tui.workbench.annotations import AnnotationMethods
from weibo_tui.workbench.cluster.result import ClusterLabelingResult
from weibo_tui.workbench.comparison_result import ComparisonResult
from weibo_tui.workbench.config import (
    AuditConfig,
    ClusterLabelingConfig,
    ComparisonConfig,
    EvaluationConfig,
    LabelingConfig,
    PretrainingConfig,
    TrainingConfig,
    from_keywords,
)
from weibo_tui.workbench.core import AuditResult, Events, ImportResult
from weibo_tui.workbench.evaluation import EvaluationResult
from weibo_tui.workbench.explanation import Explanation
from weibo_tui.workbench.faithfulness import FaithfulnessConfig, FaithfulnessResult
from weibo_tui.workbench.frames import FileName, LabeledData, to_path
from weibo_tui.workbench.labeled_files import LabeledFileMethods
from weibo_tui.workbench.labeling import LabelingResult
from weibo_tui.workbench.results import Prediction, Predictions, PretrainingResult, TrainingResult

if TYPE_CHECKING:
    import pandas as pd

Card = TypeVar("Card", BaseCard, AdapterCard)

_BATCH_SIZE = Parameter("batch_size", prediction.WINDOW, low=1, high=10**6)


class Workbench(AnnotationMethods, LabeledFileMethods):
    """Everything that a user does with a home folder, from any thread.

    `home` is the folder of models, runs and history, by default the user's. The workbench closes itself; a `with`
    block closes it earlier. Several may be open at once, also in other programs: each sees what the others change.

    Long work shows a progress bar on stderr, if that is a terminal or of a notebook; `progress=False` hides it. Ctrl-C
    stops a training with a checkpoint. Methods `iter_…` yield events instead. Errors are those of `weibo_tui.errors`.

    >>> from weibo_tui import Workbench
    >>> wb = Workbench()
    >>> wb.predict("今天的面真好吃").label
    'positive'
    """

    def __repr__(self) -> str:
        try:
            device, adapter = self.compute(ComputeOptions()).device.type, self.adapter_name()
        except WeiboTuiError as error:
            device, adapter = self.settings.device, f"({error})"
        return f"Workbench(home={str(self.paths.data)!r}, device={device!r}, adapter={adapter!r})"

    @overload
    def predict(  # type: ignore[overload-overlap]  # a str is an iterable of str too
        self,
        posts: str,
        adapter: str = "",
        *,
        record: bool = False,
        batch_size: int = ...,
        machine: ComputeOptions = ...,
        progress: bool = True,
    ) -> Prediction: ...
    @overload
    def predict(
        self,
        posts: Iterable[str],
        adapter: str = "",
        *,
        record: bool = False,
        batch_size: int = ...,
        machine: ComputeOptions = ...,
        progress: bool = True,
    ) -> Predictions: ...
    def predict(
        self,
        posts: str | Iterable[str],
        adapter: str = "",
        *,
        record: bool = False,
        batch_size: int = prediction.WINDOW,
        machine: ComputeOptions = ComputeOptions(),
        progress: bool = True,
    ) -> Prediction | Predictions:
        """Predict one post (a str) or many (a Series, or any iterable of str), `batch_size` at a time.

        `record` adds them to the history. One post that cannot be read raises UserInputError; among many it is a
        prediction with an `error`.

        >>> one = wb.predict("服务太差了，再也不来")
        >>> one.label, list(one.probabilities)
        ('negative', ['negative', 'positive'])
        >>> many = wb.predict(["今天的面真好吃", "服务太差了", ""])
        >>> many
        Predictions(positive: 1, negative: 1, error: 1)
        >>> [prediction.label for prediction in many[:2]]
        ['positive', 'negative']
        >>> many.to_pandas()[["text", "predicted"]]
              text predicted
        0  今天的面真好吃  positive
        1    服务太差了  negative
        2                NaN
        """
        if not isinstance(posts, str):
            return self._predict_many(posts, adapter, record, batch_size, machine, progress)
        with blocking.translate_errors():
            (analysis,) = self.iter_predict([posts], adapter, record=record, machine=machine)
        if analysis.error is not None:
            raise UserInputError(_("No prediction for this post: {reason}.").format(reason=analysis.error))
        return Prediction.from_analysis(analysis)

    def explain(
        self,
        post: str,
        adapter: str = "",
        *,
        label: str = "",
        shapley: bool = False,
        machine: ComputeOptions = ComputeOptions(),
    ) -> Explanation:
        """Explain the prediction of a post: the weight of each of its parts, and the prediction after each beginning.

        `label` is the label to explain: by default `positive` or the second of two labels, otherwise the predicted one.
        `shapley` adds the Shapley values of the parts, which take more time. In a notebook, the result is the shaded
        post.

        >>> explanation = wb.explain("今天的面真好吃")
        >>> explanation.predicted, explanation.label, len(explanation.curve)
        ('positive', 'positive', 8)
        """
        with blocking.translate_errors():
            return drain(explanation.iter_explain(self.models, post, adapter, label, machine, shapley))

    def self_test(
        self,
        data: LabeledData,
        adapter: str = "",
        *,
        text_column: str | None = None,
        encoding: str | None = None,
        machine: ComputeOptions = ComputeOptions(),
        progress: bool = True,
    ) -> FaithfulnessResult:
        """Test how faithful the explanations of an adapter are, on the posts of files or of a DataFrame.

        The result is kept in the adapter's card, unless that is bundled.

        >>> result = wb.self_test("posts.csv")
        >>> result.posts, result.strongest > result.random
        (40, True)
        """
        with frames.labeled_files(data) as files:
            config = FaithfulnessConfig(files, adapter, Columns(text_column, None, encoding), machine)
            return blocking.run(self.iter_self_test(config), FaithfulnessResult, progress)

    def _predict_many(
        self,
        posts: Iterable[str],
        adapter: str,
        record: bool,
        batch_size: int,
        machine: ComputeOptions,
        progress: bool,
    ) -> Predictions:
        if frames.is_frame(posts) or not isinstance(posts, Iterable):
            message = _("Not posts: {type}. Give a str, a column of a DataFrame, or a list of str.")
            raise UserInputError(message.format(type=type(posts).__name__))
        if problem := _BATCH_SIZE.problem(batch_size):
            raise UserInputError(problem + ".")
        adapter = self.adapter_name(adapter)
        texts = list(frames.check_texts(posts))
        items: list[Prediction] = []
        with blocking.translate_errors(), blocking.progress_bar(progress) as bar:
            analyses = self.iter_predict(texts, adapter, record=record, machine=machine, window=batch_size)
            for analysis in analyses:
                items.append(Prediction.from_analysis(analysis))
                if len(items) % batch_size == 0 or len(items) == len(texts):
                    bar.show(Progress("predicting", len(items), len(texts)))
        return Predictions(tuple(items), self.adapters.card(adapter).labels, frames.index_of(posts))

    def train(self, data: LabeledData, name: str, *, progress: bool = True, **options: Any) -> TrainingResult:
        """Train the adapter `name` on labeled files or a DataFrame.

        `options` are the fields of `TrainingConfig`, `Hyperparameters` and `ComputeOptions` by name, and
        `text_column`, `label_column` and `encoding` (default: detected), and `preset`: quick, balanced, best or few.
        `validation_data` and `test_data` are files or DataFrames too. The default adapter stays the default; see
        `set_default_adapter`.

        >>> result = wb.train("posts.csv", "quick", epochs=1, batch_size=16, seed=1)
        >>> result.adapter, result.score.n
        ('quick', 4)
        >>> wb.predict("今天的面真好吃", adapter="quick").adapter
        'quick'
        >>> wb.train("posts.csv", "quick", epoch=1)
        Traceback (most recent call last):
        weibo_tui.errors.UserInputError: Unknown option: epoch (did you mean epochs?). The options are ...
        """
        own: dict[str, LabeledData] = {
            part: options[part] for part in ("validation_data", "test_data") if part in options
        }
        with ExitStack() as stack:
            sources = {"data": data, **own}
            files = {part: stack.enter_context(frames.labeled_files(source)) for part, source in sources.items()}
            config = from_keywords(TrainingConfig, {**options, **files, "name": name})
            try:
                finished = blocking.run(self.iter_train(config), RunFinished, progress)
            except BaseException:
                for part, source in sources.items():
                    if frames.is_frame(source):
                        frames.keep_data(self.runs, files[part][0], part)
                raise
        return _training_result(finished)

    def pretrain(self, corpus: FileName, name: str, *, progress: bool = True, **options: Any) -> PretrainingResult:
        """Pretrain the base `name` on the plain text in `corpus`, one post a line.

        `options` are the fields of `PretrainingConfig`, `PretrainingHyperparameters` and `ComputeOptions` by name;
        `minutes` or `tokens` must be among them."""
        config = from_keywords(PretrainingConfig, {**options, "corpus": to_path(corpus), "name": name})
        return self._pretraining_result(blocking.run(self.iter_pretrain(config), RunFinished, progress))

    def resume(self, run_id: str, name: str = "", *, progress: bool = True) -> TrainingResult | PretrainingResult:
        """Resume an interrupted, stopped or failed run from its checkpoint. `name` renames its result.

        In float32 on a CPU, the result is exactly that of a run without the interruption."""
        finished = blocking.run(self.iter_resume(run_id, name), RunFinished, progress)
        return _training_result(finished) if finished.kind == training.KIND else self._pretraining_result(finished)

    def _pretraining_result(self, finished: RunFinished) -> PretrainingResult:
        summary = self.runs.get(finished.run).summary or {}
        return PretrainingResult(finished.name, summary.get("tokens", 0), summary.get("validation_loss"), finished.run)

    def evaluate(
        self,
        data: LabeledData | None = None,
        *,
        texts: Iterable[str] | None = None,
        labels: Iterable[object] | None = None,
        adapter: str = "",
        text_column: str | None = None,
        label_column: str | None = None,
        encoding: str | None = None,
        errors: FileName | None = None,
        overwrite: bool = False,
        map: Rules = (),  # noqa: A002 - as the option
        machine: ComputeOptions = ComputeOptions(),
        progress: bool = True,
    ) -> ScoreCard:
        """Return the score card of an adapter on labeled files, on a DataFrame, or on `texts` with their `labels`.

        `errors` is a CSV file for the posts that were predicted wrongly. `map` are rules for labels, such as
        `["1,2=negative", "4,5=positive", "3="]` or `{"1": "negative", "3": None}`. Warns where the adapter was trained
        on some of the posts.

        >>> card = wb.evaluate(texts=["今天的面真好吃", "服务太差了"], labels=["positive", "negative"])
        >>> card.n, card.accuracy
        (2, 1.0)
        >>> list(card.to_dict())[:4]
        ['n', 'failed', 'accuracy', 'accuracy_ci']
        """
        if texts is None and labels is None and data is not None:
            source = frames.labeled_files(data)
        elif texts is not None and labels is not None and data is None:
            source = frames.labeled_texts(texts, labels)
        else:
            raise UserInputError(_("Nothing to evaluate on. Give labeled files, a DataFrame, or texts and labels."))
        columns = Columns(text_column, label_column, encoding)
        with source as files:
            out = None if errors is None else to_path(errors)
            config = EvaluationConfig(files, adapter, columns, machine, out, overwrite, map)
            result = blocking.run(self.iter_evaluate(config), EvaluationResult, progress)
        if result.warning:
            warnings.warn(result.warning, UserWarning, stacklevel=2)
        return result.score

    def compare(
        self,
        data: FileName | pd.DataFrame,
        adapters: Sequence[str] = (),
        *,
        predicted_column: str | None = None,
        text_column: str | None = None,
        label_column: str | None = None,
        encoding: str | None = None,
        disagreements: FileName | None = None,
        overwrite: bool = False,
        map: Rules = (),  # noqa: A002 - as the option
        machine: ComputeOptions = ComputeOptions(),
        progress: bool = True,
    ) -> ComparisonResult:
        """Compare adapters, or one and a column of predicted labels, on the posts of a table or a DataFrame.

        With human labels: the score of each, and the difference of each two with its interval and McNemar's test.
        Without: only how often they agree. Only labels that all have are compared. `disagreements` is a CSV file for
        the posts on which the predictions differ. Warns where an adapter was trained on some of the posts.

        >>> import pandas as pd
        >>> labels = ["positive", "negative", "negative"]
        >>> frame = pd.DataFrame({"text": ["真好吃", "太差了", "再也不来"], "label": labels, "predicted": labels})
        >>> result = wb.compare(frame)
        >>> [rater.kind for rater in result.raters], result.pairs[0].agreement.n
        (['adapter', 'column'], 3)
        """
        with frames.labeled_table(data) as path:
            config = ComparisonConfig(
                data=path,
                adapters=tuple(adapters),
                columns=Columns(text_column, label_column, encoding),
                predicted_column=predicted_column,
                machine=machine,
                disagreements=None if disagreements is None else to_path(disagreements),
                overwrite=overwrite,
                map=map,
            )
            result = blocking.run(self.iter_compare(config), ComparisonResult, progress)
        for warning in result.warnings:
            warnings.warn(warning, UserWarning, stacklevel=2)
        return result

    @overload
    def label_file(
        self,
        source: FileName,
        out: FileName,
        *,
        adapter: str = "",
        text_column: str | None = None,
        encoding: str | None = None,
        overwrite: bool = False,
        record: bool = False,
        prefix: str = "",
        bom: bool | None = None,
        machine: ComputeOptions = ...,
        progress: bool = True,
    ) -> LabelingResult: ...
    @overload
    def label_file(
        self,
        source: pd.DataFrame,
        out: None = None,
        *,
        adapter: str = "",
        text_column: str | None = None,
        encoding: None = None,
        overwrite: bool = False,
        record: bool = False,
        prefix: str = "",
        machine: ComputeOptions = ...,
        progress: bool = True,
    ) -> pd.DataFrame: ...
    def label_file(
        self,
        source: FileName | pd.DataFrame,
        out: FileName | None = None,
        *,
        adapter: str = "",
        text_column: str | None = None,
        encoding: str | None = None,
        overwrite: bool = False,
        record: bool = False,
        prefix: str = "",
        bom: bool | None = None,
        machine: ComputeOptions = ComputeOptions(),
        progress: bool = True,
    ) -> LabelingResult | pd.DataFrame:
        """Write the table `source` with predictions to `out`, or return a labeled copy of a DataFrame.

        The columns predicted, confidence, prob_<label> and error are added, with `prefix` before their names. The
        suffix of `out` chooses the format; `bom` is whether a CSV begins with a byte order mark. After an interruption,
        the same call continues where a file's labeling stopped. `record` adds it to the history.

        >>> result = wb.label_file("posts.csv", "labeled.csv")
        >>> result.path.name, result.rows, result.failed
        ('labeled.csv', 40, 0)
        >>> import pandas as pd
        >>> wb.label_file(pd.DataFrame({"text": ["今天的面真好吃"]}))[["text", "predicted"]]
              text predicted
        0  今天的面真好吃  positive
        """
        if frames.is_frame(source):
            if out is not None:
                raise UserInputError(_("A labeled DataFrame is returned, not written. Leave out the output file."))
            posts = frames.text_column(source, text_column)
            predictions = self.predict(posts, adapter, record=record, machine=machine, progress=progress)
            return frames.add_predictions(source, predictions, prefix)
        if out is None:
            raise UserInputError(_("No output file. Name the file for the labeled table."))
        columns = Columns(text_column, encoding=encoding)
        files = to_path(source), to_path(out)
        config = LabelingConfig(*files, adapter, columns, machine, overwrite, record, prefix, bom)
        return blocking.run(self.iter_label_file(config), LabelingResult, progress)

    def label_on_ray(
        self,
        sources: FileName | Iterable[FileName],
        out: FileName,
        *,
        adapter: str = "",
        text_column: str | None = None,
        encoding: str | None = None,
        overwrite: bool = False,
        record: bool = False,
        prefix: str = "",
        address: str | None = None,
        workers: int = 0,
        gpus_per_worker: float | None = None,
        machine: ComputeOptions = ComputeOptions(),
        progress: bool = True,
    ) -> ClusterLabelingResult:
        """Label many files on Ray, and write Parquet parts with predictions to the folder `out`.

        `sources` are files, folders, patterns and URLs. The options are those of `ClusterLabelingConfig` and
        `label_file`. After an interruption, the same call continues."""
        config = ClusterLabelingConfig(
            sources=sources,  # type: ignore[arg-type]  # one or several are converted
            out=to_path(out),
            adapter=adapter,
            columns=Columns(text_column, encoding=encoding),
            machine=machine,
            overwrite=overwrite,
            record=record,
            prefix=prefix,
            address=address,
            workers=workers,
            gpus_per_worker=gpus_per_worker,
        )
        return blocking.run(self.iter_label_on_ray(config), ClusterLabelingResult, progress)

    def audit(
        self,
        data: LabeledData,
        *,
        text_column: str | None = None,
        label_column: str | None = None,
        encoding: str | None = None,
        labels: Sequence[str] | None = None,
        map: Rules = (),  # noqa: A002 - as the option
        progress: bool = True,
    ) -> Audit:
        """Inspect labeled files or a DataFrame before training: duplicates, label counts, a linear baseline.

        `labels` names the labels in order, `map` are rules for them, as in `evaluate`."""
        columns = Columns(text_column, label_column, encoding)
        with frames.labeled_files(data) as files:
            config = AuditConfig(files, columns, None if labels is None else tuple(labels), map)
            return blocking.run(self.iter_audit(config), AuditResult, progress).audit

    def add_base(self, folder: FileName, name: str, *, progress: bool = True) -> BaseCard:
        """Import a local Hugging Face folder as the base `name`."""
        return _import(self.iter_add_base(to_path(folder), name), BaseCard, progress)

    def download_base(self, repository: str = downloads.BASE, name: str = "", *, progress: bool = True) -> BaseCard:
        """Download a GPT-2 from the Hugging Face Hub or the mirror in HF_ENDPOINT, unless it is here already."""
        return _import(self.iter_download_base(repository, name), BaseCard, progress)

    def download_data(self, out: FileName, overwrite: bool = False, *, progress: bool = True) -> Path:
        """Download weibo_senti_100k, a set of labeled posts, into the CSV file `out`."""
        return _export(self.iter_download_data(to_path(out), overwrite), out, progress)

    def import_base(self, source: FileName, name: str = "", *, progress: bool = True) -> BaseCard:
        """Import an exported base under its own name or `name`."""
        return _import(self.iter_import_base(to_path(source), name), BaseCard, progress)

    def import_adapter(
        self, source: FileName, name: str = "", overwrite: bool = False, *, progress: bool = True
    ) -> AdapterCard:
        """Import an exported adapter under its own name or `name`."""
        return _import(self.iter_import_adapter(to_path(source), name, overwrite), AdapterCard, progress)

    def export_base(self, name: str, out: FileName, overwrite: bool = False, *, progress: bool = True) -> Path:
        """Write a base as a `.zip` or `.tar.gz`."""
        return _export(self.iter_export_base(name, to_path(out), overwrite), out, progress)

    def export_adapter(self, name: str, out: FileName, overwrite: bool = False, *, progress: bool = True) -> Path:
        """Write an adapter as a `.zip` or `.tar.gz`."""
        return _export(self.iter_export_adapter(name, to_path(out), overwrite), out, progress)

    def export_history(
        self,
        out: FileName,
        filter: HistoryFilter = EVERYTHING,  # noqa: A002 - the usual word
        overwrite: bool = False,
        readable: bool = False,
        *,
        progress: bool = True,
    ) -> Path:
        """Write the matching predictions of the history as CSV.

        `readable` columns have local times, rounded probabilities, and a column for each label."""
        events = self.iter_export_history(to_path(out), filter, overwrite=overwrite, readable=readable)
        return _export(events, out, progress)


def _training_result(finished: RunFinished) -> TrainingResult:
    return TrainingResult(finished.name, ScoreCard.from_dict(finished.score or {}), finished.run)


def _import(events: Events, card_type: type[Card], progress: bool) -> Card:
    card = blocking.run(events, ImportResult, progress).card
    assert isinstance(card, card_type)
    return card


def _export(events: Generator[object, None, object], out: FileName, progress: bool) -> Path:
    def finish() -> Events:
        yield from events
        yield to_path(out)

    return blocking.run(finish(), Path, progress)

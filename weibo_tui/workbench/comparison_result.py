"""The result of a comparison: the score of each rater, the figures of each pair, and the posts on which they differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, combinations
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from weibo_tui import atomic
from weibo_tui.datasets.labeled_rows import FileOptions
from weibo_tui.engine.score_card import MISSING, Interval, ScoreCard, percent
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_list, ngettext
from weibo_tui.storage.export import write_csv
from weibo_tui.text import html

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from weibo_tui.engine.agreement import Agreement


@dataclass(frozen=True, slots=True)
class Rater:
    """An adapter, or a column of labels that were predicted elsewhere.

    `counts` are posts by predicted label. `score` is missing without human labels. That of a column has no calibration.
    `seen_in_training` is the number of posts in the adapter's training or validation data, None where this is unknown.
    """

    name: str
    kind: Literal["adapter", "column"]
    counts: Mapping[str, int]
    score: ScoreCard | None = None
    seen_in_training: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the fields by name."""
        return {
            "name": self.name,
            "kind": self.kind,
            "counts": dict(self.counts),
            "score": None if self.score is None else self.score.to_dict(),
            "seen_in_training": self.seen_in_training,
        }


@dataclass(frozen=True, slots=True)
class PairComparison:
    """Two raters on the same posts. All but `agreement` and `table` is missing without human labels.

    `table` counts posts; its rows are the labels of the first, its columns those of the second. `difference` is the
    accuracy of the first minus that of the second. `first_only` and `second_only` are the posts that only this one gets
    right, `p` and `mid_p` those of McNemar's exact test. `p_holm` is `p` adjusted for the number of pairs.
    """

    first: str
    second: str
    agreement: Agreement
    table: tuple[tuple[int, ...], ...]
    difference: float | None = None
    difference_ci: Interval | None = None
    first_only: int | None = None
    second_only: int | None = None
    p: float | None = None
    mid_p: float | None = None
    p_holm: float | None = None

    @property
    def disagreements(self) -> int:
        """Number of posts with different labels."""
        return self.agreement.n - self.agreement.agreeing

    def to_dict(self) -> dict[str, Any]:
        """Return the fields by name."""
        return {
            "first": self.first,
            "second": self.second,
            "difference": self.difference,
            "difference_ci": None if self.difference_ci is None else list(self.difference_ci),
            "first_only": self.first_only,
            "second_only": self.second_only,
            "p": self.p,
            "mid_p": self.mid_p,
            "p_holm": self.p_holm,
            "agreement": self.agreement.to_dict(),
            "table": [list(row) for row in self.table],
        }


@dataclass(frozen=True, slots=True)
class ComparedPost:
    """A post with its row from 1, its human label if there is one, and label and confidence of each rater.

    A column may have no confidences.
    """

    text: str
    row: int
    label: str | None
    predicted: tuple[str, ...]
    confidences: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class ComparedPosts:
    """The posts as arrays: `rows` (posts,), human `labels` (posts,) as places of labels, negative for none,
    `probabilities` (raters, posts, labels), and `confidences` (raters, posts), NaN where a column has none."""

    texts: list[str]
    rows: NDArray[np.int64]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    confidences: NDArray[np.float64]

    @property
    def predicted(self) -> NDArray[np.int64]:
        """The places of the predicted labels (raters, posts)."""
        places: NDArray[np.int64] = self.probabilities.argmax(axis=2)
        return places


@dataclass(frozen=True, slots=True)
class ComparisonResult:
    """The last event of a comparison. It holds the posts in memory.

    `n` posts have a prediction of each rater; with `has_labels`, a human label too. `labels` are those that all raters
    have, and `other_labels` those that some adapter has and that are not compared. `options` are those by which the
    file was read. `failed` posts cannot be read. `left_out` are numbers of rows by the reason: `unlabeled`, `several
    labels`, `dropped`, `other labels`, and `unpredicted`, which is in the column of predicted labels. `file` is that of
    the disagreements, if requested.
    """

    path: Path
    options: FileOptions
    labels: tuple[str, ...]
    other_labels: tuple[str, ...]
    n: int
    failed: int
    has_labels: bool
    left_out: Mapping[str, int]
    labels_read_as: Mapping[str, str]
    raters: tuple[Rater, ...]
    pairs: tuple[PairComparison, ...]
    disagreements: int
    file: str | None
    _posts: ComparedPosts = field(repr=False, compare=False)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return sentences about overlap with training data, which makes a score optimistic."""
        if not self.has_labels:
            return ()
        adapters = [rater for rater in self.raters if rater.kind == "adapter"]
        warnings = [self._overlap(rater) for rater in adapters if rater.seen_in_training]
        if unknown := [rater.name for rater in adapters if rater.seen_in_training is None]:
            message = _(
                "Overlap with the training data is unknown for {adapters}. Make sure that no adapter was trained on "
                "these posts."
            )
            warnings.append(message.format(adapters=join_list(unknown)))
        return tuple(warnings)

    def _overlap(self, rater: Rater) -> str:
        message = _(
            "Warning: {seen} of {total} posts are in the training data of adapter '{adapter}', so its score is "
            "optimistic."
        )
        return message.format(seen=f"{rater.seen_in_training:,}", total=f"{self.n:,}", adapter=rater.name)

    def members(self, pair: PairComparison) -> tuple[int, int]:
        """Return the places of the raters of a pair."""
        return [*combinations(range(len(self.raters)), 2)][self.pairs.index(pair)]

    def posts(self, pair: PairComparison | None = None, cell: tuple[str, str] | None = None) -> Iterator[ComparedPost]:
        """Yield the posts on which raters differ, in descending order of their summed confidence.

        By default, these are the posts without a label that all give. With a `pair`, only those on which these two
        differ. With a `cell` of its table too, those with these labels, which may be equal."""
        import numpy as np

        predicted, confidences = self._posts.predicted, self._posts.confidences
        if pair is not None:
            both = [*self.members(pair)]
            predicted, confidences = predicted[both], confidences[both]
        if cell is None:
            is_match = (predicted != predicted[0]).any(axis=0)
        else:
            codes = np.array([[self.labels.index(label)] for label in cell])
            is_match = (predicted == codes).all(axis=0)
        matches = np.flatnonzero(is_match)
        order = np.argsort(-np.nansum(confidences[:, matches], axis=0), kind="stable")
        codes = self._posts.predicted
        yield from (self._post(index, codes[:, index].tolist()) for index in matches[order].tolist())

    def _post(self, index: int, predicted: Sequence[int]) -> ComparedPost:
        label = int(self._posts.labels[index])
        confidences = self._posts.confidences[:, index].tolist()
        return ComparedPost(
            text=self._posts.texts[index],
            row=int(self._posts.rows[index]),
            label=None if label < 0 else self.labels[label],
            predicted=tuple(self.labels[code] for code in predicted),
            confidences=tuple(None if isnan(value) else value for value in confidences),
        )

    def write_disagreements(self, path: Path, overwrite: bool = False) -> int:
        """Write the posts on which raters differ to the CSV file `path`, surest first. Return their number."""
        atomic.check_output(path, overwrite, [self.path])
        names = [rater.name for rater in self.raters]
        columns = [column for name in names for column in (f"{name}_predicted", f"{name}_confidence")]
        rows = (
            (post.text, post.label, *chain(*zip(post.predicted, post.confidences, strict=True)), post.row)
            for post in self.posts()
        )
        return write_csv(path, ["text", "label", *columns, "row"], rows, overwrite)

    def to_dict(self) -> dict[str, Any]:
        """Return the object that `weibo-tui compare --json` prints."""
        return {
            "path": str(self.path),
            "n": self.n,
            "failed": self.failed,
            "has_labels": self.has_labels,
            "labels": list(self.labels),
            "other_labels": list(self.other_labels),
            "left_out": dict(self.left_out),
            "labels_read_as": dict(self.labels_read_as),
            "adapters": [rater.to_dict() for rater in self.raters],
            "pairs": [pair.to_dict() for pair in self.pairs],
            "disagreements": self.disagreements,
        }

    def _repr_html_(self) -> str:
        """Return the scores, the differences and the agreement as tables for a notebook."""
        posts = ngettext("on {n} post", "on {n} posts", self.n).format(n=f"{self.n:,}")
        scores = [(rater, rater.score) for rater in self.raters if rater.score is not None]
        parts = []
        if scores:
            rows = (
                (rater.name, percent(score.accuracy), _percents(score.accuracy_ci), percent(score.macro_f1))
                for rater, score in scores
            )
            header = ("", _("accuracy"), _("95% interval"), _("Macro F1"))
            parts.append(html.table(rows, header, posts))
            differences = (
                (
                    f"{pair.first} – {pair.second}",
                    percent(pair.difference),
                    _percents(pair.difference_ci),
                    _number(pair.p),
                )
                for pair in self.pairs
            )
            parts.append(html.table(differences, ("", _("difference"), _("95% interval"), "McNemar p")))
        agreements = (
            (f"{pair.first} – {pair.second}", percent(pair.agreement.share), _number(pair.agreement.kappa))
            for pair in self.pairs
        )
        parts.append(html.table(agreements, ("", _("agreement"), _("kappa")), "" if scores else posts))
        return "".join(parts)


def _percents(ends: Interval | None) -> str:
    return MISSING if ends is None else " – ".join(map(percent, ends))


def _number(value: float | None) -> str:
    return MISSING if value is None else f"{value:.3f}"

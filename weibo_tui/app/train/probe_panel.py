"""The probe posts of the visible runs, with their predictions in each validation as small curves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from textual.content import Content
from textual.widgets import Static

from weibo_tui.app.formatting import SIGNS, label_color, label_content, safe_line, wrap_parts
from weibo_tui.app.plot.render import marker
from weibo_tui.app.train.run_list import CURVE_COLORS
from weibo_tui.app.train.run_metrics import RunMetrics
from weibo_tui.app.widgets.responsive_text import ResponsiveText
from weibo_tui.locale import gettext as _
from weibo_tui.presentation.numbers import percent
from weibo_tui.presentation.probes import CurveCell, ProbeCurve, changes, one_line
from weibo_tui.text.probes import MAX_PROBES

ONE_LINE = 64
"""Minimum width in cells for a post next to its curve."""
_CURVE_CELLS, _MIN_CURVE_CELLS = 24, 6
_PREDICTION_CELLS = 24
"""Room for marker, label and probability next to a curve."""
_NAME_CELLS = 24


class ProbePanel(Static):
    """Shows the probe posts of runs. Takes no room without any."""

    DEFAULT_CSS = """
    ProbePanel { height: auto; margin-bottom: 1; display: none; }
    ProbePanel.-filled { display: block; }
    """

    def show(self, runs: Sequence[RunMetrics]) -> bool:
        """Show the probe posts of these runs, those of the first one first. Return whether the panel (dis)appears."""
        runs = [run for run in runs if run.probes]
        if runs:
            self.update(ResponsiveText(lambda width: probe_lines(runs, width)))
        changed = bool(runs) != self.has_class("-filled")
        self.set_class(bool(runs), "-filled")
        return changed


def probe_lines(runs: Sequence[RunMetrics], width: int) -> Iterator[Content]:
    """Yield the lines of the panel. The curves of several runs are next to each other, marked as in the charts."""
    several = len(runs) > 1
    legend = [runs[0].probes.legend, _("signs: the label changed")]
    title = [Content.styled(_("Probe posts"), "bold"), *(Content.styled(text, "$text-muted") for text in legend)]
    names = [Content.assemble(_mark(run), safe_line(one_line(run.name, _NAME_CELLS))) for run in runs if several]
    yield from wrap_parts(title, width)
    yield from wrap_parts(names, width)
    posts = list(dict.fromkeys(post for run in runs for post in run.probes.posts))[:MAX_PROBES]
    if not several and width >= ONE_LINE:
        yield from _rows(runs[0], posts, width)
        return
    for post in posts:
        yield safe_line(one_line(post, width))
        room = max(_MIN_CURVE_CELLS, min(_CURVE_CELLS, width // len(runs) - _PREDICTION_CELLS))
        curves = [(run, curve) for run in runs if (curve := run.probes.curve(post, room)) is not None]
        parts = [_curve(run, curve, marked=several) for run, curve in curves]
        yield from (Content.assemble("  ", line) for line in wrap_parts(parts, width - 2))


def _rows(run: RunMetrics, posts: Sequence[str], width: int) -> Iterator[Content]:
    """Yield a line for each post: the curve, the last prediction, and the post in aligned columns."""
    curves = [(post, curve) for post in posts if (curve := run.probes.curve(post, _CURVE_CELLS)) is not None]
    left = [_curve(run, curve) for _post, curve in curves]
    column = max((content.cell_length for content in left), default=0) + 2
    for content, (post, curve) in zip(left, curves, strict=True):
        note = changes(curve)
        room = width - column - len(note) * 2 - 2  # Chinese characters have two cells
        blank = " " * (column - content.cell_length)
        yield Content.assemble(content, blank, safe_line(one_line(post, max(room, 0))), "  ", (note, "$text-muted"))


def _curve(run: RunMetrics, curve: ProbeCurve, marked: bool = False) -> Content:
    """Return a curve with the last prediction. One that is `marked` has the color and the marker of its run."""
    labels = run.probes.labels
    own = CURVE_COLORS[run.color] if marked else ""
    cells = [_cell(cell, labels, own) for cell in curve.cells]
    share = Content(f" {percent(curve.probability)}")
    mark = _mark(run) if marked else Content()
    return Content.assemble(mark, *cells, " ", label_content(curve.label, labels), share)


def _mark(run: RunMetrics) -> Content:
    return Content.styled(f"{marker(run.color)} ", CURVE_COLORS[run.color])


def _cell(cell: CurveCell, labels: Sequence[str], own: str) -> Content:
    color = label_color(cell.label, labels)
    if cell.is_flip:
        return Content.styled(SIGNS.get(cell.label, "●"), f"bold {color}")
    return Content.styled(cell.bar, own or color)

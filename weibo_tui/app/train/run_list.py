"""The list of runs, the newest first: name, state, progress, time and accuracy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.cells import cell_len
from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from weibo_tui.app.formatting import local_time, safe_line
from weibo_tui.app.plot.render import marker
from weibo_tui.app.themes import label_colors
from weibo_tui.app.train.run_store import RunEntry, RunStore, State
from weibo_tui.app.widgets.responsive_text import ResponsiveText
from weibo_tui.display_names import display_name
from weibo_tui.locale import N_
from weibo_tui.locale import gettext as _
from weibo_tui.presentation.numbers import percent
from weibo_tui.text.terminal import sanitize, truncate_cells

ONE_LINE = 54
"""Minimum width in cells for a run in one line."""
DATE_WIDTH = 10
BOTH_ACCURACIES = 76
"""Minimum width for a column for each of both accuracies in that line."""
STATE_SIGNS: Mapping[State, str] = {
    "queued": "…",
    "waiting": "…",
    "running": "▶",
    "paused": "‖",
    "stopping": "■",
    "finished": "✓",
    "stopped": "■",
    "failed": "✗",
    "interrupted": "!",
}
STATE_COLORS: Mapping[State, str] = {
    "queued": "$text-muted",
    "waiting": "$text-muted",
    "running": "$primary",
    "paused": "$text-warning",
    "stopping": "$text-muted",
    "finished": "$text-success",
    "stopped": "$text-muted",
    "failed": "$text-error",
    "interrupted": "$text-warning",
}
CURVE_COLORS = tuple(f"${name}" for name in label_colors(dark=True) if name.startswith("label-"))


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run in the list. `share` is its progress, `color` that of its overlaid curves.

    `validation` is the best validation accuracy so far, `test` the accuracy on the test split."""

    key: str
    name: str
    kind: str
    state: State
    is_elsewhere: bool
    share: float | None
    at: str
    validation: float | None
    test: float | None
    color: int | None

    @classmethod
    def of(cls, entry: RunEntry, store: RunStore) -> RunRow:
        """Return the row of an entry of `store`."""
        metrics = store.metrics.get(entry.key)
        validation = metrics.best_accuracy if metrics is not None and entry.state != "finished" else None
        return cls(
            entry.key,
            entry.name,
            entry.kind,
            entry.state,
            entry.is_elsewhere,
            entry.share(metrics),
            entry.at,
            validation,
            entry.test_accuracy,
            store.color(entry.key),
        )


class RunList(OptionList):
    """One run per row. The monitor shows the run under the cursor."""

    HELP_TEXT = N_(
        "Runs, newest first. The arrow keys choose one and its monitor is shown; Enter moves into the "
        "monitor, Esc back. Runs of other programs are shown live, and can be paused and stopped from here."
    )
    DEFAULT_CSS = """
    RunList {
        padding: 0; background: $background; text-wrap: nowrap;
        & > .option-list--option { padding: 0 1; }
        & > .option-list--option-highlighted { background: $panel; color: $text; text-style: none; }
        &:focus > .option-list--option-highlighted { background: $primary 22%; color: $text; text-style: none; }
        &:focus { background-tint: $foreground 0%; }
    }
    """

    def __init__(self, id: str, classes: str) -> None:  # noqa: A002
        super().__init__(markup=False, id=id, classes=classes)
        self._rows: list[RunRow] = []

    @property
    def key(self) -> str:
        """The key of the row under the cursor, or an empty string."""
        option = self.highlighted_option
        return (option.id or "") if option is not None else ""

    def show(self, rows: Sequence[RunRow], renamed: Mapping[str, str] = {}) -> None:
        """List these rows. The cursor stays on its row, whose key may be `renamed`, or moves to the next one."""
        before, self._rows = self._rows, list(rows)
        if [row.key for row in before] == [row.key for row in rows]:
            for old, row in zip(before, rows, strict=True):
                if old != row:
                    self.replace_option_prompt(row.key, _prompt(row))
            return
        key, index = self.key, self.highlighted or 0
        self.set_options(Option(_prompt(row), id=row.key) for row in rows)
        keys = [row.key for row in rows]
        key = renamed.get(key, key)
        if keys:
            self.highlighted = keys.index(key) if key in keys else min(index, len(keys) - 1)

    def on_mount(self) -> None:
        self.on_settings_changed()

    def on_settings_changed(self) -> None:
        self.border_title = _("Runs")
        for row in self._rows:
            self.replace_option_prompt(row.key, _prompt(row))

    def update_row(self, row: RunRow) -> None:
        """Update a listed row."""
        for index, old in enumerate(self._rows):
            if old.key == row.key and old != row:
                self._rows[index] = row
                self.replace_option_prompt(row.key, _prompt(row))

    def select(self, key: str) -> None:
        """Move the cursor to a row if it exists."""
        if any(row.key == key for row in self._rows):
            self.highlighted = self.get_option_index(key)


def state_label(state: State, is_elsewhere: bool) -> Content:
    """Return a state in words, with its sign and color."""
    name = display_name(f"{state} elsewhere" if is_elsewhere else state)
    return Content.styled(f"{STATE_SIGNS[state]} {name}", STATE_COLORS[state])


def _prompt(row: RunRow) -> ResponsiveText:
    return ResponsiveText(lambda width: _lines(row, width))


def _lines(row: RunRow, width: int) -> Iterator[Content]:
    mark = Content.styled(marker(row.color) + " ", CURVE_COLORS[row.color]) if row.color is not None else Content()
    state = state_label(row.state, row.is_elsewhere)
    if row.share is not None and row.state != "finished":
        state = Content.assemble(state, f" {percent(row.share, 0)}")
    is_one_line = width >= ONE_LINE
    when = _when(row.at).rjust(DATE_WIDTH if is_one_line else 0)
    details = [state, Content.styled(when, "$text-muted")]
    if row.kind != "train":
        details.insert(1, Content.styled(display_name(row.kind), "$text-muted"))
    validation, test = _accuracy(_("val"), row.validation), _accuracy(_("test"), row.test)
    if is_one_line:
        columns = [column for column in (validation, test) if column.cell_length]
        if width >= BOTH_ACCURACIES:
            columns = [Content(" " * max(0, 11 - column.cell_length)) + column for column in (validation, test)]
        yield _spread(mark, row.name, Content("  ").join([*details, *columns]), width)
    else:
        yield _spread(mark, row.name, test, width)
        left = Content("  ").join(details)
        yield Content.assemble(left, " " * max(1, width - left.cell_length - validation.cell_length), validation)


def _accuracy(split: str, value: float | None) -> Content:
    if value is None:
        return Content()
    return Content.assemble((f"{split} ", "$text-muted"), (percent(value), "bold"))


def _spread(mark: Content, name: str, tail: Content, width: int) -> Content:
    """Return a name on the left, truncated to fit, and `tail` on the right."""
    room = width - mark.cell_length - tail.cell_length - 1
    shown = truncate_cells(" ".join(sanitize(name).split()), max(1, room))
    blank = " " * max(1, width - mark.cell_length - cell_len(shown) - tail.cell_length)
    return Content.assemble(mark, safe_line(shown), blank, tail)


def _when(at: str) -> str:
    """Return a timestamp in few cells: the time today, otherwise the date."""
    text = local_time(at)
    today = f"{datetime.now():%Y-%m-%d}"
    if text.startswith(today):
        return text[11:]
    return text[5:10] if text[:4] == today[:4] else text[:10]

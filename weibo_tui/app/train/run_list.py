"""The runs there are, the newest first: name, state in a word with a sign, how far, when, how good."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from weibo_tui.app.formatting import local_time, percent, safe_line
from weibo_tui.app.plot.render import marker
from weibo_tui.app.themes import label_colors
from weibo_tui.app.train.run_store import State
from weibo_tui.app.widgets.responsive_text import ResponsiveText
from weibo_tui.locale import N_
from weibo_tui.text import cell_width, truncate_cells, visible
from weibo_tui.words import word

ONE_LINE = 54
"""Cells from which on a run has room in one line."""
SIGNS: Mapping[State, str] = {
    "waiting": "…",
    "running": "▶",
    "paused": "‖",
    "stopping": "■",
    "finished": "✓",
    "stopped": "■",
    "failed": "✗",
    "interrupted": "!",
}
COLOURS: Mapping[State, str] = {
    "waiting": "$text-muted",
    "running": "$primary",
    "paused": "$text-warning",
    "stopping": "$text-muted",
    "finished": "$text-success",
    "stopped": "$text-muted",
    "failed": "$text-error",
    "interrupted": "$text-warning",
}
_CURVE_COLOURS = tuple(f"${name}" for name in label_colors(dark=True) if name.startswith("label-"))


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run in the list. `share` of it is done, `accuracy` the best so far, `colour` that of its curves where they
    are laid over the others."""

    key: str
    name: str
    kind: str
    state: State
    share: float | None
    at: str
    accuracy: float | None
    colour: int | None


class RunList(OptionList):
    """One run a row; the one that the cursor is on is shown beside."""

    HELP_TEXT = N_(
        "Runs, the newest first. The arrows choose one, its monitor stands beside or below; Enter goes into it, Esc "
        "comes back. Runs that another program works on are shown live, but can only be paused or stopped there."
    )
    DEFAULT_CSS = """
    RunList {
        border: none; padding: 0; background: $background; text-wrap: nowrap;
        & > .option-list--option { padding: 0 1; }
        & > .option-list--option-highlighted { background: $panel; color: $text; text-style: none; }
        &:focus > .option-list--option-highlighted { background: $primary 22%; color: $text; text-style: none; }
        &:focus { border: none; background-tint: $foreground 0%; }
    }
    """

    def __init__(self) -> None:
        super().__init__(markup=False)
        self._rows: list[RunRow] = []

    @property
    def key(self) -> str:
        """Of the row that the cursor is on; empty where there is none."""
        option = self.highlighted_option
        return (option.id or "") if option is not None else ""

    def show(self, rows: Sequence[RunRow], renamed: Mapping[str, str] = {}) -> None:
        """List these. The cursor stays on its row, whose key may be `renamed`, or goes to the next where it is gone."""
        before, self._rows = self._rows, list(rows)
        if [row.key for row in before] == [row.key for row in rows]:
            for old, row in zip(before, rows, strict=True):
                if old != row:
                    self.replace_option_prompt(row.key, _fitted(row))
            return
        key, index = self.key, self.highlighted or 0
        self.set_options(Option(_fitted(row), id=row.key) for row in rows)
        keys = [row.key for row in rows]
        key = renamed.get(key, key)
        if keys:
            self.highlighted = keys.index(key) if key in keys else min(index, len(keys) - 1)

    def update_row(self, row: RunRow) -> None:
        """Show what is new of one that is listed."""
        for index, old in enumerate(self._rows):
            if old.key == row.key and old != row:
                self._rows[index] = row
                self.replace_option_prompt(row.key, _fitted(row))

    def select(self, key: str) -> None:
        """Put the cursor on a row, if it is there."""
        if any(row.key == key for row in self._rows):
            self.highlighted = self.get_option_index(key)


def state_words(state: State) -> Content:
    """A state in a word, with the sign and colour that it has everywhere."""
    return Content.styled(f"{SIGNS[state]} {word(state)}", COLOURS[state])


def _fitted(row: RunRow) -> ResponsiveText:
    return ResponsiveText(lambda width: _lines(row, width))


def _lines(row: RunRow, width: int) -> Iterator[Content]:
    mark = Content.styled(marker(row.colour) + " ", _CURVE_COLOURS[row.colour]) if row.colour is not None else Content()
    figure = percent(row.accuracy) if row.accuracy is not None else ""
    state = state_words(row.state)
    if row.share is not None and row.state != "finished":
        state = Content.assemble(state, f" {percent(row.share, 0)}")
    about = [state, Content.styled(_when(row.at), "$text-muted")]
    if row.kind != "train":
        about.insert(1, Content.styled(word(row.kind), "$text-muted"))
    if width >= ONE_LINE:
        tail = Content("  ").join([*about, Content.styled(figure.rjust(7), "bold")])
        yield _spread(mark, row.name, tail, width)
    else:
        yield _spread(mark, row.name, Content.styled(figure, "bold"), width)
        yield Content("  ").join(about)


def _spread(mark: Content, name: str, tail: Content, width: int) -> Content:
    """A name on the left, cut where it is too long, and what stands on the right."""
    room = width - mark.cell_length - tail.cell_length - 1
    shown = truncate_cells(" ".join(visible(name).split()), max(1, room))
    blank = " " * max(1, width - mark.cell_length - cell_width(shown) - tail.cell_length)
    return Content.assemble(mark, safe_line(shown), blank, tail)


def _when(at: str) -> str:
    """A moment as short as it can be told: today's by the clock, others by the day."""
    told = local_time(at)
    today = f"{datetime.now():%Y-%m-%d}"
    if told.startswith(today):
        return told[11:]
    return told[5:10] if told[:4] == today[:4] else told[:10]

"""Timeline of a report as SVG: the predicted share of each day, windows with their intervals, and rows a day.

The charts stretch to any width, so all words around them are HTML.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from weibo_tui.datasets.windows import DAY
from weibo_tui.display_names import label_name
from weibo_tui.locale import gettext as _
from weibo_tui.presentation.numbers import percent
from weibo_tui.text.html import escape
from weibo_tui.workbench.estimation import Estimate
from weibo_tui.workbench.report import Day

WIDTH = 1000
_SHARES, _VOLUME = 200, 60  # heights


@dataclass(frozen=True, slots=True)
class Days:
    """Places of days from the first to the last on a line of WIDTH."""

    first: int
    number: int

    @classmethod
    def of(cls, days: Sequence[Day]) -> Days:
        ordinals = [date.fromisoformat(day.name).toordinal() for day in days]
        return cls(min(ordinals), max(ordinals) - min(ordinals) + 1)

    def place(self, name: str, after: float = 0) -> float:
        """Return the place `after` days after the beginning of a day, within the line."""
        days = date.fromisoformat(name).toordinal() - self.first + after
        return min(max(days, 0), self.number) * WIDTH / self.number

    def dates(self) -> Iterator[str]:
        """Yield the first day, one in the middle, and the last one."""
        for after in dict.fromkeys((0, (self.number - 1) // 2, self.number - 1)):
            yield date.fromordinal(self.first + after).isoformat()


def timeline(label: str, days: Sequence[Day], windows: Iterable[Estimate], by: str) -> str:
    """Return the timeline of a label. Only windows with an interval are drawn."""
    scale = Days.of(days)
    volume = escape(_("rows a day"))
    title = escape(_("Share of {label} by day").format(label=label_name(label)))
    y_axis = "".join(f"<span>{share}</span>" for share in ("100%", "50%", "0%"))
    dates = "".join(f"<span>{day}</span>" for day in scale.dates())
    most = max(day.rows for day in days)
    return (
        f'<figure><figcaption>{title}</figcaption><div class="chart"><div class="axis y">{y_axis}</div>'
        f'<svg class="shares" viewBox="0 0 {WIDTH} {_SHARES}" preserveAspectRatio="none" role="img"'
        f' aria-label="{title}">'
        f'<path class="middle" d="M0 {_SHARES / 2}H{WIDTH}"/>{"".join(_steps(scale, windows, by))}'
        f'<path class="model" d="{"".join(_line(scale, label, days))}"/></svg>'
        f'<div class="axis y"><span>{most:,}</span><span>0</span></div>'
        f'<svg class="volume" viewBox="0 0 {WIDTH} {_VOLUME}" preserveAspectRatio="none" role="img"'
        f' aria-label="{volume}"><path class="rows" d="{"".join(_bars(scale, days, most))}"/></svg>'
        f'<div class="axis x">{dates}</div></div></figure>'
    )


def _height(share: float) -> float:
    return _SHARES * (1 - share)


def _line(scale: Days, label: str, days: Iterable[Day]) -> Iterator[str]:
    """Yield the path of the shares of the days, with gaps where days are missing. A day alone is a dot."""
    expected = -1
    for day in days:
        ordinal = date.fromisoformat(day.name).toordinal()
        place = f"{scale.place(day.name, 0.5):.1f} {_height(day.uncorrected.get(label, 0)):.1f}"
        yield f"L{place}" if ordinal == expected else f"M{place}h0"
        expected = ordinal + 1


def _steps(scale: Days, windows: Iterable[Estimate], by: str) -> Iterator[str]:
    for window in windows:
        if window.window is None or window.low is None or window.high is None or window.share is None:
            continue
        begin = scale.place(window.window)
        end = scale.place(window.window, 1 if by == DAY else 7)
        shares = f"{percent(window.share)} ({percent(window.low)} – {percent(window.high)})"
        top, bottom = _height(window.high), _height(window.low)
        yield (
            f"<g><title>{window.window}: {shares}</title>"
            f'<rect class="band" x="{begin:.1f}" y="{top:.1f}" width="{end - begin:.1f}" height="{bottom - top:.1f}"/>'
            f'<path class="share" d="M{begin:.1f} {_height(window.share):.1f}H{end:.1f}"/></g>'
        )


def _bars(scale: Days, days: Iterable[Day], most: int) -> Iterator[str]:
    for day in days:
        begin, end = scale.place(day.name, 0.1), scale.place(day.name, 0.9)
        yield f"M{begin:.1f} {_VOLUME}V{_VOLUME * (1 - day.rows / most):.1f}H{end:.1f}V{_VOLUME}z"

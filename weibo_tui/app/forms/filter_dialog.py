"""Base class of dialogs that ask which rows to show, with fields that are checked while they are filled in."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any, Generic, TypeVar

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Button, Static

from weibo_tui.app.base import Dialog
from weibo_tui.app.explanation import user_message
from weibo_tui.app.formatting import safe_content
from weibo_tui.app.forms.fields import Field, FieldSpec
from weibo_tui.errors import UserInputError
from weibo_tui.locale import N_
from weibo_tui.locale import gettext as _

_ANY, _VALUE = "", "="
"""The choices of a field: any value, or the prefix of one value."""
_FLAGS = {N_("yes"): True, N_("no"): False}

_OTHER_ROWS = 9
"""Rows of the dialog without its fields, and one for a note below a field."""

FilterType = TypeVar("FilterType")
FieldText = tuple[FieldSpec, str]
"""A field with its initial text."""


class RowFilterDialog(Dialog[FilterType], Generic[FilterType]):
    """Asks for a filter; the search text stays that of the filter that the dialog starts with."""

    HELP_TEXT = N_("Empty fields do not filter. Enter applies the filter.")
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (90, "-normal")]  # noqa: RUF012 - as Textual declares it
    SCOPED_CSS = False  # it is that of all subclasses
    CSS = """
    RowFilterDialog {
        & .box { width: 84; height: 100%; padding: 0 2; }
        & .fields { height: 1fr; }
        & .outcome { height: 1; margin-top: 1; }
        &.-narrow Field { layout: vertical; }
        &.-narrow .note { display: none; padding-left: 18; }
        &.-narrow Field.-entered .note, &.-narrow Field.-wrong .note { display: block; }
        & .buttons { height: 1; margin-top: 1; }
        & Button { margin-right: 2; }
    }
    """

    def __init__(self, initial: FilterType) -> None:
        super().__init__()
        self.initial = initial
        self._outcome = Static(classes="outcome")
        self._fields = {spec.name: Field(spec, text) for spec, text in self.specs()}

    @abstractmethod
    def specs(self) -> Iterable[FieldText]:
        """Return the fields with their initial texts."""

    @abstractmethod
    def read(self, value: Mapping[str, Any]) -> FilterType:
        """Return the filter for the values of the fields. Raises UserInputError where they exclude each other."""

    @abstractmethod
    def everything(self) -> FilterType:
        """Return the filter without conditions, apart from the search text."""

    @abstractmethod
    async def count(self, query: FilterType) -> str:
        """Return how many rows match, in words."""

    def compose(self) -> ComposeResult:
        with Vertical(classes="box") as box:
            box.styles.max_height = len(self._fields) + _OTHER_ROWS
            yield Static(safe_content(_("Show only")), classes="question")
            with VerticalScroll(classes="fields", can_focus=False):
                yield from self._fields.values()
            yield self._outcome
            with Horizontal(classes="buttons"):
                yield Button(safe_content(_("Show")), variant="primary", id="apply")
                yield Button(safe_content(_("Everything")), id="everything")

    def on_mount(self) -> None:
        self._check()

    def on_field_changed(self) -> None:
        self._check()

    def on_input_submitted(self) -> None:
        self._apply()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "everything":
            self.dismiss(self.everything())
        else:
            self._apply()

    def _apply(self) -> None:
        query = self._check()
        if query is not None:
            self.dismiss(query)

    def _check(self) -> FilterType | None:
        """Return the filter of the fields, or show in the dialog what is wrong with it."""
        query, problem = None, ""
        try:
            query = self._read()
        except UserInputError as error:
            problem = user_message(error)
        self.query_one("#apply", Button).disabled = query is None
        if query is None:
            self._outcome.update(safe_content(problem, "$text-error"))
        else:
            self.run_task(self._count(query), "count", exclusive=True)
        return query

    async def _count(self, query: FilterType) -> None:
        self._outcome.update(safe_content(await self.count(query), "$text-muted"))

    def _read(self) -> FilterType:
        for field in self._fields.values():
            if field.problem:
                raise UserInputError(_("{field}: {problem}").format(field=_(field.spec.label), problem=field.problem))
        value = {name: field.value for name, field in self._fields.items()}
        since, until, least, most = (value.get(name) for name in ("since", "until", "least", "most"))
        if since and until and since > until:
            raise UserInputError(_("The first date is after the last date."))
        if least is not None and most is not None and least > most:
            raise UserInputError(_("The minimum confidence is above the maximum."))
        return self.read(value)


def choice_field(
    name: str, label: str, values: Sequence[str], current: str | None, show: Callable[[str], str] = str
) -> FieldText:
    """Return a field for one of `values`, which may be any text, or for none of them."""
    if current is not None and current not in values:  # there are no rows with it any more
        values = (*values, current)
    choices = [(_VALUE + value, " ".join(show(value).split()) or "–") for value in values]
    spec = FieldSpec(name, label, "", parse=_chosen, choices=((_ANY, N_("any")), *choices))
    return spec, _ANY if current is None else _VALUE + current


def _chosen(choice: str) -> str | None:
    return choice.removeprefix(_VALUE) if choice else None


def flag_field(name: str, label: str, current: bool | None) -> FieldText:
    """Return a field for yes, no or any."""
    spec, text = choice_field(
        name, label, tuple(_FLAGS), next((t for t, flag in _FLAGS.items() if flag == current), None)
    )
    return replace(spec, parse=lambda choice: _FLAGS.get(choice.removeprefix(_VALUE))), text


def day_fields(since: date | None, until: date | None) -> tuple[FieldText, FieldText]:
    """Return the fields `since` and `until`."""
    first = FieldSpec("since", N_("From (date)"), "", parse=_day, range="2026-01-31")
    last = FieldSpec("until", N_("To (date)"), "", parse=_day, range="2026-01-31")
    return (first, day_text(since)), (last, day_text(until))


def confidence_fields(least: float | None, most: float | None) -> tuple[FieldText, FieldText]:
    """Return the fields `least` and `most`."""
    low = FieldSpec("least", N_("Confidence from"), "", parse=_share, range="0–100%")
    high = FieldSpec("most", N_("Confidence to"), "", parse=_share, range="0–100%")
    return (low, _share_text(least)), (high, _share_text(most))


def day_terms(since: date | None, until: date | None) -> list[str]:
    """Return the conditions on the date in words."""
    terms = []
    if since is not None:
        terms.append(_("from {day}").format(day=day_text(since)))
    if until is not None:
        terms.append(_("to {day}").format(day=day_text(until)))
    return terms


def confidence_terms(least: float | None, most: float | None) -> list[str]:
    """Return the condition on the confidence in words."""
    if least is None and most is None:
        return []
    low, high = _share_text(least) or "0", _share_text(most) or "100"
    return [_("confidence {low}–{high}%").format(low=low, high=high)]


def _day(text: str) -> date | None:
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = date.min
    if not 1970 <= day.year < date.max.year:  # outside, a time zone shift may overflow
        raise UserInputError(_("a date, like 2026-01-31"))
    return day


def day_text(day: date | None) -> str:
    """Return a day as it is typed."""
    return "" if day is None else f"{day:%Y-%m-%d}"


def _share(text: str) -> float | None:
    if not text:
        return None
    try:
        percent = float(text.rstrip("% "))
    except ValueError:
        percent = -1.0
    if not 0 <= percent <= 100:
        raise UserInputError(_("a number from 0 to 100"))
    return percent / 100


def _share_text(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.10g}"

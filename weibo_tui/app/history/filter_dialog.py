"""The dialog that asks which history entries to show, with fields that are checked while they are filled in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, time

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Button, Static

from weibo_tui.app.base import Dialog
from weibo_tui.app.explanation import user_message
from weibo_tui.app.formatting import safe_content
from weibo_tui.app.forms.fields import Field, FieldSpec
from weibo_tui.display_names import label_name, source_name
from weibo_tui.errors import UserInputError
from weibo_tui.locale import N_, ngettext
from weibo_tui.locale import gettext as _
from weibo_tui.storage.entries import FILE_SOURCE
from weibo_tui.storage.history import EVERYTHING, FilterChoices, HistoryFilter

_END_OF_DAY = time(23, 59, 59, 999_000)  # timestamps are stored to the millisecond
_ANY, _VALUE = "", "="
"""The choices of a field: any value, or the prefix of one value."""
_FLAGS = {N_("yes"): True, N_("no"): False}


class FilterDialog(Dialog[HistoryFilter]):
    """Asks for a filter; the search text stays that of the filter that the dialog starts with."""

    HELP_TEXT = N_("Empty fields do not filter. Enter applies the filter.")
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (90, "-normal")]  # noqa: RUF012 - as Textual declares it
    CSS = """
    FilterDialog {
        & .box { width: 84; padding: 0 2; }
        & .fields { height: auto; max-height: 1fr; }
        & .outcome { height: 1; margin-top: 1; }
        &.-narrow Field { layout: vertical; }
        &.-narrow .note { display: none; padding-left: 18; }
        &.-narrow Field.-entered .note, &.-narrow Field.-wrong .note { display: block; }
        & .buttons { height: 1; margin-top: 1; }
        & Button { margin-right: 2; }
    }
    """

    def __init__(self, query: HistoryFilter, choices: FilterChoices) -> None:
        super().__init__()
        self._initial = query
        self._choices = choices
        self._outcome = Static(classes="outcome")
        self._fields = {spec.name: Field(spec, text) for spec, text in self._specs()}

    def _specs(self) -> list[tuple[FieldSpec, str]]:
        """Return the fields with their initial texts."""
        query, choices = self._initial, self._choices
        return [
            _choice("label", N_("Label"), choices.labels, query.label, _label_text),
            _choice("adapter", N_("Adapter"), choices.adapters, query.adapter),
            _choice("source", N_("Source"), choices.sources, query.source, _source_text),
            _day_field("since", N_("From (date)"), query.since),
            _day_field("until", N_("To (date)"), query.until),
            _share_field("least", N_("Confidence from"), query.confidence_from),
            _share_field("most", N_("Confidence to"), query.confidence_to),
            _choice("uncertain", N_("Uncertain"), tuple(_FLAGS), _flag_text(query.uncertain)),
            _choice("corrected", N_("Corrected"), tuple(_FLAGS), _flag_text(query.corrected)),
        ]

    def compose(self) -> ComposeResult:
        with Vertical(classes="box"):
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
            self.dismiss(replace(EVERYTHING, text=self._initial.text))
        else:
            self._apply()

    def _apply(self) -> None:
        query = self._check()
        if query is not None:
            self.dismiss(query)

    def _check(self) -> HistoryFilter | None:
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

    async def _count(self, query: HistoryFilter) -> None:
        count = await self.app.records.call(lambda wb: wb.history.count(query))
        text = ngettext("{count:,} entry", "{count:,} entries", count)
        self._outcome.update(safe_content(text.format(count=count), "$text-muted"))

    def _read(self) -> HistoryFilter:
        for field in self._fields.values():
            if field.problem:
                raise UserInputError(_("{field}: {problem}").format(field=_(field.spec.label), problem=field.problem))
        value = {name: field.value for name, field in self._fields.items()}
        if value["since"] and value["until"] and value["since"] > value["until"]:
            raise UserInputError(_("The first date is after the last date."))
        if value["least"] is not None and value["most"] is not None and value["least"] > value["most"]:
            raise UserInputError(_("The minimum confidence is above the maximum."))
        return HistoryFilter(
            text=self._initial.text,
            label=value["label"],
            adapter=value["adapter"],
            source=value["source"],
            # Local times, as the table shows them; a bare day would be one in UTC.
            since=datetime.combine(value["since"], time.min) if value["since"] else None,
            until=datetime.combine(value["until"], _END_OF_DAY) if value["until"] else None,
            confidence_from=value["least"],
            confidence_to=value["most"],
            uncertain=_FLAGS.get(value["uncertain"]),
            corrected=_FLAGS.get(value["corrected"]),
        )


def filter_terms(query: HistoryFilter) -> list[str]:
    """Return the conditions of a filter in a few words each, without the search text."""
    terms = []
    if query.label is not None:
        terms.append(_("label {name}").format(name=_label_text(query.label)))
    if query.adapter is not None:
        terms.append(_("adapter {name}").format(name=query.adapter))
    if query.source is not None:
        terms.append(_("source {name}").format(name=_source_text(query.source)))
    if query.since is not None:
        terms.append(_("from {day}").format(day=_day_text(query.since)))
    if query.until is not None:
        terms.append(_("to {day}").format(day=_day_text(query.until)))
    if query.confidence_from is not None or query.confidence_to is not None:
        low, high = _share_text(query.confidence_from) or "0", _share_text(query.confidence_to) or "100"
        terms.append(_("confidence {low}–{high}%").format(low=low, high=high))
    if query.uncertain is not None:
        terms.append(_("uncertain") if query.uncertain else _("not uncertain"))
    if query.corrected is not None:
        terms.append(_("corrected") if query.corrected else _("not corrected"))
    return terms


def _choice(
    name: str, label: str, values: tuple[str, ...], current: str | None, show: Callable[[str], str] = str
) -> tuple[FieldSpec, str]:
    """Return a field for one of `values`, which may be any text, or for none of them."""
    if current is not None and current not in values:  # the history does not contain it any more
        values += (current,)
    choices = [(_VALUE + value, " ".join(show(value).split()) or "–") for value in values]
    spec = FieldSpec(name, label, "", parse=_chosen, choices=((_ANY, N_("any")), *choices))
    return spec, _ANY if current is None else _VALUE + current


def _chosen(choice: str) -> str | None:
    return choice.removeprefix(_VALUE) if choice else None


def _day_field(name: str, label: str, day: date | None) -> tuple[FieldSpec, str]:
    return FieldSpec(name, label, "", parse=_day, range="2026-01-31"), _day_text(day)


def _share_field(name: str, label: str, share: float | None) -> tuple[FieldSpec, str]:
    return FieldSpec(name, label, "", parse=_share, range="0–100%"), _share_text(share)


def _flag_text(flag: bool | None) -> str | None:
    return next((text for text, value in _FLAGS.items() if value == flag), None)


def _label_text(label: str) -> str:
    return label_name(label) if label else _("failed")


def _source_text(source: str) -> str:
    return _("labeled files") if source == FILE_SOURCE else source_name(source)


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


def _day_text(day: date | None) -> str:
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

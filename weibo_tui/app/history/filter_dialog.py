"""Which entries of the history are to be shown: a box of fields, checked as they are filled in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, time

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Button, Static

from weibo_tui.app.base import Dialog
from weibo_tui.app.explanation import explain
from weibo_tui.app.formatting import label_name, safe_content
from weibo_tui.app.forms.fields import Field, FieldSpec
from weibo_tui.errors import UserInputError
from weibo_tui.locale import N_, ngettext
from weibo_tui.locale import gettext as _
from weibo_tui.storage.history import EVERYTHING, FILES, FilterChoices, HistoryFilter

_LAST_MOMENT = time(23, 59, 59, 999_000)  # moments are kept to the millisecond
_ANY = ""


class FilterDialog(Dialog[HistoryFilter]):
    """Gives the filter that was filled in, with the text of the one it began with."""

    HELP_TEXT = N_("What is left empty asks for nothing. Enter shows what matches.")
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

    def __init__(self, asked: HistoryFilter, choices: FilterChoices) -> None:
        super().__init__()
        self._asked = asked
        self._labels = _with(choices.labels, asked.label)
        self._adapters = _with(choices.adapters, asked.adapter)
        self._sources = _with(choices.sources, asked.source)
        self._outcome = Static(classes="outcome")
        self._fields = {spec.name: Field(spec, text) for spec, text in self._specs()}

    def _specs(self) -> list[tuple[FieldSpec, str]]:
        """The fields, and what stands in them at first."""
        asked = self._asked
        labels, sources = [_label_words(one) for one in self._labels], [_source_words(one) for one in self._sources]
        day, share = "2026-01-31", "0–100 %"
        return [
            (_choice("label", N_("Label"), labels), _number(self._labels, asked.label)),
            (_choice("adapter", N_("Adapter"), self._adapters), _number(self._adapters, asked.adapter)),
            (_choice("source", N_("Source"), sources), _number(self._sources, asked.source)),
            (FieldSpec("since", N_("From the day"), "", parse=_day, range=day), _day_text(asked.since)),
            (FieldSpec("until", N_("To the day"), "", parse=_day, range=day), _day_text(asked.until)),
            (
                FieldSpec("least", N_("Confidence from"), "", parse=_share, range=share),
                _share_text(asked.confidence_from),
            ),
            (FieldSpec("most", N_("Confidence to"), "", parse=_share, range=share), _share_text(asked.confidence_to)),
            (_choice("uncertain", N_("Uncertain"), [_("only those")]), "0" if asked.uncertain else _ANY),
            (_choice("corrected", N_("Corrected"), [_("only those")]), "0" if asked.corrected else _ANY),
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
        self._look()

    def on_field_changed(self) -> None:
        self._look()

    def on_input_submitted(self) -> None:
        self._apply()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "everything":
            self.dismiss(replace(EVERYTHING, text=self._asked.text))
        else:
            self._apply()

    def _apply(self) -> None:
        asked = self._look()
        if asked is not None:
            self.dismiss(asked)

    def _look(self) -> HistoryFilter | None:
        """The filter that the fields make, or None with the reason said in the box."""
        asked, problem = None, ""
        try:
            asked = self._read()
        except UserInputError as error:
            problem = explain(error)
        self.query_one("#apply", Button).disabled = asked is None
        if asked is None:
            self._outcome.update(safe_content(problem, "$text-error"))
        else:
            self.run_task(self._count(asked), "count", exclusive=True)
        return asked

    async def _count(self, asked: HistoryFilter) -> None:
        found = await self.app.records.call(lambda bench: bench.history.count(asked))
        words = ngettext("{count:,} entry", "{count:,} entries", found)
        self._outcome.update(safe_content(words.format(count=found), "$text-muted"))

    def _read(self) -> HistoryFilter:
        for field in self._fields.values():
            if field.problem:
                raise UserInputError(_("{field}: {problem}").format(field=_(field.spec.label), problem=field.problem))
        value = {name: field.value for name, field in self._fields.items()}
        if value["since"] and value["until"] and value["since"] > value["until"]:
            raise UserInputError(_("The first day is after the last: exchange them."))
        if value["least"] is not None and value["most"] is not None and value["least"] > value["most"]:
            raise UserInputError(_("The least confidence is above the highest: exchange them."))
        return HistoryFilter(
            text=self._asked.text,
            label=_chosen(self._labels, value["label"]),
            adapter=_chosen(self._adapters, value["adapter"]),
            source=_chosen(self._sources, value["source"]),
            # Moments on this machine's clock, as the table shows them; a bare day would be one in UTC.
            since=datetime.combine(value["since"], time.min) if value["since"] else None,
            until=datetime.combine(value["until"], _LAST_MOMENT) if value["until"] else None,
            confidence_from=value["least"],
            confidence_to=value["most"],
            uncertain=value["uncertain"] != _ANY or None,
            corrected=value["corrected"] != _ANY or None,
        )


def described(asked: HistoryFilter) -> list[str]:
    """What a filter asks for beside the text, in a few words each."""
    found = []
    if asked.label is not None:
        found.append(_("label {name}").format(name=_label_words(asked.label)))
    if asked.adapter is not None:
        found.append(_("adapter {name}").format(name=asked.adapter))
    if asked.source is not None:
        found.append(_("source {name}").format(name=_source_words(asked.source)))
    if asked.since is not None:
        found.append(_("from {day}").format(day=_day_text(asked.since)))
    if asked.until is not None:
        found.append(_("to {day}").format(day=_day_text(asked.until)))
    if asked.confidence_from is not None or asked.confidence_to is not None:
        low, high = _share_text(asked.confidence_from) or "0", _share_text(asked.confidence_to) or "100"
        found.append(_("confidence {low}–{high} %").format(low=low, high=high))
    if asked.uncertain:
        found.append(_("uncertain"))
    if asked.corrected:
        found.append(_("corrected"))
    return found


def _choice(name: str, label: str, words: Sequence[str]) -> FieldSpec:
    """A field for one of several values, known by its number: values may be any text, also an empty one."""
    values = [(str(number), " ".join(word.split()) or "–") for number, word in enumerate(words)]
    return FieldSpec(name, label, "", choices=((_ANY, N_("any")), *values))


def _with(values: tuple[str, ...], chosen: str | None) -> tuple[str, ...]:
    """The values, and what was chosen before though the history holds it no more."""
    return values if chosen is None or chosen in values else (*values, chosen)


def _number(values: tuple[str, ...], chosen: str | None) -> str:
    return _ANY if chosen is None else str(values.index(chosen))


def _chosen(values: tuple[str, ...], number: str) -> str | None:
    return values[int(number)] if number else None


def _label_words(label: str) -> str:
    return label_name(label) if label else _("failed")


def _source_words(source: str) -> str:
    return _("labelled files") if source == FILES else source


def _day(text: str) -> date | None:
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = date.min
    if not 1970 <= day.year < date.max.year:  # of those outside, a time zone may make what Python cannot hold
        raise UserInputError(_("a day, as in 2026-01-31"))
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

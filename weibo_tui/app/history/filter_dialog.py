"""The dialog that asks which history entries to show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, time
from typing import Any

from weibo_tui.app.forms.filter_dialog import (
    FieldText,
    RowFilterDialog,
    choice_field,
    confidence_fields,
    confidence_terms,
    day_fields,
    day_terms,
    flag_field,
)
from weibo_tui.display_names import label_name, source_name
from weibo_tui.locale import N_, ngettext
from weibo_tui.locale import gettext as _
from weibo_tui.storage.entries import FILE_SOURCE
from weibo_tui.storage.history import EVERYTHING, FilterChoices, HistoryFilter

_END_OF_DAY = time(23, 59, 59, 999_000)  # timestamps are stored to the millisecond


class FilterDialog(RowFilterDialog[HistoryFilter]):
    """Asks for a filter of the history."""

    def __init__(self, query: HistoryFilter, choices: FilterChoices) -> None:
        self._choices = choices
        super().__init__(query)

    def specs(self) -> list[FieldText]:
        query, choices = self.initial, self._choices
        return [
            choice_field("label", N_("Label"), choices.labels, query.label, _label_text),
            choice_field("adapter", N_("Adapter"), choices.adapters, query.adapter),
            choice_field("source", N_("Source"), choices.sources, query.source, _source_text),
            *day_fields(query.since, query.until),
            *confidence_fields(query.confidence_from, query.confidence_to),
            flag_field("uncertain", N_("Uncertain"), query.uncertain),
            flag_field("corrected", N_("Corrected"), query.corrected),
        ]

    def everything(self) -> HistoryFilter:
        return replace(EVERYTHING, text=self.initial.text)

    async def count(self, query: HistoryFilter) -> str:
        count = await self.app.records.call(lambda wb: wb.history.count(query))
        return ngettext("{count:,} entry", "{count:,} entries", count).format(count=count)

    def read(self, value: Mapping[str, Any]) -> HistoryFilter:
        return HistoryFilter(
            text=self.initial.text,
            label=value["label"],
            adapter=value["adapter"],
            source=value["source"],
            # Local times, as the table shows them; a bare day would be one in UTC.
            since=datetime.combine(value["since"], time.min) if value["since"] else None,
            until=datetime.combine(value["until"], _END_OF_DAY) if value["until"] else None,
            confidence_from=value["least"],
            confidence_to=value["most"],
            uncertain=value["uncertain"],
            corrected=value["corrected"],
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
    terms += day_terms(query.since, query.until)
    terms += confidence_terms(query.confidence_from, query.confidence_to)
    if query.uncertain is not None:
        terms.append(_("uncertain") if query.uncertain else _("not uncertain"))
    if query.corrected is not None:
        terms.append(_("corrected") if query.corrected else _("not corrected"))
    return terms


def _label_text(label: str) -> str:
    return label_name(label) if label else _("failed")


def _source_text(source: str) -> str:
    return _("labeled files") if source == FILE_SOURCE else source_name(source)

"""The dialog that asks which rows of a file to show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from weibo_tui.app.files.columns import human_name
from weibo_tui.app.forms.fields import FieldSpec
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
from weibo_tui.errors import UserInputError
from weibo_tui.locale import N_, ngettext
from weibo_tui.locale import gettext as _
from weibo_tui.storage.row_filters import ALL_ROWS, RowFilter
from weibo_tui.workbench.opened_file import FileChoices, FileInfo, OpenedFile


class FileFilterDialog(RowFilterDialog[RowFilter]):
    """Asks for a filter of a file. `choices` are the labels and columns that it has.

    It has no fields for dates and for predictions where the file has none."""

    def __init__(self, query: RowFilter, file: OpenedFile, info: FileInfo, choices: FileChoices) -> None:
        self._file = file
        self._info = info
        self._choices = choices
        super().__init__(query)

    def specs(self) -> list[FieldText]:
        query, choices, roles = self.initial, self._choices, self._info.roles
        column, text = query.columns[0] if query.columns else (None, "")
        predictions = [
            choice_field("predicted", N_("Prediction"), choices.predicted, query.predicted, human_name),
            *confidence_fields(query.confidence_from, query.confidence_to),
            flag_field("uncertain", N_("Uncertain"), query.uncertain),
            flag_field("disagreeing", N_("Human ≠ model"), query.disagreeing),
        ]
        return [
            choice_field("label", N_("Label"), choices.labels, query.label, human_name),
            *(predictions if "predicted" in roles else ()),
            flag_field("answered", N_("Human label"), query.answered),
            flag_field("flagged", N_("Flagged"), query.flagged),
            *(day_fields(query.since, query.until) if "date" in roles else ()),
            choice_field("column", N_("Column"), choices.columns, column),
            (FieldSpec("contains", N_("… contains"), "", parse=_text), text),
            flag_field("distinct", N_("Each text once"), query.distinct or None),
        ]

    def everything(self) -> RowFilter:
        return replace(ALL_ROWS, text=self.initial.text)

    async def count(self, query: RowFilter) -> str:
        count = await self.app.records.call(lambda _wb: self._file.select(query).total)
        return ngettext("{count:,} row", "{count:,} rows", count).format(count=count)

    def read(self, value: Mapping[str, Any]) -> RowFilter:
        if value["contains"] and value["column"] is None:
            raise UserInputError(_("Choose the column that contains the text."))
        return RowFilter(
            text=self.initial.text,
            label=value["label"],
            predicted=value.get("predicted"),
            human=self.initial.human,
            confidence_from=value.get("least"),
            confidence_to=value.get("most"),
            uncertain=value.get("uncertain"),
            answered=value["answered"],
            disagreeing=value.get("disagreeing"),
            flagged=value["flagged"],
            since=value.get("since"),
            until=value.get("until"),
            columns=((value["column"], value["contains"]),) if value["contains"] else (),
            distinct=bool(value["distinct"]),
        )


def filter_terms(query: RowFilter) -> list[str]:
    """Return the conditions of a filter in a few words each, without the search text."""
    terms = []
    if query.label is not None:
        terms.append(_("label {name}").format(name=human_name(query.label)))
    if query.predicted is not None:
        terms.append(_("predicted {name}").format(name=human_name(query.predicted)))
    if query.human is not None:
        terms.append(_("human label {name}").format(name=human_name(query.human)))
    terms += confidence_terms(query.confidence_from, query.confidence_to)
    flags = (
        (query.uncertain, _("uncertain"), _("not uncertain")),
        (query.answered, _("with a human label"), _("without a human label")),
        (query.disagreeing, _("human ≠ model"), _("human = model")),
        (query.flagged, _("flagged"), _("not flagged")),
    )
    terms += [yes if flag else no for flag, yes, no in flags if flag is not None]
    terms += day_terms(query.since, query.until)
    terms += [_("{column} contains “{text}”").format(column=column, text=text) for column, text in query.columns]
    if query.distinct:
        terms.append(_("each text once"))
    return terms


def _text(text: str) -> str:
    return text

"""Forms with data files, which are previewed with the chosen columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from textual.widget import Widget

from weibo_tui.app.explanation import named_option, user_message
from weibo_tui.app.forms.base import AnyField, FieldError, PlanForm, problems_of
from weibo_tui.app.forms.choice_field import ChoiceField
from weibo_tui.app.forms.data_preview import DataPreview
from weibo_tui.app.forms.file_list import FileList
from weibo_tui.app.forms.path_completion import check_path
from weibo_tui.app.forms.path_input import PathInput
from weibo_tui.app.forms.reading_lines import source_lines
from weibo_tui.app.forms.readings import Reading, expand_data, read_file
from weibo_tui.app.widgets.responsive_text import ResponsiveText
from weibo_tui.datasets.containers import SUFFIXES
from weibo_tui.datasets.tables import Columns
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.workbench.config import AuditConfig, EvaluationConfig, TrainingConfig

Plan = TypeVar("Plan")
Files = TypeVar("Files", TrainingConfig, EvaluationConfig)

_FIELDS = {
    "sheet": "sheet",
    "text": "text_column",
    "label": "label_column",
    "encoding": "encoding",
    "header": "header",
    "max_bad_rows": "max_bad_rows",
}
"""Names of fields by those of `Columns`."""
_FIELDS_BY_OPTION = {"column": "text_column", "label-column": "label_column"}
"""Names of fields by the options that errors name, where these are others."""


class DataForm(PlanForm[Plan]):
    """Base class of forms with a data file.

    Columns and sheets are chosen from those of the file: on request, and when they are in doubt."""

    def __init__(self, title: str, values: dict[str, Any] | None, preview: DataPreview) -> None:
        super().__init__(title, values)
        self.preview = preview

    def compose_aside(self) -> Iterable[Widget]:
        yield self.preview

    def on_mount(self) -> None:
        self._fields["sheet"].display = bool(self._fields["sheet"].text)

    def columns(self) -> Columns:
        """Return the options for reading, None for those that are detected."""
        fields = {key: self._fields[name] for key, name in _FIELDS.items() if name in self._fields}
        return Columns(**{key: field.value for key, field in fields.items() if not field.problem})

    def preview_file(self, field: PathInput) -> None:
        """Show how the file in a field is read with the options of the form."""
        if self._fields:
            files = (field.path,) if field.value.strip() else ()
            self.preview.load(AuditConfig(files, self.columns()))

    def chosen_file(self, field: PathInput) -> Path:
        """Return the file of posts in a field. Raise FieldError without one, or for one that cannot be read."""
        if not field.value.strip():
            raise FieldError(field, _("Choose a file of posts first."))
        if problem := field.check_value().problem:
            raise FieldError(field, problem)
        return field.path

    @property
    def may_ask(self) -> bool:
        """True while a question about a file does not take the focus from something else."""
        raise NotImplementedError

    # ---- choosing

    def on_data_preview_loaded(self, event: DataPreview.Loaded) -> None:
        self._offer(event.readings)
        self.ask_about(event.readings)
        self.update_hint()

    def _offer(self, readings: Sequence[Reading]) -> None:
        """Offer the columns and sheets of the first file that has a problem, otherwise of the first."""
        reading = next((reading for reading in readings if reading.problem), readings[0] if readings else None)
        source = reading.source if reading is not None else None
        columns, likely = (reading.columns, reading.likely) if reading is not None else ({}, ("", ""))
        for name, guess in zip(("text_column", "label_column"), likely, strict=True):
            if isinstance(field := self._fields.get(name), ChoiceField):
                current = getattr(source, name, None)
                is_missing = reading is not None and self._field_of(reading.option) is field
                if is_missing:
                    field.offer(columns, guess, missing=_("choose a column"))
                else:
                    field.offer(columns, current or "")
        sheets = reading.sheets if reading is not None else ()
        sheet = self._fields["sheet"]
        assert isinstance(sheet, ChoiceField)
        sheet.display = bool(sheets or sheet.text)
        sheet.offer(dict.fromkeys(sheets, ""), source.table.sheet if source is not None else "")
        self._fields["encoding"].suggest(source.encoding if source is not None else "")

    def ask_about(self, readings: Sequence[Reading]) -> None:
        """Open the choices for the first problem that one of them solves, unless the user is elsewhere."""
        fields = [self._field_of(reading.option) for reading in readings if reading.problem]
        field = next((field for field in fields if isinstance(field, ChoiceField) and field.has_choices), None)
        if field is not None and (self.may_ask or (self._has_choice_closed and not field.has_focus_within)):
            field.open_list()

    @property
    def _has_choice_closed(self) -> bool:
        """True while a field with choices has the focus, and its list is not open."""
        return any(field.has_focus_within and not field.is_open for field in self.query(ChoiceField))

    def _field_of(self, option: str) -> AnyField | None:
        return self._fields.get(_FIELDS_BY_OPTION.get(option, option.replace("-", "_")))

    def action_choose_column(self) -> None:
        """Open the list of text columns, or that of label columns if the former is open."""
        text, label = self._fields["text_column"], self._fields.get("label_column")
        assert isinstance(text, ChoiceField)
        field = label if label is not None and text.is_open else text
        assert isinstance(field, ChoiceField)
        field.open_list()

    def update_hint(self) -> None:
        """Show how the file is read instead of the help for the input, where the preview is below the fields."""
        super().update_hint()
        readings = self.preview.readings
        if readings and self.may_ask and not (self.has_class("-wide") or self._hint.has_class("-problem")):
            self._hint.update(ResponsiveText(lambda width: source_lines(readings, width)))

    # ---- starting

    @contextmanager
    def data_problems(self, field: AnyField) -> Iterator[None]:
        """Turn an error about the data in the block into one of the field that it names, or of `field`."""
        try:
            yield
        except UserInputError as error:
            raise FieldError(self._field_of(named_option(error)) or field, user_message(error)) from error

    async def check_file(self, field: AnyField, path: Path, columns: Columns, need_label: bool) -> None:
        """Raise FieldError for the field that a problem of a file names, or for `field`."""
        reading = await self.app.records.call(lambda _wb: read_file(path, columns, need_label))
        if reading.problem:
            raise FieldError(self._field_of(reading.option) or field, reading.problem)

    def show_problem_at(self, field: AnyField, problem: str) -> None:
        super().show_problem_at(field, problem)
        if isinstance(field, ChoiceField):
            self.call_after_refresh(field.open_list)


class FilesForm(DataForm[Plan]):
    """Base class of forms for several labeled files and folders.

    Textual calls its message handlers after those of the subclass."""

    def __init__(self, title: str, values: dict[str, Any] | None, audit: bool) -> None:
        super().__init__(title, values, DataPreview(audit))
        self._files = FileList(self._values.get("files", ()), SUFFIXES, self._values.get("labels_of_files"))

    def on_mount(self) -> None:
        self._files.focus()
        self.update_dependents()

    def on_file_list_changed(self) -> None:
        self._values |= {"files": list(self._files.files), "labels_of_files": dict(self._files.labels)}
        self.update_dependents()

    def columns(self) -> Columns:
        labels = tuple((str(path), label) for path, label in self._files.labels.items())
        return replace(super().columns(), label_of=labels)

    @property
    def may_ask(self) -> bool:
        return self._files.is_waiting

    def rules(self) -> tuple[str, ...]:
        """Return the rules for labels, none while they cannot be read."""
        field = self._fields["map"]
        return () if field.problem else field.value

    def complete(self) -> None:
        if pending := self._files.pending:
            check = check_path(pending, save=False)
            if check.problem and check.kind != "folder":
                raise FieldError(self._files, check.problem)
            self._files.add(pending)

    def files(self, problem: str) -> tuple[Path, ...]:
        """Return the chosen files and folders. Raise FieldError with `problem` for none."""
        if not self._files.files:
            raise FieldError(self._files, problem)
        return tuple(self._files.files)

    async def expanded(self, plan: Files) -> Files:
        """Return the plan with the files of its folders. Raise FieldError for a folder without files."""
        with problems_of(self._files):
            data, columns = await self.app.records.call(lambda _wb: expand_data(plan.data, plan.columns))
        return replace(plan, data=data, columns=columns)

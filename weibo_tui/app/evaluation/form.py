"""The form for an evaluation: the labeled files and how they are read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from textual.widget import Widget
from textual.widgets import Collapsible, Static

from weibo_tui.app.formatting import safe_content, safe_line
from weibo_tui.app.forms.base import FieldError, problems_of
from weibo_tui.app.forms.data_forms import FilesForm
from weibo_tui.app.forms.hyperparameter_fields import column_fields, map_field, table_fields
from weibo_tui.app.forms.path_completion import check_path
from weibo_tui.app.forms.path_input import PathInput
from weibo_tui.locale import N_, join_list, with_note
from weibo_tui.locale import gettext as _
from weibo_tui.registry.cards import AdapterCard
from weibo_tui.workbench.config import AuditConfig, EvaluationConfig

_MAX_LABELS = 30


class EvaluationForm(FilesForm[EvaluationConfig]):
    """Only files are required: posts with labels that the adapter knows."""

    HELP_TEXT = N_(
        "Evaluate an adapter on labeled files (CSV, text, JSON, Excel or Parquet) that it was not trained on. Type "
        "the path of a file or folder and press Enter; several files are evaluated together. Ctrl+L lists the "
        "columns. Ctrl+S starts."
    )
    DEFAULT_CSS = """
    EvaluationForm {
        & .about { height: auto; color: $text-muted; margin-top: 1; }
    }
    """

    def __init__(self, card: AdapterCard, values: dict[str, Any] | None = None) -> None:
        super().__init__(_("Evaluate '{name}'").format(name=card.name), values, audit=False)
        self._card = card
        self._errors = PathInput(save=True, suffixes=(".csv",), placeholder=_("not written"))

    def compose_fields(self) -> Iterable[Widget]:
        card = self._card
        named = zip(card.labels, card.raw_labels, strict=True)
        labels = join_list((name if name == raw else with_note(name, raw) for name, raw in named), _MAX_LABELS)
        yield Static(safe_content(_("Labeled posts")), classes="section")
        yield self._files
        yield from self.fields(*column_fields(), map_field())
        yield Static(safe_line(_("Its labels: {labels}").format(labels=labels)), classes="about")
        yield Static(safe_content(_("Write errors to")), classes="section")
        yield self._errors
        with Collapsible(title=_("More")):
            yield from self.fields(*table_fields())

    def update_dependents(self) -> None:
        """Show how the files are read with the options of the form."""
        if self._fields:
            self.preview.load(AuditConfig(tuple(self._files.files), self.columns(), map=self.rules()))

    def output(self) -> PathInput | None:
        return self._errors if self._errors.value.strip() else None

    def plan(self) -> EvaluationConfig:
        data = self.files(_("Choose a file to evaluate on first."))
        errors = self._errors.path if self.output() else None
        if errors is not None and (problem := check_path(errors, save=True).problem):
            raise FieldError(self._errors, problem)
        return EvaluationConfig(
            data=data,
            adapter=self._card.name,
            columns=self.columns(),
            **self.values("map"),
            errors=errors,
            overwrite=errors is not None and self._replaceable == errors,
        )

    async def check(self, plan: EvaluationConfig) -> EvaluationConfig:
        plan = await self.expanded(plan)
        for path in plan.data:
            await self.check_file(self._files, path, plan.columns, need_label=True)
        if (errors := plan.errors) is not None:
            with problems_of(self._errors):
                await self.app.records.call(lambda wb: wb.check_output(errors, plan.overwrite))
        return plan

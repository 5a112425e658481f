"""The form for labeling a file: the file, the adapter and the output."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from textual.widget import Widget
from textual.widgets import Collapsible, Static

from weibo_tui.app.formatting import safe_content
from weibo_tui.app.forms.base import FieldError, problems_of
from weibo_tui.app.forms.data_forms import DataForm
from weibo_tui.app.forms.data_preview import DataPreview
from weibo_tui.app.forms.fields import FieldSpec, as_choices
from weibo_tui.app.forms.hyperparameter_fields import column_fields, table_fields
from weibo_tui.app.forms.path_completion import check_path
from weibo_tui.app.forms.path_input import PathInput
from weibo_tui.app.services.catalog import Catalog
from weibo_tui.datasets.containers import SUFFIXES
from weibo_tui.datasets.sinks import OUTPUT_SUFFIXES, default_output
from weibo_tui.locale import N_
from weibo_tui.locale import gettext as _
from weibo_tui.workbench import LabelingConfig


class LabelingForm(DataForm[LabelingConfig]):
    """Only the file is required; by default the output is written next to it."""

    HELP_TEXT = N_(
        "Label a whole file (CSV, text, JSON, Excel or Parquet). The result has the same rows, order and cells, "
        "followed by the columns predicted, confidence, one probability per label, and error. To continue a "
        "stopped labeling, label the same file to the same result file. Ctrl+S starts."
    )

    def __init__(self) -> None:
        super().__init__(_("Label a file"), None, DataPreview(audit=False, need_label=False))
        self._source = PathInput(suffixes=SUFFIXES, placeholder=_("file of posts"))
        self._out = PathInput(save=True, suffixes=tuple(OUTPUT_SUFFIXES), placeholder=_("next to the file"))
        self._suggested = ""
        """The suggested output path, until the user types another."""
        self._chosen: Path | None = None
        """The file that Enter confirmed."""

    def compose_fields(self) -> Iterable[Widget]:
        yield Static(safe_content(_("Posts")), classes="section")
        yield self._source
        yield Static(safe_content(_("Result file")), classes="section")
        yield self._out
        yield Static(safe_content(_("Options")), classes="section")
        yield from self.fields(_adapter_field(self.app.catalog), *column_fields()[:2], _prefix_field())
        with Collapsible(title=_("More")):
            yield from self.fields(*table_fields())

    def on_mount(self) -> None:
        self._source.focus()
        self.update_dependents()

    def update_dependents(self) -> None:
        self.preview_file(self._source)

    def on_path_input_changed(self, event: PathInput.Changed) -> None:
        event.stop()
        if event.path_input is self._source:
            if self._out.value == self._suggested:
                self._suggested = str(default_output(self._source.path)) if self._source.path.name else ""
                self._out.value = self._suggested
            self.update_dependents()

    def on_path_input_chosen(self, event: PathInput.Chosen) -> None:
        event.stop()
        if event.path_input is self._source:
            self._out.focus()
            self._chosen = event.path
            self.ask_about(self.preview.readings)
        else:
            self._fields["adapter"].focus()

    @property
    def may_ask(self) -> bool:
        is_here = self._source.has_focus_within or self._out.has_focus_within
        return is_here and self._source.path == self._chosen and self._out.value == self._suggested

    def output(self) -> PathInput | None:
        return self._out if self._out.value.strip() else None

    def plan(self) -> LabelingConfig:
        source = self.chosen_file(self._source)
        out = self._out.path if self._out.value.strip() else default_output(source)
        if problem := check_path(out, save=True).problem:
            raise FieldError(self._out, problem)
        with problems_of(self._out):
            return LabelingConfig(
                source,
                out,
                self._fields["adapter"].value,
                self.columns(),
                overwrite=self._replaceable == out,
                prefix=self._fields["prefix"].value,
            )

    async def check(self, plan: LabelingConfig) -> LabelingConfig:
        await self.check_file(self._source, plan.source, plan.columns, need_label=False)
        with problems_of(self._out):
            await self.app.records.call(lambda wb: wb.check_output(plan.out, overwrite=True, inputs=[plan.source]))
        return plan


def _prefix_field() -> FieldSpec:
    return FieldSpec("prefix", N_("Column prefix"), N_("Start of the names of the added columns, like emotion_."))


def _adapter_field(catalog: Catalog) -> FieldSpec:
    choices = as_choices([card.name for card in catalog.adapters])
    return FieldSpec("adapter", N_("Adapter"), N_("This is the default adapter."), catalog.adapter, choices=choices)

"""The form for a comparison: the adapters, the file, and how it is read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from textual.widget import Widget
from textual.widgets import Collapsible, Static

from weibo_tui.app.formatting import safe_content
from weibo_tui.app.forms.base import problems_of
from weibo_tui.app.forms.choice_field import ChoiceField
from weibo_tui.app.forms.data_forms import DataForm
from weibo_tui.app.forms.data_preview import DataPreview
from weibo_tui.app.forms.fields import FieldSpec, optional, parse_names
from weibo_tui.app.forms.hyperparameter_fields import column_fields, map_field, table_fields
from weibo_tui.app.forms.path_input import PathInput
from weibo_tui.app.forms.readings import Reading
from weibo_tui.datasets.containers import SUFFIXES
from weibo_tui.locale import N_
from weibo_tui.locale import gettext as _
from weibo_tui.workbench.config import ComparisonConfig


class ComparisonForm(DataForm[ComparisonConfig]):
    """Only a file is required where two adapters are chosen already. `values` has the file of the last time."""

    HELP_TEXT = N_(
        "Compare adapters, or an adapter and a column of labels, on the same posts. With human labels in the file, the "
        "difference of their accuracies is tested; without any, the comparison shows where they disagree. Ctrl+L "
        "lists the columns. Ctrl+S starts."
    )

    def __init__(self, adapters: Sequence[str], values: dict[str, Any]) -> None:
        values["adapters"] = ", ".join(adapters)
        super().__init__(_("Compare adapters"), values, DataPreview(audit=False, need_label=False))
        self._source = PathInput(suffixes=SUFFIXES, placeholder=_("file of posts"))

    def compose_fields(self) -> Iterable[Widget]:
        yield Static(safe_content(_("Posts")), classes="section")
        yield self._source
        yield Static(safe_content(_("What is compared")), classes="section")
        yield from self.fields(_adapters_field(), _predicted_field())
        yield Static(safe_content(_("Options")), classes="section")
        yield from self.fields(*column_fields(), map_field())
        with Collapsible(title=_("More")):
            yield from self.fields(*table_fields())

    def on_mount(self) -> None:
        self._source.value = self._values.get("file", "")
        self._source.focus()
        self.update_dependents()

    def update_dependents(self) -> None:
        self.preview_file(self._source)

    def on_path_input_changed(self, event: PathInput.Changed) -> None:
        event.stop()
        self._values["file"] = self._source.value
        self.update_dependents()

    def on_path_input_chosen(self, event: PathInput.Chosen) -> None:
        event.stop()
        self._fields["adapters"].focus()

    @property
    def may_ask(self) -> bool:
        return self._source.has_focus_within

    def _offer(self, readings: Sequence[Reading]) -> None:
        super()._offer(readings)
        field = self._fields["predicted_column"]
        assert isinstance(field, ChoiceField)
        field.offer(readings[0].columns if readings else {}, "")

    def plan(self) -> ComparisonConfig:
        return ComparisonConfig(
            data=self.chosen_file(self._source),
            adapters=self._fields["adapters"].value or (),
            columns=self.columns(),
            **self.values("predicted_column", "map"),
        )

    async def check(self, plan: ComparisonConfig) -> ComparisonConfig:
        with problems_of(self._fields["adapters"]):
            await self.app.records.call(lambda wb: [wb.adapter_name(name) for name in plan.adapters])
        await self.check_file(self._source, plan.data, plan.columns, need_label=False)
        return plan


def _adapters_field() -> FieldSpec:
    about = N_("Names of adapters, like a,b. One alone is compared with a column of predicted labels.")
    return FieldSpec("adapters", N_("Adapters"), about, parse=parse_names)


def _predicted_field() -> FieldSpec:
    about = N_("Column of predicted labels that is compared too, by name or number. Down lists the columns.")
    return FieldSpec("predicted_column", N_("Predicted labels"), about, parse=optional, listed=True)

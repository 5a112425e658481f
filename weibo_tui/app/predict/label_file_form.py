"""The form for labeling a file, or many files on Ray: the posts, the adapter and the output."""

from __future__ import annotations

import glob
from collections.abc import Iterable
from dataclasses import replace
from functools import partial

from textual.widget import Widget
from textual.widgets import Collapsible, Static

from weibo_tui.app.explanation import user_message
from weibo_tui.app.formatting import safe_content
from weibo_tui.app.forms.base import FieldError, problems_of
from weibo_tui.app.forms.data_forms import DataForm
from weibo_tui.app.forms.data_preview import DataPreview
from weibo_tui.app.forms.fields import Field, FieldSpec, as_choices
from weibo_tui.app.forms.hyperparameter_fields import column_fields, table_fields
from weibo_tui.app.forms.path_completion import PathCheck, as_path, check_path
from weibo_tui.app.forms.path_input import PathInput, run_in_thread
from weibo_tui.app.predict.ray_fields import (
    RAY,
    SEPARATOR,
    default_folder,
    engine_field,
    first_file,
    ray_fields,
    split_sources,
)
from weibo_tui.app.services.catalog import Catalog
from weibo_tui.datasets.containers import SUFFIXES, find_other_tables
from weibo_tui.datasets.sinks import OUTPUT_SUFFIXES, default_output, labeled_copy
from weibo_tui.errors import WeiboTuiError
from weibo_tui.locale import N_
from weibo_tui.locale import gettext as _
from weibo_tui.workbench.config import AuditConfig, ClusterLabelingConfig, LabelingConfig

LabelingPlan = LabelingConfig | ClusterLabelingConfig


class LabelingForm(DataForm[LabelingPlan]):
    """Only the file is required; by default the output is written next to it.

    With the engine Ray there may be several files, and the output is a folder."""

    HELP_TEXT = N_(
        "Label a whole file (CSV, text, JSON, Excel or Parquet). The result has the same rows, order and cells, "
        "followed by the columns predicted, confidence, one probability per label, and error. To continue a "
        "stopped labeling, label the same file to the same result file. The engine Ray labels many files: give "
        "folders, patterns such as data/*.csv, or URLs, separated by |. Ctrl+S starts."
    )
    DEFAULT_CSS = """
    LabelingForm {
        & .on-ray { display: none; }
        &.-ray .on-ray { display: block; }
        &.-ray .in-program { display: none; }
    }
    """

    def __init__(self) -> None:
        super().__init__(_("Label a file"), None, DataPreview(audit=False, need_label=False))
        self._source = PathInput(suffixes=SUFFIXES, placeholder=_("file of posts"), check=self._check_source)
        self._out = PathInput(save=True, suffixes=tuple(OUTPUT_SUFFIXES), placeholder=_("next to the file"))
        self._folder = PathInput(save=True, folders=True, placeholder=_("folder for the parts of the result"))
        self._suggested: dict[PathInput, str] = {self._out: "", self._folder: ""}
        """The suggested outputs, each until the user types another."""
        self._chosen = ""
        """The text of the source that Enter confirmed."""

    def compose_fields(self) -> Iterable[Widget]:
        self._out.add_class("in-program")
        self._folder.add_class("on-ray")
        yield Static(safe_content(_("Posts")), classes="section")
        yield self._source
        yield Static(safe_content(_("Result file")), classes="section in-program")
        yield self._out
        yield Static(safe_content(_("Result folder")), classes="section on-ray")
        yield self._folder
        yield Static(safe_content(_("Options")), classes="section")
        yield from self.fields(_adapter_field(self.app.catalog), *column_fields()[:2], _prefix_field(), engine_field())
        for field in self.fields(*ray_fields()):
            field.add_class("on-ray")
            yield field
        with Collapsible(title=_("More")):
            yield from self.fields(*table_fields())

    def on_mount(self) -> None:
        self._source.focus()
        self.update_dependents()

    def on_field_changed(self, event: Field.Changed) -> None:
        if event.field is self._fields["engine"]:
            self._source.show_problem("")  # the other engine may accept it

    @property
    def _is_on_ray(self) -> bool:
        return "engine" in self._fields and self._fields["engine"].value == RAY

    @property
    def _result(self) -> PathInput:
        return self._folder if self._is_on_ray else self._out

    def update_dependents(self) -> None:
        self.set_class(self._is_on_ray, "-ray")
        if self._is_on_ray:
            self.run_task(self._preview_sources(), group="sources", exclusive=True)
        else:
            self.preview_file(self._source)

    async def _preview_sources(self) -> None:
        """Show how the first of the files is read. Others may be too many."""
        file = None
        if sources := split_sources(self._source.value):
            try:
                file = await run_in_thread(partial(first_file, sources))
            except WeiboTuiError:  # the text may not be complete; Enter says what is wrong
                file = None
        self.preview.load(AuditConfig(() if file is None else (file,), self.columns()))

    def _check_source(self, text: str) -> PathCheck:
        if not self._is_on_ray:
            check = check_path(as_path(text), save=False)
            is_pattern = bool(check.problem) and (check.kind == "folder" or glob.has_magic(text))
            if is_pattern or (check.path.is_dir() and find_other_tables(check.path)):
                return replace(check, problem=_("Only Ray labels several files. Choose it as the engine."))
            return check
        try:
            first_file(split_sources(text))
        except WeiboTuiError as error:
            return PathCheck(as_path(text), "nothing", user_message(error))
        return PathCheck(as_path(text), "file", "")

    def on_path_input_changed(self, event: PathInput.Changed) -> None:
        event.stop()
        if event.path_input is self._source:
            # Without the disk, which may not answer.
            self._suggest(self._out, str(labeled_copy(self._source.path)) if self._source.path.name else "")
            self._suggest(self._folder, default_folder(next(iter(split_sources(event.value)), "")))
            self.update_dependents()

    def _suggest(self, result: PathInput, path: str) -> None:
        if result.value == self._suggested[result]:
            self._suggested[result] = result.value = path

    def on_path_input_chosen(self, event: PathInput.Chosen) -> None:
        event.stop()
        if event.path_input is not self._source:
            self._fields["adapter"].focus()
            return
        if not self._is_on_ray:
            self._suggest(self._out, str(default_output(event.path)))
        elif event.path != self._source.path:  # one of several files that were dropped
            self._source.value = f" {SEPARATOR} ".join(filter(None, [self._source.value, str(event.path)]))
        self._result.focus()
        self._chosen = self._source.value
        self.ask_about(self.preview.readings)

    @property
    def may_ask(self) -> bool:
        is_here = self._source.has_focus_within or self._result.has_focus_within
        is_suggested = self._result.value == self._suggested[self._result]
        return is_here and self._source.value == self._chosen and is_suggested

    def output(self) -> PathInput | None:
        return self._out if self._out.value.strip() and not self._is_on_ray else None

    def plan(self) -> LabelingPlan:
        return self._plan_on_ray() if self._is_on_ray else self._plan_in_program()

    def _plan_in_program(self) -> LabelingConfig:
        source = self.chosen_file(self._source)
        out = self._out.path if self._out.value.strip() else default_output(source)
        if problem := check_path(out, save=True).problem:
            raise FieldError(self._out, problem)
        with problems_of(self._out):
            return LabelingConfig(
                source,
                out,
                columns=self.columns(),
                overwrite=self._replaceable == out,
                **self.values("adapter", "prefix"),
            )

    def _plan_on_ray(self) -> ClusterLabelingConfig:
        sources = split_sources(self._source.value)
        if not sources:
            raise FieldError(self._source, _("Choose a file of posts first."))
        if not self._folder.value.strip():
            raise FieldError(self._folder, _("Choose a folder for the result first."))
        check = check_path(self._folder.path, save=True)
        if check.kind == "file":
            message = _("{path} is not a folder. Choose another one for the results.")
            raise FieldError(self._folder, message.format(path=check.path))
        if check.problem and check.kind != "folder":
            raise FieldError(self._folder, check.problem)
        names = "adapter", "prefix", "address", "workers", "gpus_per_worker"
        return ClusterLabelingConfig(sources, self._folder.path, columns=self.columns(), **self.values(*names))

    async def check(self, plan: LabelingPlan) -> LabelingPlan:
        if isinstance(plan, ClusterLabelingConfig):
            with problems_of(self._source):
                file = await run_in_thread(partial(first_file, plan.sources))
            if file is not None:
                await self.check_file(self._source, file, plan.columns, need_label=False)
            return plan
        await self.check_file(self._source, plan.source, plan.columns, need_label=False)
        with problems_of(self._out):
            await self.app.records.call(lambda wb: wb.check_output(plan.out, overwrite=True, inputs=[plan.source]))
        return plan


def _prefix_field() -> FieldSpec:
    return FieldSpec("prefix", N_("Column prefix"), N_("Start of the names of the added columns, like emotion_."))


def _adapter_field(catalog: Catalog) -> FieldSpec:
    choices = as_choices([card.name for card in catalog.adapters])
    return FieldSpec("adapter", N_("Adapter"), N_("This is the default adapter."), catalog.adapter, choices=choices)

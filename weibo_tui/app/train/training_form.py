"""The form for a new training, with a preview of its files."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import fields
from functools import partial
from typing import Any

from textual.containers import Horizontal
from textual.widget import Widget
from textual.widgets import Collapsible, Static

from weibo_tui.app.formatting import safe_content
from weibo_tui.app.forms.base import problems_of
from weibo_tui.app.forms.data_forms import FilesForm
from weibo_tui.app.forms.data_preview import SUGGESTED_DROPOUT
from weibo_tui.app.forms.fields import Field, parse_names
from weibo_tui.app.forms.hyperparameter_fields import (
    base_field,
    column_fields,
    more_fields,
    name_after,
    name_field,
    parameter_fields,
    preset_field,
)
from weibo_tui.app.forms.path_input import PathInput
from weibo_tui.datasets.containers import SUFFIXES
from weibo_tui.engine.hyperparameters import PRESETS, Cleaning, ComputeOptions, Hyperparameters
from weibo_tui.errors import UserInputError
from weibo_tui.locale import N_
from weibo_tui.locale import gettext as _
from weibo_tui.workbench.config import AuditConfig, TrainingConfig
from weibo_tui.workbench.workbench import Workbench

HYPER = tuple(field.name for field in fields(Hyperparameters))


class TrainingForm(FilesForm[TrainingConfig]):
    """Asks for files, base model and hyperparameters. Only the files have no default."""

    HELP_TEXT = N_(
        "Train an adapter. Type the path of a labeled file (CSV, text, JSON, Excel or Parquet) or of a folder, and "
        "press Enter; several files are trained on together. Ctrl+L lists the columns. Tab moves from field to "
        "field. Errors appear next to a field as you type. Ctrl+S starts."
    )
    DEFAULT_CSS = """
    TrainingForm .own { height: auto; }
    TrainingForm .own .label { width: 18; color: $text-muted; }
    TrainingForm .preset { height: 1; color: $text-muted; }
    """

    def __init__(self, values: dict[str, Any] | None = None, base: str = "", preset: str = "") -> None:
        """`base` and `preset` are selected at first if they are given."""
        super().__init__(_("New training"), values, audit=True)
        if base:
            self._values["base"] = base
        if preset:
            self._values |= _preset_texts(preset)
        self._preset_summary = Static(classes="preset")
        self._own_files = {
            name: PathInput(self._values.get(name, ""), SUFFIXES, placeholder=_("a share of the posts"))
            for name in ("validation_data", "test_data")
        }

    def compose_fields(self) -> Iterable[Widget]:
        catalog = self.app.catalog
        self._used_names = {card.name for card in catalog.adapters} | {
            job.title for job in self.app.jobs if job.kind == "train"
        }
        yield Static(safe_content(_("Labeled posts")), classes="section")
        yield self._files
        yield from self.fields(*column_fields())
        yield Static(safe_content(_("Adapter")), classes="section")
        help_text = N_("Name of the adapter (default: the first file's).")
        base = base_field(catalog, self.app.settings.base)
        yield from self.fields(name_field(help_text, self._used_names), base)
        yield Static(safe_content(_("Training")), classes="section")
        yield from self.fields(preset_field())
        yield self._preset_summary
        yield from self.fields(*parameter_fields(Hyperparameters, main=True))
        with Collapsible(title=_("More")):
            for label, own_file in zip((_("Validation file"), _("Test file")), self._own_files.values(), strict=True):
                yield Horizontal(Static(safe_content(label), classes="label"), own_file, classes="own")
            yield from self.fields(*more_fields())

    def on_mount(self) -> None:
        self._show_preset()
        self.run_task(self._propose_free_name())

    async def _propose_free_name(self) -> None:
        self._used_names |= await self.app.records.call(lambda wb: wb.reserved_names("train"))
        self._propose_name()

    def update_dependents(self) -> None:
        """Preview the files with the current columns and labels."""
        if self._fields:
            labels = parse_names(self._fields["labels"].text)
            self.preview.load(AuditConfig(tuple(self._files.files), self.columns(), labels, self.rules()))

    def on_file_list_changed(self) -> None:
        self._propose_name()

    def _propose_name(self) -> None:
        if self._files.files:
            self.propose_name(name_after(self._files.files[0].stem, "adapter", self._used_names))

    def on_path_input_changed(self, event: PathInput.Changed) -> None:
        for name, own_file in self._own_files.items():
            if own_file is event.path_input:
                self._values[name] = event.value

    def on_field_changed(self, event: Field.Changed) -> None:
        name, preset = event.field.spec.name, self._fields["preset"].text
        if name == "preset" and preset in PRESETS:
            for key, text in _preset_texts(preset).items():
                self._fields[key].text = text
        if name == "preset" or name in PRESETS["balanced"].values:
            self._show_preset()

    def _show_preset(self) -> None:
        """Show which preset the fields have, and what it sets."""
        values: dict[str, Any] = {}
        with suppress(UserInputError):
            values = self.values(*PRESETS["balanced"].values)
        preset = next((name for name, preset in PRESETS.items() if preset.values == values), "custom")
        self._fields["preset"].text = preset
        summary = PRESETS[preset].summary if preset in PRESETS else N_("your own values")
        self._preset_summary.update(safe_content(_(summary)))

    def on_data_preview_suggested(self) -> None:
        self._fields["emoticon_dropout"].text = SUGGESTED_DROPOUT

    def complete(self) -> None:
        super().complete()
        self._propose_name()

    def plan(self) -> TrainingConfig:
        own: dict[str, Any] = {
            name: (file.path,) if file.value.strip() else () for name, file in self._own_files.items()
        }
        return TrainingConfig(
            data=self.files(_("Choose a file to train on first.")),
            columns=self.columns(),
            hyper=Hyperparameters(**self.values(*HYPER)),
            machine=ComputeOptions(**self.values("device", "dtype", "threads")),
            **self.values("name", "base", "labels", "map", "validation", "test", "split_seed", "keep_states", "probes"),
            **self.values("baselines", "seeds", "keep"),
            preprocessing=Cleaning(**self.values("simplify")).version,
            **own,
        )

    async def check(self, plan: TrainingConfig) -> TrainingConfig:
        plan = await self.expanded(plan)
        with problems_of(self._fields["name"]):
            await self._check_names(plan)
        await self.app.records.call(lambda wb: wb.check_base_fits(plan))
        for name, own_file in self._own_files.items():
            for path in getattr(plan, name):
                await self.check_file(own_file, path, plan.columns, need_label=True)
        self.show_progress(_("Checking the files …"))
        with self.data_problems(self._files):
            await self.preview.run(lambda wb: wb.iter_check_data(plan), self.show_progress)
        return plan

    async def _check_names(self, plan: TrainingConfig) -> None:
        """Raise UserInputError where the adapter's name, or that of a seed to train, is not free."""
        pending = await self.app.records.call(lambda wb: wb.pending_seeds(plan)) if plan.seeds > 1 else ()
        names = [plan.name, *(one.config.name for one in pending if one.run is None)]
        if any(job.kind == "train" and job.title in names for job in self.app.jobs):
            raise UserInputError(_("this name exists already"))
        for name in names:
            await self.app.records.call(partial(_check_new_name, name))


def _check_new_name(name: str, wb: Workbench) -> None:
    wb.check_new_name("train", name)


def _preset_texts(name: str) -> dict[str, str]:
    """Return the texts of the fields that a preset sets."""
    texts = {True: "yes", False: "no"}
    return {key: texts[value] if isinstance(value, bool) else str(value) for key, value in PRESETS[name].values.items()}

"""The form for a new base model, pretrained on plain text."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from textual.widget import Widget
from textual.widgets import Collapsible, Static

from weibo_tui.app.formatting import safe_content
from weibo_tui.app.forms.base import FieldError, PlanForm, problems_of
from weibo_tui.app.forms.hyperparameter_fields import name_after, name_field, parameter_fields, recipe_fields
from weibo_tui.app.forms.path_completion import check_path
from weibo_tui.app.forms.path_input import PathInput
from weibo_tui.datasets.corpus import read_lines
from weibo_tui.engine.hyperparameters import BaseModelSize, ComputeOptions, PretrainingHyperparameters
from weibo_tui.locale import N_
from weibo_tui.locale import gettext as _
from weibo_tui.workbench.config import PretrainingConfig

SUFFIXES = (".txt", ".xz", ".gz")
SIZES = ("layers", "width", "heads", "vocabulary", "positions")
_MINUTES = "30"


class PretrainingForm(PlanForm[PretrainingConfig]):
    """Asks for a text, a time or token budget, and the size of the model."""

    HELP_TEXT = N_(
        "Train a new base model: a small GPT-2, pretrained on plain text with one post per line. Half an "
        "hour on a laptop is enough to try it; more text and more time improve it. Ctrl+S starts."
    )
    DEFAULT_CSS = """
    PretrainingForm {
        & .size { height: auto; padding-left: 19; color: $text-muted; }
        & .size.-wrong { color: $text-error; }
    }
    """

    def __init__(self, values: dict[str, Any] | None = None) -> None:
        super().__init__(_("New base"), values)
        self._values.setdefault("minutes", _MINUTES)
        self._corpus = PathInput(
            self._values.get("corpus", ""), SUFFIXES, placeholder=_("a text file with one post per line")
        )
        self._note = Static(classes="size")

    def compose_fields(self) -> Iterable[Widget]:
        self._used_names = {card.name for card in self.app.catalog.bases} | {
            job.title for job in self.app.jobs if job.kind == "pretrain"
        }
        yield Static(safe_content(_("Text")), classes="section")
        yield self._corpus
        yield from self.fields(name_field(N_("Name of the base (default: the file's)."), self._used_names))
        yield Static(safe_content(_("Duration")), classes="section")
        yield from self.fields(*parameter_fields(PretrainingHyperparameters, main=True))
        yield Static(safe_content(_("Model")), classes="section")
        yield from self.fields(*parameter_fields(BaseModelSize, main=True))
        yield self._note
        with Collapsible(title=_("More")):
            yield from self.fields(*recipe_fields())

    def on_mount(self) -> None:
        self._corpus.focus()
        self.update_dependents()
        self.run_task(self._propose_free_name())

    async def _propose_free_name(self) -> None:
        self._used_names |= await self.app.records.call(lambda wb: wb.reserved_names("pretrain"))
        self._propose_name()

    def on_path_input_changed(self, event: PathInput.Changed) -> None:
        event.stop()
        self._values["corpus"] = event.value
        self._propose_name()

    def _propose_name(self) -> None:
        if corpus := self._corpus.value:
            self.propose_name(name_after(Path(corpus).name.partition(".")[0], "base", self._used_names))

    def on_path_input_chosen(self, event: PathInput.Chosen) -> None:
        event.stop()
        self._fields["name"].focus()

    def update_dependents(self) -> None:
        """Show the number of parameters."""
        sizes = [self._fields[name] for name in SIZES if name in self._fields]
        if len(sizes) < len(SIZES) or any(field.problem for field in sizes):
            self._note.update("")
            return
        values = self.values(*SIZES)
        count = count_parameters(values["layers"], values["width"], values["vocabulary"], values["positions"])
        text = _("{count} million parameters").format(count=f"{count / 1e6:,.1f}")
        problem = _check_heads(values)
        self._note.update(safe_content(problem or text))
        self._note.set_class(bool(problem), "-wrong")

    def plan(self) -> PretrainingConfig:
        corpus = self._corpus.path
        if not self._corpus.value.strip():
            raise FieldError(self._corpus, _("Choose a text file first."))
        if problem := check_path(corpus, save=False).problem:
            raise FieldError(self._corpus, problem)
        if (self._fields["minutes"].value > 0) == (self._fields["tokens"].value > 0):
            problem = _("Set the duration either in minutes or in tokens; the other is 0.")
            raise FieldError(self._fields["minutes"], problem)
        sizes = self.values(*SIZES)
        if problem := _check_heads(sizes):
            raise FieldError(self._fields["heads"], problem)
        return PretrainingConfig(
            corpus=corpus,
            recipe=PretrainingHyperparameters(
                **self.values("minutes", "tokens", "context", "batch_size", "learning_rate", "seed")
            ),
            machine=ComputeOptions(**self.values("device", "dtype", "threads")),
            **self.values("name", "units", "emoticons", "encoding"),
            **sizes,
        )

    async def check(self, plan: PretrainingConfig) -> PretrainingConfig:
        with problems_of(self._fields["name"]):
            await self.app.records.call(lambda wb: wb.check_new_name("pretrain", plan.name))
        with problems_of(self._corpus):
            await self.app.records.call(lambda _wb: next(read_lines(plan.corpus, plan.encoding), None))
        return plan


def count_parameters(layers: int, width: int, vocabulary: int, positions: int) -> int:
    """Return the number of parameters of a GPT-2 with tied embeddings and feed-forward layers of 4 × `width`.

    It is an upper bound, because the vocabulary may become smaller than requested."""
    return (vocabulary + positions) * width + layers * (12 * width**2 + 13 * width) + 2 * width


def _check_heads(sizes: dict[str, int]) -> str:
    """Return what is wrong with the number of heads for this width, empty if nothing."""
    if sizes["width"] % sizes["heads"] == 0:
        return ""
    return _("The width ({width}) must be a multiple of the number of heads ({heads}).").format(**sizes)

"""A new base: from which text, how large, for how long."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from textual.containers import VerticalScroll
from textual.widget import Widget
from textual.widgets import Collapsible, Static

from weibo_tui.app.formatting import plain
from weibo_tui.app.forms.base import PlanForm
from weibo_tui.app.forms.hyperparameter_fields import name_after, name_field, parameter_fields, recipe_fields
from weibo_tui.app.forms.path_completion import judge
from weibo_tui.app.forms.path_input import PathInput
from weibo_tui.engine.hyperparameters import BaseModelSize, PretrainingHyperparameters
from weibo_tui.errors import UserInputError
from weibo_tui.locale import N_
from weibo_tui.locale import gettext as _
from weibo_tui.workbench import ComputeOptions, PretrainingConfig

SUFFIXES = (".txt", ".xz", ".gz")
SIZES = ("layers", "width", "heads", "vocabulary", "positions")
_MINUTES = "30"


class PretrainingForm(PlanForm[PretrainingConfig]):
    """What a pretraining needs: a text, and how long it may take."""

    HELP_TEXT = N_(
        "A new base, a small GPT-2 that learns Chinese from plain text with one post a line. Half an hour on a laptop "
        "is enough to try; more text and more time make it better. Ctrl+S starts."
    )
    DEFAULT_CSS = """
    PretrainingForm {
        & #fields { height: 1fr; padding: 0 1; }
        & .told { height: auto; padding-left: 19; color: $text-muted; }
        & .told.-wrong { color: $text-error; }
    }
    """

    def __init__(self, typed: dict[str, Any] | None = None) -> None:
        super().__init__(typed)
        self._typed.setdefault("minutes", _MINUTES)
        self._corpus = PathInput(
            self._typed.get("corpus", ""), SUFFIXES, placeholder=_("a text file with one post a line")
        )
        self._told = Static(classes="told")

    def compose_body(self) -> Iterable[Widget]:
        self._taken = {card.name for card in self.weibo.stock.bases} | {
            job.title for job in self.weibo.jobs if job.kind == "pretrain"
        }
        yield Static(plain(_("New base")), classes="title")
        with VerticalScroll(id="fields", can_focus=False):
            yield Static(plain(_("Text")), classes="section")
            yield self._corpus
            yield from self.fields(name_field(N_("Name of the base; else the file's."), self._taken))
            yield Static(plain(_("For how long")), classes="section")
            yield from self.fields(*parameter_fields(PretrainingHyperparameters, main=True))
            yield Static(plain(_("Model")), classes="section")
            yield from self.fields(*parameter_fields(BaseModelSize, main=True))
            yield self._told
            with Collapsible(title=_("More")):
                yield from self.fields(*recipe_fields())

    def on_mount(self) -> None:
        self._corpus.focus()
        self.changed()

    def on_path_input_changed(self, event: PathInput.Changed) -> None:
        event.stop()
        self._typed["corpus"] = event.value
        self._problem.update("")
        if event.value:
            self.propose_name(name_after(Path(event.value).name.partition(".")[0], "base", self._taken))

    def on_path_input_chosen(self, event: PathInput.Chosen) -> None:
        event.stop()
        self._fields["name"].take_focus()

    def changed(self) -> None:
        """Say how large it will be."""
        sizes = [self._fields[name] for name in SIZES if name in self._fields]
        if len(sizes) < len(SIZES) or any(field.problem for field in sizes):
            self._told.update("")
            return
        values = self.values(*SIZES)
        count = parameters(values["layers"], values["width"], values["vocabulary"], values["positions"])
        text = _("{count} million parameters").format(count=f"{count / 1e6:,.1f}")
        odd = _odd_heads(values)
        self._told.update(plain(odd or text))
        self._told.set_class(bool(odd), "-wrong")

    def plan(self) -> PretrainingConfig:
        corpus = self._corpus.path
        if not self._corpus.value.strip():
            raise UserInputError(_("Name a text to learn from first."))
        if problem := judge(corpus, save=False).problem:
            raise UserInputError(problem)
        if (self._fields["minutes"].value > 0) == (self._fields["tokens"].value > 0):
            raise UserInputError(_("Say for how long, either in minutes or in tokens; the other is 0."))
        sizes = self.values(*SIZES)
        if odd := _odd_heads(sizes):
            raise UserInputError(odd)
        return PretrainingConfig(
            corpus=corpus,
            recipe=PretrainingHyperparameters(
                **self.values("minutes", "tokens", "context", "batch_size", "learning_rate", "seed")
            ),
            machine=ComputeOptions(**self.values("device", "dtype", "threads")),
            **self.values("name", "units", "emoticons", "encoding"),
            **sizes,
        )


def parameters(layers: int, width: int, vocabulary: int, positions: int) -> int:
    """The number of parameters of a GPT-2 whose feed-forward layers are four times as wide; the output shares the
    embedding. The vocabulary may turn out smaller than asked for, and with it this."""
    return (vocabulary + positions) * width + layers * (12 * width**2 + 13 * width) + 2 * width


def _odd_heads(sizes: dict[str, int]) -> str:
    """Why so many heads do not do for the width; empty where they do."""
    if sizes["width"] % sizes["heads"] == 0:
        return ""
    return _("The width must be a multiple of the heads: {width} is none of {heads}.").format(**sizes)

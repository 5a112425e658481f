"""The card of a base or an adapter: what it is, how it came about, what stands on it, how good it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from weibo_tui.app.formatting import (
    NO_FIGURE,
    duration,
    label_color,
    label_name,
    local_time,
    percent,
    safe_content,
    safe_line,
    size,
)
from weibo_tui.app.models.inventory import CorruptModel, Inventory, ModelEntry, ModelItem
from weibo_tui.app.widgets.description_list import DescriptionItem, DescriptionList
from weibo_tui.app.widgets.score_card import ScoreView
from weibo_tui.engine.hyperparameters import Hyperparameters
from weibo_tui.locale import N_, ngettext
from weibo_tui.locale import gettext as _
from weibo_tui.registry.cards import AdapterCard, BaseCard
from weibo_tui.text import truncate_cells
from weibo_tui.workbench.downloads import BASE_SIZE
from weibo_tui.workbench.home import STARTER_BASE

# A card from elsewhere may hold megabytes of anything: so much of it is shown.
_LONGEST = 400
_MOST_NAMES = 40


class ModelCard(VerticalScroll):
    """One card at a time, scrolled with the arrows."""

    HELP_TEXT = N_("The card of what is chosen at the left. The arrows scroll it, Tab and Esc lead back to the list.")
    DEFAULT_CSS = """
    ModelCard { padding: 0 2; scrollbar-size-vertical: 1; }
    ModelCard > * { height: auto; }
    ModelCard ScoreView { margin-top: 1; }
    """

    def compose(self) -> ComposeResult:
        yield Static(id="facts")
        yield ScoreView()

    def show(self, entry: ModelEntry | None, inventory: Inventory) -> None:
        """Show the card of `entry`, from its beginning."""
        self.query_one("#facts", Static).update(
            DescriptionList(list(_facts(entry, inventory)) if entry is not None else [])
        )
        score = entry.card.score if isinstance(entry, ModelItem) and isinstance(entry.card, AdapterCard) else {}
        self.query_one(ScoreView).show(score)
        self.scroll_home(animate=False)


def _facts(entry: ModelEntry, inventory: Inventory) -> Iterator[DescriptionItem]:
    yield DescriptionItem(value=safe_line(entry.name, "bold $primary"))
    if isinstance(entry, CorruptModel):
        yield DescriptionItem(value=safe_content(entry.problem, "$text-error"))
        return
    if entry.condition is not None and entry.condition.missing:
        missing = _("Missing here: {files}. Delete it, then make it or take it in again.")
        yield DescriptionItem(
            value=Content.styled(missing.format(files=", ".join(entry.condition.missing)), "$text-error")
        )
    if entry.bundled:
        yield DescriptionItem(value=Content.styled(_("It comes with weibo-tui, and stays as it is."), "$text-muted"))
    card = entry.card
    yield from (
        _base_facts(card, entry, inventory) if isinstance(card, BaseCard) else _adapter_facts(card, entry, inventory)
    )


def _base_facts(card: BaseCard, item: ModelItem[Any], inventory: Inventory) -> Iterator[DescriptionItem]:
    if item.chosen:
        yield DescriptionItem(
            value=Content.styled(_("The base that is trained on where none is named."), "$text-muted")
        )
    if item.bundled and card.name == STARTER_BASE:
        yield DescriptionItem(value=_small())
    yield DescriptionItem()
    yield DescriptionItem(_("Parameters"), Content(_count(card.parameters)))
    condition = item.condition
    if condition is not None and (shape := condition.shape) is not None:
        said = _("{layers} layers, {width} wide, {heads} heads").format(
            layers=shape.layers, width=shape.width, heads=shape.heads
        )
        yield DescriptionItem(_("Shape"), Content(said))
        yield DescriptionItem(
            _("Positions"), Content(_("{positions} tokens at most").format(positions=f"{shape.positions:,}"))
        )
        yield DescriptionItem(_("Vocabulary"), Content(_("{tokens} tokens").format(tokens=f"{shape.vocabulary:,}")))
    if condition is not None:
        yield DescriptionItem(_("On the disk"), Content(size(condition.size)))
    yield DescriptionItem(_("Fingerprint"), _cut(card.fingerprint))
    yield DescriptionItem(_("From"), Content.assemble(_source(card, item.bundled), ", ", local_time(card.created_at)))
    yield from _made(card.made)
    standing = inventory.standing_on(card)
    yield DescriptionItem()
    if standing:
        title = ngettext("{n} adapter stands on it", "{n} adapters stand on it", len(standing))
        yield DescriptionItem(title.format(n=len(standing)))
        yield DescriptionItem(value=_names(standing))
    else:
        yield DescriptionItem(_("No adapter stands on it"))


def _small() -> Content:
    said = _(
        "It is small: quick, also without a GPU, but adapters on it err more often than on a full GPT-2. In the list, "
        "g fetches uer's ({size} MB), as 'weibo-tui bases get' does."
    )
    return Content(said.format(size=BASE_SIZE // 10**6))


def _source(card: BaseCard, bundled: bool) -> Content:
    if card.source != "pretrained":
        return _cut(card.source)
    return Content(_("pretrained for weibo-tui") if bundled else _("pretrained here"))


def _made(made: Mapping[str, Any]) -> Iterator[DescriptionItem]:
    """How a pretrained base came about; one from elsewhere keeps other things here."""
    if "corpus" not in made:
        return
    yield DescriptionItem()
    yield DescriptionItem(_("Made from text"))
    if text := _text(made.get("corpus")):
        yield DescriptionItem(_("Corpus"), _cut(text))
    if (tokens := _figure(made.get("tokens"))) is not None:
        yield DescriptionItem(_("Read"), Content(_("{tokens} tokens").format(tokens=f"{tokens:,.0f}")))
    if (seconds := _figure(made.get("seconds"))) is not None:
        yield DescriptionItem(_("Computed"), Content.assemble(duration(seconds), "  ", _cut(_text(made.get("dtype")))))
    if (loss := _figure(made.get("validation_loss"))) is not None:
        yield DescriptionItem(_("Validation loss"), Content(f"{loss:.3f}"))
    if run := _text(made.get("run")):
        yield DescriptionItem(_("Run"), _cut(run))


def _adapter_facts(card: AdapterCard, item: ModelItem[Any], inventory: Inventory) -> Iterator[DescriptionItem]:
    if item.chosen:
        yield DescriptionItem(
            value=Content.styled(_("The adapter that reads posts where none is named."), "$text-muted")
        )
    yield DescriptionItem()
    base = inventory.base_of(card)
    yield DescriptionItem(_("Base"), _base_named(card, base))
    yield DescriptionItem(_("Labels"), _labels(card))
    yield DescriptionItem(_("Trainable"), _trainable(card, base))
    if item.condition is not None:
        yield DescriptionItem(_("On the disk"), Content(size(item.condition.size)))
    yield DescriptionItem(_("Blocks"), _blocks(card, base))
    yield DescriptionItem(_("Reads"), Content(_("{length} tokens of a post").format(length=_count(card.max_length))))
    yield DescriptionItem(_("Temperature"), Content.assemble(f"{card.temperature:.3f}, ", _cut(card.dtype)))
    yield DescriptionItem()
    yield DescriptionItem(_("Trained"))
    yield DescriptionItem(_("When"), Content(local_time(card.created_at)))
    yield from _data(card.data)
    if hyper := _hyperparameters(card.hyperparameters):
        yield DescriptionItem(_("With"), hyper)
    if card.run:
        yield DescriptionItem(_("Run"), _cut(card.run))
    yield DescriptionItem()
    yield DescriptionItem(_("Measured") if card.score else _("It was never measured: e does it."))


def _base_named(card: AdapterCard, base: ModelItem[BaseCard] | None) -> Content:
    if base is None:
        missing = _("{base} ({fingerprint}…), which is not here: take it in, or it cannot judge").format(
            base=card.base[:64], fingerprint=card.base_fingerprint[:12]
        )
        return safe_content(missing, "$text-error")
    if base.name == card.base:
        return safe_content(base.name)
    return safe_content(_("{base} (which it knew as {old})").format(base=base.name, old=card.base[:64]))


def _trainable(card: AdapterCard, base: ModelItem[BaseCard] | None) -> Content:
    """How many parameters were trained, and what share of all they are."""
    own, others = _figure(card.parameters), None if base is None else _figure(base.card.parameters)
    told = _("{n} parameters").format(n=_count(card.parameters))
    if own and others:
        told = _("{told}, {share} of base and adapter").format(told=told, share=percent(own / (own + others), 2))
    return Content(told)


def _labels(card: AdapterCard) -> Content:
    """The labels in their colours, with how many posts bore each."""
    counts = card.data.get("labels")
    counts = counts if isinstance(counts, dict) else {}
    parts = []
    for label in card.labels[:_MOST_NAMES]:
        count = _figure(counts.get(label))
        parts.append(
            Content.assemble(
                safe_line(truncate_cells(label_name(label), _LONGEST), label_color(label, card.labels)),
                (f" {count:,.0f}" if count is not None else "", "$text-muted"),
            )
        )
    return Content.assemble(Content(", ").join(parts), _more(len(card.labels)))


def _blocks(card: AdapterCard, base: ModelItem[BaseCard] | None) -> Content:
    shape = base.condition.shape if base is not None and base.condition is not None else None
    numbers = _ranges(card.blocks)
    of_all = _("{blocks} of {layers}").format(blocks=numbers, layers=shape.layers) if shape is not None else numbers
    told = _("{blocks}, bottleneck {bottleneck}, {activation}").format(
        blocks=of_all, bottleneck=_count(card.bottleneck), activation=card.activation[:64]
    )
    return _cut(told)


def _ranges(numbers: Sequence[int]) -> str:
    """`0–3, 7`."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1][1:] = [number]
        else:
            runs.append([number])
    return ", ".join("–".join(map(str, run)) for run in runs[:_MOST_NAMES])


def _data(data: Mapping[str, Any]) -> Iterator[DescriptionItem]:
    """What an adapter was trained on."""
    if files := [_text(file) for file in _sequence(data.get("files"))]:
        yield DescriptionItem(_("On"), _names(files))
    parts = {
        _("{n} to train on"): _figure(data.get("train")),
        _("{n} to validate"): _figure(data.get("validation")),
        _("{n} to test"): _figure(data.get("test")),
        _("{n} without text"): _figure(data.get("skipped")) or None,
    }
    if said := [name.format(n=f"{count:,.0f}") for name, count in parts.items() if count is not None]:
        yield DescriptionItem(_("Posts"), Content(", ".join(said)))
    if (seed := _figure(data.get("split_seed"))) is not None:
        yield DescriptionItem(_("Split"), Content(_("with the seed {seed}").format(seed=f"{seed:.0f}")))


def _hyperparameters(values: Mapping[str, Any]) -> Content:
    known = [one.name for one in fields(Hyperparameters) if one.name in values]
    told = [f"{name.replace('_', '-')} {_text(values[name])}" for name in known]
    return Content(", ").join(map(_cut, told))


def _names(names: Sequence[str]) -> Content:
    return Content.assemble(safe_line(", ".join(name[:_LONGEST] for name in names[:_MOST_NAMES])), _more(len(names)))


def _more(number: int) -> Content:
    return Content(_(" and {n} more").format(n=f"{number - _MOST_NAMES:,}") if number > _MOST_NAMES else "")


def _cut(text: str) -> Content:
    return safe_line(truncate_cells(text, _LONGEST))


def _text(value: object) -> str:
    """A single value out of a card; of anything else nothing."""
    return str(value) if isinstance(value, str | int | float) else ""


def _figure(value: object) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e15 else None


def _count(value: object) -> str:
    figure = _figure(value)
    return NO_FIGURE if figure is None else f"{figure:,.0f}"


def _sequence(value: object) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else ()

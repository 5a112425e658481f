"""The card of a base or an adapter: what it is, its provenance, its score, and what depends on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from weibo_tui.app.formatting import label_color, local_time, safe_content, safe_line
from weibo_tui.app.models.inventory import CorruptModel, Inventory, ModelEntry, ModelItem
from weibo_tui.app.widgets.description_list import DescriptionItem, DescriptionList
from weibo_tui.app.widgets.responsive_text import paragraph
from weibo_tui.app.widgets.score_blocks import ScorePictures, ScoreTables
from weibo_tui.app.widgets.score_card import ScoreView
from weibo_tui.display_names import label_name
from weibo_tui.engine.hyperparameters import Hyperparameters
from weibo_tui.locale import N_, join_list, ngettext
from weibo_tui.locale import gettext as _
from weibo_tui.presentation.cleaning import describe_cleaning
from weibo_tui.presentation.faithfulness import faithfulness_sentence
from weibo_tui.presentation.numbers import NO_FIGURE, duration, percent, size
from weibo_tui.registry.cards import AdapterCard, BaseCard
from weibo_tui.text.terminal import truncate_cells
from weibo_tui.workbench.downloads import BASE_SIZE
from weibo_tui.workbench.models import STARTER_BASE

# A card from elsewhere may contain megabytes of anything.
_MAX_CELLS = 400
_MAX_NAMES = 40


class ModelCard(VerticalScroll):
    """One card, scrolled with the arrows."""

    HELP_TEXT = N_("The card of the selected model. The arrow keys scroll it, Tab and Esc go back to the list.")
    DEFAULT_CSS = """
    ModelCard { padding: 0 2; scrollbar-size-vertical: 1; }
    ModelCard > * { height: auto; }
    ModelCard ScoreView, ModelCard ScorePictures, ModelCard ScoreTables { margin-top: 1; }
    ModelCard #explanations { margin-top: 1; }
    """

    def compose(self) -> ComposeResult:
        yield Static(id="facts")
        yield ScoreView()
        yield ScorePictures()
        yield ScoreTables()
        yield Static(id="explanations")

    def show(self, entry: ModelEntry | None, inventory: Inventory) -> None:
        """Show the card of an entry from its top, or nothing."""
        items = list(_items(entry, inventory)) if entry is not None else []
        self.query_one("#facts", Static).update(DescriptionList(items))
        score = entry.card.score if isinstance(entry, ModelItem) and isinstance(entry.card, AdapterCard) else {}
        for widget in (self.query_one(ScoreView), self.query_one(ScorePictures), self.query_one(ScoreTables)):
            widget.show(score)
        sentence = faithfulness_sentence(score.get("faithfulness"))
        explanations = self.query_one("#explanations", Static)
        explanations.update(paragraph(sentence))
        explanations.display = bool(sentence)
        self.scroll_home(animate=False)


def _items(entry: ModelEntry, inventory: Inventory) -> Iterator[DescriptionItem]:
    yield DescriptionItem(value=safe_line(entry.name, "bold $primary"))
    if isinstance(entry, CorruptModel):
        yield DescriptionItem(value=safe_content(entry.problem, "$text-error"))
        return
    if entry.files is not None and entry.files.missing:
        missing = _("Files are missing: {files}. Delete it, then train, pretrain or import it again.")
        yield _note(missing.format(files=join_list(entry.files.missing)), "$text-error")
    if entry.bundled:
        yield _note(_("Bundled with weibo-tui; it cannot be changed."), "$text-muted")
    card = entry.card
    if isinstance(card, BaseCard):
        yield from _base_items(card, entry, inventory)
    else:
        yield from _adapter_items(card, entry, inventory.base_of(card))


def _base_items(card: BaseCard, item: ModelItem[Any], inventory: Inventory) -> Iterator[DescriptionItem]:
    if item.default:
        yield _note(_("Default base."), "$text-muted")
    if item.bundled and card.name == STARTER_BASE:
        text = _(
            "A small model: fast without a GPU, but less accurate than a full GPT-2. Press g in the list to "
            "download uer's model ({size} MB)."
        )
        yield _note(text.format(size=BASE_SIZE // 10**6))
    yield DescriptionItem()
    yield DescriptionItem(_("Parameters"), Content(_count(card.parameters)))
    files = item.files
    if files is not None and (shape := files.shape) is not None:
        text = _("{layers} layers, {width} wide, {heads} heads")
        text = text.format(layers=shape.layers, width=shape.width, heads=shape.heads)
        yield DescriptionItem(_("Shape"), Content(text))
        positions = _("at most {positions} tokens").format(positions=f"{shape.positions:,}")
        yield DescriptionItem(_("Positions"), Content(positions))
        yield DescriptionItem(_("Vocabulary"), Content(_("{tokens} tokens").format(tokens=f"{shape.vocabulary:,}")))
    if files is not None:
        yield DescriptionItem(_("On the disk"), Content(size(files.size)))
    yield DescriptionItem(_("Fingerprint"), _cut(card.fingerprint))
    yield DescriptionItem(_("From"), Content.assemble(_source(card, item.bundled), ", ", local_time(card.created_at)))
    yield from _provenance_items(card.made)
    adapters = inventory.adapters_of(card)
    yield DescriptionItem()
    if adapters:
        title = ngettext("{n} adapter", "{n} adapters", len(adapters))
        yield DescriptionItem(title.format(n=len(adapters)))
        yield DescriptionItem(value=_names(adapters))
    else:
        yield DescriptionItem(_("No adapters"))


def _source(card: BaseCard, bundled: bool) -> Content:
    if card.source != "pretrained":
        return _cut(card.source)
    return Content(_("pretrained for weibo-tui") if bundled else _("pretrained here"))


def _provenance_items(provenance: Mapping[str, Any]) -> Iterator[DescriptionItem]:
    """Yield how a base was pretrained; a base from elsewhere has other keys here."""
    if "corpus" not in provenance:
        return
    yield DescriptionItem()
    yield DescriptionItem(_("Corpus"))
    if corpus := _text(provenance.get("corpus")):
        yield DescriptionItem(_("File"), _cut(corpus))
    if (tokens := _number(provenance.get("tokens"))) is not None:
        yield DescriptionItem(_("Training data"), Content(_("{tokens} tokens").format(tokens=f"{tokens:,.0f}")))
    if (seconds := _number(provenance.get("seconds"))) is not None:
        dtype = _cut(_text(provenance.get("dtype")))
        yield DescriptionItem(_("Computed"), Content.assemble(duration(seconds), "  ", dtype))
    if (loss := _number(provenance.get("validation_loss"))) is not None:
        yield DescriptionItem(_("Validation loss"), Content(f"{loss:.3f}"))
    if run := _text(provenance.get("run")):
        yield DescriptionItem(_("Run"), _cut(run))


def _adapter_items(
    card: AdapterCard, item: ModelItem[Any], base: ModelItem[BaseCard] | None
) -> Iterator[DescriptionItem]:
    if item.default:
        yield _note(_("Default adapter."), "$text-muted")
    yield DescriptionItem()
    yield DescriptionItem(_("Base"), _base_name(card, base))
    yield DescriptionItem(_("Labels"), _labels(card))
    yield DescriptionItem(_("Trainable"), _trainable(card, base))
    if item.files is not None:
        yield DescriptionItem(_("On the disk"), Content(size(item.files.size)))
    yield DescriptionItem(_("Blocks"), _blocks(card, base))
    yield DescriptionItem(_("Max length"), Content(_("{length} tokens").format(length=_count(card.max_length))))
    yield DescriptionItem(_("Cleaning"), Content(describe_cleaning(card.preprocessing)))
    yield DescriptionItem(_("Temperature"), Content.assemble(f"{card.temperature:.3f}, ", _cut(card.dtype)))
    yield DescriptionItem()
    yield DescriptionItem(_("Trained"))
    yield DescriptionItem(_("Time"), Content(local_time(card.created_at)))
    yield from _data_items(card.data)
    values = card.hyperparameters
    known = [field for field in fields(Hyperparameters) if field.name in values]
    if known:
        settings = [f"{_(field.metadata['label'])} {_text(values[field.name])}" for field in known]
        yield DescriptionItem(_("With"), Content(join_list(_cut(text).plain for text in settings)))
    if card.run:
        yield DescriptionItem(_("Run"), _cut(card.run))
    yield DescriptionItem()
    yield DescriptionItem(_("Measured") if card.score else _("Not evaluated yet. Press e to evaluate it."))


def _base_name(card: AdapterCard, base: ModelItem[BaseCard] | None) -> Content:
    name = card.base[:64]
    if base is None:
        text = _("{base} ({fingerprint}…), not installed: add it to use this adapter")
        return safe_content(text.format(base=name, fingerprint=card.base_fingerprint[:12]), "$text-error")
    if base.name == card.base:
        return safe_content(base.name)
    return safe_content(_("{base} (called {old} when it was trained)").format(base=base.name, old=name))


def _trainable(card: AdapterCard, base: ModelItem[BaseCard] | None) -> Content:
    """Return the number of trained parameters, and their share of all."""
    trained, frozen = _number(card.parameters), None if base is None else _number(base.card.parameters)
    text = _("{n} parameters").format(n=_count(card.parameters))
    if trained and frozen:
        share = percent(trained / (trained + frozen), 2)
        text = _("{told}, {share} of base and adapter").format(told=text, share=share)
    return Content(text)


def _labels(card: AdapterCard) -> Content:
    """Return the labels in their colors, each with its number of posts."""
    counts = card.data.get("labels")
    counts = counts if isinstance(counts, dict) else {}
    parts = []
    for label in card.labels[:_MAX_NAMES]:
        count = _number(counts.get(label))
        name = safe_line(truncate_cells(label_name(label), _MAX_CELLS), label_color(label, card.labels))
        parts.append(Content.assemble(name, (f" {count:,.0f}" if count is not None else "", "$text-muted")))
    return Content.assemble(Content(", ").join(parts), _more(len(card.labels)))


def _blocks(card: AdapterCard, base: ModelItem[BaseCard] | None) -> Content:
    shape = base.files.shape if base is not None and base.files is not None else None
    blocks = _ranges(card.blocks)
    if shape is not None:
        blocks = _("{blocks} of {layers}").format(blocks=blocks, layers=shape.layers)
    text = _("{blocks}, bottleneck {bottleneck}, {activation}").format(
        blocks=blocks, bottleneck=_count(card.bottleneck), activation=card.activation[:64]
    )
    return _cut(text)


def _ranges(numbers: Sequence[int]) -> str:
    """Return numbers as `0–3, 7`."""
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][-1] + 1:
            ranges[-1][1:] = [number]
        else:
            ranges.append([number])
    return join_list("–".join(map(str, ends)) for ends in ranges[:_MAX_NAMES])


def _data_items(data: Mapping[str, Any]) -> Iterator[DescriptionItem]:
    files = data.get("files")
    if isinstance(files, list | tuple) and files:
        yield DescriptionItem(_("Data"), _names([_text(file) for file in files]))
    counts = {
        _("{n} for training"): _number(data.get("train")),
        _("{n} for validation"): _number(data.get("validation")),
        _("{n} for testing"): _number(data.get("test")),
        _("{n} without text"): _number(data.get("skipped")) or None,
    }
    if parts := [text.format(n=f"{count:,.0f}") for text, count in counts.items() if count is not None]:
        yield DescriptionItem(_("Posts"), Content(join_list(parts)))
    if (seed := _number(data.get("split_seed"))) is not None:
        yield DescriptionItem(_("Split"), Content(_("seed {seed}").format(seed=f"{seed:.0f}")))


# ---- values of a card, which may be anything


def _note(text: str, style: str = "") -> DescriptionItem:
    return DescriptionItem(value=Content.styled(text, style))


def _names(names: Sequence[str]) -> Content:
    shown = join_list(name[:_MAX_CELLS] for name in names[:_MAX_NAMES])
    return Content.assemble(safe_line(shown), _more(len(names)))


def _more(count: int) -> Content:
    return Content(_(" and {n} more").format(n=f"{count - _MAX_NAMES:,}") if count > _MAX_NAMES else "")


def _cut(text: str) -> Content:
    return safe_line(truncate_cells(text, _MAX_CELLS))


def _text(value: object) -> str:
    return str(value) if isinstance(value, str | int | float) else ""


def _number(value: object) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e15 else None


def _count(value: object) -> str:
    number = _number(value)
    return NO_FIGURE if number is None else f"{number:,.0f}"

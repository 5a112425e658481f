"""The list of bases and adapters."""

from __future__ import annotations

from collections.abc import Iterator

from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from weibo_tui.app.formatting import safe_line
from weibo_tui.app.keymap import bindings
from weibo_tui.app.models.inventory import CorruptModel, IntactModel, Inventory, Kind, ModelEntry
from weibo_tui.display_names import label_name
from weibo_tui.locale import N_, join_list
from weibo_tui.locale import gettext as _
from weibo_tui.presentation.numbers import NO_FIGURE, percent, size
from weibo_tui.registry.cards import AdapterCard, BaseCard

_MAX_LABELS = 12


class ModelList(OptionList):
    """The bases above the adapters; an entry has a line with its name, and lines with its figures."""

    HELP_TEXT = N_(
        "The arrow keys move through bases and adapters; * marks the defaults. Enter opens the card. Space marks "
        "adapters to compare."
    )
    BINDINGS = bindings("models_list")
    DEFAULT_CSS = """
    ModelList {
        padding: 0; background: $background; text-wrap: nowrap; text-overflow: ellipsis;
        scrollbar-size-vertical: 1;
        & > .option-list--option { padding: 0 1; }
        & > .option-list--option-disabled { color: $text-muted; }
        & > .option-list--option-highlighted { color: $text; background: $panel; }
        &:focus { background-tint: $foreground 0%; }
        &:focus > .option-list--option-highlighted { color: $text; background: $primary 25%; }
    }
    """

    def __init__(self) -> None:
        super().__init__(markup=False, classes="pane")
        self._entries: dict[str, ModelEntry] = {}
        self._marks: list[str] = []
        """Adapters that are marked, in the order of the marks."""

    @property
    def marked(self) -> list[str]:
        """The adapters that are marked and still exist."""
        return [name for name in self._marks if f"adapter:{name}" in self._entries]

    def toggle_mark(self) -> None:
        """Mark the adapter under the cursor, or remove its mark."""
        entry = self.entry
        if entry is None or entry.kind != "adapter":
            return
        if entry.name in self._marks:
            self._marks.remove(entry.name)
        else:
            self._marks.append(entry.name)
        self.replace_option_prompt(_key(entry), _lines(entry, entry.name in self._marks))

    @property
    def entry(self) -> ModelEntry | None:
        """The entry under the cursor."""
        option = self.highlighted_option
        return self._entries.get(option.id or "") if option is not None else None

    def show(self, inventory: Inventory) -> None:
        """List an inventory; the cursor stays on its entry, or goes to the next if that is gone."""
        before, index = self.entry, self.highlighted
        self._entries = {}
        options: list[Option] = []
        for kind in ("base", "adapter"):
            options += self._section(kind, list(inventory.entries(kind)))
        self.set_options(options)
        self._go_to(_key(before) if before is not None else "", index)

    def select(self, kind: Kind, name: str) -> None:
        """Put the cursor on an entry, if it exists."""
        if (key := f"{kind}:{name}") in self._entries:
            self.highlighted = self.get_option_index(key)

    def _section(self, kind: Kind, entries: list[ModelEntry]) -> Iterator[Option]:
        title = _("Bases") if kind == "base" else _("Adapters")
        yield Option(Content.styled(title, "bold $primary"), disabled=True)
        for entry in entries:
            self._entries[_key(entry)] = entry
            yield Option(_lines(entry, kind == "adapter" and entry.name in self._marks), id=_key(entry))
        if not entries:
            yield Option(Content(_hint(kind)), disabled=True)
        if kind == "base":
            yield Option("", disabled=True)

    def _go_to(self, key: str, index: int | None) -> None:
        indices = [self.get_option_index(entry_key) for entry_key in self._entries]
        if key in self._entries:
            self.highlighted = self.get_option_index(key)
        elif indices:
            later = (other for other in indices if index is not None and other >= index)
            self.highlighted = next(later, indices[0] if index is None else indices[-1])
        else:
            self.highlighted = None


def _key(entry: ModelEntry) -> str:
    return f"{entry.kind}:{entry.name}"


def _hint(kind: Kind) -> str:
    if kind == "adapter":
        return _("No adapters yet.\nF3: train one on your posts.\ni: import one from a file.")
    return _(
        "No bases yet.\ng: download one from the Hub.\ni: import one from a file or\na Hugging Face "
        "folder.\np: pretrain one on plain text."
    )


def _lines(entry: ModelEntry, marked: bool) -> Content:
    if isinstance(entry, CorruptModel):
        name = safe_line("! " + entry.name, "bold $text-error")
        return Content("\n").join([name, Content.styled("  " + _("damaged"), "$text-error")])
    incomplete = entry.files is not None and bool(entry.files.missing)
    name = Content.assemble(
        ("* " if entry.default else "  ", "bold $primary"),
        safe_line(entry.name, "bold"),
        ("  ✓" if marked else "", "bold $primary"),
        ("  " + _("files are missing") if incomplete else "", "$text-error"),
        ("  " + _("bundled") if entry.bundled else "", "$text-muted"),
    )
    figures = (Content.assemble("  ", safe_line(line, "$text-muted")) for line in _figures(entry))
    return Content("\n").join([name, *figures])


def _figures(item: IntactModel) -> Iterator[str]:
    card = item.card
    if isinstance(card, BaseCard):
        parameters = _("{parameters} parameters").format(parameters=format_count(card.parameters))
        yield parameters if item.files is None else f"{parameters} · {size(item.files.size)}"
        return
    more = "…" if len(card.labels) > _MAX_LABELS else ""
    labels = join_list(map(label_name, card.labels[:_MAX_LABELS])) + more
    yield _("{labels} · on {base}").format(labels=labels, base=card.base)
    accuracy, without = (_share(value) for value in (card.score.get("accuracy"), _without_emoticons(card)))
    if accuracy:
        yield _("{accuracy}, {without} without emoticons").format(accuracy=accuracy, without=without or NO_FIGURE)


def _without_emoticons(card: AdapterCard) -> object:
    emoticons = card.score.get("emoticons")
    return emoticons.get("without") if isinstance(emoticons, dict) else None


def _share(value: object) -> str:
    # A card from elsewhere may contain anything.
    return percent(value) if isinstance(value, int | float) and 0 <= value <= 1 else ""


def format_count(count: float) -> str:
    """Return a count as `940`, `12.3 K` or `102 M`, a dash if no model can have it."""
    if not 0 <= count < 1e15:
        return NO_FIGURE
    for unit in ("", "K", "M"):
        if count < 1000 or unit == "M":
            break
        count /= 1000
    return f"{count:,.0f} {unit}".rstrip() if count >= 100 or not unit else f"{count:.1f} {unit}"

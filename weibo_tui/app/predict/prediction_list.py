"""The list of predictions on the predict screen: cards from the history and from this session."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.geometry import Region
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import Static

from weibo_tui.app.base import get_app
from weibo_tui.app.dialogs import ChoiceDialog
from weibo_tui.app.formatting import safe_content
from weibo_tui.app.keymap import bindings, first_key
from weibo_tui.app.predict.card import Card, PostCard, create_card
from weibo_tui.app.predict.job_card import JobCard, LabelingCard
from weibo_tui.app.services.jobs import Job
from weibo_tui.locale import N_
from weibo_tui.locale import gettext as _
from weibo_tui.storage.history import Analysis, Entry
from weibo_tui.workbench import Workbench

MAX_CARDS = 200
"""Cards that stay when a new one is added; the oldest are removed."""
TOP_MARGIN = 3
"""Cards or lines from the top at which older cards are loaded."""
SCROLL_LINES = 3
"""Lines of a high card that one key scrolls."""
PAGE = 50
"""Entries of the history that are loaded at a time."""
MAX_OLDER_CARDS = 600
"""Cards up to which older entries are loaded."""

CARD_ACTIONS: Mapping[str, Callable[[Card], bool]] = {
    "open": lambda card: isinstance(card, PostCard),
    "copy_card": lambda _card: True,
    "predict_again": lambda card: isinstance(card, PostCard | LabelingCard) and not card.busy,
    "show_in_history": lambda card: isinstance(card.entry, Analysis),
    "delete_card": lambda card: not card.busy,
    "stop_work": lambda card: isinstance(card, JobCard) and card.busy,
}
"""The actions on the card under the cursor, and when they work."""


class PredictionList(VerticalScroll, can_focus=True, inherit_bindings=False):
    """Posts and files with their results, the newest last.

    It shows a cursor while it has the focus. The newest card stays in view until the user scrolls."""

    HELP_TEXT = N_(
        "The cards: posts and their predictions, newest last. The selected card can be opened (all labels, "
        "full post), copied, predicted again with another adapter, shown in the history or deleted. Any "
        "other letter goes back to the prompt and is typed there."
    )
    BINDINGS = bindings("cards")
    DEFAULT_CSS = """
    PredictionList {
        height: 1fr; align-vertical: bottom; padding: 1 0 0 0;
        scrollbar-size-vertical: 1; scrollbar-color: $foreground 20%; scrollbar-background: $background;
        scrollbar-background-hover: $background; scrollbar-background-active: $background;
        &:focus Card.-cursor { border-left: outer $primary; background: $surface; }
        & .hint { display: none; width: 100%; height: auto; padding: 0 2 1 2; color: $text-muted; }
        &.-empty .hint { display: block; }
    }
    """

    cursor: reactive[Card | None] = reactive(None)

    class Filled(Message):
        """Cards were added to an empty list."""

    class Exited(Message):
        """A key to leave the cards was pressed."""

    class Repeat(Message):
        """Asks to predict the post or the file of a card again."""

        def __init__(self, card: Card) -> None:
            super().__init__()
            self.card = card

    def __init__(self) -> None:
        super().__init__()
        self._deleted: list[Card] = []
        self._allowed: list[bool | None] = []
        self._fetching = False
        self._all_fetched = False
        self._oldest: Entry | None = None

    def compose(self) -> ComposeResult:
        yield Static(classes="hint")

    def on_mount(self) -> None:
        self.on_settings_changed()
        self.fetch_older()

    def on_settings_changed(self) -> None:
        hint = _("Predictions appear here, newest last. Write a post below, or paste several.")
        self.query_one(".hint", Static).update(safe_content(hint))

    def allow_focus(self) -> bool:
        """Return False for a list without any card, which Tab skips."""
        return bool(self.cards or self._deleted)

    @property
    def cards(self) -> list[Card]:
        return [card for card in self.children if isinstance(card, Card) and card.display]

    @property
    def posts(self) -> list[str]:
        """The posts of all cards, newest first, without repetitions in a row."""
        posts = [card.text for card in reversed(self.cards) if isinstance(card, PostCard)]
        return [post for index, post in enumerate(posts) if not index or post != posts[index - 1]]

    # ---- adding and hiding cards

    def append(self, *cards: Card) -> None:
        """Add the newest cards and scroll to them; the oldest ones are removed where there are too many."""
        existing = self.cards
        surplus = [card for card in existing[: max(0, len(existing) + len(cards) - MAX_CARDS)] if not card.busy]
        if surplus:
            self.remove_children(surplus)
            self.call_after_refresh(self._forget_oldest)
        self.mount(*cards)
        self.remove_class("-empty")
        self.anchor()
        if cards and not existing:
            self.post_message(self.Filled())

    def prepend(self, cards: Sequence[Card]) -> None:
        """Add older cards at the top; what is in view stays where it is."""
        existing = self.cards
        if not cards or not existing:
            self.append(*cards)
            return
        width = existing[0].content_size.width
        added = sum(card.get_content_height(self.size, self.size, width) + 1 for card in cards)
        self.mount(*cards, before=0)
        # Without Textual's watchers, which would scroll before the layout: what is in view would flicker.
        self.set_reactive(VerticalScroll.scroll_y, self.scroll_y + added)
        self.set_reactive(VerticalScroll.scroll_target_y, self.scroll_y)

        def move_bar() -> None:
            self.vertical_scrollbar.position = self.scroll_y

        self.call_after_refresh(move_bar)

    def hide(self, card: Card) -> None:
        """Hide a card that may be shown again."""
        cards = self.cards
        index = cards.index(card)
        card.display = False
        self.set_class(not self.cards, "-empty")
        if card is self.cursor:
            remaining = cards[:index] + cards[index + 1 :]
            self.cursor = remaining[min(index, len(remaining) - 1)] if remaining else None

    def unhide(self, card: Card) -> None:
        """Show a hidden card in its place, with the cursor on it."""
        card.display = True
        self.remove_class("-empty")
        self.call_after_refresh(self.go_to, card)

    # ---- the cursor

    def watch_cursor(self, before: Card | None, now: Card | None) -> None:
        if before is not None:
            before.remove_class("-cursor")
        if now is not None:
            now.add_class("-cursor")
        self.update_actions()

    def on_focus(self) -> None:
        cards = self.cards
        if self.cursor not in cards:
            self.cursor = cards[-1] if cards else None
        self._scroll_to_cursor()

    def go_to(self, card: Card | None) -> None:
        if card is not None:
            self.cursor = card
            self._scroll_to_cursor()

    def _scroll_to_cursor(self) -> None:
        if self.cursor is None:
            return
        # The blank row below belongs to the card, so that the next one does not stick to it.
        top, height = self.cursor.virtual_region.y, self.cursor.virtual_region.height + 1
        if height > self.content_size.height:
            self.release_anchor()
            self.scroll_to(y=top, animate=False, immediate=True, force=True)
        elif self.cursor is self.cards[-1]:
            self.anchor()
        else:
            self.release_anchor()
            self.scroll_to_region(Region(0, top, 1, height), animate=False, immediate=True, force=True)

    def _scroll_within(self, lines: int) -> bool:
        """Scroll an expanded card that is higher than the view. Return False if there is no more of it to see."""
        if self.cursor is None or not self.cursor.expanded:
            return False
        region, height = self.cursor.virtual_region, self.content_size.height
        hidden = region.bottom - self.scroll_y - height if lines > 0 else self.scroll_y - region.y
        if region.height < height or hidden <= 0:
            return False
        self.release_anchor()
        self.scroll_relative(y=lines, animate=False, immediate=True, force=True)
        return True

    def _step(self, cards: Sequence[Card], step: int) -> None:
        if not cards:
            return
        index = (cards.index(self.cursor) if self.cursor in cards else len(cards)) + step
        self.go_to(cards[min(max(index, 0), len(cards) - 1)])
        if index < TOP_MARGIN:
            self.fetch_older()

    def action_move(self, step: int) -> None:
        if not self._scroll_within(step * SCROLL_LINES):
            self._step(self.cards, step)

    def action_page(self, pages: int) -> None:
        """Go up or down by the height of the view, to the nearest card."""
        cards, height = self.cards, self.content_size.height
        if self.cursor not in cards or self._scroll_within(pages * (height - 1)):
            return
        target = self.cursor.virtual_region.y + pages * height
        nearest = min(range(len(cards)), key=lambda index: abs(cards[index].virtual_region.y - target))
        self._step(cards, (nearest - cards.index(self.cursor)) or pages)

    def action_first(self) -> None:
        self._step(self.cards, -len(self.children))

    def action_last(self) -> None:
        self._step(self.cards, len(self.children))

    def action_open(self) -> None:
        if isinstance(self.cursor, PostCard):
            self.cursor.expanded = not self.cursor.expanded
            self.call_after_refresh(self._scroll_to_cursor)

    def on_card_clicked(self, message: Card.Clicked) -> None:
        message.stop()
        repeated = self.has_focus and message.card is self.cursor
        self.screen.set_focus(self, scroll_visible=False)
        self.go_to(message.card)
        if message.chain > 1 and isinstance(message.card, PostCard):
            message.card.expanded = True
        elif repeated:
            self.action_open()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if new_value < old_value and new_value <= TOP_MARGIN:
            self.fetch_older()

    # ---- the history

    @property
    def _entries(self) -> dict[Card, Entry]:
        return {card: card.entry for card in self.cards if card.entry is not None}

    def fetch_older(self) -> None:
        """Load the page of the history before the entries that were loaded."""
        app = get_app(self)
        if len(self.children) > MAX_OLDER_CARDS:
            key = first_key("app.history", app.keymap)
            app.show_message(_("Earlier predictions are in the history: {key}.").format(key=key))
        elif not self._fetching and not self._all_fetched:
            self._fetching = True
            app.run_task(self._fetch(), node=self)

    async def _fetch(self) -> None:
        try:
            entries = await get_app(self).records.call(partial(_load_page, limit=PAGE, before=self._oldest))
        finally:
            self._fetching = False
        self._all_fetched = len(entries) < PAGE
        self._oldest = entries[-1] if entries else self._oldest
        known = set(map(_key, self._entries.values()))
        self.prepend([create_card(entry) for entry in reversed(entries) if _key(entry) not in known])

    def _forget_oldest(self) -> None:
        """Let cards that were removed be loaded again."""
        self._oldest = next(iter(self._entries.values()), None)
        self._all_fetched = False

    def refresh_entries(self) -> None:
        """Update the cards of entries that were corrected or deleted on the history screen."""
        if entries := self._entries:
            get_app(self).run_task(self._refresh(entries), node=self)

    async def _refresh(self, shown: Mapping[Card, Entry]) -> None:
        entries = await get_app(self).records.call(partial(_load_page, limit=len(shown)))
        by_key = {_key(entry): entry for entry in entries}
        full = len(entries) == len(shown)
        for card, entry in shown.items():
            current = by_key.get(_key(entry))
            if isinstance(card, PostCard) and isinstance(current, Analysis) and current != entry:
                card.show(current)
            elif current is None and card.display and not (full and _order(entry) < _order(entries[-1])):
                self.hide(card)

    # ---- actions on the card under the cursor

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        if action == "bring_back":
            return bool(self._deleted)
        if action in CARD_ACTIONS:
            return self.cursor is not None and CARD_ACTIONS[action](self.cursor)
        return True

    def update_actions(self) -> None:
        """Draw the footer again, where other actions are allowed now."""
        allowed = [self.check_action(action, ()) for action in (*CARD_ACTIONS, "bring_back")]
        if allowed != self._allowed:
            self._allowed = allowed
            self.refresh_bindings()

    def on_card_actions_changed(self, message: Card.ActionsChanged) -> None:
        message.stop()
        self.update_actions()

    def action_predict_again(self) -> None:
        if self.cursor is not None:
            self.post_message(self.Repeat(self.cursor))

    def action_show_in_history(self) -> None:
        if self.cursor is not None and self.cursor.entry is not None and self.cursor.entry.id is not None:
            get_app(self).show_in_history(self.cursor.entry.id)

    def action_leave(self) -> None:
        self.post_message(self.Exited())

    def action_copy_card(self) -> None:
        if self.cursor is not None:
            self.app.copy_to_clipboard(self.cursor.clipboard_text)
            get_app(self).show_message(_("Copied."), "success")

    def action_delete_card(self) -> None:
        if self.cursor is not None:
            get_app(self).run_task(self._delete(self.cursor), node=self)

    async def _delete(self, card: Card) -> None:
        if (entry := card.entry) is not None:
            question = _("Delete this from the history? {key} restores it until you quit.")
            question = question.format(key=first_key("cards.undo", get_app(self).keymap))
            answers = [("keep", _("Keep")), ("delete", _("Delete"))]
            if await self.app.push_screen_wait(ChoiceDialog(question, answers)) != "delete":
                return
            await get_app(self).records.call(lambda wb: wb.history.delete([entry]))
        self._deleted.append(card)
        self.hide(card)
        self.update_actions()
        if not self.cards:
            self.action_leave()

    def action_bring_back(self) -> None:
        get_app(self).run_task(self._restore(), node=self)

    async def _restore(self) -> None:
        card = self._deleted.pop()
        if (entry := card.entry) is not None:
            await get_app(self).records.call(lambda wb: wb.history.restore([entry]))
        if card.is_attached:
            self.unhide(card)
        self.update_actions()

    def action_stop_work(self) -> None:
        if isinstance(self.cursor, JobCard) and self.cursor.job is not None:
            get_app(self).run_task(self._stop(self.cursor.job), node=self)

    async def _stop(self, job: Job) -> None:
        question = _("Stop {title}? Finished work is kept.").format(title=job.title)
        answers = [("on", _("Keep running")), ("stop", _("Stop"))]
        if await self.app.push_screen_wait(ChoiceDialog(question, answers)) == "stop":
            job.stop()
            get_app(self).wake_workers()


def _load_page(wb: Workbench, limit: int, before: Entry | None = None) -> list[Entry]:
    # Reading creates no database.
    return wb.history.page(limit, before) if wb.paths.database.exists() else []


def _key(entry: Entry) -> tuple[type[Entry], int | None]:
    """Return the identity of an entry, which a correction does not change."""
    return type(entry), entry.id


def _order(entry: Entry) -> tuple[str, bool, int]:
    """Return a sort key for the order of the history."""
    return entry.created_at, isinstance(entry, Analysis), entry.id or 0

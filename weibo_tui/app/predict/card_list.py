"""A column of cards with a cursor, the newest last."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from textual.containers import VerticalScroll
from textual.geometry import Region
from textual.message import Message
from textual.reactive import reactive

from weibo_tui.app.predict.card import Card, PostCard

MAX_CARDS = 200
"""Cards that stay when a new one is added; the oldest are removed."""
TOP_MARGIN = 3
"""Cards or lines from the top at which older cards are loaded."""
SCROLL_LINES = 3
"""Lines of a high card that one key scrolls."""


class CardList(VerticalScroll, can_focus=True, inherit_bindings=False):
    """Cards that are added, hidden, opened and scrolled.

    It shows a cursor while it has the focus. The newest card stays in view until the user scrolls."""

    DEFAULT_CSS = """
    CardList {
        height: 1fr; align-vertical: bottom; padding: 1 0 0 0;
        scrollbar-size-vertical: 1; scrollbar-color: $foreground 20%; scrollbar-background: $background;
        scrollbar-background-hover: $background; scrollbar-background-active: $background;
        &:focus Card.-cursor { border-left: outer $primary; background: $surface; }
    }
    """

    cursor: reactive[Card | None] = reactive(None)

    class EmptyChanged(Message):
        """The first card was added, or the last one hidden."""

    @property
    def cards(self) -> list[Card]:
        return [card for card in self.children if isinstance(card, Card) and card.display]

    @abstractmethod
    def fetch_older(self) -> None:
        """Load the cards before the first one."""

    @abstractmethod
    def forget_oldest(self) -> None:
        """Let cards that were removed be loaded again."""

    @abstractmethod
    def update_actions(self) -> None:
        """Draw the footer again, where other actions are allowed now."""

    # ---- adding and hiding cards

    def append(self, *cards: Card) -> None:
        """Add the newest cards and scroll to them; the oldest ones are removed where there are too many."""
        existing = self.cards
        surplus = [card for card in existing[: max(0, len(existing) + len(cards) - MAX_CARDS)] if not card.busy]
        if surplus:
            self.remove_children(surplus)
            self.call_after_refresh(self.forget_oldest)
        self.mount(*cards)
        self.anchor()
        if cards and not existing:
            self.post_message(self.EmptyChanged())

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
        remaining = cards[:index] + cards[index + 1 :]
        if card is self.cursor:
            self.cursor = remaining[min(index, len(remaining) - 1)] if remaining else None
        if not remaining:
            self.post_message(self.EmptyChanged())

    def unhide(self, card: Card) -> None:
        """Show a hidden card in its place, with the cursor on it."""
        card.display = True
        self.call_after_refresh(self.go_to, card)
        if self.cards == [card]:
            self.post_message(self.EmptyChanged())

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

    def on_card_height_changed(self, message: Card.HeightChanged) -> None:
        message.stop()
        if self.cursor is None:
            return
        region = self.cursor.virtual_region
        # A high card that the user has scrolled keeps its place, for example when its explanation is shown.
        if region.height <= self.content_size.height or not region.y < self.scroll_y < region.bottom:
            self._scroll_to_cursor()

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

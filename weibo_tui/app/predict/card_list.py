"""Cards one below the other, the newest last, and a cursor that moves over them."""

from __future__ import annotations

from collections.abc import Sequence

from textual.containers import VerticalScroll
from textual.geometry import Region
from textual.message import Message
from textual.reactive import reactive

from weibo_tui.app.predict.card import Card

MOST = 200
"""Cards that are kept when a new one comes; the oldest go."""
NEAR_THE_TOP = 3
LINES_AT_ONCE = 3
"""Lines of a high card that one key moves on over."""


class CardList(VerticalScroll, can_focus=True, inherit_bindings=False):
    """The cursor is seen while the list has the focus; the newest card stays in sight until one looks elsewhere."""

    DEFAULT_CSS = """
    CardList {
        height: 1fr; align-vertical: bottom; padding: 1 0 0 0;
        scrollbar-size-vertical: 1; scrollbar-color: $foreground 20%; scrollbar-background: $background;
        scrollbar-background-hover: $background; scrollbar-background-active: $background;
    }
    CardList:focus Card.-cursor { border-left: outer $primary; background: $surface; }
    """

    cursor: reactive[Card | None] = reactive(None)

    class Trimmed(Message):
        """The oldest cards are gone from it."""

    class Filled(Message):
        """Cards are there now, where there were none."""

    class AtTop(Message):
        """One has come to the oldest card, and may want older ones."""

    @property
    def cards(self) -> list[Card]:
        return [card for card in self.children if isinstance(card, Card) and card.display]

    def append(self, *cards: Card) -> None:
        """Newest cards, which come into sight; the oldest ones go where there are too many."""
        there = self.cards
        too_many = [card for card in there[: max(0, len(there) + len(cards) - MOST)] if not card.at_work]
        if too_many:
            self.remove_children(too_many)
            self.call_after_refresh(self.post_message, self.Trimmed())
        self.mount(*cards)
        self.remove_class("-empty")
        self.anchor()
        if cards and not there:
            self.post_message(self.Filled())

    def look_back(self, cards: Sequence[Card]) -> None:
        """Older cards above; what is in sight stays where it is."""
        there = self.cards
        if not cards or not there:
            self.append(*cards)
            return
        width = there[0].content_size.width
        added = sum(card.get_content_height(self.size, self.size, width) + 1 for card in cards)
        self.mount(*cards, before=0)
        # Set behind the back of Textual, which would scroll first and lay out then: what is in sight would flicker.
        self.set_reactive(VerticalScroll.scroll_y, self.scroll_y + added)
        self.set_reactive(VerticalScroll.scroll_target_y, self.scroll_y)

        def move_bar() -> None:
            self.vertical_scrollbar.position = self.scroll_y

        self.call_after_refresh(move_bar)

    def hide(self, card: Card) -> None:
        """Take a card away that may be shown again."""
        cards = self.cards
        at = cards.index(card)
        card.display = False
        self.set_class(not self.cards, "-empty")
        if card is self.cursor:
            left = cards[:at] + cards[at + 1 :]
            self.cursor = left[min(at, len(left) - 1)] if left else None

    def show_again(self, card: Card) -> None:
        """A hidden card in its place, and the cursor on it."""
        card.display = True
        self.remove_class("-empty")
        self.call_after_refresh(self.go_to, card)

    # ---- the cursor

    def watch_cursor(self, before: Card | None, now: Card | None) -> None:
        if before is not None:
            before.remove_class("-cursor")
        if now is not None:
            now.add_class("-cursor")
        self.offer()

    def offer(self) -> None:
        """For what depends on the card that is marked."""

    def on_focus(self) -> None:
        cards = self.cards
        if self.cursor not in cards:
            self.cursor = cards[-1] if cards else None
        self._bring_into_sight()

    def go_to(self, card: Card | None) -> None:
        if card is not None:
            self.cursor = card
            self._bring_into_sight()

    def _bring_into_sight(self) -> None:
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
        """Move on over an open card that is higher than the window; whether there was more of it to see."""
        if self.cursor is None or not self.cursor.opened:
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
        at = cards.index(self.cursor) if self.cursor in cards else len(cards)
        wanted = at + step
        self.go_to(cards[min(max(wanted, 0), len(cards) - 1)])
        if wanted < NEAR_THE_TOP:
            self.post_message(self.AtTop())

    def action_move(self, step: int) -> None:
        if not self._scroll_within(step * LINES_AT_ONCE):
            self._step(self.cards, step)

    def action_page(self, pages: int) -> None:
        """A window's height up or down: to the card that is nearest there."""
        cards, height = self.cards, self.content_size.height
        if self.cursor not in cards or self._scroll_within(pages * (height - 1)):
            return
        aim = self.cursor.virtual_region.y + pages * height
        nearest = min(range(len(cards)), key=lambda at: abs(cards[at].virtual_region.y - aim))
        self._step(cards, (nearest - cards.index(self.cursor)) or pages)

    def action_first(self) -> None:
        self._step(self.cards, -len(self.children))

    def action_last(self) -> None:
        self._step(self.cards, len(self.children))

    def action_open(self) -> None:
        if self.cursor is not None and self.cursor.opens:
            self.cursor.opened = not self.cursor.opened
            self.call_after_refresh(self._bring_into_sight)

    def on_card_clicked(self, message: Card.Clicked) -> None:
        message.stop()
        again = self.has_focus and message.card is self.cursor
        self.screen.set_focus(self, scroll_visible=False)
        self.go_to(message.card)
        if message.chain > 1 and message.card.opens:
            message.card.opened = True
        elif again:
            self.action_open()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if new_value < old_value and new_value <= NEAR_THE_TOP:
            self.post_message(self.AtTop())

"""The conversation: what was asked and what came of it, from the history and since the program was started."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from textual.app import ComposeResult
from textual.message import Message
from textual.widgets import Static

from weibo_tui.app.base import get_app
from weibo_tui.app.dialogs import ChoiceDialog
from weibo_tui.app.formatting import safe_content
from weibo_tui.app.keymap import bindings, first_key
from weibo_tui.app.predict.card import Card, PostCard, card_of
from weibo_tui.app.predict.card_list import CardList
from weibo_tui.app.predict.job_card import JobCard, LabelingCard
from weibo_tui.app.services.jobs import Job
from weibo_tui.locale import N_
from weibo_tui.locale import gettext as _
from weibo_tui.storage.history import Analysis, Entry
from weibo_tui.workbench import Workbench

PAGE = 50
"""Entries of the history that are fetched at a time."""
MOST_LOOKED_BACK = 600
"""Cards that looking back brings in at most."""

ON_THE_CARD: Mapping[str, Callable[[Card], bool]] = {
    "open": lambda card: card.opens,
    "copy_card": lambda _card: True,
    "judge_again": lambda card: isinstance(card, PostCard | LabelingCard) and not card.at_work,
    "show_in_history": lambda card: isinstance(card.entry, Analysis),
    "delete_card": lambda card: not card.at_work,
    "stop_work": lambda card: isinstance(card, JobCard) and card.at_work,
}
"""What the marked card can be asked for, and when."""


class PredictionList(CardList):
    """Posts and files with what came of them."""

    HELP_TEXT = N_(
        "The cards: posts and their verdicts, the newest last. The marked one can be opened (all labels, the whole "
        "post), copied, judged again by another adapter, shown in the history or deleted. Any other letter goes "
        "back to the prompt, and stands in it."
    )
    BINDINGS = bindings("cards")
    DEFAULT_CSS = """
    PredictionList .hint { display: none; width: 100%; height: auto; padding: 0 2 1 2; color: $text-muted; }
    PredictionList.-empty .hint { display: block; }
    """

    class Exited(Message):
        """One wants to write again."""

    class Again(Message):
        """What is on a card is to be done again."""

        def __init__(self, card: Card) -> None:
            super().__init__()
            self.card = card

    class ShowInHistory(Message):
        """An analysis is to be seen in the history."""

        def __init__(self, analysis_id: int) -> None:
            super().__init__()
            self.analysis_id = analysis_id

    def __init__(self) -> None:
        super().__init__()
        self._deleted: list[Card] = []
        self._offered: list[bool | None] = []
        self._fetching = False
        self._all_fetched = False
        self._oldest: Entry | None = None

    def compose(self) -> ComposeResult:
        hint = _("Verdicts will stand here, the newest last. Write a post below, or paste as many as you like.")
        yield Static(safe_content(hint), classes="hint")

    def on_mount(self) -> None:
        self.fetch_older()

    def allow_focus(self) -> bool:
        """There is something to do in it: Tab leads past it where nothing was asked yet."""
        return bool(self.cards or self._deleted)

    @property
    def posts(self) -> list[str]:
        """The posts of all cards, the newest first; one that was sent several times in a row is there once."""
        posts = [card.text for card in reversed(self.cards) if isinstance(card, PostCard)]
        return [post for number, post in enumerate(posts) if not number or post != posts[number - 1]]

    # ---- the history

    @property
    def _entries(self) -> dict[Card, Entry]:
        """What the history keeps of the cards."""
        return {card: card.entry for card in self.cards if card.entry is not None}

    def fetch_older(self) -> None:
        """Bring in the page of the history before what has been fetched."""
        if len(self.children) > MOST_LOOKED_BACK:
            key = first_key("app.history", get_app(self).keymap)
            get_app(self).show_message(_("Those from before are in the history: {key}.").format(key=key))
        elif not self._fetching and not self._all_fetched:
            self._fetching = True
            get_app(self).run_task(self._fetch(), node=self)

    async def _fetch(self) -> None:
        try:
            entries = await get_app(self).records.call(partial(_page, limit=PAGE, before=self._oldest))
        finally:
            self._fetching = False
        self._all_fetched = len(entries) < PAGE
        self._oldest = entries[-1] if entries else self._oldest
        known = set(map(_key, self._entries.values()))
        self.look_back([card_of(entry) for entry in reversed(entries) if _key(entry) not in known])

    def on_card_list_at_top(self) -> None:
        self.fetch_older()

    def on_card_list_trimmed(self) -> None:
        """What was taken off can be fetched again."""
        self._oldest = next(iter(self._entries.values()), None)
        self._all_fetched = False

    def look_again(self) -> None:
        """Take over what was corrected or deleted in the history meanwhile."""
        if shown := self._entries:
            get_app(self).run_task(self._look_again(shown), node=self)

    async def _look_again(self, shown: Mapping[Card, Entry]) -> None:
        entries = await get_app(self).records.call(partial(_page, limit=len(shown)))
        there = {_key(entry): entry for entry in entries}
        reaches_back = len(entries) == len(shown)
        for card, entry in shown.items():
            now = there.get(_key(entry))
            if isinstance(card, PostCard) and isinstance(now, Analysis) and now != entry:
                card.show(now)
            elif now is None and card.display and not (reaches_back and _order(entry) < _order(entries[-1])):
                self.hide(card)

    # ---- what the marked card can be asked for

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        if action == "bring_back":
            return bool(self._deleted)
        if action in ON_THE_CARD:
            return self.cursor is not None and ON_THE_CARD[action](self.cursor)
        return True

    def offer(self) -> None:
        """Let the footer show what the marked card can be asked for now; drawn again only where that is new."""
        offered = [self.check_action(action, ()) for action in (*ON_THE_CARD, "bring_back")]
        if offered != self._offered:
            self._offered = offered
            self.refresh_bindings()

    def on_card_actions_changed(self, message: Card.ActionsChanged) -> None:
        message.stop()
        self.offer()

    def action_judge_again(self) -> None:
        if self.cursor is not None:
            self.post_message(self.Again(self.cursor))

    def action_show_in_history(self) -> None:
        if self.cursor is not None and self.cursor.entry is not None and self.cursor.entry.id is not None:
            self.post_message(self.ShowInHistory(self.cursor.entry.id))

    def action_leave(self) -> None:
        self.post_message(self.Exited())

    def action_copy_card(self) -> None:
        if self.cursor is not None:
            self.app.copy_to_clipboard(self.cursor.to_copy)
            get_app(self).show_message(_("Copied."), "success")

    def action_delete_card(self) -> None:
        if self.cursor is not None:
            get_app(self).run_task(self._delete(self.cursor), node=self)

    async def _delete(self, card: Card) -> None:
        if (entry := card.entry) is not None:
            key = first_key("cards.undo", get_app(self).keymap)
            question = _("Delete this from the history? {key} brings it back, until the program is left.").format(
                key=key
            )
            answers = [("keep", _("Keep it")), ("delete", _("Delete it"))]
            if await self.app.push_screen_wait(ChoiceDialog(question, answers)) != "delete":
                return
            await get_app(self).records.call(lambda bench: bench.history.delete([entry]))
        self._deleted.append(card)
        self.hide(card)
        self.offer()
        if not self.cards:
            self.action_leave()

    def action_bring_back(self) -> None:
        get_app(self).run_task(self._bring_back(), node=self)

    async def _bring_back(self) -> None:
        card = self._deleted.pop()
        if (entry := card.entry) is not None:
            await get_app(self).records.call(lambda bench: bench.history.restore([entry]))
        if card.is_attached:
            self.show_again(card)
        self.offer()

    def action_stop_work(self) -> None:
        if isinstance(self.cursor, JobCard) and self.cursor.job is not None:
            get_app(self).run_task(self._stop(self.cursor.job), node=self)

    async def _stop(self, job: Job) -> None:
        question = _("Stop {title}? What is done so far is kept.").format(title=job.title)
        answers = [("on", _("Let it go on")), ("stop", _("Stop it"))]
        if await self.app.push_screen_wait(ChoiceDialog(question, answers)) == "stop":
            job.stop()
            get_app(self).wake_workers()


def _page(bench: Workbench, limit: int, before: Entry | None = None) -> list[Entry]:
    # Looking is no reason to make a database.
    return bench.history.page(limit, before) if bench.paths.database.exists() else []


def _key(entry: Entry) -> tuple[type[Entry], int | None]:
    """What tells an entry of the history from all others, also when it has been corrected."""
    return type(entry), entry.id


def _order(entry: Entry) -> tuple[str, bool, int]:
    """Grows with the place in the history."""
    return entry.created_at, isinstance(entry, Analysis), entry.id or 0

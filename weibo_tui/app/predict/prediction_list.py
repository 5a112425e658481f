"""The list of predictions on the predict screen: cards from the history and from this session."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from textual import events
from textual.message import Message

from weibo_tui.app.base import get_app
from weibo_tui.app.dialogs import ChoiceDialog
from weibo_tui.app.keymap import bindings, first_key
from weibo_tui.app.predict.card import Card, PostCard, create_card
from weibo_tui.app.predict.card_list import CardList
from weibo_tui.app.services.explanations import ExplainedPost
from weibo_tui.app.services.jobs import Job
from weibo_tui.display_names import label_name
from weibo_tui.locale import N_, join_list
from weibo_tui.locale import gettext as _
from weibo_tui.storage.entries import Analysis, Entry

if TYPE_CHECKING:
    from weibo_tui.workbench.workbench import Workbench

PAGE = 50
"""Entries of the history that are loaded at a time."""
MAX_OLDER_CARDS = 600
"""Cards up to which older entries are loaded."""


def _has_prediction(card: Card) -> bool:
    return isinstance(card, PostCard) and card.prediction is not None


CARD_ACTIONS: Mapping[str, Callable[[Card], bool]] = {
    "open": lambda card: isinstance(card, PostCard) or card.labeled_file is not None,
    "copy_card": lambda _card: True,
    "copy_as": _has_prediction,
    "explain": _has_prediction,
    "correct": _has_prediction,
    "uncorrect": _has_prediction,
    "predict_again": lambda card: card.can_repeat and not card.busy,
    "show_in_history": lambda card: isinstance(card.entry, Analysis),
    "delete_card": lambda card: not card.busy,
    "stop_work": lambda card: card.job is not None and card.busy,
}
"""The actions on the card under the cursor, and when they work."""


class PredictionList(CardList, inherit_bindings=False):
    """Posts and files with their results, from the history and from this session."""

    HELP_TEXT = N_(
        "The cards: posts and their predictions, newest last. The selected card can be opened (all labels, "
        "full post), copied, corrected, predicted again with another adapter, shown in the history or "
        "deleted. A labeled file opens as a table. A digit gives the post the label that has it on the opened "
        "card, 0 removes that label. Any other letter goes back to the prompt and is typed there."
    )
    BINDINGS = bindings("cards")

    class Exited(Message):
        """A key to leave the cards was pressed."""

    class Repeat(Message):
        """Asks to predict the post or the file of a card again."""

        def __init__(self, card: Card) -> None:
            super().__init__()
            self.card = card

    def __init__(self) -> None:
        super().__init__()
        self._undo_steps: list[Callable[[], Coroutine[Any, Any, None]]] = []
        """Functions that take back deletions and corrections, the latest last."""
        self._copy_format = "text"
        self._allowed: list[bool | None] = []
        self._fetching = False
        self._all_fetched = False
        self._oldest: Entry | None = None

    def on_mount(self) -> None:
        self.fetch_older()

    def allow_focus(self) -> bool:
        """Return False for a list without any card, which Tab skips."""
        return bool(self.cards or self._undo_steps)

    @property
    def posts(self) -> list[str]:
        """The posts of all cards, newest first, without repetitions in a row."""
        posts = [card.text for card in reversed(self.cards) if isinstance(card, PostCard)]
        return [post for index, post in enumerate(posts) if not index or post != posts[index - 1]]

    # ---- the history

    @property
    def _entries(self) -> dict[Card, Entry]:
        return {card: card.entry for card in self.cards if card.entry is not None}

    def fetch_older(self) -> None:
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

    def forget_oldest(self) -> None:
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
        if action == "undo":
            return bool(self._undo_steps)
        if action in CARD_ACTIONS:
            return self.cursor is not None and CARD_ACTIONS[action](self.cursor)
        return True

    def update_actions(self) -> None:
        allowed = [self.check_action(action, ()) for action in (*CARD_ACTIONS, "undo")]
        if allowed != self._allowed:
            self._allowed = allowed
            self.refresh_bindings()

    def on_card_actions_changed(self, message: Card.ActionsChanged) -> None:
        message.stop()
        self.update_actions()

    def action_open(self) -> None:
        """Open the labeled file of a card on the files screen, or open and fold the card of a post."""
        if self.cursor is not None and (path := self.cursor.labeled_file) is not None:
            get_app(self).run_task(get_app(self).open_file_rows(path), node=self)
        else:
            super().action_open()

    def action_predict_again(self) -> None:
        if self.cursor is not None:
            self.post_message(self.Repeat(self.cursor))

    def action_show_in_history(self) -> None:
        if self.cursor is not None and self.cursor.entry is not None and self.cursor.entry.id is not None:
            get_app(self).show_in_history(self.cursor.entry.id)

    def action_leave(self) -> None:
        self.post_message(self.Exited())

    def action_explain(self) -> None:
        if isinstance(self.cursor, PostCard) and (post := self.cursor.explained_post) is not None:
            from weibo_tui.app.widgets.explanation_screen import ExplanationScreen

            self.app.push_screen(ExplanationScreen(post, self._turn))

    def _turn(self, step: int) -> ExplainedPost | None:
        """Go to the next card in a direction that has a prediction."""
        cards = self.cards
        place = cards.index(self.cursor) + step if self.cursor in cards else -1
        while 0 <= place < len(cards):
            card = cards[place]
            if isinstance(card, PostCard) and card.explained_post is not None:
                self.go_to(card)
                return card.explained_post
            place += step
        return None

    def action_copy_card(self) -> None:
        if self.cursor is not None:
            self._copy(*self.cursor.clipboard)

    def _copy(self, text: str, message: str) -> None:
        self.app.copy_to_clipboard(text)
        get_app(self).show_message(message, "success")

    def action_copy_as(self) -> None:
        if isinstance(self.cursor, PostCard) and self.cursor.prediction is not None:
            get_app(self).run_task(self._copy_as(self.cursor.prediction), node=self)

    async def _copy_as(self, prediction: Analysis) -> None:
        from weibo_tui.app.predict.copying import COPY_FORMATS

        answers = [(name, _(title)) for name, (title, _write, _message) in COPY_FORMATS.items()]
        answer = await self.app.push_screen_wait(ChoiceDialog(_("Copy as:"), answers, self._copy_format))
        if answer is not None:
            self._copy_format = answer
            _title, write, message = COPY_FORMATS[answer]
            self._copy(write(prediction), _(message))

    # ---- the user's label

    def on_key(self, event: events.Key) -> None:
        """Give the post the label of a digit key."""
        active = self.screen.active_bindings.get(event.key)
        if active is None or not active.enabled or active.binding.action != "correct" or not event.key.isdecimal():
            return
        event.stop()
        assert isinstance(self.cursor, PostCard)
        if int(event.key) <= len(self.cursor.labels):
            get_app(self).run_task(self._correct(self.cursor, self.cursor.labels[int(event.key) - 1]), node=self)
        else:
            labels = join_list(f"{digit} {label_name(label)}" for digit, label in enumerate(self.cursor.labels, 1))
            message = _("No label has the key {key}. The keys of the labels: {labels}.")
            get_app(self).show_message(message.format(key=event.key, labels=labels), "error")

    def action_correct(self) -> None:
        if isinstance(self.cursor, PostCard):
            get_app(self).run_task(self._choose_label(self.cursor), node=self)

    def action_uncorrect(self) -> None:
        if isinstance(self.cursor, PostCard):
            get_app(self).run_task(self._correct(self.cursor, None), node=self)

    async def _choose_label(self, card: PostCard) -> None:
        answers = [(label, label_name(label)) for label in card.labels]
        current = "" if card.prediction is None else card.prediction.effective_label
        dialog = ChoiceDialog(_("Label of this post:"), answers, current, first_digit=1)
        answer = await self.app.push_screen_wait(dialog)
        if answer is not None:
            await self._correct(card, answer)

    async def _correct(self, card: PostCard, label: str | None) -> None:
        """Store the user's label with the prediction in the history."""
        app = get_app(self)
        if card.prediction is None or (analysis_id := card.prediction.id) is None:
            message = _(
                "This prediction was not recorded: turn on the history in the settings and predict it again to "
                "correct it."
            )
            app.show_message(message, "error")
            return
        before, corrected = await app.records.call(partial(_store_label, analysis_id=analysis_id, label=label))
        if before == corrected:
            return
        self._undo_steps.append(partial(self._take_back, card, before))
        card.show(corrected)
        message = _("Correction removed. Press {key} to undo.")
        if label is not None:
            message = _("Label saved: {label}. Press {key} to undo.")
        key = first_key("cards.undo", app.keymap)
        app.show_message(message.format(label=label_name(label or ""), key=key), "success")

    async def _take_back(self, card: PostCard, before: Analysis) -> None:
        assert before.id is not None
        store = partial(_store_label, analysis_id=before.id, label=before.corrected)
        _changed, restored = await get_app(self).records.call(store)
        if card.is_attached:
            card.show(restored)
            self.go_to(card)

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
        self._undo_steps.append(partial(self._restore, card))
        self.hide(card)
        self.update_actions()
        if not self.cards:
            self.action_leave()

    def action_undo(self) -> None:
        if self._undo_steps:
            get_app(self).run_task(self._undo_steps.pop()(), node=self)
            self.update_actions()

    async def _restore(self, card: Card) -> None:
        if (entry := card.entry) is not None:
            await get_app(self).records.call(lambda wb: wb.history.restore([entry]))
        if card.is_attached:
            self.unhide(card)

    def action_stop_work(self) -> None:
        if self.cursor is not None and self.cursor.job is not None:
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


def _store_label(wb: Workbench, analysis_id: int, label: str | None) -> tuple[Analysis, Analysis]:
    """Store a label, or remove it. Return the analysis before and after."""
    return wb.history.get(analysis_id), wb.history.correct(analysis_id, label)


def _key(entry: Entry) -> tuple[type[Entry], int | None]:
    """Return the identity of an entry, which a correction does not change."""
    return type(entry), entry.id


def _order(entry: Entry) -> tuple[str, bool, int]:
    """Return a sort key for the order of the history."""
    return entry.created_at, isinstance(entry, Analysis), entry.id or 0

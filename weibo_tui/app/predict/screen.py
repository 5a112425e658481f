"""Predict: posts in, verdicts out, like a conversation; and whole files beside it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from functools import partial

from textual import events
from textual.binding import ActiveBinding
from textual.content import Content
from textual.widget import Widget

from weibo_tui.app.base import MainScreen
from weibo_tui.app.dialogs import ChoiceDialog
from weibo_tui.app.explanation import explain
from weibo_tui.app.formatting import SIGNS, label_color, label_name, safe_line
from weibo_tui.app.keymap import KEYS, bindings, keys_of
from weibo_tui.app.predict.card import PostCard
from weibo_tui.app.predict.conversation import PredictionList
from weibo_tui.app.predict.job_card import BatchCard, LabelingCard
from weibo_tui.app.predict.label_file_form import LabelingForm
from weibo_tui.app.predict.prompt import LARGEST, Prompt
from weibo_tui.app.predict.welcome import Welcome
from weibo_tui.app.services.catalog import Catalog
from weibo_tui.locale import N_
from weibo_tui.locale import gettext as _
from weibo_tui.storage.history import Analysis
from weibo_tui.text import cell_width
from weibo_tui.workbench import Workbench
from weibo_tui.workbench.legacy_project import LegacyProject

SHOWN_OF_MANY = 20
"""Pasted posts that get cards; of more than these the last do."""
LEAVE = "q"


class PredictScreen(MainScreen):
    NAME = "predict"
    HELP_TEXT = N_(
        "Posts are judged one after the other, also while a training runs, and kept in the history. Ctrl+G chooses "
        "the adapter that judges from now on, Ctrl+O labels a whole file. Esc goes to the cards and back."
    )
    BINDINGS = bindings("predict")
    VERTICAL_BREAKPOINTS = [(0, "-low"), (24, "-high")]  # noqa: RUF012 - as Textual declares it
    DEFAULT_CSS = """
    PredictScreen.-low Welcome .title { margin-bottom: 0; }
    PredictScreen Prompt { dock: bottom; }  /* what does not fit is cut above it */
    """

    def __init__(self) -> None:
        super().__init__()
        self._ready = False
        self._begun = False
        """Whether there were posts, or something of one's own: what is said at the first start is over then."""
        self._originals = LegacyProject(None, None, None)

    def compose_body(self) -> Iterable[Widget]:
        self.conversation = PredictionList()
        self.welcome = Welcome()
        self.welcome.display = False
        self.prompt = Prompt(lambda: self.conversation.posts)
        yield self.conversation
        yield self.welcome
        yield self.prompt

    def on_mount(self) -> None:
        self.watch(self.app, "catalog", self._show_catalog)
        self.prompt.focus()
        self.run_task(self._look_around())

    async def _look_around(self) -> None:
        await self.app.refresh_catalog()
        if not self.app.catalog.adapters or self.app.catalog.only_bundled:
            self._originals = await self.app.records.call(lambda _bench: LegacyProject.find())
        self._ready = True
        self._show_whether_ready(self.app.catalog)

    # ---- what there is to judge with

    def _show_catalog(self, catalog: Catalog) -> None:
        """Name the adapter and its labels above the prompt."""
        labels = catalog.labels(catalog.adapter)
        named = [
            safe_line(f"{SIGNS.get(label, '●')} {label_name(label)}", label_color(label, labels)) for label in labels
        ]
        self.prompt.border_title = Content("  ").join([safe_line(catalog.adapter, "bold"), *named]) if labels else None
        if self._ready:
            self._show_whether_ready(catalog)

    def _show_whether_ready(self, catalog: Catalog) -> None:
        lacking = not catalog.adapters
        self._begun = self._begun or bool(self.conversation.cards) or not (lacking or catalog.only_bundled)
        welcoming = lacking or not self._begun
        self.conversation.set_class(not welcoming and not self.conversation.cards, "-empty")
        if welcoming:
            self.welcome.show(catalog, self._originals)
        if welcoming != self.welcome.display:
            self.welcome.display = welcoming
            self.set_focus(self.welcome.query_one("OptionList") if lacking else self.prompt)
        self.refresh_bindings()

    def on_card_list_filled(self) -> None:
        if self._ready:
            self._show_whether_ready(self.app.catalog)

    def on_welcome_chosen(self, message: Welcome.Chosen) -> None:
        self.run_task(self.app.run_screen_action(message.place, message.action))

    # ---- asking

    def on_prompt_sent(self, message: Prompt.Sent) -> None:
        if message.post.strip() == LEAVE:
            self.run_task(self._leave())
        elif self._ready and not self.app.catalog.adapter:
            self.run_task(self._judge_when_chosen(message.post))
        else:
            self._judge(message.post, self.app.catalog.adapter)

    async def _leave(self) -> None:
        await self.app.run_action("app.quit")

    async def _judge_when_chosen(self, post: str) -> None:
        self.prompt.put(post)
        if await self._has_adapter():
            self.prompt.put("")
            self._judge(post, self.app.catalog.adapter)

    async def _has_adapter(self) -> bool:
        """Whether there is an adapter to judge with, which may have to be chosen first."""
        if not self.app.catalog.adapters:
            self.show_message(_("There is no adapter to judge it with yet: train or import one first."), "error")
        elif not self.app.catalog.adapter:
            await self._choose_adapter()
        return bool(self.app.catalog.adapter)

    def _judge(self, post: str, adapter: str) -> None:
        card = PostCard(post, adapter)
        self.conversation.append(card)
        self.run_task(self._answer(card))

    async def _answer(self, card: PostCard) -> None:
        try:
            card.show(await self.app.engine.call(partial(_analyse, card.text, card.adapter)))
        except Exception as error:
            card.fail(explain(error))
            await self.app.refresh_catalog()  # another program may have renamed or removed the adapter

    def on_prompt_too_large(self, message: Prompt.TooLarge) -> None:
        self.run_task(self._take_large(message.text))

    async def _take_large(self, post: str) -> None:
        """Judge a post that cannot be written, if the person agrees."""
        question = _("This post has {count} characters, too many for the prompt. Judge it as it is?")
        answers = [("", _("No")), ("judge", _("Judge it"))]
        asked = await self.app.push_screen_wait(ChoiceDialog(question.format(count=f"{len(post):,}"), answers))
        if asked == "judge" and await self._has_adapter():
            self._judge(post, self.app.catalog.adapter)

    def on_prompt_several_lines(self, message: Prompt.SeveralLines) -> None:
        self.run_task(self._take_lines(message.text, message.lines))

    async def _take_lines(self, text: str, lines: Sequence[str]) -> None:
        question = _("{count} lines were pasted. What are they?").format(count=f"{len(lines):,}")
        each = _("{count} posts, each judged").format(count=f"{len(lines):,}")
        answer = await self.app.push_screen_wait(ChoiceDialog(question, [("one", _("One post")), ("each", each)]))
        if answer == "one":
            self.prompt.insert_text(text)
        elif answer == "each" and await self._has_adapter():
            adapter = self.app.catalog.adapter
            cards = [PostCard(line, adapter) for line in lines[-SHOWN_OF_MANY:]]
            self.conversation.append(*cards, BatchCard(lines, cards, adapter))

    # ---- choosing the adapter

    def action_choose_adapter(self) -> None:
        self.run_task(self._choose_adapter())

    async def _choose_adapter(self) -> None:
        name = await self._ask_for_adapter(_("Which adapter is to judge from now on?"), self.app.catalog.adapter)
        if name:
            await self.app.records.call(lambda bench: bench.use_adapter(name))
            await self.app.refresh_catalog()
            self.show_message(_("{name} judges from now on.").format(name=name), "success")

    async def _ask_for_adapter(self, question: str, chosen: str) -> str | None:
        cards = self.app.catalog.adapters
        widest = max(cell_width(card.name) for card in cards)
        answers = [
            (
                card.name,
                card.name + " " * (widest + 3 - cell_width(card.name)) + ", ".join(map(label_name, card.labels)),
            )
            for card in cards
        ]
        return await self.app.push_screen_wait(ChoiceDialog(question, answers, chosen))

    # ---- the prompt and the cards

    @property
    def active_bindings(self) -> dict[str, ActiveBinding]:
        """On the cards, the footer has no room for what is the same as in the prompt."""
        return {
            key: _unshown(active) if self.focused is self.conversation and active.node is self else active
            for key, active in super().active_bindings.items()
        }

    def on_screen_resume(self) -> None:
        self.conversation.look_again()

    def on_prompt_at_oldest(self) -> None:
        if self.welcome.display and not self.prompt.text:
            self.set_focus(self.welcome.query_one("OptionList"))
        self.conversation.fetch_older()

    def on_prompt_exited(self) -> None:
        if self.conversation.cards:
            self.conversation.action_last()
            self.set_focus(self.conversation)

    def action_write(self) -> None:
        self.set_focus(self.prompt)

    def on_key(self, event: events.Key) -> None:
        """What is typed anywhere goes into the prompt, less the keys of the cards, also those that do nothing now."""
        taken = event.key in self.active_bindings or (self.focused is self.conversation and self._of_cards(event.key))
        if event.is_printable and event.character and not taken:
            event.stop()
            self.set_focus(self.prompt)
            self.prompt.insert_text(event.character)

    def _of_cards(self, pressed: str) -> bool:
        keys = (keys_of(key, self.app.keymap) for key in KEYS["cards"])
        return any(pressed == key.strip() for of_action in keys for key in of_action.split(","))

    def on_paste(self, event: events.Paste) -> None:
        event.stop()
        self.set_focus(self.prompt)
        self.prompt.take(event.text)

    def on_prediction_list_exited(self) -> None:
        self.action_write()

    def on_prediction_list_again(self, message: PredictionList.Again) -> None:
        if isinstance(message.card, LabelingCard):
            self.conversation.append(LabelingCard(message.card.plan))
        elif isinstance(message.card, PostCard):
            self.run_task(self._judge_again(message.card))

    async def _judge_again(self, card: PostCard) -> None:
        name = await self._ask_for_adapter(_("Which adapter is to judge this post?"), card.adapter)
        if name:
            self._judge(card.text, name)

    def on_prediction_list_show_in_history(self, message: PredictionList.ShowInHistory) -> None:
        self.app.show_in_history(message.analysis_id)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        return bool(self.app.catalog.adapters) if action in ("choose_adapter", "label_file") else True

    def bring(self, post: str) -> None:
        """Put a post from elsewhere into the prompt, to be judged again or changed first; undo brings back what was
        there."""
        if len(post) <= LARGEST:  # else it is not written there, and what is stays
            self.prompt.select_all()
        self.prompt.insert_text(post)
        self.set_focus(self.prompt)

    # ---- files

    def action_label_file(self) -> None:
        self.run_task(self._label_file())

    async def _label_file(self) -> None:
        plan = await self.app.push_screen_wait(LabelingForm())
        if plan is not None:
            self.conversation.append(LabelingCard(plan))


def _unshown(active: ActiveBinding) -> ActiveBinding:
    return active._replace(binding=dataclasses.replace(active.binding, show=False))


def _analyse(post: str, adapter: str, bench: Workbench) -> Analysis:
    (analysis,) = bench.predict([post], adapter, source="app")
    return analysis

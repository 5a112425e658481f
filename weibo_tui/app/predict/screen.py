"""The predict screen: posts and their predictions, and files to label."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from textual import events
from textual.binding import ActiveBinding
from textual.content import Content
from textual.widget import Widget
from textual.widgets import OptionList

from weibo_tui.app.base import MainScreen
from weibo_tui.app.dialogs import ChoiceDialog
from weibo_tui.app.explanation import user_message
from weibo_tui.app.formatting import SIGNS, label_color, safe_line
from weibo_tui.app.keymap import KEYS, bindings, keys_of
from weibo_tui.app.predict.card import PostCard
from weibo_tui.app.predict.live_prediction import LivePrediction
from weibo_tui.app.predict.prediction_list import PredictionList
from weibo_tui.app.predict.prompt import MAX_CHARACTERS, Prompt
from weibo_tui.app.predict.welcome import Welcome
from weibo_tui.app.services.catalog import Catalog
from weibo_tui.display_names import label_name
from weibo_tui.locale import N_
from weibo_tui.locale import gettext as _
from weibo_tui.storage.entries import Analysis
from weibo_tui.workbench.legacy_project import LegacyProject

if TYPE_CHECKING:
    from weibo_tui.workbench.workbench import Workbench

MAX_BATCH_CARDS = 20
"""Pasted posts that get a card; of more posts the last ones do."""
QUIT_COMMAND = "q"


class PredictScreen(MainScreen):
    """The list of predictions with the prompt below. While the list is empty, a welcome takes its place."""

    NAME = "predict"
    HELP_TEXT = N_(
        "Posts are predicted in order, also while a training runs, and recorded in the history. Ctrl+G "
        "chooses the adapter, Ctrl+O labels a file. Esc moves to the cards and back."
    )
    BINDINGS = bindings("predict")
    VERTICAL_BREAKPOINTS = [(0, "-low"), (24, "-high")]  # noqa: RUF012 - as Textual declares it
    DEFAULT_CSS = """
    PredictScreen.-low Welcome { padding: 0 2; }
    PredictScreen.-low Welcome .title { margin-bottom: 0; }
    PredictScreen Prompt { dock: bottom; }  /* what does not fit is cut above it */
    """

    def __init__(self) -> None:
        super().__init__()
        self._ready = False
        self._legacy = LegacyProject(None, None, None)

    def compose_body(self) -> Iterable[Widget]:
        self.prediction_list = PredictionList()
        self.welcome = Welcome()
        self.welcome.display = False
        self.prompt = Prompt(lambda: self.prediction_list.posts)
        self.live = LivePrediction(self, self.prompt)
        yield self.prediction_list
        yield self.welcome
        yield self.prompt

    def on_mount(self) -> None:
        self.watch(self.app, "catalog", self._show_catalog)
        self.prompt.focus()
        self.run_task(self._load())

    async def _load(self) -> None:
        await self.app.refresh_catalog()
        if not self.app.catalog.adapters or self.app.catalog.only_bundled:
            self._legacy = await self.app.records.call(lambda _wb: LegacyProject.find())
        self._ready = True
        self._update_welcome(self.app.catalog)

    # ---- the models

    def on_settings_changed(self) -> None:
        self._show_catalog(self.app.catalog)

    def _show_catalog(self, catalog: Catalog) -> None:
        """Show the adapter and its labels above the prompt."""
        labels = catalog.labels(catalog.adapter)
        names = [
            safe_line(f"{SIGNS.get(label, '●')} {label_name(label)}", label_color(label, labels)) for label in labels
        ]
        title = Content("  ").join([safe_line(catalog.adapter, "bold"), *names])
        self.prompt.border_title = title if labels else None
        self.live.update()
        if self._ready:
            self._update_welcome(catalog)

    def _update_welcome(self, catalog: Catalog) -> None:
        no_adapter, options = not catalog.adapters, self.welcome.query_one(OptionList)
        welcome = no_adapter or not self.prediction_list.cards
        if welcome:
            self.welcome.show(catalog, self._legacy)
        if welcome != self.welcome.display:
            if no_adapter:
                self.set_focus(options)
            elif options.has_focus:
                self.set_focus(self.prompt)
            self.welcome.display = welcome
        self.refresh_bindings()

    def on_card_list_empty_changed(self) -> None:
        self.prompt.has_cards = bool(self.prediction_list.cards)
        if self._ready:
            self._update_welcome(self.app.catalog)

    def on_welcome_chosen(self, message: Welcome.Chosen) -> None:
        self.run_task(self.app.run_screen_action(message.screen_name, message.action))

    # ---- posts

    def on_text_area_changed(self) -> None:
        self.live.update()

    async def on_prompt_sent(self, message: Prompt.Sent) -> None:
        if message.post.strip() == QUIT_COMMAND:
            await self.app.run_action("app.quit")
        else:
            self._send(message.post)

    def on_welcome_sample_chosen(self, message: Welcome.SampleChosen) -> None:
        self._send(message.post)

    def _send(self, post: str) -> None:
        if self._ready and not self.app.catalog.adapter:
            self.run_task(self._predict_when_chosen(post))
        else:
            self._predict(post, self.app.catalog.adapter)

    async def _predict_when_chosen(self, post: str) -> None:
        self.prompt.replace_text(post)
        if await self._ensure_adapter():
            self.prompt.replace_text("")
            self._predict(post, self.app.catalog.adapter)

    async def _ensure_adapter(self) -> bool:
        """Ask for an adapter if none is chosen. Return False if none was chosen."""
        if not self.app.catalog.adapters:
            self.show_message(_("There is no adapter yet. Train or import one first."), "error")
        elif not self.app.catalog.adapter:
            await self._choose_adapter()
        return bool(self.app.catalog.adapter)

    def _predict(self, post: str, adapter: str) -> None:
        card = PostCard(post, adapter)
        self.prediction_list.append(card)
        self.run_task(self._show_prediction(card))

    async def _show_prediction(self, card: PostCard) -> None:
        try:
            card.show(await self.app.engine.call(partial(_analyze, card.text, card.adapter)))
        except Exception as error:
            card.fail(user_message(error))
            await self.app.refresh_catalog()  # another program may have renamed or removed the adapter

    def on_prompt_too_large(self, message: Prompt.TooLarge) -> None:
        self.run_task(self._predict_large(message.text))

    async def _predict_large(self, post: str) -> None:
        """Predict a post that is too large for the prompt, if the user agrees."""
        question = _("This post has {count} characters, too many for the prompt. Predict its label as it is?")
        answers = [("", _("No")), ("predict", _("Predict"))]
        answer = await self.app.push_screen_wait(ChoiceDialog(question.format(count=f"{len(post):,}"), answers))
        if answer == "predict" and await self._ensure_adapter():
            self._predict(post, self.app.catalog.adapter)

    def on_prompt_several_lines(self, message: Prompt.SeveralLines) -> None:
        self.run_task(self._add_lines(message.text, message.lines))

    async def _add_lines(self, text: str, lines: Sequence[str]) -> None:
        question = _("{count} lines pasted. One post, or one post per line?").format(count=f"{len(lines):,}")
        each = _("One post per line ({count} posts)").format(count=f"{len(lines):,}")
        answer = await self.app.push_screen_wait(ChoiceDialog(question, [("one", _("One post")), ("each", each)]))
        if answer == "one":
            self.prompt.insert_text(text)
        elif answer == "each" and await self._ensure_adapter():
            from weibo_tui.app.predict.job_card import BatchCard

            adapter = self.app.catalog.adapter
            cards = [PostCard(line, adapter) for line in lines[-MAX_BATCH_CARDS:]]
            self.prediction_list.append(*cards, BatchCard(lines, cards, adapter))

    # ---- choosing the adapter

    def action_choose_adapter(self) -> None:
        self.run_task(self._choose_adapter())

    async def _choose_adapter(self) -> None:
        from weibo_tui.app.predict.adapter_dialog import AdapterDialog

        catalog = self.app.catalog
        dialog = AdapterDialog(_("Adapter for new predictions:"), catalog, catalog.adapter, _("in use"))
        name = await self.app.push_screen_wait(dialog)
        if name:
            await self.app.records.call(lambda wb: wb.set_default_adapter(name))
            await self.app.refresh_catalog()
            self.show_message(_("{name} is used for new predictions.").format(name=name), "success")

    # ---- the prompt and the cards

    @property
    def active_bindings(self) -> dict[str, ActiveBinding]:
        """Hide the screen's own keys in the footer while the cards have the focus, for want of room."""
        return {
            key: _hidden(active) if self.focused is self.prediction_list and active.node is self else active
            for key, active in super().active_bindings.items()
        }

    def on_screen_resume(self) -> None:
        self.prediction_list.refresh_entries()

    def on_prompt_at_oldest(self) -> None:
        if self.welcome.display and not self.prompt.text:
            self.set_focus(self.welcome.query_one(OptionList))
        self.prediction_list.fetch_older()

    def on_prompt_exited(self) -> None:
        self.prediction_list.action_last()
        self.set_focus(self.prediction_list)

    def action_write(self) -> None:
        self.set_focus(self.prompt)

    def on_key(self, event: events.Key) -> None:
        """Send what is typed anywhere to the prompt, except the keys of the cards, which may do nothing now."""
        reserved = event.key in self.active_bindings or (
            self.focused is self.prediction_list and self._is_card_key(event.key)
        )
        if event.is_printable and event.character and not reserved:
            event.stop()
            self.set_focus(self.prompt)
            self.prompt.insert_text(event.character)

    def _is_card_key(self, pressed: str) -> bool:
        keys = (keys_of(key, self.app.keymap) for key in KEYS["cards"])
        return any(pressed == key.strip() for action_keys in keys for key in action_keys.split(","))

    def on_paste(self, event: events.Paste) -> None:
        event.stop()
        self.set_focus(self.prompt)
        self.prompt.paste(event.text)

    def on_prediction_list_exited(self) -> None:
        self.action_write()

    def on_prediction_list_repeat(self, message: PredictionList.Repeat) -> None:
        from weibo_tui.app.predict.job_card import LabelingCard

        if isinstance(message.card, PostCard):
            self.run_task(self._predict_again(message.card))
        elif isinstance(message.card, LabelingCard):
            self.prediction_list.append(LabelingCard(message.card.config))

    async def _predict_again(self, card: PostCard) -> None:
        from weibo_tui.app.predict.adapter_dialog import AdapterDialog

        dialog = AdapterDialog(_("Adapter for this post:"), self.app.catalog, card.adapter, _("used before"))
        name = await self.app.push_screen_wait(dialog)
        if name:
            self._predict(card.text, name)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        return bool(self.app.catalog.adapters) if action in ("choose_adapter", "label_file") else True

    def edit_post(self, post: str) -> None:
        """Put a post into the prompt, to be changed or predicted again; undo restores the draft."""
        if len(post) <= MAX_CHARACTERS:  # a larger one is not written, and the draft stays
            self.prompt.select_all()
        self.prompt.insert_text(post)
        self.set_focus(self.prompt)

    # ---- files

    def action_label_file(self) -> None:
        self.run_task(self._label_file())

    async def _label_file(self) -> None:
        from weibo_tui.app.predict.job_card import LabelingCard
        from weibo_tui.app.predict.label_file_form import LabelingForm

        config = await self.app.push_screen_wait(LabelingForm())
        if config is not None:
            self.prediction_list.append(LabelingCard(config))


def _hidden(active: ActiveBinding) -> ActiveBinding:
    return active._replace(binding=dataclasses.replace(active.binding, show=False))


def _analyze(post: str, adapter: str, wb: Workbench) -> Analysis:
    (analysis,) = wb.iter_predict([post], adapter, record=None, source="app")
    return analysis

"""What stands in the prediction pane while there is nothing to judge posts with: what this is, and the ways on."""

from __future__ import annotations

from collections.abc import Iterator

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from weibo_tui.app.content import plain
from weibo_tui.app.keys import bindings
from weibo_tui.app.stock import Stock
from weibo_tui.app.widgets.fitted import paragraph
from weibo_tui.locale import gettext as _
from weibo_tui.workbench.fetching import BASE_SIZE
from weibo_tui.workbench.original import Originals


class Welcome(Vertical):
    """Says what is missing, and lets one choose what to do about it."""

    BINDINGS = bindings("welcome")
    DEFAULT_CSS = """
    Welcome { height: auto; max-width: 96; padding: 0 2 1 2; }
    Welcome Static { height: auto; margin-bottom: 1; }
    Welcome .title { text-style: bold; color: $primary; }
    Welcome OptionList, Welcome OptionList:focus { height: auto; background: $background; border: none; padding: 0; }
    """

    class Chosen(Message):
        """`place` is where the chosen way begins, `action` what begins it there."""

        def __init__(self, place: str, action: str) -> None:
            super().__init__()
            self.place = place
            self.action = action

    def compose(self) -> ComposeResult:
        yield Static(plain(_("Nothing to judge posts with yet")), classes="title")
        yield Static(classes="explanation")
        yield OptionList()

    def show(self, stock: Stock, originals: Originals) -> None:
        """Say it for what there is: bases, but no adapter; and what the original project left here."""
        if stock.bases:
            explanation = _(
                "A base is here: a Chinese GPT-2, which stays as it is. An adapter is what tells moods apart: a few "
                "megabytes, trained on it in minutes from a file of posts with labels (CSV, TSV, JSONL, Parquet)."
            )
        else:
            explanation = _(
                "weibo-tui judges the mood of Weibo posts with a base, a Chinese GPT-2 that stays as it is, and an "
                "adapter, a few megabytes trained on it from posts with labels. Both are files on this machine."
            )
        self.query_one(".explanation", Static).update(paragraph(explanation))
        options = self.query_one(OptionList)
        chosen = options.highlighted_option
        ways = dict(_ways(stock, originals))
        options.set_options(Option(plain(words), id=way) for way, words in ways.items())
        options.highlighted = [*ways].index(chosen.id) if chosen is not None and chosen.id in ways else 0

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        place, _dot, action = str(event.option_id).partition(".")
        self.post_message(self.Chosen(place, action))


def _ways(stock: Stock, originals: Originals) -> Iterator[tuple[str, str]]:
    """Where each way begins and what begins it there, and what it is called: what is at hand first."""
    if originals.base is not None and not stock.base_of(originals):
        yield "models.take_base", _("Take in the base in {folder}").format(folder=originals.base)
    if originals.checkpoint is not None and stock.bases:
        yield "models.take_checkpoint", _("Take in the adapter in {path}").format(path=originals.checkpoint)
    if originals.data is not None and stock.bases:
        yield "train.new_on_original", _("Train on {path}").format(path=originals.data)
    if stock.bases:
        yield "train.new", _("Train an adapter on posts with labels")
    else:
        words = _("Fetch uer's Chinese GPT-2 from Hugging Face ({size} MB)")
        yield "models.get", words.format(size=BASE_SIZE // 10**6)
    yield "models.import", _("Import a base or an adapter that somebody gave you")
    yield "models.pretrain", _("Make a base of your own from plain text")
    if originals.data is not None and not stock.bases:
        yield "train.new_on_original", _("Train on {path}").format(path=originals.data)

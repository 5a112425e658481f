"""The welcome above the prompt while there is no post: sample posts, which models there are, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.message import Message
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from weibo_tui.app.base import get_app
from weibo_tui.app.formatting import safe_content
from weibo_tui.app.keymap import bindings, first_key
from weibo_tui.app.services.catalog import Catalog
from weibo_tui.app.widgets.responsive_text import paragraph
from weibo_tui.locale import gettext as _
from weibo_tui.workbench.legacy_project import LegacyProject

SAMPLES = (
    "终于抢到演唱会的票了！开心到想在地铁里转圈[哈哈]",
    "外卖等了一个半小时，汤全洒了，客服还不理人[怒]",
    "菜很好吃，可是等位等到怀疑人生，下次再说吧[允悲]",
)
"""A positive, a negative and a mixed post, to see a first prediction."""


class _Choices(OptionList):
    BINDINGS = bindings("welcome")


class Welcome(VerticalScroll, can_focus=False):
    """Explains what is there and what is missing, and offers sample posts and the next steps."""

    DEFAULT_CSS = """
    Welcome {
        height: auto; max-width: 96; max-height: 100%; padding: 0 2 1 2; scrollbar-size-vertical: 1;
        & Static { height: auto; margin-bottom: 1; }
        & .title { text-style: bold; color: $primary; }
        & OptionList, & OptionList:focus { height: auto; background: $background; border: none; padding: 0; }
        & OptionList:focus { background-tint: $foreground 0%; }
        /* The prompt has the focus: no option stands out. */
        &.-aside OptionList:blur > .option-list--option-highlighted {
            color: $foreground; background: $background; text-style: none;
        }
    }
    """

    class Chosen(Message):
        """A step was chosen: `action` of the main screen `screen_name`."""

        def __init__(self, screen_name: str, action: str) -> None:
            super().__init__()
            self.screen_name = screen_name
            self.action = action

    class SampleChosen(Message):
        """A sample post was chosen."""

        def __init__(self, post: str) -> None:
            super().__init__()
            self.post = post

    def compose(self) -> ComposeResult:
        yield Static(classes="title")
        yield Static(classes="explanation")
        yield _Choices(markup=False)

    def show(self, catalog: Catalog, legacy: LegacyProject) -> None:
        """Show the text and the steps for the installed models and the files of the original project."""
        title = _("Ready: write a post below") if catalog.adapters else _("No adapter yet")
        key = first_key("prompt.older", get_app(self).keymap)
        self.set_class(bool(catalog.adapters), "-aside")
        self.query_one(".title", Static).update(safe_content(title))
        self.query_one(".explanation", Static).update(paragraph(_explain(catalog).format(key=key)))
        samples = {f"sample.{number}": f"“{post}”" for number, post in enumerate(SAMPLES) if catalog.adapters}
        steps = {} if catalog.own_adapters else dict(_steps(catalog, legacy))
        self._show_options(samples, steps)

    def _show_options(self, *groups: Mapping[str, str]) -> None:
        options = self.query_one(OptionList)
        selected = options.highlighted_option
        names = [name for group in groups for name in group]
        contents: list[Option | None] = []
        for group in filter(None, groups):
            contents += [None] if contents else []
            contents += [Option(safe_content(text), id=name) for name, text in group.items()]
        options.set_options(contents)
        options.highlighted = names.index(selected.id) if selected is not None and selected.id in names else 0

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        name, _dot, action = str(event.option_id).partition(".")
        if name == "sample":
            self.post_message(self.SampleChosen(SAMPLES[int(action)]))
        else:
            self.post_message(self.Chosen(name, action))


def _explain(catalog: Catalog) -> str:
    """Return what the installed models can do. `{key}` leads to the sample posts."""
    if catalog.only_bundled:
        return _(
            "A small bundled model predicts its label, with more errors than an adapter on the full Chinese "
            "GPT-2. Press {key} and Enter to predict a sample:"
        )
    if catalog.adapters:
        return _("Its label appears here. Press {key} and Enter to predict a sample:")
    if catalog.bases:
        return _(
            "A base model is installed: a frozen Chinese GPT-2. An adapter classifies posts with it: a "
            "few megabytes, trained in minutes from a file of labeled posts (CSV, text, JSON, Excel, Parquet)."
        )
    return _(
        "weibo-tui predicts the sentiment of Weibo posts with a base, a frozen Chinese GPT-2, and an "
        "adapter, a few megabytes trained on labeled posts. Both are files on this machine."
    )


def _steps(catalog: Catalog, legacy: LegacyProject) -> Iterator[tuple[str, str]]:
    """Yield the steps as (`screen.action`, title), first those for which the files are here already."""
    if legacy.base is not None and not catalog.base_of(legacy):
        yield "models.take_base", _("Import the base in {folder}").format(folder=legacy.base)
    if legacy.checkpoint is not None and catalog.own_bases:
        yield "models.take_checkpoint", _("Import the adapter in {path}").format(path=legacy.checkpoint)
    if legacy.data is not None and catalog.bases:
        yield "train.new_on_original", _("Train on {path}").format(path=legacy.data)
    if catalog.bases:
        yield "train.new", _("Train an adapter on posts with labels")
    if not catalog.own_bases:
        from weibo_tui.workbench.downloads import BASE_SIZE

        words = _("Download uer's Chinese GPT-2 from Hugging Face ({size} MB)")
        yield "models.get", words.format(size=BASE_SIZE // 10**6)
    yield "models.import", _("Import a base or an adapter from a file")
    yield "models.pretrain", _("Pretrain a base on plain text")
    if legacy.data is not None and not catalog.bases:
        yield "train.new_on_original", _("Train on {path}").format(path=legacy.data)

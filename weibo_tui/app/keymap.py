"""All keys of the app: the screens bind them, and the help and `weibo-tui keys` list them.

The settings change the keys of an action by its name: ``[keys]`` with ``"cards.copy" = "y"``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from textual.binding import Binding, BindingType

from weibo_tui.errors import UserInputError
from weibo_tui.locale import N_
from weibo_tui.locale import gettext as _
from weibo_tui.text.terminal import truncate


@dataclass(frozen=True, slots=True)
class Key:
    """`keys` (comma-separated, Textual's names) run `action`. `shown` keys appear in the footer."""

    name: str
    keys: str
    action: str
    description: str
    shown: bool = True
    priority: bool = False


def _table_keys(group: str) -> tuple[Key, ...]:
    """Return the keys of a table of rows."""
    return (
        Key(f"{group}.up", "up,k", "move(-1)", N_("Row up"), shown=False),
        Key(f"{group}.down", "down,j", "move(1)", N_("Row down"), shown=False),
        Key(f"{group}.page_up", "pageup", "page(-1)", N_("Page up"), shown=False),
        Key(f"{group}.page_down", "pagedown", "page(1)", N_("Page down"), shown=False),
        Key(f"{group}.open", "enter", "open", N_("Details"), shown=False),
    )


def _search_keys(group: str) -> tuple[Key, ...]:
    return (Key(f"{group}.leave", "enter,down,escape", "leave", N_("Table")),)


def _details_keys(group: str) -> tuple[Key, ...]:
    return (Key(f"{group}.leave", "enter", "leave", N_("Back to the table")),)


KEYS: Mapping[str, tuple[Key, ...]] = {
    "app": (
        Key("app.help", "f1", "help", N_("Help")),
        Key("app.predict", "f2,alt+1", "go('predict')", N_("Predict"), shown=False),
        Key("app.train", "f3,alt+2", "go('train')", N_("Train"), shown=False),
        Key("app.history", "f4,alt+3", "go('history')", N_("History"), shown=False),
        Key("app.models", "f5,alt+4", "go('models')", N_("Models"), shown=False),
        Key("app.files", "f7,alt+5", "go('files')", N_("Files"), shown=False, priority=True),  # TextArea binds f7
        Key("app.settings", "f6", "settings", N_("Settings"), shown=False, priority=True),  # TextArea binds f6
        Key("app.palette", "ctrl+p", "command_palette", N_("Commands")),
        Key("app.theme", "ctrl+t", "toggle_theme", N_("Dark or light theme"), shown=False),
        Key("app.quit", "ctrl+q", "quit", N_("Quit"), priority=True),
    ),
    "train": (
        Key("train.new", "n", "new", N_("New")),
        Key("train.pause", "space", "pause", N_("Pause")),
        Key("train.stop", "s", "stop", N_("Stop")),
        Key("train.resume", "r", "resume", N_("Resume")),
        Key("train.start_now", "b", "start_now", N_("Start now")),
        Key("train.use", "u", "use", N_("Set default")),
        Key("train.overlay", "o", "overlay", N_("Overlay")),
        Key("train.zoom", "z", "zoom", N_("Zoom")),
        Key("train.previous_curve", "left", "turn(-1)", N_("Previous curve"), shown=False),
        Key("train.next_curve", "right", "turn(1)", N_("Next curve"), shown=False),
        Key("train.log_scale", "l", "log_scale", N_("Logarithmic axis"), shown=False),
        Key("train.smoothing", "m", "smoothing", N_("Smoothing"), shown=False),
        Key("train.export", "e,x", "export", N_("Export the journal"), shown=False),
        Key("train.delete", "d,delete", "delete", N_("Delete"), shown=False),
        Key("train.pretrain", "p", "pretrain", N_("Pretrain a base"), shown=False),
        Key("train.back", "escape", "back", N_("Back"), shown=False),
    ),
    "form": (
        Key("form.start", "ctrl+s", "start", N_("Start")),
        Key("form.columns", "ctrl+l", "choose_column", N_("Columns")),
        Key("form.preview_down", "pagedown", "scroll_preview(1)", N_("Preview")),
        Key("form.preview_up", "pageup", "scroll_preview(-1)", N_("Preview up"), shown=False),
    ),
    "choices": (
        Key("choices.down", "down", "down", N_("Choices")),
        Key("choices.up", "up", "up", N_("Up in the list"), shown=False),
        Key("choices.close", "escape", "close", N_("Close the list"), shown=False),
    ),
    "chosen_files": (
        Key("chosen_files.label", "l,enter", "label", N_("Label of all posts")),
        Key("chosen_files.remove", "delete,backspace,x", "remove", N_("Remove")),
    ),
    "models_list": (Key("models_list.open", "enter", "screen.open_card", N_("Card")),),
    "models": (
        Key("models.use", "u", "use", N_("Set default")),
        Key("models.evaluate", "e", "evaluate", N_("Evaluate")),
        Key("models.compare", "c", "compare", N_("Compare")),
        Key("models.mark", "space", "mark", N_("Mark to compare"), shown=False),
        Key("models.train", "t", "train", N_("Train on it")),
        Key("models.get", "g", "get", N_("Download a base"), shown=False),
        Key("models.import", "i", "import", N_("Import")),
        Key("models.export", "x", "export", N_("Export")),
        Key("models.delete", "d,delete", "delete", N_("Delete"), shown=False),
        Key("models.faithfulness", "f", "faithfulness", N_("Test the explanations"), shown=False),
        Key("models.stop", "s", "stop", N_("Stop")),
        Key("models.rename", "r", "rename", N_("Rename"), shown=False),
        Key("models.pretrain", "p", "pretrain", N_("Pretrain a base"), shown=False),
        Key("models.last", "l", "last", N_("Past evaluations"), shown=False),
        Key("models.back", "escape", "back", N_("Back to the list"), shown=False),
    ),
    "evaluation": (
        Key("evaluation.next", "n", "turn(1)", N_("Next page")),
        Key("evaluation.previous", "p", "turn(-1)", N_("Previous page"), shown=False),
        Key("evaluation.stop", "s", "stop", N_("Stop")),
        Key("evaluation.export", "x", "export", N_("Export")),
        Key("evaluation.compare", "c", "compare", N_("Compare")),
        Key("evaluation.write", "e", "write", N_("Export errors")),
    ),
    "comparison": (
        Key("comparison.stop", "s", "stop", N_("Stop")),
        Key("comparison.list", "d", "list_posts", N_("Disagreements")),
        Key("comparison.pair", "p", "turn_pair", N_("Next pair")),
        Key("comparison.export", "x", "export", N_("Export")),
        Key("comparison.write", "e", "write", N_("Export disagreements")),
    ),
    "compared_post": (
        Key("compared_post.correct", "l,1,2,3,4,5,6,7,8,9", "correct", N_("Correct")),
        Key("compared_post.uncorrect", "0", "uncorrect", N_("Remove the correction"), shown=False),
        Key("compared_post.explain", "w", "explain", N_("Why")),
        Key("compared_post.copy", "c", "copy", N_("Copy")),
    ),
    "matrix": (
        Key("matrix.open", "enter", "open", N_("Show posts")),
        Key("matrix.left", "left,h", "move(-1, 0)", N_("Left"), shown=False),
        Key("matrix.right", "right,l", "move(1, 0)", N_("Right"), shown=False),
        Key("matrix.up", "up,k", "move(0, -1)", N_("Up"), shown=False),
        Key("matrix.down", "down,j", "move(0, 1)", N_("Down"), shown=False),
    ),
    "posts": (
        Key("posts.open", "enter", "open", N_("Open")),
        Key("posts.up", "up,k", "move(-1)", N_("Up"), shown=False),
        Key("posts.down", "down,j", "move(1)", N_("Down"), shown=False),
        Key("posts.page_up", "pageup", "page(-1)", N_("Page up"), shown=False),
        Key("posts.page_down", "pagedown", "page(1)", N_("Page down"), shown=False),
        Key("posts.first", "home", "first", N_("First"), shown=False),
        Key("posts.last", "end", "last", N_("Last"), shown=False),
    ),
    "post": (
        Key("post.explain", "w", "explain", N_("Why")),
        Key("post.copy", "c", "copy", N_("Copy")),
    ),
    "why": (
        Key("why.close", "escape,w", "close", N_("Close")),
        Key("why.shapley", "s", "shapley", N_("Shapley values")),
        Key("why.next", "n,right", "turn(1)", N_("Next post")),
        Key("why.previous", "p,left", "turn(-1)", N_("Previous post")),
    ),
    "annotate": (
        Key("annotate.answer", "l,1,2,3,4,5,6,7,8,9", "answer", N_("Other label")),
        Key("annotate.cannot_tell", "space", "cannot_tell", N_("Cannot tell"), shown=False),
        Key("annotate.undo", "u,backspace", "undo", N_("Undo"), shown=False),
        Key("annotate.flag", "f", "flag", N_("Flag")),
        Key("annotate.note", "n", "note", N_("Note")),
        Key("annotate.guideline", "question_mark", "guideline", N_("Guideline")),
        Key("annotate.reveal", "v", "reveal", N_("Show or hide predictions"), shown=False),
    ),
    "guideline": (Key("guideline.save", "ctrl+s", "save", N_("Save")),),
    "report": (
        Key("report.next", "right", "turn(1)", N_("Next section")),
        Key("report.previous", "left", "turn(-1)", N_("Previous section"), shown=False),
        Key("report.label", "l", "turn_label", N_("Next label")),
        Key("report.write", "w", "write", N_("Write as HTML")),
        Key("report.stop", "s", "stop", N_("Stop")),
    ),
    "estimate": (
        Key("estimate.split", "b", "split", N_("Split by")),
        Key("estimate.label", "l", "turn_label", N_("Next label")),
        Key("estimate.stop", "s", "stop", N_("Stop")),
    ),
    "measure": (Key("measure.stop", "s", "stop", N_("Stop")),),
    "predict": (
        Key("predict.adapter", "ctrl+g", "choose_adapter", N_("Adapter")),
        Key("predict.label_file", "ctrl+o", "label_file", N_("Label a file")),
    ),
    "prompt": (
        Key("prompt.send", "enter", "send", N_("Send")),
        Key("prompt.new_line", "ctrl+j,alt+enter,shift+enter", "break_line", N_("New line"), shown=False),
        Key("prompt.older", "up", "older", N_("Previous post"), shown=False),
        Key("prompt.newer", "down", "newer", N_("Next post"), shown=False),
        Key("prompt.leave", "escape", "leave", N_("Cards")),
    ),
    "welcome": (
        Key("welcome.choose", "enter", "select", N_("Choose")),
        Key("welcome.leave", "escape", "screen.write", N_("Prompt"), shown=False),
    ),
    "cards": (
        Key("cards.up", "up,k", "move(-1)", N_("Previous card"), shown=False),
        Key("cards.down", "down,j", "move(1)", N_("Next card"), shown=False),
        Key("cards.page_up", "pageup", "page(-1)", N_("Page up"), shown=False),
        Key("cards.page_down", "pagedown", "page(1)", N_("Page down"), shown=False),
        Key("cards.first", "g,home", "first", N_("First card"), shown=False),
        Key("cards.last", "G,end", "last", N_("Last card"), shown=False),
        Key("cards.open", "space,enter", "open", N_("Open")),
        Key("cards.explain", "w", "explain", N_("Why")),
        Key("cards.copy", "c,y", "copy_card", N_("Copy")),
        Key("cards.copy_as", "C", "copy_as", N_("Copy as"), shown=False),
        Key("cards.correct", "l,1,2,3,4,5,6,7,8,9", "correct", N_("Correct")),
        Key("cards.uncorrect", "0", "uncorrect", N_("Remove the correction"), shown=False),
        Key("cards.again", "r", "predict_again", N_("Predict again")),
        Key("cards.history", "h", "show_in_history", N_("History")),
        Key("cards.delete", "d,delete", "delete_card", N_("Delete")),
        Key("cards.undo", "u", "undo", N_("Undo")),
        Key("cards.stop", "s", "stop_work", N_("Stop")),
        Key("cards.leave", "i,escape", "leave", N_("Prompt"), shown=False),
    ),
    "path": (
        Key("path.complete", "tab", "complete", N_("Complete")),
        Key("path.down", "down", "down", N_("Browse")),
        Key("path.up", "up", "up", N_("Up in the list"), shown=False),
        Key("path.close", "escape", "close", N_("Close the list"), shown=False),
    ),
    "settings": (
        Key("settings.open", "enter", "screen.open", N_("Change")),
        Key("settings.reset", "r,delete,backspace", "screen.reset", N_("Reset to default")),
    ),
    "dialog": (Key("dialog.close", "escape", "close", N_("Close")),),
    "history": (
        Key("history.search", "slash", "search", N_("Search")),
        Key("history.filter", "f", "filter", N_("Filter")),
        Key("history.uncertain", "U", "only('uncertain')", N_("Uncertain only")),
        Key("history.correct", "l,1,2,3,4,5,6,7,8,9", "correct", N_("Correct")),
        Key("history.unmark", "M", "unmark", N_("Clear marks")),
        Key("history.undo", "u", "undo", N_("Undo")),
        Key("history.stop_export", "s", "stop_export", N_("Stop the export")),
        Key("history.export", "e", "export", N_("Export")),
        Key("history.sort", "o", "sort", N_("Sort")),
        Key("history.mark", "space", "mark", N_("Mark")),
        Key("history.delete", "d,delete", "delete", N_("Delete")),
        Key("history.corrected", "C", "only('corrected')", N_("Corrected only")),
        Key("history.unfilter", "x", "unfilter", N_("Clear search and filter"), shown=False),
        Key("history.reverse", "O", "reverse", N_("Reverse the order"), shown=False),
        Key("history.uncorrect", "0", "uncorrect", N_("Remove the correction"), shown=False),
        Key("history.explain", "w", "explain", N_("Why the post got its label"), shown=False),
        Key("history.copy", "c,y", "copy", N_("Copy the post"), shown=False),
        Key("history.to_prompt", "r", "to_prompt", N_("Copy the post to the prompt"), shown=False),
        Key("history.details", "i", "details", N_("Details of the entry"), shown=False),
        Key("history.newest", "g,home", "newest", N_("First row"), shown=False),
        Key("history.oldest", "G,end", "oldest", N_("Last row"), shown=False),
        Key("history.refresh", "R", "refresh", N_("Refresh"), shown=False),
        Key("history.clear", "X", "clear", N_("Delete the whole history"), shown=False),
        Key("history.back", "escape", "back", N_("Back"), shown=False),
    ),
    "history_table": _table_keys("history_table"),
    "history_search": _search_keys("history_search"),
    "history_details": _details_keys("history_details"),
    "files": (
        Key("files.stop", "s", "stop", N_("Stop")),
        Key("files.back", "escape", "back", N_("Back"), shown=False),
    ),
    "files_list": (
        Key("files_list.up", "up,k", "move(-1)", N_("Previous file"), shown=False),
        Key("files_list.down", "down,j", "move(1)", N_("Next file"), shown=False),
        Key("files_list.page_up", "pageup", "page(-1)", N_("Page up in the list"), shown=False),
        Key("files_list.page_down", "pagedown", "page(1)", N_("Page down in the list"), shown=False),
        Key("files_list.open", "enter", "open", N_("Open")),
        Key("files_list.choose", "o", "choose", N_("Open another file")),
        Key("files_list.remove", "d,delete", "remove", N_("Remove")),
        Key("files_list.first", "g,home", "first", N_("First file"), shown=False),
        Key("files_list.last", "G,end", "last", N_("Last file"), shown=False),
    ),
    "file": (
        Key("file.search", "slash", "search", N_("Search")),
        Key("file.filter", "f", "filter", N_("Filter")),
        Key("file.correct", "l,1,2,3,4,5,6,7,8,9", "correct", N_("Correct")),
        Key("file.unmark", "M", "unmark", N_("Clear marks")),
        Key("file.undo", "u", "undo", N_("Undo")),
        Key("file.annotate", "a", "annotate", N_("Annotate")),
        Key("file.estimate", "p", "estimate", N_("Estimate")),
        Key("file.report", "r", "report", N_("Report")),
        Key("file.export", "e", "export", N_("Export")),
        Key("file.sort", "o", "sort", N_("Sort")),
        Key("file.mark", "space", "mark", N_("Mark")),
        Key("file.uncertain", "U", "only('uncertain')", N_("Uncertain only")),
        Key("file.disagreeing", "D", "only('disagreeing')", N_("Human ≠ model only")),
        Key("file.explain", "w", "explain", N_("Why the post got its label"), shown=False),
        Key("file.label_errors", "L", "label_errors", N_("Find wrong labels"), shown=False),
        Key("file.train", "t", "train", N_("Train on the answers"), shown=False),
        Key("file.measure", "m", "measure", N_("Measure adapters on the sample"), shown=False),
        Key("file.distinct", "T", "only('distinct')", N_("Each text once"), shown=False),
        Key("file.unfilter", "x", "unfilter", N_("Clear search and filter"), shown=False),
        Key("file.reverse", "O", "reverse", N_("Reverse the order"), shown=False),
        Key("file.uncorrect", "0", "uncorrect", N_("Remove the correction"), shown=False),
        Key("file.copy", "c,y", "copy", N_("Copy the post"), shown=False),
        Key("file.first", "g,home", "first", N_("First row"), shown=False),
        Key("file.last", "G,end", "last", N_("Last row"), shown=False),
    ),
    "file_table": _table_keys("file_table"),
    "file_search": _search_keys("file_search"),
    "file_details": _details_keys("file_details"),
}

KEY_GROUPS = {
    "app": N_("Everywhere"),
    "train": N_("Train"),
    "form": N_("New training, new base model"),
    "choices": N_("Field for a column or sheet"),
    "chosen_files": N_("Chosen files"),
    "models_list": N_("Models: list"),
    "models": N_("Models"),
    "evaluation": N_("Evaluation"),
    "matrix": N_("Confusion matrix"),
    "comparison": N_("Comparison of adapters"),
    "compared_post": N_("Posts with different predictions"),
    "posts": N_("Lists of posts and figures"),
    "post": N_("One post of a cell"),
    "why": N_("Why a post got its label"),
    "annotate": N_("Annotate"),
    "guideline": N_("Guideline of an annotation"),
    "report": N_("Report of a file"),
    "estimate": N_("Estimates for a file"),
    "measure": N_("Adapters on the sample of a file"),
    "predict": N_("Predict"),
    "prompt": N_("Predict: the prompt"),
    "welcome": N_("Predict: the first start"),
    "cards": N_("Predict: the cards"),
    "path": N_("File path"),
    "settings": N_("Settings"),
    "dialog": N_("Dialogs"),
    "history": N_("History"),
    "history_table": N_("History: table"),
    "history_search": N_("History: search"),
    "history_details": N_("History: details"),
    "files": N_("Files"),
    "files_list": N_("Files: list"),
    "file": N_("Files: a file"),
    "file_table": N_("Files: table"),
    "file_search": N_("Files: search"),
    "file_details": N_("Files: details"),
}

SCREEN_GROUPS: Mapping[str, tuple[str, ...]] = {
    "predict": ("predict", "prompt", "cards"),
    "train": ("train",),
    "history": ("history", "history_table", "history_search", "history_details"),
    "models": ("models", "models_list"),
    "files": ("files", "files_list", "file", "file_table", "file_search", "file_details"),
}
"""The groups of each main screen: its own, then those of its panes."""

_PANE_GROUPS = (*SCREEN_GROUPS.values(), ("file", "file_table", "file_search", "file_details"))
"""Groups that work together with each of those after them."""

_KEY_NAMES = {"question_mark": "?", "slash": "/", "pageup": "PgUp", "pagedown": "PgDn", "escape": "Esc"}


def bindings(group: str) -> list[BindingType]:
    """Return the bindings of a screen or widget. Their descriptions are translated when they are shown."""
    return [
        Binding(key.keys, key.action, key.description, show=key.shown, priority=key.priority, id=key.name)
        for key in KEYS[group]
    ]


def check_keymap(keymap: Mapping[str, str]) -> Mapping[str, str]:
    """Return the keys of the settings. Raises UserInputError for an unknown action or one without keys."""
    known = {key.name for key in all_keys()}
    for name, keys in keymap.items():
        if name not in known:
            message = _("Unknown action '{name}' under [keys] in the settings. The help (F1) lists the actions.")
            raise UserInputError(message.format(name=truncate(name)))
        if not all(part.strip() for part in keys.split(",")):
            message = _("The settings leave '{name}' without a key. Name a key, or remove the line.")
            raise UserInputError(message.format(name=name))
    return keymap


def conflicts(name: str, pressed: str, keymap: Mapping[str, str]) -> list[Key]:
    """Return the other actions that the key `pressed` runs in the same pane as the action `name`."""
    group = name.partition(".")[0]
    together = set(KEYS) if group == "app" else {group, "app"}
    for own, *panes in _PANE_GROUPS:
        if group in (own, *panes):
            together |= {own, *panes} if group == own else {own}
    return [
        key
        for key in all_keys()
        if key.name != name and key.name.partition(".")[0] in together and pressed in keys_of(key, keymap).split(",")
    ]


def keys_of(key: Key, keymap: Mapping[str, str]) -> str:
    """Return the keys for the action of `key` with this keymap."""
    return keymap.get(key.name, key.keys)


def first_key(name: str, keymap: Mapping[str, str]) -> str:
    """Return the first key of the action `name`, as texts show it."""
    return key_names(keys_of(_key(name), keymap).partition(",")[0])


def key_names(keys: str) -> str:
    """Return keys as users read them: `Ctrl+P, F1`."""
    return ", ".join(_key_name(key.strip()) for key in keys.split(","))


def _key_name(key: str) -> str:
    # A single letter stays as it is: g and G are two keys.
    return key if len(key) == 1 else "+".join(_KEY_NAMES.get(part, part.capitalize()) for part in key.split("+"))


def description(name: str) -> str:
    """Return the description of the action `name`, in English."""
    return _key(name).description


def _key(name: str) -> Key:
    return next(key for key in all_keys() if key.name == name)


def all_keys() -> Iterator[Key]:
    for keys in KEYS.values():
        yield from keys

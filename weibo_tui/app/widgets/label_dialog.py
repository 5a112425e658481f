"""Asking for the label of posts, and saying which they got."""

from __future__ import annotations

from collections.abc import Sequence

from weibo_tui.app.dialogs import ChoiceDialog
from weibo_tui.app.formatting import quote
from weibo_tui.locale import gettext as _
from weibo_tui.locale import ngettext


class LabelDialog(ChoiceDialog):
    """Asks for the label of some posts. Returns the place of a label, or an empty text for the predicted one.

    `names` are the labels. `predicted` and `current` are the label of the model and the place of that of the user, if
    there is only one post."""

    def __init__(self, posts: Sequence[str], names: Sequence[str], predicted: str, current: int | None) -> None:
        if len(posts) == 1:
            without = _("predicted: {label}").format(label=predicted)
            question = _("Label of “{post}”:").format(post=quote(posts[0]))
        else:
            without = _("as predicted")
            question = _("Label of the {count:,} marked posts:").format(count=len(posts))
        answers = [("", without), *((str(place), name) for place, name in enumerate(names))]
        default = str(current) if len(posts) == 1 and current is not None else ""
        super().__init__(question, answers, default, first_digit=0)


def correction_message(count: int, label: str | None) -> str:
    """Return which label some posts got, by its name; None removes what they had."""
    if label is None:
        return ngettext("{count:,} correction removed.", "{count:,} corrections removed.", count).format(count=count)
    text = ngettext("{count:,} post corrected to {label}.", "{count:,} posts corrected to {label}.", count)
    return text.format(count=count, label=label)

"""Texts for the clipboard: a prediction as text, JSON or Markdown."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping

from weibo_tui.display_names import label_name
from weibo_tui.locale import N_, join_list
from weibo_tui.locale import gettext as _
from weibo_tui.presentation.numbers import confidence
from weibo_tui.presentation.prediction import to_dict
from weibo_tui.storage.history import Analysis

_SURROGATE = re.compile("[\ud800-\udfff]")
_MARKDOWN = re.compile(r"[\\`*_\[\]<>#|~&$]|^[-+=]")
_NUMBERED = re.compile(r"^(\d{1,9})([.)])")


def as_text(analysis: Analysis) -> str:
    """Return the post, and below it the probability of each label, the highest first, and what else is known."""
    return f"{analysis.text.strip()}\n{join_list([*_shares(analysis), *_notes(analysis)])}"


def as_json(analysis: Analysis) -> str:
    """Return the line that `weibo-tui predict --json` prints."""
    line = json.dumps(to_dict(analysis), ensure_ascii=False, allow_nan=False)
    return _SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", line)  # no clipboard holds them


def as_markdown(analysis: Analysis) -> str:
    """Return the post as a quote, and the prediction below it."""
    paragraphs = re.split(r"\n\s*\n", "\n".join(analysis.text.strip().splitlines()))
    quote = "\n>\n".join(
        "\\\n".join(f"> {_escape_markdown(line.strip())}" for line in paragraph.split("\n")) for paragraph in paragraphs
    )
    best, *others = map(_escape_markdown, [*_shares(analysis), *_notes(analysis)])
    return f"{quote}\n\n{join_list([f'**{best}**', *others])}"


COPY_FORMATS: Mapping[str, tuple[str, Callable[[Analysis], str], str]] = {
    "post": (N_("Post"), lambda analysis: analysis.text, N_("Copied the post.")),
    "text": (N_("Prediction as text"), as_text, N_("Copied the prediction as text.")),
    "json": (N_("Prediction as JSON"), as_json, N_("Copied the prediction as JSON.")),
    "markdown": (N_("Prediction as Markdown"), as_markdown, N_("Copied the prediction as Markdown.")),
}
"""The choices, what they copy, and the message afterwards."""


def _shares(analysis: Analysis) -> list[str]:
    shares = sorted(analysis.probabilities.items(), key=lambda item: -item[1])
    return [
        f"{label_name(label)} {confidence(share, analysis.uncertain and label == analysis.label)}"
        for label, share in shares
    ]


def _notes(analysis: Analysis) -> list[str]:
    notes = [_("uncertain")] if analysis.uncertain else []
    if analysis.corrected == analysis.label:
        notes.append(_("confirmed"))
    elif analysis.corrected is not None:
        notes.append(_("corrected:") + " " + label_name(analysis.corrected))
    return [*notes, _("adapter {name}").format(name=analysis.adapter)]


def _escape_markdown(text: str) -> str:
    return _NUMBERED.sub(r"\1\\\2", _MARKDOWN.sub(r"\\\g<0>", text))

"""Documents as HTML: a page that loads nothing, and the part of it that a notebook shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

from weibo_tui.locale import gettext as _
from weibo_tui.locale import language_tag
from weibo_tui.presentation.pictures.svg import Picture
from weibo_tui.presentation.publication.parts import Facts, Part, Table
from weibo_tui.text import html
from weibo_tui.text.html import escape
from weibo_tui.version import __version__

_STYLE = Path(__file__).parents[1] / "style.css"
_MAX_SENTENCE = 2000


def render(title: str, parts: Sequence[Part]) -> str:
    """Return a document as an HTML page."""
    version = _("Made with weibo-tui {version}.").format(version=__version__)
    made = f'<p class="soft">{escape(version)}</p>'
    body = f"<header><h1>{escape(title)}</h1>{made}</header><main>{fragment(parts)}</main>"
    return html.page(title, language_tag(), _STYLE.read_text("utf-8"), body)


def fragment(parts: Sequence[Part]) -> str:
    """Return parts of a document as HTML, pictures that follow each other side by side."""
    return "".join(_parts(parts))


def _parts(parts: Iterable[Part]) -> Iterator[str]:
    for are_pictures, group in groupby(parts, lambda part: isinstance(part, Picture)):
        if are_pictures:
            shown = "".join(part.inline() for part in group if isinstance(part, Picture))
            yield f'<div class="pictures" style="display:flex;flex-wrap:wrap">{shown}</div>'
            continue
        for part in group:
            if isinstance(part, str):
                yield f"<p>{escape(part, _MAX_SENTENCE)}</p>"
            elif isinstance(part, Facts):
                pairs = (
                    f"<dt>{escape(name)}</dt><dd>{escape(value, _MAX_SENTENCE)}</dd>" for name, value in part.pairs
                )
                yield f"<dl>{''.join(pairs)}</dl>"
            elif isinstance(part, Table):
                title = f"<h3>{escape(part.title)}</h3>" if part.title else ""
                yield f'{title}<div class="wide">{html.table(part.rows, part.header)}</div>'

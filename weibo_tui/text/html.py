"""HTML of results in notebooks, and of reports. All text from outside is escaped."""

from __future__ import annotations

import html
from collections.abc import Iterable

from weibo_tui.text.terminal import sanitize, truncate

MAX_CHARACTERS = 200
"""Characters of a cell; a post may have a million."""

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def escape(text: object, limit: int = MAX_CHARACTERS) -> str:
    """Return a value as text that is safe in HTML, cut to `limit` characters and `…`.

    Control characters and bidi overrides are made visible."""
    shown = truncate(str(text), limit)
    # Not all that is safe for a terminal is valid UTF-8: a notebook cannot store lone surrogates.
    return html.escape(sanitize(shown).encode("utf-8", "replace").decode("utf-8"))


def page(title: str, language: str, style: str, body: str) -> str:
    """Return an HTML page with a title, which is escaped, a style sheet and a body, which are not.

    It has no script and loads nothing. A policy in it forbids all sources, also for what may escape from a post."""
    return (
        f'<!DOCTYPE html>\n<html lang="{language}"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="referrer" content="no-referrer"><title>{escape(title)}</title>'
        f"<style>{style}</style></head><body>\n{body}</body></html>\n"
    )


def table(rows: Iterable[Iterable[object]], header: Iterable[object] = (), caption: str = "") -> str:
    """Return an HTML table of values, which are escaped. The first cell of a row is its heading."""
    parts = ["<table>"]
    if caption:
        parts.append(f"<caption>{escape(caption)}</caption>")
    if head := "".join(f"<th>{escape(cell)}</th>" for cell in header):
        parts.append(f"<thead><tr>{head}</tr></thead>")
    parts.append("<tbody>")
    for first, *rest in rows:
        cells = "".join(f"<td>{escape(cell)}</td>" for cell in rest)
        parts.append(f"<tr><th>{escape(first)}</th>{cells}</tr>")
    return "".join([*parts, "</tbody></table>"])

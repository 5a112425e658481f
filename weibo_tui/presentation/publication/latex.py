"""Tables of documents as LaTeX, with the rules of the package booktabs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from weibo_tui.presentation.publication.parts import Facts, Part, Table
from weibo_tui.text.terminal import sanitize

_PREAMBLE = r"""% Preamble: \usepackage{booktabs}
% For Chinese words: \usepackage{ctex}, and compile with XeLaTeX or LuaLaTeX.
"""
_COMMANDS = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "`": r"\textasciigrave{}",
    "'": r"\textquotesingle{}",
    **{sign: rf"\{sign}" for sign in "&%$#_{}"},
    # Signs of these tables that not every font has.
    "–": "--",
    "±": r"$\pm$",
    "≥": r"$\geq$",
    "→": r"$\rightarrow$",
    "↓": r"$\downarrow$",
    "κ": r"$\kappa$",
    "−": r"$-$",
}
_ESCAPES = str.maketrans(_COMMANDS)


def render(title: str, parts: Iterable[Part]) -> str:
    """Return the tables of a document as LaTeX, with its sentences as comments."""
    return _PREAMBLE + "\n".join(_parts(title, parts))


def escape(text: str) -> str:
    """Return a text on one line that LaTeX prints as it is."""
    return " ".join(sanitize(text).split()).translate(_ESCAPES)


def _parts(title: str, parts: Iterable[Part]) -> Iterator[str]:
    for part in parts:
        if isinstance(part, Table):
            yield _table(part, title)
        elif isinstance(part, Facts):
            yield _facts(part, title)
        elif isinstance(part, str):
            yield f"% {' '.join(sanitize(part).split())}\n"


def _table(table: Table, title: str) -> str:
    caption = ": ".join(escape(one) for one in (title, table.title) if one)
    columns = "l" + "r" * (len(table.header) - 1)
    return _tabular(caption, columns, [table.header], table.rows)


def _facts(facts: Facts, title: str) -> str:
    # A wide column breaks its lines.
    return _tabular(escape(title), r"lp{0.7\linewidth}", [], facts.pairs)


def _tabular(caption: str, columns: str, header: Iterable[Sequence[str]], rows: Iterable[Sequence[str]]) -> str:
    head, body = ([" & ".join(map(escape, row)) + r" \\" for row in part] for part in (header, rows))
    lines = [
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{caption}}}",
        rf"  \begin{{tabular}}{{{columns}}}",
        r"    \toprule",
        *(f"    {row}" for row in [*head, *([r"\midrule"] if head else []), *body]),
        r"    \bottomrule",
        r"  \end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"

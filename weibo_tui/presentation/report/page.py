"""A report as one HTML file that loads nothing, and its numbers as CSV."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from os import PathLike
from pathlib import Path

from weibo_tui.atomic import check_output, open_output
from weibo_tui.datasets.windows import DAY
from weibo_tui.display_names import label_name
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.locale import language_tag
from weibo_tui.paths import is_same
from weibo_tui.presentation.estimates import estimation_notes
from weibo_tui.presentation.numbers import NO_FIGURE, number, percent
from weibo_tui.presentation.report.chart import timeline
from weibo_tui.presentation.report.sampling import sampling_figures, sampling_notes
from weibo_tui.presentation.report.sentences import (
    MAX_LABELS,
    around_term,
    group_note,
    group_title,
    interval,
    post_facts,
    post_lists,
    summary,
    term_notes,
    timeline_keys,
    timeline_note,
)
from weibo_tui.storage.export import write_csv
from weibo_tui.text import html
from weibo_tui.text.html import escape
from weibo_tui.version import __version__
from weibo_tui.workbench.estimation import Estimate
from weibo_tui.workbench.report import FIGURES, Report, ReportedPost

_STYLE = Path(__file__).parents[1] / "style.css"
_MAX_POST = 300  # characters
_MAX_NAME = 40
_MAX_WINDOWS = 120  # rows of the table


def numbers_path(out: Path) -> Path:
    """Return the CSV file with the numbers of a report."""
    return out.with_suffix(".csv")


def check_outputs(out: Path, data: Path, overwrite: bool = False) -> None:
    """Raise UserInputError unless the report `out` of the labeled file and its numbers can be written."""
    if out.suffix.casefold() not in (".html", ".htm"):
        message = _("{path} is no name of an HTML file. Choose one that ends in .html.")
        raise UserInputError(message.format(path=out))
    numbers = numbers_path(out)
    if is_same(numbers, data):
        message = _("The numbers of {report} would replace the labeled file {path}. Choose another name.")
        raise UserInputError(message.format(report=out, path=data))
    for path in (out, numbers):
        check_output(path, overwrite, [data])


def write_report(report: Report, out: str | PathLike[str], overwrite: bool = False) -> None:
    """Write a report as the HTML file `out`, and its numbers as the CSV file next to it.

    Raise the errors of `check_outputs`.
    """
    page = Path(out)
    numbers = numbers_path(page)
    check_outputs(page, report.estimation.path, overwrite)
    rows = ([figures.get(name) for name in FIGURES] for figures in report.figures())
    write_csv(numbers, FIGURES, rows, overwrite)
    with open_output(page, "w", encoding="utf-8", overwrite=overwrite) as file:
        file.write(render(report, numbers.name))


def render(report: Report, numbers: str) -> str:
    """Return the HTML of a report. `numbers` is the name of the file with its numbers."""
    name = report.estimation.path.name
    title = _("Report on {name}").format(name=name)
    version = _("Made with weibo-tui {version}. All numbers are in {numbers}.")
    made = f'<p class="soft">{escape(version.format(version=__version__, numbers=numbers))}</p>'
    sections = (
        *_summary(report),
        *_timeline(report, numbers),
        *_terms(report),
        *_groups(report),
        *_posts(report),
        *_sampling(report),
    )
    body = "".join([f"<header><h1>{escape(title)}</h1>{made}</header><main>\n", *sections, "</main>"])
    return html.page(title, language_tag(), _STYLE.read_text("utf-8"), body)


def _section(title: str, *parts: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{''.join(parts)}</section>\n"


def _paragraphs(sentences: Iterable[str], kind: str = "") -> str:
    name = f' class="{kind}"' if kind else ""
    return "".join(f"<p{name}>{escape(sentence, 2000)}</p>" for sentence in sentences)


def _table(header: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of cells, which are HTML."""
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = "".join(f"<tr><th>{first}</th>{''.join(rest)}</tr>" for first, *rest in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _cell(text: str) -> str:
    return f"<td>{escape(text)}</td>"


def _share_cell(share: float | None) -> str:
    if share is None:
        return _cell(NO_FIGURE)
    return f'<td>{percent(share)}<span class="bar" style="--width:{100 * share:.1f}%"></span></td>'


# What is in the file


def _summary(report: Report) -> Iterator[str]:
    whole = {estimate.label: estimate for estimate in report.estimation.of_file}
    yield f'<section><p class="lead">{escape(summary(report), 2000)}</p>'
    yield _paragraphs(report.estimation.warnings, "warning")
    rows = (
        (
            escape(label_name(label)),
            _share_cell(estimate.share),
            _cell(interval(estimate)),
            _share_cell(estimate.uncorrected),
        )
        for label, estimate in whole.items()
    )
    yield _table([_("label"), _("share"), _("95% interval"), _("model count, uncorrected")], rows)
    yield _paragraphs(estimation_notes(report.estimation), "soft")
    yield "</section>\n"


def _timeline(report: Report, numbers: str) -> Iterator[str]:
    by, note = report.estimation.by, timeline_note(report)
    if by is None:
        yield _section(_("Over time"), _paragraphs([note]))
        return
    windows = [estimate for estimate in report.estimation.estimates if estimate.window is not None]
    shown = [estimate for estimate in windows if estimate.label in report.labels]
    charts = [
        timeline(label, report.days, [one for one in shown if one.label == label], by)
        for label in report.labels[:MAX_LABELS]
    ]
    notes = [note] if note else []
    header = [_("day") if by == DAY else _("week"), _("label"), _("share"), _("95% interval"), _("predicted")]
    rows = (
        (
            escape(estimate.window),
            _cell(label_name(estimate.label)),
            _share_cell(estimate.share),
            _cell(interval(estimate)),
            _share_cell(estimate.uncorrected),
            _cell(f"{estimate.n:,}"),
            _cell(f"{estimate.rows:,}"),
            _cell(_(estimate.differs) if estimate.differs else ""),
        )
        for estimate in shown[:_MAX_WINDOWS]
    )
    table = _table([*header, _("human labels"), _("rows"), ""], rows)
    if len(shown) > _MAX_WINDOWS:
        message = _("The table has the first {number} rows. All are in {numbers}.")
        notes.append(message.format(number=_MAX_WINDOWS, numbers=numbers))
    legend = "".join(f'<span class="key {kind}">{escape(name)}</span>' for kind, name in timeline_keys(report))
    title = _("Table")
    details = f"<details><summary>{escape(title)}</summary>{table}</details>"
    yield _section(_("Over time"), *charts, f'<p class="soft">{legend}</p>', _paragraphs(notes, "soft"), details)


def _terms(report: Report) -> Iterator[str]:
    header = [_("term"), _("posts"), _("other posts"), "z", _("example")]
    tables = []
    for label, terms in report.terms.items():
        rows = (
            (
                escape(found.term.text, _MAX_NAME),
                _cell(f"{found.term.posts:,}"),
                _cell(f"{found.term.others:,}"),
                _cell(number(found.term.score, 1)),
                f'<td class="text">{escape(around_term(found))}</td>',
            )
            for found in terms
        )
        tables.append(f"<div><h3>{escape(label_name(label))}</h3>{_table(header, rows)}</div>")
    parts = f'<div class="columns terms">{"".join(tables)}</div>', _paragraphs(term_notes(report), "soft")
    yield _section(_("Words the model's labels differ by"), *parts)


def _groups(report: Report) -> Iterator[str]:
    labels = report.labels[:MAX_LABELS]
    for kind, estimates in report.groups.items():
        by_name: dict[str | None, dict[str, Estimate]] = {}
        for estimate in estimates:
            by_name.setdefault(estimate.window, {})[estimate.label] = estimate
        header = [group_title(kind), _("rows"), _("human labels")]
        for label in labels:
            header += [_("{label}, predicted").format(label=label_name(label)), _("share, 95% interval")]
        rows = (_group_row(name, [by_label[label] for label in labels]) for name, by_label in by_name.items())
        yield _section(group_title(kind), _table(header, rows), _paragraphs([group_note()], "soft"))


def _group_row(name: str | None, estimates: Sequence[Estimate]) -> list[str]:
    cells = [
        escape(_("posts without emoticons")) if name is None else escape(name, _MAX_NAME),
        _cell(f"{estimates[0].rows:,}"),
        _cell(f"{estimates[0].n:,}"),
    ]
    for one in estimates:
        share = NO_FIGURE if one.share is None else f"{percent(one.share)} ({interval(one)})"
        cells += [_share_cell(one.uncorrected), _cell(share)]
    return cells


def _posts(report: Report) -> Iterator[str]:
    lists = [_post_list(title, posts) for title, posts in post_lists(report)]
    typical, others = lists[: len(report.typical)], lists[len(report.typical) :]
    if lists:
        columns = "".join(f"<div>{part}</div>" for part in typical)
        yield _section(_("Posts"), f'<div class="columns">{columns}</div>', *others)


def _post_list(title: str, posts: Sequence[ReportedPost]) -> str:
    items = "".join(
        f"<li><p>{escape(post.text, _MAX_POST)}</p><small>{escape(' · '.join(post_facts(post)))}</small></li>"
        for post in posts
    )
    return f'<h3>{escape(title)}</h3><ol class="posts">{items}</ol>'


def _sampling(report: Report) -> Iterator[str]:
    figures = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in sampling_figures(report.sampling)
    )
    yield _section(_("About the data"), _paragraphs(sampling_notes(report.sampling)), f"<dl>{figures}</dl>")

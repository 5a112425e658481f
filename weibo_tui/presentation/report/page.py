"""A report as one HTML file that loads nothing, and its numbers as CSV.

The page has no script. A policy in it forbids all sources, also for what may escape from a post.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from os import PathLike
from pathlib import Path

from weibo_tui.atomic import check_output, open_output
from weibo_tui.datasets.windows import DAY
from weibo_tui.display_names import label_name
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_list, join_sentences, language_tag
from weibo_tui.paths import is_same
from weibo_tui.presentation.estimates import estimation_notes
from weibo_tui.presentation.numbers import NO_FIGURE, number, percent
from weibo_tui.presentation.report.chart import timeline
from weibo_tui.presentation.report.sampling import sampling_figures, sampling_notes
from weibo_tui.storage.export import write_csv
from weibo_tui.text.html import escape
from weibo_tui.version import __version__
from weibo_tui.workbench.estimation import MIN_WINDOW, Estimate
from weibo_tui.workbench.report import FIGURES, Report, ReportedPost, ReportedTerm

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_STYLE = Path(__file__).with_name("style.css")
_MAX_POST = 300  # characters
_MAX_NAME = 40
_AROUND_TERM = 20  # characters of an example on each side
_MAX_LABELS = 6  # in the first sentence, of timelines, and as columns
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
    title = escape(_("Report on {name}").format(name=name))
    head = (
        f'<!DOCTYPE html>\n<html lang="{language_tag()}"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="referrer" content="no-referrer"><title>{title}</title>'
        f"<style>{_STYLE.read_text('utf-8')}</style></head><body>\n"
    )
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
    return "".join([head, f"<header><h1>{title}</h1>{made}</header><main>\n", *sections, "</main></body></html>\n"])


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


def _interval(estimate: Estimate) -> str:
    return NO_FIGURE if estimate.low is None else f"{percent(estimate.low)} – {percent(estimate.high)}"


# What is in the file


def _summary(report: Report) -> Iterator[str]:
    whole = {estimate.label: estimate for estimate in report.estimation.of_file}
    sentence = _sentence([whole[label] for label in report.labels[:_MAX_LABELS]])
    yield f'<section><p class="lead">{escape(sentence, 2000)}</p>'
    yield _paragraphs(report.estimation.warnings, "warning")
    rows = (
        (
            escape(label_name(label)),
            _share_cell(estimate.share),
            _cell(_interval(estimate)),
            _share_cell(estimate.uncorrected),
        )
        for label, estimate in whole.items()
    )
    yield _table([_("label"), _("share"), _("95% interval"), _("model count, uncorrected")], rows)
    yield _paragraphs(estimation_notes(report.estimation), "soft")
    yield "</section>\n"


def _sentence(estimates: Sequence[Estimate]) -> str:
    """Return the share of each label with its interval, the model's count, and what they rest on."""
    first = estimates[0]
    if first.share is None:
        counted = join_list(f"{label_name(one.label)} {percent(one.uncorrected)}" for one in estimates)
        message = _(
            "The model counts {shares} in {rows} posts. Its errors are not corrected, as no post has a human label."
        )
        return message.format(shares=counted, rows=f"{first.rows:,}")
    shares = join_list(f"{label_name(one.label)} {percent(one.share)} ({_interval(one)})" for one in estimates)
    alone = join_list(percent(one.uncorrected) for one in estimates)
    basis = _("Human labels: {n} of {rows} posts, {errors} of them unlike the model's.")
    return join_sentences(
        _("Estimated share of posts, with 95% interval: {shares}.").format(shares=shares),
        _("The model alone counts {shares}.").format(shares=alone),
        basis.format(n=f"{first.n:,}", rows=f"{first.rows:,}", errors=f"{first.disagreements:,}"),
    )


def _timeline(report: Report, numbers: str) -> Iterator[str]:
    by = report.estimation.by
    if by is None:
        text = _("No row has a date that can be read, so there is no timeline.")
        yield _section(_("Over time"), _paragraphs([text]))
        return
    windows = [estimate for estimate in report.estimation.estimates if estimate.window is not None]
    shown = [estimate for estimate in windows if estimate.label in report.labels]
    has_intervals = any(estimate.share is not None for estimate in shown)
    charts = [
        timeline(label, report.days, [one for one in shown if one.label == label], by)
        for label in report.labels[:_MAX_LABELS]
    ]
    keys = [("", _("model count of a day, uncorrected")), (" volume", _("rows a day"))]
    notes = []
    if has_intervals:
        of_day, of_week = _("share of a day, with 95% interval"), _("share of a week, with 95% interval")
        keys.append((" step", of_day if by == DAY else of_week))
    elif report.estimation.of_file[0].n:
        message = _("No window has {least} human labels of its own, so none has an interval.")
        notes.append(message.format(least=MIN_WINDOW))
    else:
        notes.append(_("No row has a human label, so nothing here has an interval."))
    header = [_("day") if by == DAY else _("week"), _("label"), _("share"), _("95% interval"), _("predicted")]
    rows = (
        (
            escape(estimate.window),
            _cell(label_name(estimate.label)),
            _share_cell(estimate.share),
            _cell(_interval(estimate)),
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
    legend = "".join(f'<span class="key{kind}">{escape(words)}</span>' for kind, words in keys)
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
                f'<td class="text">{escape(_around(found))}</td>',
            )
            for found in terms
        )
        tables.append(f"<div><h3>{escape(label_name(label))}</h3>{_table(header, rows)}</div>")
    sampling = report.sampling
    counted = _("Terms are counted once in each of {number} different texts.")
    if sampling.terms_of < sampling.texts:
        counted = _("Terms are counted once in each text of a random sample of {number} of {texts} different ones.")
    notes = [counted.format(number=f"{sampling.terms_of:,}", texts=f"{sampling.texts:,}")]
    if tables:
        notes.append(
            _(
                "z is the difference of the log odds over its standard deviation (Monroe et al. 2008). At most 5% of "
                "the terms are expected to be here by chance."
            )
        )
    else:
        notes.insert(0, _("No term is clearly more frequent with one label than with others."))
    parts = f'<div class="columns terms">{"".join(tables)}</div>', _paragraphs(notes, "soft")
    yield _section(_("Words the model's labels differ by"), *parts)


def _around(found: ReportedTerm) -> str:
    """Return the part of the example with the term, if it is written there as it is."""
    text = " ".join(found.example.split())
    at = max(text.casefold().find(found.term.text), 0)
    begin, end = max(0, at - _AROUND_TERM), at + len(found.term.text) + _AROUND_TERM
    return ("…" if begin else "") + text[begin:end] + ("…" if end < len(text) else "")


def _groups(report: Report) -> Iterator[str]:
    titles = {"emoticons": _("Emoticons"), "hashtags": _("Hashtags"), "places": _("Places")}
    labels = report.labels[:_MAX_LABELS]
    for kind, estimates in report.groups.items():
        by_name: dict[str | None, dict[str, Estimate]] = {}
        for estimate in estimates:
            by_name.setdefault(estimate.window, {})[estimate.label] = estimate
        header = [titles[kind], _("rows"), _("human labels")]
        for label in labels:
            header += [_("{label}, predicted").format(label=label_name(label)), _("share, 95% interval")]
        rows = (_group_row(name, [by_label[label] for label in labels]) for name, by_label in by_name.items())
        note = _("There is an interval where {least} rows have a human label.").format(least=MIN_WINDOW)
        yield _section(titles[kind], _table(header, rows), _paragraphs([note], "soft"))


def _group_row(name: str | None, estimates: Sequence[Estimate]) -> list[str]:
    cells = [
        escape(_("posts without emoticons")) if name is None else escape(name, _MAX_NAME),
        _cell(f"{estimates[0].rows:,}"),
        _cell(f"{estimates[0].n:,}"),
    ]
    for one in estimates:
        interval = NO_FIGURE if one.share is None else f"{percent(one.share)} ({_interval(one)})"
        cells += [_share_cell(one.uncorrected), _cell(interval)]
    return cells


def _posts(report: Report) -> Iterator[str]:
    parts = [
        _post_list(_("Typical of {label}: highest confidence").format(label=label_name(label)), posts)
        for label, posts in report.typical.items()
    ]
    typical = f'<div class="columns">{"".join(f"<div>{part}</div>" for part in parts)}</div>'
    others = [
        _post_list(_("Most uncertain"), report.uncertain),
        _post_list(_("Human label differs from the model's"), report.disagreeing),
        _post_list(_("Most repeated"), report.repeated),
    ]
    if any(parts) or any(others):
        yield _section(_("Posts"), typical, *others)


def _post_list(title: str, posts: Sequence[ReportedPost]) -> str:
    if not posts:
        return ""
    items = "".join(f"<li><p>{escape(post.text, _MAX_POST)}</p><small>{_about(post)}</small></li>" for post in posts)
    return f'<h3>{escape(title)}</h3><ol class="posts">{items}</ol>'


def _about(post: ReportedPost) -> str:
    parts = [_("row {number}").format(number=f"{post.row:,}")]
    if post.predicted:
        confidence = "" if post.confidence is None else f" {percent(post.confidence)}"
        parts.append(_("model: {label}").format(label=label_name(post.predicted)) + confidence)
    if post.answer:
        parts.append(_("human: {label}").format(label=label_name(post.answer)))
    if post.times > 1:
        parts.append(_("{times} times").format(times=f"{post.times:,}"))
    return escape(" · ".join(parts))


def _sampling(report: Report) -> Iterator[str]:
    figures = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in sampling_figures(report.sampling)
    )
    yield _section(_("About the data"), _paragraphs(sampling_notes(report.sampling)), f"<dl>{figures}</dl>")

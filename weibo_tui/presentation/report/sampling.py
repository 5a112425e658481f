"""Sentences and figures on where the rows of a report come from."""

from __future__ import annotations

from collections.abc import Iterator

from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_list, ngettext
from weibo_tui.presentation.numbers import percent
from weibo_tui.workbench.report import MAX_POSTS_AN_HOUR, Sampling


def sampling_notes(sampling: Sampling) -> Iterator[str]:
    """Yield what limits what can be said with the rows."""
    yield _(
        "These shares are of the rows of this file. A crawl is not a random sample of Weibo: search pages choose, cut "
        "and repeat posts."
    )
    if sampling.full_hours:
        yield ngettext(
            "{number:,} hour has {most:,} rows or more. The search page shows about 1,000 posts of an hour, so others "
            "are probably missing.",
            "{number:,} hours have {most:,} rows or more. The search page shows about 1,000 posts of an hour, so "
            "others are probably missing.",
            sampling.full_hours,
        ).format(number=sampling.full_hours, most=MAX_POSTS_AN_HOUR)
    if sampling.forgotten:
        message = _(
            "There are too many different emoticons, hashtags and places to count all, so their numbers of rows may "
            "be up to {number} too low for each label."
        )
        yield message.format(number=f"{sampling.forgotten:,}")


def sampling_figures(sampling: Sampling) -> Iterator[tuple[str, str]]:
    """Yield the name and the value of each figure."""
    yield _("Rows"), f"{sampling.rows:,}"
    yield _("Rows without own words"), _of(sampling.empty, sampling.rows)
    yield _("Repeated texts"), _of(sampling.duplicates, sampling.rows)
    yield _("Reposts"), _of(sampling.reposts, sampling.rows)
    if sampling.undated is not None:
        yield _("Dates that cannot be read"), _of(sampling.undated, sampling.rows)
    if sampling.full_hours is not None:
        yield _("Hours that may be incomplete"), f"{sampling.full_hours:,}"
    if sampling.accounts is not None:
        yield _("Accounts"), f"{sampling.accounts:,}"
        yield _("Share of the 10 most active accounts"), percent(sampling.top_accounts)
    if sampling.adapters:
        yield _("Adapter"), join_list(sampling.adapters, 5)
    yield _("File (SHA-256)"), sampling.fingerprint


def _of(count: int, rows: int) -> str:
    return f"{count:,} ({percent(count / rows)})" if rows else f"{count:,}"

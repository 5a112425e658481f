"""The rows of a selection that are in memory: a few pages near the cursor."""

from __future__ import annotations

from collections.abc import Iterable

from weibo_tui.workbench.opened_file import FileRow

PAGE = 100
"""Rows that are read at a time."""

MAX_PAGES = 20
"""Pages in memory; those that were read first are dropped when more come."""


class Pages:
    """Rows by their places in a selection of `total` rows. One that is not in memory is None."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._pages: dict[int, list[FileRow]] = {}

    def __len__(self) -> int:
        return self._total

    def __getitem__(self, place: int) -> FileRow | None:
        page, line = divmod(place, PAGE)
        rows = self._pages.get(page, ())
        return rows[line] if line < len(rows) else None

    def missing(self, start: int, stop: int) -> range | None:
        """Return the places of the first page between `start` and `stop` that is not in memory."""
        for page in range(max(start, 0) // PAGE, -(-min(stop, self._total) // PAGE)):
            if page not in self._pages:
                return page_places(page * PAGE, self._total)
        return None

    def resize(self, total: int) -> None:
        """Have more rows at the end. The last page is read again if it is longer then."""
        if total != self._total:
            self._pages.pop(self._total // PAGE, None)
            self._total = total

    def add(self, start: int, rows: list[FileRow]) -> None:
        """Add the page that begins at a place."""
        self._pages[start // PAGE] = rows
        while len(self._pages) > MAX_PAGES:
            del self._pages[next(iter(self._pages))]

    def update(self, rows: Iterable[FileRow]) -> None:
        """Replace the rows of the same numbers."""
        changed = {row.number: row for row in rows}
        for page in self._pages.values() if changed else ():
            page[:] = [changed.get(row.number, row) for row in page]


def page_places(place: int, total: int) -> range:
    """Return the places of the page with this place."""
    start = place // PAGE * PAGE
    return range(start, min(start + PAGE, total))

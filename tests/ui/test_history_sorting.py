"""The order of the history, and the keys that show a part of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from browsing import ANALYSIS, FAILED, FILE, Scene, at, keep, play_history, predictions
from histories import in_order
from stage import until

from weibo_tui.app.dialogs import ChoiceDialog
from weibo_tui.app.widgets.table_search import SearchField
from weibo_tui.storage.history import NEWEST_FIRST, Analysis, Entry, HistoryOrder


def test_list_is_sorted_by_keys_and_headings(home: Path) -> None:
    shares = [replace(one, confidence=0.5 + index * 37 % 250 / 1000) for index, one in enumerate(predictions(330))]
    entries = keep(home, [*shares, FILE, FAILED])

    async def act(history: Scene) -> None:
        assert history.lines[2].split()[:3] == ["when↓", "prediction", "conf."]
        await history.press("down", "down", "o")
        await history.until_dialog(ChoiceDialog)
        await history.choose("conf.")
        await history.until_closed()
        least_first = in_order(entries, HistoryOrder("confidence", descending=False))
        assert history.entries == least_first[:100]
        assert history.entry == least_first[0]
        assert "conf.↑" in history.lines[2] and "when " in history.lines[2]

        # To both ends, with the number of the first row, and past the end of a page.
        for entry, first in ((least_first[-1], 332 - history.browser.table.page_rows), (least_first[0], 0)):
            await history.press("G" if first else "g")
            assert history.entry == entry
            assert history.where.startswith(f"{first + 1}–")
        for index in range(1, 8):
            await history.press("pagedown")
            await until(history.pilot, lambda: history.entry == least_first[index * history.browser.table.page_rows])  # noqa: B023
        assert history.where.endswith(" of 332 · conf.↑")

        await history.press("O")
        assert history.entries == in_order(entries, HistoryOrder("confidence"))[:100]
        assert "conf.↓" in history.lines[2]
        await history.press("slash", *"电影", "enter")
        matches = [entry for entry in entries if isinstance(entry, Analysis) and "电影" in entry.text]
        assert history.entries == in_order(matches, HistoryOrder("confidence"))
        await history.press("x")

        # A click sorts, and the same once more reverses.
        column = history.lines[2].index("post")
        for arrow, descending in (("↑", False), ("↓", True)):
            await history.pilot.click("EntryTable", offset=(column, 1))
            await history.settled()
            await until(history.pilot, lambda: f"post{arrow}" in history.lines[2])  # noqa: B023
            assert history.entries == in_order(entries, HistoryOrder("text", descending))[:100]

        # A new analysis comes to its place, and the cursor stays on its row.
        await history.press("down", "down")
        entry = history.entry
        [new] = keep(home, [replace(ANALYSIS, text="\U0001f600 最后", created_at=at(999))])[:1]
        await history.press("R")
        assert history.entry == entry
        assert history.entries[0] == new
        await history.pilot.click("EntryTable", offset=(3, 1))
        await history.settled()
        assert history.browser.order == NEWEST_FIRST

    play_history(act)


def test_one_key_shows_uncertain_or_corrected_only(home: Path) -> None:
    entries = keep(
        home, [replace(one, corrected="calm" if index % 4 == 0 else None) for index, one in enumerate(predictions(60))]
    )

    def of(uncertain: bool, corrected: bool) -> list[Entry]:
        analyses = [entry for entry in entries if isinstance(entry, Analysis)]
        return [one for one in analyses if one.uncertain >= uncertain and (one.corrected is not None) >= corrected]

    async def act(history: Scene) -> None:
        await history.press("U")
        assert history.entries == of(uncertain=True, corrected=False)
        assert " uncertain   x clears" in history.text
        await history.press("C")
        assert history.entries == of(uncertain=True, corrected=True)
        assert " uncertain · corrected   x clears" in history.text
        await history.press("down")
        entry = history.entry
        await history.press("U")
        assert history.entries == of(uncertain=False, corrected=True)
        assert history.entry == entry  # what was found is still under the cursor
        await history.press("slash", "9", "enter", "C")
        assert history.screen.query_one(SearchField).value == "9"
        assert history.entries == [entry for entry in entries if isinstance(entry, Analysis) and "9" in entry.text]
        assert "clears" not in history.text

    play_history(act)

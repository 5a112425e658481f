"""The report of a labeled file in the app: its sections, the timeline, the rows of a line, and the written page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hostile import TEXTS
from labeled_posts import posts, write
from models_page import lines, message, problem, question, screen_of
from stage import app_of, drawn, open_file, play, press, until
from textual.pilot import Pilot
from textual.widgets import Input

from weibo_tui import Workbench
from weibo_tui.app.dialogs import ChoiceDialog
from weibo_tui.app.files.figures import FigureList
from weibo_tui.app.files.report import ReportScreen, ReportView
from weibo_tui.app.forms.path_dialog import PathDialog
from weibo_tui.app.plot.timeline import Timeline
from weibo_tui.presentation.numbers import percent
from weibo_tui.presentation.report.sentences import interval
from weibo_tui.storage.row_filters import RowFilter
from weibo_tui.workbench.report import Report


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("data") / "data.csv", posts(3000, 600))


@pytest.fixture(scope="module")
def report(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Return the report of `data`, to open screens quickly."""
    with Workbench(tmp_path_factory.mktemp("home")) as wb:
        return wb.report(data, progress=False)


async def open_report(pilot: Pilot[None], path: Path, report: Report | None = None) -> ReportScreen:
    file, info = await open_file(pilot, path)
    revision = await app_of(pilot).records.call(lambda wb: wb.answers.revision(info.posts))
    pilot.app.push_screen(ReportScreen(file, info, ReportView(report, revision)))
    screen: ReportScreen = await screen_of(pilot, ReportScreen)
    await until(pilot, lambda: screen.query_one(FigureList).lines)
    return screen


async def turn_to(pilot: Pilot[None], title: str) -> None:
    screen: Any = pilot.app.screen
    for _section in screen._sections:
        if screen._sections[screen.view.section].title == title:
            return
        await pilot.press("right")
    raise AssertionError(title)


def text_of(screen: ReportScreen) -> str:
    """Return the lines of the section, also those out of view."""
    return "\n".join(line.draw().plain for line in screen.query_one(FigureList).lines)


def test_report_is_computed_and_shows_its_shares(home: Path, data: Path, report: Report) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        screen = await open_report(pilot, data)
        assert screen.view.report is not None and screen.view.report.days == report.days
        one = next(one for one in report.estimation.of_file if one.label == "positive")
        text = text_of(screen)
        assert f"positive {percent(one.share)} ({interval(one)})" in text
        assert "600 of 3,000 rows have a human label" in text
        assert not app_of(pilot).jobs

    play(scene)


def test_every_section_shows_the_figures_of_the_report(home: Path, data: Path, report: Report) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        screen = await open_report(pilot, data, report)
        await turn_to(pilot, "Over time")
        windows = [one for one in report.estimation.estimates if one.window and one.label == "positive"]
        for one in windows:
            line = next(line for line in text_of(screen).splitlines() if line.startswith(str(one.window)))
            assert percent(one.uncorrected) in line and f"{one.n}" in line
            assert (interval(one) in line) == (one.share is not None)
        assert screen.query_one(Timeline).display
        await turn_to(pilot, "Days")
        assert text_of(screen).count("2023-0") == len(report.days)
        await turn_to(pilot, "Words")
        for label, terms in report.terms.items():
            assert label in text_of(screen)
            assert all(found.term.text in text_of(screen) for found in terms)
        for title, kind in (("Emoticons", "emoticons"), ("Hashtags", "hashtags"), ("Places", "places")):
            await turn_to(pilot, title)
            assert all(one.window is None or one.window in text_of(screen) for one in report.groups[kind])
        assert not screen.query_one(Timeline).display
        await turn_to(pilot, "Posts")
        assert all(post.text[:10] in text_of(screen) for post in (*report.uncertain, *report.disagreeing))
        await turn_to(pilot, "About the data")
        assert report.sampling.fingerprint in text_of(screen)

    play(scene, (120, 40))


@pytest.mark.parametrize("size", [(42, 12), (80, 24), (160, 50)], ids=["small", "usual", "wide"])
def test_timeline_has_line_steps_and_selected_days(
    home: Path, data: Path, report: Report, size: tuple[int, int]
) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        screen = await open_report(pilot, data, report)
        await turn_to(pilot, "Over time")
        chart = screen.query_one(Timeline)
        drawing = lines(chart)
        assert "100%" in drawing and "2023-02-01" in drawing
        assert any("\u2801" <= sign <= "\u28ff" for sign in drawing)
        figures = screen.query_one(FigureList)
        assert figures.size.height >= 3
        styles = {str(segment.style) for y in range(chart.size.height) for segment in chart.render_line(y)}
        await pilot.press("down")
        assert figures.current is not None and len(figures.current.days) == 7
        moved = {str(segment.style) for y in range(chart.size.height) for segment in chart.render_line(y)}
        assert styles & moved and lines(chart) == drawing  # the highlight is a color only

    play(scene, size)


def test_lines_name_their_rows(home: Path, data: Path, report: Report) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        screen = await open_report(pilot, data, report)
        figures = screen.query_one(FigureList)

        def rows() -> list[RowFilter]:
            return [line.rows for line in figures.lines if line.rows is not None]

        assert rows() == [RowFilter(predicted="negative"), RowFilter(predicted="positive")]
        await turn_to(pilot, "Over time")
        week = rows()[0]
        assert week.since is not None and week.until is not None and (week.until - week.since).days == 6
        await turn_to(pilot, "Emoticons")
        assert RowFilter(text="[哈哈]") in rows()
        await turn_to(pilot, "Hashtags")
        assert rows() == [RowFilter(text="#今天的面#")]
        await turn_to(pilot, "Places")
        assert RowFilter(columns=(("发布位置", "北京"),)) in rows()
        await turn_to(pilot, "Posts")
        shown = {line.number for line in figures.lines if line.rows == RowFilter()}
        listed = (*report.typical.values(), report.uncertain, report.disagreeing)
        assert shown == {post.row for posts in listed for post in posts}

    play(scene)


def test_page_is_written_and_existing_files_only_when_confirmed(
    home: Path, data: Path, report: Report, tmp_path: Path
) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        screen = await open_report(pilot, data, report)

        async def name(path: Path) -> None:
            await pilot.press("w")
            dialog = await screen_of(pilot, PathDialog)
            dialog.query_one(Input).value = str(path)
            await pilot.press("enter")

        out = tmp_path / "out.html"
        await name(out)
        await message(pilot, "Written")
        assert out.read_text("utf-8").startswith("<!DOCTYPE html>")
        numbers = out.with_suffix(".csv").read_bytes()

        out.write_text("mine")
        await name(out)
        await until(pilot, lambda: "File exists" in problem(pilot))
        assert out.read_text() == "mine"
        await pilot.press("enter")
        await screen_of(pilot, ChoiceDialog)
        assert "out.csv" in question(pilot)
        await pilot.press("enter")
        await screen_of(pilot, ReportScreen)
        assert out.read_text() == "mine" and out.with_suffix(".csv").read_bytes() == numbers

        await name(home / "weibo-tui.db.html")
        await message(pilot, "belongs to weibo-tui")
        await name(tmp_path / "out.txt")
        await until(pilot, lambda: "no name of an HTML" in problem(pilot))
        assert screen.view.report is report

    play(scene)


def test_file_without_dates_or_answers_says_so(home: Path, tmp_path: Path) -> None:
    rows = [{"text": f"第{at}天", "predicted": "positive"} for at in range(3)]
    path = write(tmp_path / "plain.csv", rows)

    async def scene(pilot: Pilot[None]) -> None:
        screen = await open_report(pilot, path)
        assert "not corrected" in text_of(screen)
        await turn_to(pilot, "Over time")
        assert "no timeline" in text_of(screen) and not screen.query_one(Timeline).display
        await turn_to(pilot, "Words")
        assert "No term" in text_of(screen)

    play(scene, (42, 12))


def test_hostile_posts_are_shown_as_text(home: Path, tmp_path: Path) -> None:
    texts = [text for text in TEXTS if text.strip()]
    rows = [{"text": text, "predicted": "[b]x[/b]", "place": text, "label": text[:30]} for text in texts] * 2
    path = write(tmp_path / "hostile.csv", [*rows, rows[0] | {"predicted": "other"}])

    async def scene(pilot: Pilot[None]) -> None:
        screen = await open_report(pilot, path)
        for _section in screen._sections:
            await press(pilot, *["down"] * 30)
            assert "\x1b" not in drawn(pilot) and "\u202e" not in drawn(pilot)
            await pilot.press("right")

    play(scene, (60, 20))


def test_problem_is_shown_and_closing_stops_the_job(home: Path, tmp_path: Path, data: Path) -> None:
    path = write(tmp_path / "unlabeled.csv", [{"text": "今天的面真好吃"}])

    async def scene(pilot: Pilot[None]) -> None:
        screen = await open_report(pilot, path)
        assert "Label the file first" in text_of(screen)
        await pilot.press("escape")
        pilot.app.push_screen(ReportScreen(*await open_file(pilot, data)))
        screen = await screen_of(pilot, ReportScreen)
        await pilot.press("escape")
        await until(pilot, lambda: not app_of(pilot).jobs)
        assert screen.job is None or screen.job.outcome in ("stopped", "done")

    play(scene)

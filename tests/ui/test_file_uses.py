"""Keys of an opened file that lead to annotation, estimates, the report and a training, and back to its rows."""

from __future__ import annotations

import csv
import threading
from collections.abc import Iterator
from pathlib import Path

import made_up
import pytest
from labeled_posts import posts, write
from models_page import question, screen_of
from stage import app_of, drawn, message_line, play, press, shows, until
from textual.pilot import Pilot
from textual.widgets import Input

from weibo_tui import Workbench
from weibo_tui.app.dialogs import ChoiceDialog
from weibo_tui.app.files.annotate import AnnotateScreen
from weibo_tui.app.files.estimate import EstimateScreen
from weibo_tui.app.files.figures import FigureList
from weibo_tui.app.files.measure import MeasureScreen
from weibo_tui.app.files.report import ReportScreen
from weibo_tui.app.files.screen import FilesScreen
from weibo_tui.app.files.view import FileView
from weibo_tui.app.forms.file_list import FileList
from weibo_tui.app.forms.path_dialog import PathDialog
from weibo_tui.app.train.training_form import TrainingForm
from weibo_tui.workbench.label_errors import LabelErrorSearch


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write(tmp_path / "data.csv", posts(300, 60))


async def show_file(pilot: Pilot[None], path: Path) -> FilesScreen:
    """Open a file on the files screen and wait until its rows can be filtered."""
    await app_of(pilot).open_file_rows(path)
    screen: FilesScreen = await screen_of(pilot, FilesScreen)
    await until(pilot, lambda: screen.view.browser.is_ready and screen.view.browser.total == 300)
    return screen


async def label(pilot: Pilot[None], queue: int, keys: str) -> None:
    """Label posts of a queue, 0 for the sample, and close the screen."""
    await press(pilot, "a")
    await screen_of(pilot, ChoiceDialog)
    await press(pilot, *["down"] * queue, "enter")
    screen = await screen_of(pilot, AnnotateScreen)
    for key in keys:
        await until(pilot, lambda: screen._shown_at is not None)
        await press(pilot, key)
    await press(pilot, "escape")
    await screen_of(pilot, FilesScreen)


def test_enter_on_a_line_of_the_report_opens_its_rows(home: Path, data: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        files = await show_file(pilot, data)
        await press(pilot, "r")
        report = await screen_of(pilot, ReportScreen)
        lines = report.query_one(FigureList)
        await until(pilot, lambda: lines.lines)
        await press(pilot, "right", "down")
        assert lines.current is not None
        rows, place = lines.current.rows, (report.view.section, report.view.cursor)
        await press(pilot, "enter")
        await screen_of(pilot, FilesScreen)
        await until(pilot, lambda: files.view.browser.filter == rows)
        await until(pilot, lambda: 0 < (files.view.browser.total or 0) < 300)

        known = report.view.report
        await press(pilot, "r")
        again = await screen_of(pilot, ReportScreen)
        await until(pilot, lambda: again.query_one(FigureList).lines)
        assert again.view.report is known  # it is not computed again
        assert (again.view.section, again.view.cursor) == place

    play(scene)


def test_post_of_the_report_is_under_the_cursor(home: Path, data: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        files = await show_file(pilot, data)
        await press(pilot, "r")
        report = await screen_of(pilot, ReportScreen)
        await until(pilot, lambda: report.query_one(FigureList).lines)
        await press(pilot, "left", "left")
        line = report.query_one(FigureList).current
        assert line is not None and line.number is not None
        await press(pilot, "enter")
        await screen_of(pilot, FilesScreen)
        await until(pilot, lambda: files.view.browser.row is not None and files.view.browser.row.number == line.number)

    play(scene)


def test_sample_answers_count_in_estimates_and_report(home: Path, data: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        await show_file(pilot, data)
        await label(pilot, 0, "12" * 10)
        await press(pilot, "p")
        estimates = await screen_of(pilot, EstimateScreen)
        await until(pilot, lambda: estimates.result is not None)
        assert estimates.result.of_file[0].n == 20
        await press(pilot, "escape", "r")
        report = await screen_of(pilot, ReportScreen)
        await until(pilot, lambda: report.view.report is not None)
        assert report.view.report.estimation.of_file == estimates.result.of_file
        await press(pilot, "escape")
        await label(pilot, 0, "1")
        await press(pilot, "r")
        report = await screen_of(pilot, ReportScreen)
        await until(pilot, lambda: report.view.report is not None)
        assert report.view.report.estimation.of_file[0].n == 21  # the answer since is in it

    play(scene)


def test_training_form_gets_answers_that_are_in_no_sample(home: Path, data: Path, tmp_path: Path) -> None:
    async def scene(pilot: Pilot[None]) -> None:
        await show_file(pilot, data)
        await label(pilot, 0, "1" * 3)
        await label(pilot, 1, "1212")
        await press(pilot, "t")
        (await screen_of(pilot, PathDialog)).query_one(Input).value = str(tmp_path / "train.csv")
        await press(pilot, "enter")
        await screen_of(pilot, ChoiceDialog)
        assert "negative 2, positive 2" in question(pilot)
        assert "fewer than 100 posts" in question(pilot)
        await press(pilot, "enter")
        form = await screen_of(pilot, TrainingForm)
        assert form.query_one(FileList).files == [tmp_path / "train.csv"]
        await until(pilot, lambda: form.values("preset", "epochs") == {"preset": "few", "epochs": 16})
        with (tmp_path / "train.csv").open(encoding="utf-8-sig", newline="") as file:
            assert sorted(row["label"] for row in csv.DictReader(file)) == ["negative"] * 2 + ["positive"] * 2

    play(scene)


def test_adapters_are_measured_on_the_sample(furnished: Path, tmp_path: Path) -> None:
    rows = [row | {"adapter": "mood"} for row in posts(300, 0)]
    path = write(tmp_path / "data.csv", rows)

    async def scene(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: app_of(pilot).catalog.adapters)
        files = await show_file(pilot, path)
        assert not files.view.check_action("measure", ())
        await label(pilot, 0, "12" * 4)
        await until(pilot, lambda: files.view.check_action("measure", ()))
        await press(pilot, "m")
        await screen_of(pilot, ChoiceDialog)
        await press(pilot, "enter")
        screen = await screen_of(pilot, MeasureScreen)
        await until(pilot, lambda: screen.result is not None)
        assert screen.result.n == 8 and [*screen.result.scores] == ["mood"]
        await shows(pilot, "mood", "accuracy", "8 posts of the sample")

    play(scene)


def test_keys_need_labels_and_answers(home: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "plain.csv", [{"text": f"第{at}天"} for at in range(300)])

    async def scene(pilot: Pilot[None]) -> None:
        files = await show_file(pilot, path)
        working = {
            name for name in ("annotate", "estimate", "report", "train", "measure") if files.view.check_action(name, ())
        }
        assert working == {"annotate"}
        assert "a Annotate" in drawn(pilot) and "r Report" not in drawn(pilot)

    play(scene, (160, 40))


def test_wrong_labels_are_found_listed_and_corrected(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "given.csv"
    rows = [f"{given ^ (number < 6)},{text}\n" for number, (text, given) in enumerate(made_up.posts(120, seed=6))]
    path.write_text("label,review\n" + "".join(rows), "utf-8")

    async def scene(pilot: Pilot[None]) -> None:
        app = app_of(pilot)
        app.run_task(app.open_file_rows(path))
        await shows(pilot, "of 120")
        await press(pilot, "L")
        await until(pilot, lambda: isinstance(app.screen, PathDialog))
        assert app.screen.query_one(Input).value.endswith("given-label-errors.csv")
        await press(pilot, "enter")
        await shows(pilot, "How do you want to look for wrong labels?")
        await press(pilot, "enter")
        await shows(pilot, "given-label-errors.csv", "of 120 are probably wrong")
        view = app.screen.query_one(FileView)
        await until(pilot, lambda: view.browser.row is not None and view.browser.is_ready)
        first = view.browser.row
        assert first is not None
        assert first.human != first.predicted
        assert first.human_source == "file"
        labels = view.browser.info.labels  # type: ignore[union-attr]
        await press(pilot, str(labels.index(first.predicted or "") + 1))
        await until(pilot, lambda: view.browser.table.rows[0].human == first.predicted)  # type: ignore[union-attr]

    play(scene, (120, 40))


def test_found_labels_do_not_replace_another_file(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    proceed, search = threading.Event(), Workbench.iter_label_errors

    def wait_and_search(wb: Workbench, config: LabelErrorSearch) -> Iterator[object]:
        assert proceed.wait(60)
        return search(wb, config)

    monkeypatch.setattr(Workbench, "iter_label_errors", wait_and_search)
    rows = [f"{given ^ (number < 6)},{text}\n" for number, (text, given) in enumerate(made_up.posts(120, seed=6))]
    (path := tmp_path / "given.csv").write_text("label,review\n" + "".join(rows), "utf-8")
    other = write(tmp_path / "other.csv", posts(300, 60))

    async def scene(pilot: Pilot[None]) -> None:
        app = app_of(pilot)
        app.run_task(app.open_file_rows(path))
        await shows(pilot, "of 120")
        await press(pilot, "L")
        await screen_of(pilot, PathDialog)
        await press(pilot, "enter")
        await screen_of(pilot, ChoiceDialog)
        await press(pilot, "enter")
        files = await show_file(pilot, other)
        proceed.set()
        await until(pilot, lambda: "are probably wrong" in message_line(pilot))
        assert files.view.browser.info.path == other  # type: ignore[union-attr]

    play(scene, (120, 40))

"""The whole way from data sets to a bundled starter, in miniature, on posts that the test makes."""

from __future__ import annotations

import csv
import lzma
import random
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import made_up
import pytest

from weibo_tui.errors import UserInputError
from weibo_tui.starter.recipe import __main__ as recipe
from weibo_tui.starter.recipe import bundle as bundling
from weibo_tui.starter.recipe import models, scoring
from weibo_tui.starter.recipe.noise_posts import nonsense
from weibo_tui.starter.recipe.sources import EMOTIONS, MOODS, PARTS, SETS, TELLING, make_parts, part_file
from weibo_tui.text import clean, normalise, repost_segments
from weibo_tui.workbench import TrainingConfig, Workbench
from weibo_tui.workbench.models import STARTER_BASE

CHAIN = "这条转发链里的原话有好几个人转过"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every set that the recipe reads, with posts of our own and one repost chain through two sets."""
    folder = tmp_path_factory.mktemp("data")
    for number, one in enumerate(SETS):
        for place, file in enumerate(one.files):
            rows = made_up.posts(90 if one.labels == MOODS else 150, seed=100 * number + place)
            chance = random.Random(number)
            labelled = [(_label(one.labels, label, chance), f"{text}{chance.randint(0, 999)}") for text, label in rows]
            labelled += [(one.labels[0], f"{chance.choice('好坏')}//@某人{number}:{CHAIN}")] * (number < 2)
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            with (folder / file).open("w", encoding="utf-8", newline="") as out:
                csv.writer(out).writerows([("label", "review"), *labelled])
    with lzma.open(folder / "corpus.txt.xz", "wt", encoding="utf-8") as corpus:
        corpus.writelines(f"{text}\n" for text, _label in made_up.posts(6_000, seed=7))
    return folder


def _label(labels: tuple[str, ...], mood: int, chance: random.Random) -> str:
    if labels == MOODS:
        return str(mood)
    return chance.choice(("happy", "surprise")) if mood else chance.choice(("angry", "sad", "fear", "neutral"))


@pytest.fixture(scope="module")
def made(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """WORK after every step."""
    work = tmp_path_factory.mktemp("work")
    package = work / "package"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(models, "TASKS", tuple(_small(task) for task in models.TASKS))
        patched.setattr(recipe, "BUNDLED", package)
        recipe.split(data, work)
        recipe.pretrain(work, tokens=30_000, layers=1, width=64)
        recipe.adapters(work, epochs=1)
        recipe.floors(work)
        recipe.score(work)
        recipe.write_card(work)
        recipe.bundle(work)
    return work


def _small(task: models.Task) -> models.Task:
    return replace(task, hyper=replace(task.hyper, batch_size=32, max_length=64))


def rows(path: Path) -> list[tuple[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return [(row["label"], row["review"]) for row in csv.DictReader(file)]


def telling(text: str) -> Iterator[str]:
    return (part for part in (normalise(text), *repost_segments(text)) if len(part) >= TELLING)


def test_parts_of_all_sets_share_no_text_and_hold_every_post_once(data: Path, made: Path) -> None:
    parts = {part: [row for one in SETS for row in rows(part_file(made, part, one.name))] for part in PARTS}
    texts = {part: {shared for _label, text in found for shared in telling(text)} for part, found in parts.items()}
    assert not texts["train"] & texts["test"]
    assert not texts["train"] & texts["validation"]
    assert not texts["validation"] & texts["test"]
    given = sorted(row for one in SETS for file in one.files for row in rows(data / file))
    assert sorted(row for found in parts.values() for row in found) == given
    for one in SETS:
        labels = {label for label, _text in rows(data / one.files[0])}
        assert {label for label, _text in rows(part_file(made, "test", one.name))} == labels


def test_the_corpus_holds_the_training_texts_and_none_that_is_measured_on(made: Path) -> None:
    corpus = (made / "corpus.txt").read_text(encoding="utf-8").splitlines()
    seen = {part for post in corpus for part in telling(post)}
    for one in SETS:
        for part in ("validation", "test"):
            assert not seen & {
                shared for _label, text in rows(part_file(made, part, one.name)) for shared in telling(text)
            }
        assert {clean(text).text for _label, text in rows(part_file(made, "train", one.name))} <= set(corpus)
    assert not any(re.search("@(?!用户)", post) for post in corpus)


def test_parts_are_the_same_each_time(data: Path, made: Path, tmp_path: Path) -> None:
    make_parts(data, tmp_path)
    for path in [*sorted((tmp_path / "parts").rglob("*.csv")), tmp_path / "corpus.txt"]:
        assert path.read_bytes() == (made / path.relative_to(tmp_path)).read_bytes()


def test_what_is_bundled_judges_posts_of_every_task(made: Path, home: Path) -> None:
    with Workbench.open(home, starter=made / "package") as wb:
        assert wb.base_name() == STARTER_BASE
        for task in models.TASKS:
            (analysis,) = wb.predict(["今天太开心了"], task.adapter, record=False)
            assert analysis.label in task.labels.names
            assert wb.adapters.card(task.adapter).score["n"] == sum(
                len(rows(part_file(made, "test", name))) for name in task.sets
            )
    assert sorted(path.name for path in (made / "package").iterdir()) == ["CARD.md", "adapters", "bases"]


def test_base_in_eight_bits_takes_a_quarter_of_the_room_and_is_the_one_adapters_stand_on(
    made: Path, home: Path
) -> None:
    full, small = (
        path.stat().st_size
        for path in (made / "home/bases/pretrained/model.safetensors", made / "package/bases/starter/model.safetensors")
    )
    assert small < 0.3 * full
    with Workbench.open(home, starter=made / "package") as wb:
        fingerprint = wb.bases.card(STARTER_BASE).fingerprint
        assert {card.base_fingerprint for card in wb.adapters.list()} == {fingerprint}


def test_card_says_scores_floors_failures_and_terms(made: Path) -> None:
    card = (made / "package" / "CARD.md").read_text(encoding="utf-8")
    for task in models.TASKS:
        assert f"### `{task.adapter}`" in card
    for one in SETS:
        assert re.search(rf"^\| {one.name} \| \d+ \| [\d.]+% \| [\d.]+% \|", card, re.MULTILINE), one.name
    assert "no licence" in card
    assert "{" not in card


def test_no_text_of_the_data_is_in_what_is_bundled(data: Path, made: Path) -> None:
    bundled = b"".join(path.read_bytes() for path in (made / "package").rglob("*") if path.is_file())
    for one in SETS:
        for _label, text in rows(data / one.files[0]):
            assert text.encode() not in bundled


def test_steps_that_are_done_are_not_done_again(made: Path, data: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (made / "starter").rglob("*.safetensors")}
    recipe.pretrain(made, tokens=30_000, layers=1, width=64)
    recipe.adapters(made, epochs=1)
    assert {path: path.stat().st_mtime_ns for path in (made / "starter").rglob("*.safetensors")} == before


def test_interrupted_training_goes_on_where_it_was(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = _small(models.TASKS[1])
    with models.opened(made) as wb:
        files = tuple(part_file(made, "train", name) for name in (*task.sets, task.nonsense))
        plan = TrainingConfig(files, "left", STARTER_BASE, labels=task.labels.names, hyper=task.hyper)
        events = wb.train(plan)
        for _event in islice((event for event in events if type(event).__name__ == "StepDone"), 2):
            pass
        events.close()  # type: ignore[attr-defined]
        (run,) = (run for run in wb.runs.list() if run.name == "left")
        models._go_on(wb, plan)
        assert [one.id for one in wb.runs.list() if one.name == "left"] == [run.id]
        assert wb.adapters.card("left").run == run.id


@pytest.mark.parametrize(("limit", "bytes_"), [("LARGEST_FILE", 10_000), ("LARGEST_STARTER", 20_000)])
def test_what_is_too_large_for_a_wheel_is_not_bundled(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, bytes_: int
) -> None:
    monkeypatch.setattr(bundling, limit, bytes_)
    with pytest.raises(UserInputError, match="are the most"):
        bundling.bundle(made / "starter", tmp_path / "package")
    assert not (tmp_path / "package").exists()


def test_nonsense_bears_each_label_as_often_and_is_a_function_of_its_seed() -> None:
    for labels in (MOODS, EMOTIONS):
        found = list(nonsense(3_000, labels, seed=1))
        assert found == list(nonsense(3_000, labels, seed=1)) != list(nonsense(3_000, labels, seed=2))
        for label in labels:
            assert sum(given == label for given, _text in found) == pytest.approx(3_000 / len(labels), rel=0.15)
        assert all(clean(text).text for _label, text in found)


def test_probes_name_labels_that_there_are() -> None:
    labels = {task.adapter: set(task.labels.names) for task in models.TASKS}
    for probe in scoring.read_probes():
        if probe["expected"]:
            assert probe["adapter"] == "any" or probe["expected"] in labels[probe["adapter"]]
        else:
            assert probe["kind"] == "nonsense"

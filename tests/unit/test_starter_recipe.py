"""The recipe from datasets to the bundled starter, in miniature, on generated posts."""

from __future__ import annotations

import csv
import hashlib
import lzma
import random
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import made_up
import pytest

from weibo_tui import TrainingConfig, Workbench
from weibo_tui.errors import UserInputError
from weibo_tui.starter.recipe import __main__ as recipe
from weibo_tui.starter.recipe import card, models, scoring, sources, tuning
from weibo_tui.starter.recipe.noise_posts import noise_posts
from weibo_tui.starter.recipe.sources import (
    DATASETS,
    EMOTIONS,
    MIN_SHARED_LENGTH,
    MOODS,
    PARTS,
    make_parts,
    part_file,
)
from weibo_tui.text.cleaning import clean, normalize, repost_segments
from weibo_tui.workbench.models import STARTER_BASE

OF_FILES = [dataset for dataset in DATASETS if dataset.files]
CRAWL_CODES = ("na", "uo", "ph", "ns", "nf", "pr")
CHAIN = "这条转发链里的原话有好几个人转过"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every dataset of the recipe, with generated posts and one repost chain in two datasets."""
    folder = tmp_path_factory.mktemp("data")
    for number, dataset in enumerate(OF_FILES):
        for index, file in enumerate(dataset.files):
            posts = made_up.posts(60 if dataset.labels == MOODS else 90, seed=100 * number + index)
            rng = random.Random(number)
            labeled = [(_label(dataset.labels, label, rng), f"{text}{rng.randint(0, 999)}") for text, label in posts]
            labeled += [(dataset.labels[0], f"{rng.choice('好坏')}//@某人{number}:{CHAIN}")] * (number < 2)
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            with (folder / file).open("w", encoding="utf-8", newline="") as out:
                csv.writer(out).writerows([("label", "review"), *labeled])
    with lzma.open(folder / "corpus.txt.xz", "wt", encoding="utf-8") as corpus:
        corpus.writelines(f"{line}\n" for line in corpus_lines())
    return folder


def corpus_lines() -> list[str]:
    return [text for text, _label in made_up.posts(1_500, seed=7)]


def read_table(name: str) -> list[dict[str, str]]:
    """Stand in for the tables of the package: labels of lines of the corpus, and written posts."""
    if name == "written.csv":
        return [{"label": "np"[label], "text": f"写的{text}"} for text, label in made_up.posts(60, seed=11)]
    hashes = [hashlib.sha256(line.encode()).hexdigest()[: sources.HASH_LENGTH] for line in corpus_lines()[:240]]
    return [{"sha256": key, "label": CRAWL_CODES[index % 6]} for index, key in enumerate(hashes)]


def _label(labels: tuple[str, ...], mood: int, rng: random.Random) -> str:
    if labels == MOODS:
        return str(mood)
    return rng.choice(("happy", "surprise")) if mood else rng.choice(("angry", "sad", "fear", "neutral"))


@pytest.fixture(scope="module")
def work(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """WORK after every step."""
    folder = tmp_path_factory.mktemp("work")
    with pytest.MonkeyPatch.context() as patched:
        small = tuple(_small(task) for task in models.TASKS)
        for module in (models, scoring, card, tuning):
            patched.setattr(module, "TASKS", small)
        patched.setattr(tuning, "TUNINGS", tuple(replace(hyper, epochs=1, batch_size=64) for hyper in tuning.TUNINGS))
        patched.setattr(sources, "read_table", read_table)
        patched.setattr(recipe, "BUNDLED", folder / "package")
        recipe.split(data, folder)
        recipe.pretrain(folder, tokens=4_000, layers=1, width=64)
        recipe.tune(folder)
        recipe.adapters(folder, epochs=1)
        recipe.baselines(folder)
        recipe.score(folder)
        (folder / card.OTHER_PROGRAMS).write_text('{"weibo2018": {"snownlp": 0.65}}', encoding="utf-8")
        recipe.write_card(folder)
        recipe.bundle(folder)
    return folder


def _small(task: models.Task) -> models.Task:
    return replace(task, hyper=replace(task.hyper, batch_size=32, max_length=64))


def rows(path: Path) -> list[tuple[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return [(row["label"], row["review"]) for row in csv.DictReader(file)]


def segments(posts: list[tuple[str, str]]) -> Iterator[str]:
    """The texts and segments of posts that may be in one part only."""
    parts = (part for _label, text in posts for part in (normalize(text), *repost_segments(text)))
    return (part for part in parts if len(part) >= MIN_SHARED_LENGTH)


def test_parts_share_no_text_and_have_every_post_once(
    data: Path, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = {part: [row for dataset in DATASETS for row in rows(part_file(work, part, dataset.name))] for part in PARTS}
    texts = {part: set(segments(posts)) for part, posts in parts.items()}
    assert not texts["train"] & texts["test"]
    assert not texts["train"] & texts["validation"]
    assert not texts["validation"] & texts["test"]
    posts = [row for dataset in DATASETS for file in dataset.files for row in rows(data / file)]
    posts += [(row["label"], row["text"]) for row in read_table("written.csv")]
    posts += [(row["label"], line) for row, line in zip(read_table("crawl.csv"), corpus_lines(), strict=False)]
    assert sorted(row for part in parts.values() for row in part) == sorted(posts)
    for dataset in OF_FILES:
        labels = {label for label, _text in rows(data / dataset.files[0])}
        assert {label for label, _text in rows(part_file(work, "test", dataset.name))} == labels

    corpus = (work / "corpus.txt").read_text(encoding="utf-8").splitlines()
    assert not set(segments([("", post) for post in corpus])) & (texts["validation"] | texts["test"])
    assert {clean(text).text for _label, text in parts["train"]} <= set(corpus)
    assert not any(re.search("@(?!用户)", post) for post in corpus)

    for view, (of_view, mapped) in sources.VIEWS.items():
        expected = [(mapped[label], text) for label, text in rows(part_file(work, "train", of_view)) if label in mapped]
        assert rows(part_file(work, "train", view)) == expected

    monkeypatch.setattr(sources, "read_table", read_table)
    make_parts(data, tmp_path)
    for path in [*sorted((tmp_path / "parts").rglob("*.csv")), tmp_path / "corpus.txt"]:
        assert path.read_bytes() == (work / path.relative_to(tmp_path)).read_bytes()


def test_bundle_predicts_and_has_scores_and_no_posts(data: Path, work: Path, home: Path) -> None:
    package = work / "package"
    with Workbench(home, starter=package) as wb:
        assert wb.base_name() == STARTER_BASE
        for task in models.TASKS:
            (analysis,) = wb.iter_predict(["今天太开心了"], task.adapter, record=False)
            assert analysis.label in task.labels.names
            stored = wb.adapters.card(task.adapter)
            assert stored.base_fingerprint == wb.bases.card(STARTER_BASE).fingerprint
            assert stored.score["n"] == sum(len(rows(part_file(work, "test", name))) for name in task.datasets)
    assert sorted(path.name for path in package.iterdir()) == ["CARD.md", "adapters", "bases"]
    full, small = work / "home/bases/pretrained/model.safetensors", package / "bases/starter/model.safetensors"
    assert small.stat().st_size < 0.3 * full.stat().st_size

    card_text = (package / "CARD.md").read_text(encoding="utf-8")
    assert all(f"### `{task.adapter}`" in card_text for task in models.TASKS)
    for name in {name for task in models.TASKS for name in task.datasets}:
        row = rf"^\| {name} \| \d+ \| [\d.]+% \| [\d.]+% to [\d.]+% \| [\d.]+% \| [\d.]+% \|"
        assert re.search(row, card_text, re.MULTILINE), name
    assert "no licence" in card_text
    assert "{" not in card_text

    content = b"".join(path.read_bytes() for path in package.rglob("*") if path.is_file())
    assert not any(text.encode() in content for dataset in OF_FILES for _label, text in rows(data / dataset.files[0]))


def test_finished_steps_do_nothing_and_training_resumes(work: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (work / "starter").rglob("*.safetensors")}
    recipe.pretrain(work, tokens=4_000, layers=1, width=64)
    recipe.tune(work)
    recipe.adapters(work, epochs=1)
    assert {path: path.stat().st_mtime_ns for path in (work / "starter").rglob("*.safetensors")} == before

    task = _small(models.TASKS[1])
    with models.open_workbench(work) as wb:
        files = tuple(part_file(work, "train", name) for name in (*task.datasets, task.noise))
        plan = TrainingConfig(files, "left", STARTER_BASE, labels=task.labels.names, hyper=task.hyper)
        events: Any = wb.iter_train(plan)
        list(islice((event for event in events if type(event).__name__ == "StepDone"), 2))
        events.close()
        (run,) = (run for run in wb.runs.list() if run.name == "left")
        models._run_or_resume(wb, plan)
        assert [other.id for other in wb.runs.list() if other.name == "left"] == [run.id]
        assert wb.adapters.card("left").run == run.id


def test_starter_too_large_for_a_wheel_is_refused(work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipe, "BUNDLED", tmp_path / "package")
    for limit in ("MAX_FILE_SIZE", "MAX_STARTER_SIZE"):
        with monkeypatch.context() as patch, pytest.raises(UserInputError, match="are the most"):
            patch.setattr(recipe, limit, 10_000)
            recipe.bundle(work)
    assert not (tmp_path / "package").exists()


@pytest.mark.parametrize("labels", [MOODS, EMOTIONS])
def test_noise_posts_have_uniform_labels_and_depend_on_seed(labels: tuple[str, ...]) -> None:
    posts = list(noise_posts(3_000, labels, seed=1))
    assert posts == list(noise_posts(3_000, labels, seed=1)) != list(noise_posts(3_000, labels, seed=2))
    for label in labels:
        assert sum(other == label for other, _text in posts) == pytest.approx(3_000 / len(labels), rel=0.15)
    assert all(clean(text).text for _label, text in posts)


def test_probes_expect_existing_labels() -> None:
    probes = scoring.read_probes()
    of_tasks = {task.adapter: [probe for probe in probes if scoring.is_for(probe, task)] for task in models.TASKS}
    for task in models.TASKS:
        assert {probe["expected"] for probe in of_tasks[task.adapter]} == {"", *task.labels.names}
    assert len(of_tasks["weibo3"]) > len(of_tasks["weibo"]) > 200
    for probe in probes:
        assert any(probe in of_task for of_task in of_tasks.values())
        if not probe["expected"]:
            assert probe["kind"] == "nonsense"


def test_no_probe_is_like_a_written_training_post() -> None:
    posts = [bigrams(row["text"]) for row in sources.read_table("written.csv")]
    for probe in scoring.read_probes():
        own = bigrams(probe["text"])
        assert all(len(own & post) < 0.5 * len(own | post) for post in posts), probe["text"]


def bigrams(text: str) -> set[str]:
    letters = normalize(text)
    return {letters[index : index + 2] for index in range(len(letters) - 1)} or {letters}

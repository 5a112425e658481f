"""The data sets that the starter is made of, split over all of them jointly, and the corpus that its base reads."""

from __future__ import annotations

import csv
import lzma
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from weibo_tui.atomic import atomic_open
from weibo_tui.datasets.dataset import load
from weibo_tui.datasets.splitting import split
from weibo_tui.errors import UserInputError
from weibo_tui.progress import drain
from weibo_tui.starter.recipe.noise_posts import nonsense
from weibo_tui.text import clean, normalise, repost_segments

SEED = 0
PARTS = ("train", "validation", "test")
# Shares of the posts of each label of each set.
VALIDATION, TEST = 0.05, 0.10
# A shorter text stands in many posts by chance, and gives no post away.
TELLING = 8
# The base reads the training texts so often for once that it reads the corpus: they are what it is for.
TEXTS_REPEATED = 2
CORPUS = "corpus.txt.xz"
BLIND = "weibo_senti, emoticons cut"
"""Under what name the test posts of weibo_senti without their emoticons are scored."""

MOODS = ("0", "1")
EMOTIONS = ("neutral", "angry", "happy", "sad", "fear", "surprise")
# What an emotion says of a post's mood; neutral and surprised posts say nothing of it.
MOOD_OF = {"angry": "0", "sad": "0", "fear": "0", "happy": "1"}
# Posts without a meaning, so many for each post with one.
NONSENSE_SHARE = 0.03


@dataclass(frozen=True, slots=True)
class DataSet:
    """A set of labelled posts: its name, its files below DATA, its labels as files write them, and what it is."""

    name: str
    files: tuple[str, ...]
    labels: tuple[str, ...]
    about: str


SETS = (
    DataSet("weibo_senti", ("weibo_senti/train.csv",), MOODS, "weibo_senti_100k: posts labelled by their emoticons"),
    DataSet("weibo2018", ("weibo2018/train.csv",), MOODS, "Weibo posts of 2018, labelled by people"),
    DataSet("campus", ("campus_comments/train.csv",), MOODS, "campus Weibo comments"),
    DataSet(
        "usual",
        ("smp2020_ewect/usual_train.csv", "smp2020_ewect/usual_dev.csv"),
        EMOTIONS,
        "SMP2020-EWECT: posts on all subjects, six emotions, labelled by people",
    ),
    DataSet(
        "virus",
        ("smp2020_ewect/virus_train.csv", "smp2020_ewect/virus_dev.csv"),
        EMOTIONS,
        "SMP2020-EWECT: posts on the epidemic, six emotions, labelled by people",
    ),
    DataSet("hotel", ("reviews/hotel_train.csv",), MOODS, "hotel reviews"),
    DataSet("takeaway", ("reviews/takeaway_train.csv",), MOODS, "reviews of meals brought home"),
    DataSet("shopping", ("reviews/shopping_train.csv",), MOODS, "reviews of goods bought online"),
)

Rows = Sequence[tuple[str, str]]
"""Posts as (label, text)."""


def part_file(work: Path, part: str, name: str) -> Path:
    """The file of one part of one set."""
    return work / "parts" / part / f"{name}.csv"


def make_parts(data: Path, work: Path) -> Mapping[str, int]:
    """Write `parts/` and `corpus.txt`: no text, and no segment of a repost chain, stands in two parts, whatever the
    set, nor in the corpus where it is validated or tested on. The number of posts in each part."""
    labelled = [(one.name, label, text) for one in SETS for label, text in _read(data, one)]
    strata = {pair: index for index, pair in enumerate(dict.fromkeys((name, label) for name, label, _ in labelled))}
    posts = [text for _name, _label, text in labelled]
    found = split(posts, [strata[name, label] for name, label, _ in labelled], VALIDATION, TEST, SEED)
    parts = {part: [labelled[index] for index in getattr(found, part)] for part in PARTS}
    for part, rows in parts.items():
        for one in SETS:
            _write_set(work, part, one, [(label, text) for name, label, text in rows if name == one.name])
    for name, labels in (("nonsense", MOODS), ("nonsense_emotion", EMOTIONS)):
        count = round(NONSENSE_SHARE * sum(label in labels for _name, label, _text in parts["train"]))
        _write(part_file(work, "train", name), nonsense(count, labels, SEED))
    held_out = (text for part in ("validation", "test") for _name, _label, text in parts[part])
    _write_corpus(data / CORPUS, work / "corpus.txt", [text for _n, _l, text in parts["train"]], held_out)
    return {part: len(rows) for part, rows in parts.items()}


def _read(data: Path, one: DataSet) -> Rows:
    paths = [data / file for file in one.files]
    dataset = drain(load(paths, "review", "label", "utf-8"))
    raw = dataset.label_set.raw
    if set(raw) != set(one.labels):
        raise UserInputError(
            f"{paths[0]} is labelled {', '.join(raw)}, and {', '.join(one.labels)} was to be expected."
        )
    return [(raw[label], post) for label, post in zip(dataset.labels, dataset.posts, strict=True)]


def _write_set(work: Path, part: str, one: DataSet, rows: Rows) -> None:
    _write(part_file(work, part, one.name), rows)
    if one.labels == EMOTIONS:
        moods = [(MOOD_OF[label], text) for label, text in rows if label in MOOD_OF]
        _write(part_file(work, part, f"{one.name}_mood"), moods)


def read_part(work: Path, part: str, name: str) -> Rows:
    """The posts of one part of one set."""
    with part_file(work, part, name).open(encoding="utf-8", newline="") as file:
        return [(row["label"], row["review"]) for row in csv.DictReader(file)]


def _write(path: Path, rows: Iterable[tuple[str, str]]) -> None:
    with atomic_open(path, encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("label", "review"))
        writer.writerows(rows)


def _write_corpus(source: Path, out: Path, texts: Sequence[str], held_out: Iterable[str]) -> None:
    """The unlabelled posts and the training texts, cleaned (so that names and addresses are masked) and shuffled."""
    telling = {part for text in held_out for part in _parts(text) if len(part) >= TELLING}
    posts = TEXTS_REPEATED * list(_cleaned(texts))
    with lzma.open(source, "rt", encoding="utf-8") as lines:
        posts += (post for post in _cleaned(lines) if telling.isdisjoint(_parts(post)))
    random.Random(SEED).shuffle(posts)
    with atomic_open(out, encoding="utf-8") as file:
        file.writelines(post + "\n" for post in posts)


def _parts(text: str) -> Iterator[str]:
    yield normalise(text)
    yield from repost_segments(text)


def _cleaned(texts: Iterable[str]) -> Iterator[str]:
    return filter(None, (clean(text).text for text in texts))

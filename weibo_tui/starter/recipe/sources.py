"""The datasets of the starter, split jointly, and the corpus of its base."""

from __future__ import annotations

import csv
import lzma
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from weibo_tui.atomic import atomic_open
from weibo_tui.datasets.dataset import load_dataset
from weibo_tui.datasets.splitting import split
from weibo_tui.datasets.tables import Columns
from weibo_tui.errors import UserInputError
from weibo_tui.progress import drain
from weibo_tui.starter.recipe.noise_posts import noise_posts
from weibo_tui.text.cleaning import clean, normalize, repost_segments

SEED = 0
PARTS = ("train", "validation", "test")
# Shares of the posts of each label of each set.
VALIDATION, TEST = 0.05, 0.10
# Shorter texts are in many posts by chance.
MIN_SHARED_LENGTH = 8
# The training texts are in the corpus more often, because the adapters classify such texts.
TEXTS_REPEATED = 2
CORPUS = "corpus.txt.xz"
EMOTICON_FREE = "weibo_senti, emoticons cut"
"""Name in the scores for the test posts of weibo_senti without their emoticons."""

MOODS = ("0", "1")
EMOTIONS = ("neutral", "angry", "happy", "sad", "fear", "surprise")
# The sentiment of an emotion; neutral and surprised posts have none.
MOOD_OF = {"angry": "0", "sad": "0", "fear": "0", "happy": "1"}
# Noise posts per post.
NOISE_SHARE = 0.03


@dataclass(frozen=True, slots=True)
class Dataset:
    """A set of labeled posts: its name, its files in DATA, its labels in these files, and a description."""

    name: str
    files: tuple[str, ...]
    labels: tuple[str, ...]
    description: str


DATASETS = (
    Dataset("weibo_senti", ("weibo_senti/train.csv",), MOODS, "weibo_senti_100k: posts labelled by their emoticons"),
    Dataset("weibo2018", ("weibo2018/train.csv",), MOODS, "Weibo posts of 2018, labelled by people"),
    Dataset("campus", ("campus_comments/train.csv",), MOODS, "campus Weibo comments"),
    Dataset(
        "usual",
        ("smp2020_ewect/usual_train.csv", "smp2020_ewect/usual_dev.csv"),
        EMOTIONS,
        "SMP2020-EWECT: posts on all subjects, six emotions, labelled by people",
    ),
    Dataset(
        "virus",
        ("smp2020_ewect/virus_train.csv", "smp2020_ewect/virus_dev.csv"),
        EMOTIONS,
        "SMP2020-EWECT: posts on the epidemic, six emotions, labelled by people",
    ),
    Dataset("hotel", ("reviews/hotel_train.csv",), MOODS, "hotel reviews"),
    Dataset("takeaway", ("reviews/takeaway_train.csv",), MOODS, "reviews of meals brought home"),
    Dataset("shopping", ("reviews/shopping_train.csv",), MOODS, "reviews of goods bought online"),
)

Rows = Sequence[tuple[str, str]]
"""Posts as (label, text)."""


def part_file(work: Path, part: str, name: str) -> Path:
    """Return the file of one part of one dataset."""
    return work / "parts" / part / f"{name}.csv"


def make_parts(data: Path, work: Path) -> Mapping[str, int]:
    """Write `parts/` and `corpus.txt`, and return the number of posts in each part.

    No text and no segment of a repost chain is in two parts of any datasets, and none of the validation and test parts
    is in the corpus."""
    labeled = [(dataset.name, label, text) for dataset in DATASETS for label, text in _read(data, dataset)]
    strata = {pair: index for index, pair in enumerate(dict.fromkeys((name, label) for name, label, _ in labeled))}
    posts = [text for _name, _label, text in labeled]
    indices = split(posts, [strata[name, label] for name, label, _ in labeled], VALIDATION, TEST, SEED)
    parts = {part: [labeled[index] for index in getattr(indices, part)] for part in PARTS}
    for part, rows in parts.items():
        for dataset in DATASETS:
            _write_dataset(work, part, dataset, [(label, text) for name, label, text in rows if name == dataset.name])
    for name, labels in (("nonsense", MOODS), ("nonsense_emotion", EMOTIONS)):
        count = round(NOISE_SHARE * sum(label in labels for _name, label, _text in parts["train"]))
        _write(part_file(work, "train", name), noise_posts(count, labels, SEED))
    held_out = (text for part in ("validation", "test") for _name, _label, text in parts[part])
    _write_corpus(data / CORPUS, work / "corpus.txt", [text for _n, _l, text in parts["train"]], held_out)
    return {part: len(rows) for part, rows in parts.items()}


def _read(data: Path, dataset: Dataset) -> Rows:
    paths = [data / file for file in dataset.files]
    posts = drain(load_dataset(paths, Columns("review", "label", "utf-8")))
    raw = posts.label_set.raw
    if set(raw) != set(dataset.labels):
        raise UserInputError(
            f"{paths[0]} is labelled {', '.join(raw)}, and {', '.join(dataset.labels)} was to be expected."
        )
    return [(raw[label], post) for label, post in zip(posts.labels, posts.posts, strict=True)]


def _write_dataset(work: Path, part: str, dataset: Dataset, rows: Rows) -> None:
    _write(part_file(work, part, dataset.name), rows)
    if dataset.labels == EMOTIONS:
        moods = [(MOOD_OF[label], text) for label, text in rows if label in MOOD_OF]
        _write(part_file(work, part, f"{dataset.name}_mood"), moods)


def read_part(work: Path, part: str, name: str) -> Rows:
    """Return the posts of one part of one dataset."""
    with part_file(work, part, name).open(encoding="utf-8", newline="") as file:
        return [(row["label"], row["review"]) for row in csv.DictReader(file)]


def _write(path: Path, rows: Iterable[tuple[str, str]]) -> None:
    with atomic_open(path, encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("label", "review"))
        writer.writerows(rows)


def _write_corpus(source: Path, out: Path, texts: Sequence[str], held_out: Iterable[str]) -> None:
    """Write the unlabeled posts and the training texts, cleaned, which masks names and addresses, and shuffled."""
    held_out_texts = {part for text in held_out for part in _parts(text) if len(part) >= MIN_SHARED_LENGTH}
    posts = TEXTS_REPEATED * list(_cleaned(texts))
    with lzma.open(source, "rt", encoding="utf-8") as lines:
        posts += (post for post in _cleaned(lines) if held_out_texts.isdisjoint(_parts(post)))
    random.Random(SEED).shuffle(posts)
    with atomic_open(out, encoding="utf-8") as file:
        file.writelines(post + "\n" for post in posts)


def _parts(text: str) -> Iterator[str]:
    yield normalize(text)
    yield from repost_segments(text)


def _cleaned(texts: Iterable[str]) -> Iterator[str]:
    return filter(None, (clean(text).text for text in texts))

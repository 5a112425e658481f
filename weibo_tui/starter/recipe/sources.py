"""The datasets of the starter, split jointly, and the corpus of its base."""

from __future__ import annotations

import csv
import hashlib
import lzma
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
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
CRAWL, WRITTEN = "crawl", "written"
# Digits of a hash in crawl.csv.
HASH_LENGTH = 10
CODES = ("n", "u", "p", *(f"{sentiment}{emotion}" for sentiment in "nup" for emotion in "oahsfr"))
"""Labels of a language model: negative, neutral or positive, and, except in written posts, no emotion, angry, happy,
sad, fear or surprise."""
EMOTICON_FREE = "weibo_senti, emoticons cut"
"""Name in the scores for the test posts of weibo_senti without their emoticons."""

MOODS = ("0", "1")
SENTIMENTS = ("negative", "neutral", "positive")
EMOTIONS = ("neutral", "angry", "happy", "sad", "fear", "surprise")
# Noise posts per post.
NOISE_SHARE = 0.06


@dataclass(frozen=True, slots=True)
class Dataset:
    """A set of labeled posts: its name, its files in DATA, its labels in these files, and a description.

    Without files, it is in the package: written.csv, and crawl.csv with the hashes of lines of the corpus."""

    name: str
    files: tuple[str, ...]
    labels: tuple[str, ...]
    description: str


DATASETS = (
    Dataset("weibo_senti", ("weibo_senti/train.csv",), MOODS, "weibo_senti_100k: posts labeled by their emoticons"),
    Dataset("weibo2018", ("weibo2018/train.csv",), MOODS, "Weibo posts of 2018, labeled by people"),
    Dataset("campus", ("campus_comments/train.csv",), MOODS, "campus Weibo comments"),
    Dataset(
        "usual",
        ("smp2020_ewect/usual_train.csv", "smp2020_ewect/usual_dev.csv"),
        EMOTIONS,
        "SMP2020-EWECT: posts on all subjects, six emotions, labeled by people",
    ),
    Dataset(
        "virus",
        ("smp2020_ewect/virus_train.csv", "smp2020_ewect/virus_dev.csv"),
        EMOTIONS,
        "SMP2020-EWECT: posts on the epidemic, six emotions, labeled by people",
    ),
    Dataset("hotel", ("reviews/hotel_train.csv",), MOODS, "hotel reviews"),
    Dataset("takeaway", ("reviews/takeaway_train.csv",), MOODS, "reviews of meals brought home"),
    Dataset("shopping", ("reviews/shopping_train.csv",), MOODS, "reviews of goods bought online"),
    Dataset(CRAWL, (), CODES, "posts, headlines and questions of the corpus, labeled by a language model"),
    Dataset(WRITTEN, (), CODES, "posts written by a language model: negation, irony, facts, slang and others"),
)

_SENTIMENT_OF_EMOTION = {
    "angry": "negative",
    "sad": "negative",
    "fear": "negative",
    "happy": "positive",
    "neutral": "neutral",
}
_SENTIMENT_OF_MOOD = {"0": "negative", "1": "positive"}
_SENTIMENT_OF_CODE = {code: {"n": "negative", "u": "neutral", "p": "positive"}[code[0]] for code in CODES}
_EMOTION_OF_LETTER = {"o": "neutral", "a": "angry", "h": "happy", "s": "sad", "f": "fear", "r": "surprise"}


def _moods(sentiments: Mapping[str, str]) -> Mapping[str, str]:
    """Return the labels of a set with two sentiments; neutral posts have none."""
    codes = {sentiment: mood for mood, sentiment in _SENTIMENT_OF_MOOD.items()}
    return {label: codes[sentiment] for label, sentiment in sentiments.items() if sentiment in codes}


VIEWS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "usual_mood": ("usual", _moods(_SENTIMENT_OF_EMOTION)),
    "virus_mood": ("virus", _moods(_SENTIMENT_OF_EMOTION)),
    "crawl_mood": ("crawl", _moods(_SENTIMENT_OF_CODE)),
    "written_mood": ("written", _moods(_SENTIMENT_OF_CODE)),
    "weibo2018_3": ("weibo2018", _SENTIMENT_OF_MOOD),
    "usual_3": ("usual", _SENTIMENT_OF_EMOTION),
    "virus_3": ("virus", _SENTIMENT_OF_EMOTION),
    "hotel_3": ("hotel", _SENTIMENT_OF_MOOD),
    "takeaway_3": ("takeaway", _SENTIMENT_OF_MOOD),
    "crawl_3": ("crawl", _SENTIMENT_OF_CODE),
    "written_3": ("written", _SENTIMENT_OF_CODE),
    "crawl_emotion": ("crawl", {code: _EMOTION_OF_LETTER[code[1]] for code in CODES if len(code) == 2}),
}
"""Other labels of the posts of a dataset, by the name of their file. Posts whose label is not mapped are left out."""

Rows = Sequence[tuple[str, str]]
"""Posts as (label, text)."""

NOISE = {"nonsense": MOODS, "nonsense_3": SENTIMENTS, "nonsense_emotion": EMOTIONS}
"""The labels of each file of noise posts."""


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
        write_part(work, part, rows)
    held_out = (text for part in ("validation", "test") for _name, _label, text in parts[part])
    _write_corpus(data / CORPUS, work / "corpus.txt", [text for _n, _l, text in parts["train"]], held_out)
    return {part: len(rows) for part, rows in parts.items()}


def write_part(work: Path, part: str, rows: Sequence[tuple[str, str, str]]) -> None:
    """Write the posts of a part, (name of the dataset, label, text), and all views; for trainings also noise posts."""
    files: dict[str, list[tuple[str, str]]] = {dataset.name: [] for dataset in DATASETS}
    for name, label, text in rows:
        files[name].append((label, text))
    for name, (dataset, labels) in VIEWS.items():
        files[name] = [(labels[label], text) for label, text in files[dataset] if label in labels]
    if part == "train":
        for name, noise_labels in NOISE.items():
            of_labels = [rows for rows in files.values() if {label for label, _text in rows} <= set(noise_labels)]
            posts = sum(map(len, of_labels))
            files[name] = list(noise_posts(round(NOISE_SHARE * posts), noise_labels, SEED))
    for name, labeled in files.items():
        _write(part_file(work, part, name), labeled)


def _read(data: Path, dataset: Dataset) -> Rows:
    """Return the posts of a dataset from its files, or from the package."""
    if dataset.name == CRAWL:
        return _read_crawl(data)
    if dataset.name == WRITTEN:
        return [(row["label"], row["text"]) for row in read_table("written.csv")]
    paths = [data / file for file in dataset.files]
    posts = drain(load_dataset(paths, Columns("review", "label", "utf-8")))
    raw = posts.label_set.raw
    if set(raw) != set(dataset.labels):
        raise UserInputError(
            f"{paths[0]} is labeled {', '.join(raw)}, and {', '.join(dataset.labels)} was to be expected."
        )
    return [(raw[label], post) for label, post in zip(posts.labels, posts.posts, strict=True)]


def _read_crawl(data: Path) -> Rows:
    """Return the lines of the corpus whose hashes have labels in the package."""
    labels = {row["sha256"]: row["label"] for row in read_table("crawl.csv")}
    with lzma.open(data / CORPUS, "rt", encoding="utf-8") as lines:
        posts = dict.fromkeys(line.rstrip("\n") for line in lines)
    hashes = ((hashlib.sha256(post.encode()).hexdigest()[:HASH_LENGTH], post) for post in posts)
    return [(labels[key], post) for key, post in hashes if key in labels]


def read_table(name: str) -> list[dict[str, str]]:
    """Return the rows of a CSV file of the recipe."""
    text = resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


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

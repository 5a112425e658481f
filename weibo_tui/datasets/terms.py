"""Terms by which the posts of one label differ from all others: emoticons, hashtags, and words of 2 to 4 characters.

The score is Monroe, Colaresi and Quinn's "Fightin' Words" (Political Analysis 16, 2008, 372-403): the difference of the
log odds of a term, with a Dirichlet prior that is proportional to the counts in all posts, over its standard deviation.
Characters that are a word are found without a dictionary, by frequency, pointwise mutual information and the entropy of
their neighbors. Of thousands of terms some have a high score by chance, so those that are returned are chosen by
Benjamini and Hochberg's procedure (J. R. Statist. Soc. B 57, 1995, 289-300).
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import erfc, inf, sqrt
from typing import TYPE_CHECKING, Any

from weibo_tui.progress import Progress
from weibo_tui.text.cleaning import normalize
from weibo_tui.text.emoticons import find_emoticons, without_emoticons
from weibo_tui.text.topics import TOPIC

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PRIOR = 500.0
"""Sum of the prior's counts."""
FALSE_DISCOVERIES = 0.05
"""Share of the returned terms that may be there by chance."""
MIN_POSTS = 10
MIN_INFORMATION = 3.0  # bits, at the best split of a word
MIN_ENTROPY = 1.0  # bits, of the neighbors on each side
MAX_EXTENSION = 0.9  # share of a word's places that may have the same neighbor
LENGTHS = (2, 3, 4)
_MAX_CHARACTERS = 2**16 - 1  # different ones
_LETTER = re.compile(r"[^\W\d_]")
_STEP = 500


@dataclass(frozen=True, slots=True)
class Term:
    """A term of the posts of a label: the numbers of these and of other posts with it, its score, and an example.

    `example` is the index of the first post of the label that has it.
    """

    text: str
    posts: int
    others: int
    score: float
    example: int


@dataclass(frozen=True, slots=True)
class _Terms:
    """Terms, and the pairs (term, post) of what is in which post, in the order of the posts."""

    texts: list[str]
    terms: NDArray[np.int64]
    posts: NDArray[np.int64]


def distinctive_terms(
    posts: Sequence[str], groups: Sequence[int], num_groups: int, limit: int
) -> Generator[Progress, None, list[list[Term]]]:
    """Return the terms that are clearly more frequent in each group of posts, at most `limit`, highest score first.

    Texts count once if they are equal when normalized, and a term counts once a post.
    """
    import numpy as np

    seen: set[str] = set()
    kept: list[int] = []
    marks: list[tuple[str, int]] = []
    words: list[str] = []
    for index, post in enumerate(posts):
        if index % _STEP == 0:
            yield Progress("terms", index, len(posts))
        text = normalize(post)
        if not text or text in seen:
            continue
        seen.add(text)
        topics = TOPIC.findall(text)
        without_topics = TOPIC.sub("\n", text) if topics else text
        for mark in {*find_emoticons(without_topics), *(f"#{topic}#" for topic in topics)}:
            marks.append((mark, len(kept)))
        words.append(without_emoticons(without_topics, "\n"))
        kept.append(index)
    del seen
    group_of = np.array([groups[index] for index in kept], np.int64)
    found: list[list[Term]] = [[] for _group in range(num_groups)]
    parts = [_marks(marks), *_words(words)]
    yield Progress("terms", len(posts), len(posts))
    texts = [text for part in parts for text in part.texts]
    if not texts:
        return found
    starts = np.cumsum([0, *(len(part.texts) for part in parts)])
    terms = np.concatenate([part.terms + start for part, start in zip(parts, starts[:-1], strict=True)])
    places = np.concatenate([part.posts for part in parts])
    counts = np.bincount(terms * num_groups + group_of[places], minlength=len(texts) * num_groups)
    counts = counts.reshape(len(texts), num_groups)
    for group in range(num_groups):
        scores = term_scores(counts, group)
        least = _least_score(scores)
        best = [at for at in np.argsort(-scores, kind="stable")[:limit].tolist() if scores[at] >= least]
        for at in best:
            first = places[(terms == at) & (group_of[places] == group)].min()
            own = int(counts[at, group])
            others = int(counts[at].sum()) - own
            found[group].append(Term(texts[at], own, others, float(scores[at]), kept[first]))
    return found


def term_scores(counts: NDArray[Any], group: int) -> NDArray[np.float64]:
    """Return the score of each term (terms,) for a group, from the numbers of posts (terms, groups)."""
    import numpy as np

    own = counts[:, group].astype(np.float64)
    total = counts.sum(1)
    others = total - own
    prior = PRIOR * total / total.sum()

    def log_odds(number: NDArray[np.float64]) -> NDArray[np.float64]:
        result: NDArray[np.float64] = np.log(number + prior) - np.log(number.sum() + PRIOR - number - prior)
        return result

    # A single term has no other to which its odds could refer.
    with np.errstate(divide="ignore", invalid="ignore"):
        scores = (log_odds(own) - log_odds(others)) / np.sqrt(1 / (own + prior) + 1 / (others + prior))
    finite: NDArray[np.float64] = np.nan_to_num(scores, nan=0.0, posinf=0.0, neginf=0.0)
    return finite


def _least_score(scores: NDArray[np.float64]) -> float:
    """Return the score from which a term is not there by chance, infinity where no term is."""
    ordered = sorted(map(abs, scores.tolist()), reverse=True)
    passed = [
        score
        for rank, score in enumerate(ordered, 1)
        if erfc(score / sqrt(2)) <= FALSE_DISCOVERIES * rank / len(ordered)
    ]
    return min(passed, default=inf)


def _marks(marks: Iterable[tuple[str, int]]) -> _Terms:
    """Return the emoticons and hashtags that are in MIN_POSTS posts."""
    import numpy as np

    places: dict[str, list[int]] = {}
    for mark, post in marks:
        places.setdefault(mark, []).append(post)
    frequent = {mark: posts for mark, posts in sorted(places.items()) if len(posts) >= MIN_POSTS}
    terms = np.repeat(np.arange(len(frequent)), [len(posts) for posts in frequent.values()])
    return _Terms([*frequent], terms, np.array([post for posts in frequent.values() for post in posts], np.int64))


def _words(texts: Sequence[str]) -> Iterator[_Terms]:
    """Yield the words of each of LENGTHS in the texts, which have other characters than letters between them."""
    import numpy as np

    letters, codes = _letters("\n".join(texts))
    post_of = np.repeat(np.arange(len(texts)), [len(text) + 1 for text in texts])[: len(codes)]
    total = int(np.count_nonzero(codes))
    # The strings of each length that are frequent, ascending, and their numbers.
    frequent = {1: (np.arange(len(letters)).astype(np.uint64), np.bincount(codes, minlength=len(letters)))}
    for length in LENGTHS:
        keys, valid = _keys(codes, length)
        values, numbers = np.unique(keys[valid], return_counts=True)
        values, numbers = values[numbers >= MIN_POSTS], numbers[numbers >= MIN_POSTS]
        frequent[length] = values, numbers
        information = _information(frequent, length, total)
        is_word = information >= MIN_INFORMATION
        values, numbers = values[is_word], numbers[is_word]
        if not len(values):
            continue
        at = np.flatnonzero(valid)
        term = np.minimum(np.searchsorted(values, keys[at]), len(values) - 1)
        is_term = values[term] == keys[at]
        at, term = at[is_term], term[is_term]
        padded = np.concatenate([[0], codes, [0]]).astype(np.int64)
        free = _is_free(term, padded[at], numbers) & _is_free(term, padded[at + length + 1], numbers)
        yield _in_posts(values, free, term, post_of[at], letters, length)


def _in_posts(
    values: NDArray[np.uint64],
    is_kept: NDArray[np.bool_],
    term: NDArray[np.int64],
    post: NDArray[np.int64],
    letters: str,
    length: int,
) -> _Terms:
    """Return the words that are kept and in MIN_POSTS posts, once a post."""
    import numpy as np

    num_posts = int(post.max()) + 1
    pairs = np.sort(term * num_posts + post)
    pairs = pairs[np.diff(pairs, prepend=-1) > 0]  # np.unique is slower
    term, post = pairs // num_posts, pairs % num_posts
    is_kept = is_kept & (np.bincount(term, minlength=len(values)) >= MIN_POSTS)
    texts = ["".join(letters[value >> 16 * at & 0xFFFF] for at in range(length)) for value in values[is_kept].tolist()]
    new = np.cumsum(is_kept) - 1
    chosen = is_kept[term]
    return _Terms(texts, new[term[chosen]], post[chosen])


def _letters(text: str) -> tuple[str, NDArray[np.int64]]:
    """Return the different letters, and the index of each character of the text in them. The first is for no letter."""
    import numpy as np

    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    different, codes, numbers = np.unique(points, return_inverse=True, return_counts=True)
    characters = list(map(chr, different.tolist()))
    is_letter = np.array([_LETTER.match(character) is not None for character in characters], np.bool_)
    by_number = np.argsort(np.where(is_letter, -numbers, 1), kind="stable")[:_MAX_CHARACTERS]
    by_number = by_number[is_letter[by_number]]
    index = np.zeros(len(different), np.int64)
    index[by_number] = np.arange(1, len(by_number) + 1)
    return "\n" + "".join(characters[at] for at in by_number.tolist()), index[codes.ravel()]


def _keys(codes: NDArray[np.int64], length: int) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    """Return the string of `length` letters from each place on as a number, and whether all of them are letters."""
    import numpy as np

    size = max(0, len(codes) - length + 1)
    keys, valid = np.zeros(size, np.uint64), np.ones(size, np.bool_)
    for at in range(length):
        part = codes[at : at + size]
        keys |= part.astype(np.uint64) << np.uint64(16 * at)
        valid &= part > 0
    return keys, valid


def _information(
    frequent: dict[int, tuple[NDArray[np.uint64], NDArray[np.int64]]], length: int, total: int
) -> NDArray[np.float64]:
    """Return the pointwise mutual information of the parts of each string in bits, the least of all splits."""
    import numpy as np

    values, numbers = frequent[length]
    least = np.full(len(values), np.inf)
    for split in range(1, length):
        parts = (split, values & np.uint64((1 << 16 * split) - 1)), (length - split, values >> np.uint64(16 * split))
        expected = np.ones(len(values))
        for size, part in parts:
            known, counted = frequent[size]
            expected *= counted[np.searchsorted(known, part)]
        least = np.minimum(least, np.log2(numbers * total / expected))
    return least


def _is_free(term: NDArray[np.int64], neighbor: NDArray[np.int64], numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return whether each term has various neighbors on one side. Those that are no letters (0) are all different."""
    import numpy as np

    pairs, counts = np.unique((term << 16 | neighbor)[neighbor > 0], return_counts=True)
    of_term = pairs >> 16
    entropy = np.log2(numbers) - np.bincount(of_term, counts * np.log2(counts), len(numbers)) / numbers
    most = np.zeros(len(numbers), np.int64)
    np.maximum.at(most, of_term, counts)
    free: NDArray[np.bool_] = (entropy >= MIN_ENTROPY) & (most < MAX_EXTENSION * numbers)
    return free

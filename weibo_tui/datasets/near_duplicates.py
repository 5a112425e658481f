"""Near-duplicates: texts that share most of their pairs of neighboring characters.

MinHash signatures in bands (Broder 1997; Leskovec et al., "Mining of Massive Datasets", ch. 3) find the candidates.
Bitmaps (Sandes et al. 2020, "A bitmap filter for speeding up exact set similarity joins") leave out most of those that
are not similar. The others are compared exactly, so a returned pair is always similar. All constants are fixed: the
same texts give the same pairs on every machine.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from weibo_tui.progress import Progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MIN_SIMILARITY = 0.8  # Jaccard index of the sets of character pairs
# Texts of fewer different characters have too few pairs to distinguish near-duplicates from posts that say the same.
MIN_CHARACTERS = 9
MAX_LENGTH = 1000  # characters that are compared; models read fewer
# Two texts with a Jaccard index of .8 share one of 8 bands of 3 hashes in 99.7 % of all cases, two with .4 in 41 %.
BANDS, ROWS = 8, 3
MAX_COMPARED = 8  # different texts of one band that each further one is compared with
STEP = 1000  # texts between two steps of progress


def near_duplicates(texts: Sequence[str]) -> Generator[Progress, None, list[tuple[int, int]]]:
    """Return pairs (earlier, later) of indices of similar `texts`, which must all be different.

    Each text is paired with one earlier similar text for each band that they share, not with all of them: enough to
    group them.
    """
    indices = [index for index, text in enumerate(texts) if _is_long_enough(text)]
    long_enough = [texts[index][:MAX_LENGTH] for index in indices]
    keys, bitmaps = yield from _all_band_keys(long_enough)
    similar: set[tuple[int, int]] = set()
    compared = 0
    for band in keys:
        for bucket in _buckets(band):
            members: list[int] = []  # the first of each kind of texts in the bucket
            for text in bucket.tolist():
                for member in members:
                    if (member, text) in similar:
                        break
                    one, other = long_enough[member], long_enough[text]
                    differences = (bitmaps[member] ^ bitmaps[text]).bit_count()
                    if differences <= _max_differences(one, other) and _are_similar(one, other):
                        similar.add((member, text))
                        break
                else:
                    if len(members) < MAX_COMPARED:
                        members.append(text)
                compared += 1
                if compared % STEP == 0:
                    yield Progress("grouping", len(indices), len(indices))
    return sorted((indices[earlier], indices[later]) for earlier, later in similar)


def _is_long_enough(text: str) -> bool:
    return len(text) >= MIN_CHARACTERS and len(set(text[:MAX_LENGTH])) >= MIN_CHARACTERS


def _all_band_keys(texts: Sequence[str]) -> Generator[Progress, None, tuple[NDArray[np.uint64], list[int]]]:
    """Return the keys, (BANDS, texts), and the bitmaps of all texts, with an event after each STEP of them."""
    import numpy as np

    keys = np.empty((BANDS, len(texts)), np.uint64)
    bitmaps: list[int] = []
    for start in range(0, len(texts), STEP):
        part = texts[start : start + STEP]
        keys[:, start : start + len(part)], bits = _band_keys(part)
        bitmaps += bits.tolist()
        yield Progress("grouping", start + len(part), len(texts))
    return keys, bitmaps


def _band_keys(texts: Sequence[str]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Return one key for each band and text, (BANDS, texts): two texts with the same key are candidates.

    Also return a bitmap for each text, (texts,), with a bit for the hash of each of its pairs. Each bit that two of
    them do not share is a pair that the texts do not share."""
    import numpy as np

    codes = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
    ends = np.cumsum([len(text) for text in texts])
    pairs = _mix((codes[:-1] << np.uint64(32)) | codes[1:])
    within = np.ones(len(pairs), np.bool_)
    within[ends[:-1] - 1] = False  # the last character of a text and the first of the next
    pairs = pairs[within]
    starts = np.concatenate([[0], ends[:-1]]) - np.arange(len(texts))
    keys = np.zeros((BANDS, len(texts)), np.uint64)
    for number in range(BANDS * ROWS):
        # Odd factors permute the numbers of 64 bits.
        factor = _mix(np.array([number], np.uint64)) | np.uint64(1)
        smallest = np.minimum.reduceat(pairs * factor, starts)
        band = number // ROWS
        keys[band] = _mix(keys[band] ^ smallest)
    return keys, np.bitwise_or.reduceat(np.uint64(1) << (pairs >> np.uint64(58)), starts)


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the values scrambled by the finalizer of SplitMix64 (Steele et al. 2014)."""
    import numpy as np

    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _buckets(keys: NDArray[np.uint64]) -> Iterator[NDArray[np.int64]]:
    """Yield the positions of each key that occurs more than once, ascending."""
    import numpy as np

    order = np.argsort(keys, kind="stable")
    edges = np.flatnonzero(np.diff(keys[order])) + 1
    starts, ends = np.concatenate([[0], edges]), np.concatenate([edges, [len(keys)]])
    for number in np.flatnonzero(ends - starts > 1):
        yield order[starts[number] : ends[number]]


def _max_differences(one: str, other: str) -> float:
    """Return the largest number of pairs that only one of two similar texts has."""
    return (len(one) + len(other) - 2) * (1 - MIN_SIMILARITY) / (1 + MIN_SIMILARITY) + 1e-6


def _are_similar(one: str, other: str) -> bool:
    pairs, others = set(pairwise(one)), set(pairwise(other))
    shared = len(pairs & others)
    return shared >= MIN_SIMILARITY * (len(pairs) + len(others) - shared)

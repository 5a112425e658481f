"""Near-duplicates: texts that share most of their pairs of neighboring characters.

MinHash signatures in bands (Broder 1997; Leskovec et al., "Mining of Massive Datasets", ch. 3) find the candidates, and
each is then compared exactly, so a returned pair is always similar. All constants are fixed: the same texts give the
same pairs on every machine.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

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

Pairs: TypeAlias = set[tuple[str, str]]


def near_duplicates(texts: Sequence[str]) -> Generator[Progress, None, list[tuple[int, int]]]:
    """Return pairs (earlier, later) of indices of similar `texts`, which must all be different.

    Each text is paired with one earlier similar text for each band that they share, not with all of them: enough to
    group them.
    """
    import numpy as np

    long_enough = [index for index, text in enumerate(texts) if len(set(text[:MAX_LENGTH])) >= MIN_CHARACTERS]
    keys = np.empty((BANDS, len(long_enough)), np.uint64)
    for start in range(0, len(long_enough), STEP):
        part = long_enough[start : start + STEP]
        keys[:, start : start + len(part)] = _band_keys([texts[index][:MAX_LENGTH] for index in part])
        yield Progress("grouping", start + len(part), len(long_enough))
    similar: set[tuple[int, int]] = set()
    compared = 0
    for band in keys:
        for bucket in _buckets(band):
            members: list[tuple[int, Pairs]] = []  # the first of each kind of texts in the bucket
            for position in bucket.tolist():
                index = long_enough[position]
                pairs: Pairs | None = None
                for earlier, others in members:
                    if (earlier, index) in similar:
                        break
                    pairs = pairs or _pairs(texts[index])
                    if _are_similar(pairs, others):
                        similar.add((earlier, index))
                        break
                else:
                    if len(members) < MAX_COMPARED:
                        members.append((index, pairs or _pairs(texts[index])))
                compared += 1
                if compared % STEP == 0:
                    yield Progress("grouping", len(long_enough), len(long_enough))
    return sorted(similar)


def _band_keys(texts: Sequence[str]) -> NDArray[np.uint64]:
    """Return one key for each band and text, (BANDS, texts): two texts with the same key are candidates."""
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
    return keys


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


def _pairs(text: str) -> Pairs:
    return set(pairwise(text[:MAX_LENGTH]))


def _are_similar(pairs: Pairs, others: Pairs) -> bool:
    shared = len(pairs & others)
    return shared >= MIN_SIMILARITY * (len(pairs) + len(others) - shared)

"""Near-duplicates: texts that share most of their pairs of neighboring characters.

MinHash signatures in bands (Broder 1997; Leskovec et al., "Mining of Massive Datasets", ch. 3) find the candidates.
Bitmaps (Sandes et al. 2020, "A bitmap filter for speeding up exact set similarity joins") leave out most of those that
are not similar. The others are compared exactly, so a returned pair is always similar. All constants are fixed: the
same texts give the same pairs on every machine.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

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
STEP = 1000  # texts, or pairs of them, between two steps of progress
_CODE_BITS = 21  # of a code point, so that a pair of characters and its place among STEP texts fit into 64 bits


def near_duplicates(texts: Sequence[str]) -> Generator[Progress, None, list[tuple[int, int]]]:
    """Return pairs (earlier, later) of indices of similar `texts`, which must all be different.

    Each text is paired with one earlier similar text for each band that they share, not with all of them: enough to
    group them.
    """
    import numpy as np

    indices = np.array([index for index, text in enumerate(texts) if _is_long_enough(text)], np.int64)
    long_enough = [texts[index][:MAX_LENGTH] for index in indices.tolist()]
    lengths = np.array([len(text) for text in long_enough], np.int64)
    keys, bitmaps = yield from _all_band_keys(long_enough)
    buckets, members = _buckets(keys)
    similar: set[tuple[int, int]] = set()
    for _round in range(MAX_COMPARED):
        # The first text of each bucket is compared with the others. Those that differ are left for the next round.
        is_first = np.diff(buckets, prepend=-1) > 0
        first = members[is_first][np.cumsum(is_first) - 1]
        buckets, first, members = buckets[~is_first], first[~is_first], members[~is_first]
        differences = np.bitwise_count(bitmaps[first] ^ bitmaps[members])
        is_similar = differences <= _max_differences(lengths[first] + lengths[members])
        is_similar[is_similar] = yield from _are_similar(long_enough, first[is_similar], members[is_similar])
        similar.update(zip(indices[first[is_similar]].tolist(), indices[members[is_similar]].tolist(), strict=True))
        buckets, members = buckets[~is_similar], members[~is_similar]
    return sorted(similar)


def _is_long_enough(text: str) -> bool:
    # Most texts have that many different characters in their first ones already.
    return len(set(text[: 2 * MIN_CHARACTERS])) >= MIN_CHARACTERS or len(set(text[:MAX_LENGTH])) >= MIN_CHARACTERS


def _all_band_keys(texts: Sequence[str]) -> Generator[Progress, None, tuple[NDArray[np.uint64], NDArray[np.uint64]]]:
    """Return the keys, (BANDS, texts), and the bitmaps, (texts,), with an event after each STEP of texts."""
    import numpy as np

    keys, bitmaps = np.empty((BANDS, len(texts)), np.uint64), np.empty(len(texts), np.uint64)
    for start in range(0, len(texts), STEP):
        part = slice(start, start + STEP)
        keys[:, part], bitmaps[part] = _band_keys(texts[part])
        yield Progress("grouping", min(start + STEP, len(texts)), len(texts))
    return keys, bitmaps


def _band_keys(texts: Sequence[str]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Return one key for each band and text, (BANDS, texts): two texts with the same key are candidates.

    Also return a bitmap for each text, (texts,), with a bit for the hash of each of its pairs. Each bit that two of
    them do not share is a pair that the texts do not share."""
    import numpy as np

    pairs, starts = _pairs(texts, 32)
    pairs = _mix(pairs)
    keys = np.zeros((BANDS, len(texts)), np.uint64)
    for number in range(BANDS * ROWS):
        # Odd factors permute the numbers of 64 bits.
        factor = _mix(np.array([number], np.uint64)) | np.uint64(1)
        smallest = np.minimum.reduceat(pairs * factor, starts)
        band = number // ROWS
        keys[band] = _mix(keys[band] ^ smallest)
    return keys, np.bitwise_or.reduceat(np.uint64(1) << (pairs >> np.uint64(58)), starts)


def _pairs(texts: Sequence[str], bits: int) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Return the pairs of neighboring characters of all texts as numbers, with `bits` for the second character, and
    where those of each text begin."""
    import numpy as np

    codes = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
    ends = np.cumsum([len(text) for text in texts])
    within = np.ones(len(codes) - 1, np.bool_)
    within[ends[:-1] - 1] = False  # the last character of a text and the first of the next
    pairs = ((codes[:-1] << np.uint64(bits)) | codes[1:])[within]
    return pairs, np.concatenate([[0], ends[:-1]]) - np.arange(len(texts))


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the values scrambled by the finalizer of SplitMix64 (Steele et al. 2014)."""
    import numpy as np

    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _buckets(keys: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the buckets of texts with the same key in a band, which have two texts or more.

    They are the number of the bucket, ascending, and the text of each place in one, where texts are ascending."""
    import numpy as np

    buckets, members = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    number = 0
    for band in keys:
        order = np.argsort(band, kind="stable")
        is_equal = np.diff(band[order]) == 0
        bucket = number + np.cumsum(np.concatenate([[True], ~is_equal])[: len(order)])
        is_shared = np.zeros(len(order), np.bool_)
        is_shared[:-1] |= is_equal
        is_shared[1:] |= is_equal
        buckets.append(bucket[is_shared])
        members.append(order[is_shared])
        number += len(order)
    return np.concatenate(buckets), np.concatenate(members)


def _max_differences(lengths: NDArray[np.int64]) -> NDArray[Any]:
    """Return the largest number of pairs that only one of two similar texts has, from the sum of their lengths."""
    return (lengths - 2) * (1 - MIN_SIMILARITY) / (1 + MIN_SIMILARITY) + 1e-6


def _are_similar(
    texts: Sequence[str], one: NDArray[np.int64], other: NDArray[np.int64]
) -> Generator[Progress, None, NDArray[np.bool_]]:
    """Return for each of the texts `one` whether it is similar to that of the texts `other`."""
    import numpy as np

    # Two texts may be in several buckets.
    pairs, places = np.unique(one * len(texts) + other, return_inverse=True)
    results = np.empty(len(pairs), np.bool_)
    for start in range(0, len(pairs), STEP):
        part = slice(start, start + STEP)
        ones, others = ([texts[index] for index in side.tolist()] for side in np.divmod(pairs[part], len(texts)))
        results[part] = _share_most_pairs(ones, others)
        yield Progress("grouping", len(texts), len(texts))
    return results[places]


def _share_most_pairs(ones: Sequence[str], others: Sequence[str]) -> NDArray[np.bool_]:
    """Return whether the Jaccard index of the pairs of each two texts is MIN_SIMILARITY or more."""
    import numpy as np

    def number_of(pairs: NDArray[np.uint64]) -> NDArray[np.int64]:
        return np.bincount((pairs >> np.uint64(2 * _CODE_BITS)).astype(np.int64), minlength=len(ones))

    one, other = _numbered_pairs(ones), _numbered_pairs(others)
    shared = number_of(np.intersect1d(one, other, assume_unique=True))
    result: NDArray[np.bool_] = shared >= MIN_SIMILARITY * (number_of(one) + number_of(other) - shared)
    return result


def _numbered_pairs(texts: Sequence[str]) -> NDArray[np.uint64]:
    """Return the different pairs of each text with the index of the text above them, ascending."""
    import numpy as np

    pairs, starts = _pairs(texts, _CODE_BITS)
    texts_of = np.repeat(np.arange(len(texts), dtype=np.uint64), np.diff(starts, append=len(pairs)))
    numbered = np.sort(pairs | (texts_of << np.uint64(2 * _CODE_BITS)))
    different: NDArray[np.uint64] = numbered[np.diff(numbered, prepend=~numbered[:1]) != 0]  # np.unique is slower
    return different

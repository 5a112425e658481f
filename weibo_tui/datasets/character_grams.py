"""Counts of the characters of posts, one, two and three at a time, as a sparse matrix.

scikit-learn's CountVectorizer gives the same counts, but reads one n-gram at a time and takes several times as long.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from weibo_tui.progress import Progress
from weibo_tui.text.cleaning import MAX_POST_LENGTH, PREPROCESSING, clean

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Matrix: TypeAlias = Any
"""A `scipy.sparse.csr_array`. SciPy has no types of its own."""

LONGEST = 3
"""Characters of the longest n-grams."""

MAX_GRAMS = 500_000
"""Different n-grams, the most frequent ones. 100,000 posts have three times as many, of which most are noise."""

_STEP = 2000  # posts that are counted together
_CODE_BITS = 21  # of a character's code point, so that three of them fit into 64 bits


def count_grams(
    posts: Sequence[str], preprocessing: int = PREPROCESSING, stage: str = "counting"
) -> Generator[Progress, None, Matrix]:
    """Return the counts (posts, n-grams) in float32 of the n-grams that two cleaned posts or more contain.

    Of more than MAX_GRAMS, those that most posts contain. Upper and lower case are the same."""
    import numpy as np

    parts: list[_Counts] = []
    for start in range(0, len(posts), _STEP):
        batch = posts[start : start + _STEP]
        parts.append(_count([clean(post[:MAX_POST_LENGTH], preprocessing).text.lower() for post in batch]))
        yield Progress(stage, start + len(batch), len(posts))
    every = np.concatenate([np.zeros(0, np.int64), *(part.grams for part in parts)])
    grams, frequencies = np.unique(every, return_counts=True)
    del every  # a gigabyte, with a million posts
    columns = np.flatnonzero(frequencies > 1)
    if len(columns) > MAX_GRAMS:
        columns = np.sort(columns[np.argsort(-frequencies[columns], kind="stable")[:MAX_GRAMS]])
    return _matrix(parts, grams[columns])


@dataclass(frozen=True, slots=True)
class _Counts:
    """The n-grams of some texts, sorted by text, and then by n-gram: `sizes` (texts,) are the numbers of each text."""

    grams: NDArray[np.int64]
    counts: NDArray[np.uint16]
    sizes: NDArray[np.int64]


def _count(texts: Sequence[str]) -> _Counts:
    import numpy as np

    # A zero ends each text. No n-gram may contain it.
    joined = "".join(text.replace("\0", " ") + "\0" for text in texts)
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), "<u4").astype(np.int64)
    owners = np.cumsum(codes == 0) - (codes == 0)
    grams, valid = codes, codes != 0
    pairs = [(owners[valid], grams[valid])]
    for length in range(2, LONGEST + 1):
        following = codes[length - 1 :]
        grams, valid = grams[:-1] << _CODE_BITS | following, valid[:-1] & (following != 0)
        pairs.append((owners[: len(grams)][valid], grams[valid]))
    text, gram = (np.concatenate(column) for column in zip(*pairs, strict=True))
    order = np.lexsort((gram, text))
    text, gram = text[order], gram[order]
    first = np.flatnonzero(np.diff(text, prepend=-1) | np.diff(gram, prepend=-1))
    counts = np.diff(first, append=len(text)).astype(np.uint16)
    return _Counts(gram[first], counts, np.bincount(text[first], minlength=len(texts)))


def _matrix(parts: Sequence[_Counts], grams: NDArray[np.int64]) -> Matrix:
    """Return the counts of the sorted `grams` as a matrix."""
    import numpy as np
    from scipy.sparse import csr_array

    counts, columns, sizes = [np.zeros(0, np.uint16)], [np.zeros(0, np.int32)], [np.zeros(1, np.int64)]
    for part in parts:
        places = np.searchsorted(grams, part.grams)
        known = np.append(grams, -1)[places] == part.grams
        counts.append(part.counts[known])
        columns.append(places[known].astype(np.int32))
        texts = np.repeat(np.arange(len(part.sizes)), part.sizes)
        sizes.append(np.bincount(texts[known], minlength=len(part.sizes)))
    starts = np.cumsum(np.concatenate(sizes))
    values = np.concatenate(counts).astype(np.float32)
    return csr_array((values, np.concatenate(columns), starts.astype(np.int32)), shape=(len(starts) - 1, len(grams)))

"""Train, validation and test, so that no text stands in two of them.

Posts that share their normalised text, or any part of a repost chain, form one group, and no group is cut. So do posts
that share these without emoticons, punctuation, digits and topics, since a score card says what is right without
emoticons, and near-duplicates. Parts count whatever their length. On weibo_senti_100k "[哈哈]" and its like so weld a
fifth of the posts into one group, with as many of both labels; it goes to train whole, and enough is left for
validation and test.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from weibo_tui.datasets.near_duplicates import near_duplicates
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.progress import Progress, drain
from weibo_tui.text import normalise, repost_parts, words_only

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

STEP = 1000  # posts between two steps of progress
GROUPING = 2
"""Version of `group_steps`. A run records the one that it was begun with, and is resumed with the same split."""

Indices: TypeAlias = "NDArray[np.int64]"


@dataclass(frozen=True, slots=True)
class Split:
    """Indices of posts, ascending; each post is in exactly one of the three."""

    train: Indices
    validation: Indices
    test: Indices


def split(
    posts: Sequence[str], labels: Sequence[int], validation: float = 0.1, test: float = 0.1, seed: int = 0
) -> Split:
    """`split_steps`, pulled to its end."""
    return drain(split_steps(posts, labels, validation, test, seed))


def split_steps(
    posts: Sequence[str],
    labels: Sequence[int],
    validation: float = 0.1,
    test: float = 0.1,
    seed: int = 0,
    grouping: int = GROUPING,
) -> Generator[Progress, None, Split]:
    """Split posts by group, stratified: each label gives `validation` and `test` of its posts to those parts.

    The same posts, labels and seed give the same split on every machine. A label of three groups or more
    stands in all three parts (unless groups of several labels leave no way), one of fewer in train first.
    A share of 0 leaves its part empty. UserInputError when the groups are too few to fill every part.
    """
    import numpy as np

    groups = yield from group_steps(posts, grouping)
    shares = {"test": test, "validation": validation}
    wanted = {part: share for part, share in shares.items() if share > 0}
    parts = yield from _deal_steps(groups, labels, wanted, seed)
    if not all(parts.values()):
        message = _(
            "The {posts} posts form {groups} groups of similar texts, too few to train and test on. Add posts that "
            "differ in more than emoticons, punctuation and digits and do not repost each other."
        )
        raise UserInputError(message.format(posts=len(posts), groups=len(groups)))
    arrays = {part: np.sort(np.array(indices, dtype=np.int64)) for part, indices in parts.items()}
    none = np.array([], dtype=np.int64)
    return Split(arrays["train"], arrays.get("validation", none), arrays.get("test", none))


def group_steps(posts: Sequence[str], grouping: int = GROUPING) -> Generator[Progress, None, list[list[int]]]:
    """Return the groups of posts that share a text, directly or through others, in order of their first posts.

    Version 1 compares normalized posts and parts of repost chains. Version 2 also compares what `words_only` leaves of
    each, and near-duplicates of it.
    """
    parents = list(range(len(posts)))
    first: dict[str, int] = {}
    words: dict[str, int] = {}

    def root(post: int) -> int:
        while parents[post] != post:
            parents[post] = parents[parents[post]]
            post = parents[post]
        return post

    def join(one: int, other: int) -> None:
        if one != other:
            one, other = root(one), root(other)
            parents[max(one, other)] = min(one, other)

    for index, post in enumerate(posts):
        for part in dict.fromkeys((post, *repost_parts(post))):
            text = normalise(part)
            # A post without a text, such as one of a name alone, shares that with its like.
            if text or part is post:
                join(index, first.setdefault(text, index))
            if grouping > 1 and (bare := words_only(text)):
                join(index, words.setdefault(bare, index))
        if (index + 1) % STEP == 0:
            yield Progress("grouping", index + 1, len(posts))
    texts = list(words)
    similar = yield from near_duplicates(texts)
    for one, other in similar:
        join(words[texts[one]], words[texts[other]])
    groups: dict[int, list[int]] = {}
    for index in range(len(posts)):
        groups.setdefault(root(index), []).append(index)
    return list(groups.values())


def _deal_steps(
    groups: list[list[int]], labels: Sequence[int], shares: dict[str, float], seed: int
) -> Generator[Progress, None, dict[str, list[int]]]:
    """Which posts go to which part: one group of every label to every part, then the rest in random order.

    A group goes to the first part that still wants as many posts of each of its labels, else to train; so a
    part gets its share and no more, and a group larger than that share is for train.
    """
    order = list(range(len(groups)))
    random.Random(seed).shuffle(order)
    contents = [_content(group, labels) for group in groups]
    totals = Counter(labels)
    wanted = {part: {label: round(share * n) for label, n in totals.items()} for part, share in shares.items()}
    parts: dict[str, list[int]] = {part: [] for part in (*shares, "train")}
    placed = _seeds(order, groups, contents, list(parts))
    for done, group in enumerate(order):
        if done % STEP == 0:
            yield Progress("dealing", done, len(order))
        content = contents[group]
        part = placed.get(group) or next(
            (part for part, want in wanted.items() if all(n <= want[label] for label, n in content.items())),
            "train",
        )
        if part in wanted:
            for label, n in content.items():
                wanted[part][label] -= n
        parts[part] += groups[group]
    return parts


def _content(group: list[int], labels: Sequence[int]) -> dict[int, int]:
    """How many posts of a group bear each label. Most groups are one post, and a Counter is slow there."""
    if len(group) == 1:
        return {labels[group[0]]: 1}
    return Counter(labels[post] for post in group)


def _seeds(
    order: list[int], groups: list[list[int]], contents: list[dict[int, int]], parts: list[str]
) -> dict[int, str]:
    """One group of every label for every part, the smallest at hand; labels of few groups choose first."""
    of_label: dict[int, list[int]] = {}
    for group in order:
        for label in contents[group]:
            of_label.setdefault(label, []).append(group)
    placed: dict[int, str] = {}
    for candidates in sorted(of_label.values(), key=len):
        candidates.sort(key=lambda group: len(groups[group]))
        have = {placed[group] for group in candidates if group in placed}
        free = [group for group in candidates if group not in placed]
        needy = [part for part in parts if part not in have]
        if len(free) < len(needy):
            filled = Counter(placed.values())
            needy.sort(key=lambda part: (part != "train", filled[part]))
        placed.update(zip(free, needy, strict=False))
    return placed

"""Splits into train, validation and test in which no text occurs twice.

Posts that share their normalized text, or any part of a repost chain, form one group, and no group is split. The same
holds for posts that share these without emoticons, punctuation, digits and topics, since a score card has an accuracy
without emoticons, and for near-duplicates. Parts of any length count. In weibo_senti_100k, "[哈哈]" and the like join a
fifth of the posts into one group, with as many of both labels. It goes to train, and enough is left for the rest.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

from weibo_tui.datasets.near_duplicates import near_duplicates
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.progress import Progress, drain
from weibo_tui.text.boilerplate import without_boilerplate_all
from weibo_tui.text.cleaning import PREPROCESSING, normalize_all, repost_parts, words_only_all
from weibo_tui.text.keys import hash_text
from weibo_tui.text.simplified import simplified_all

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

STEP = 1000  # posts between two steps of progress
GROUPING_VERSION = 4
"""Version of `group_posts`. A run records its own, and is resumed with the same split."""

Indices: TypeAlias = "NDArray[np.int64]"


@dataclass(frozen=True, slots=True)
class Split:
    """Indices of posts, ascending. Each post is in exactly one of the three, except the `leaks`, which are left out."""

    train: Indices
    validation: Indices
    test: Indices
    leaks: int = 0


def split(
    posts: Sequence[str], labels: Sequence[int], validation: float = 0.1, test: float = 0.1, seed: int = 0
) -> Split:
    """Return the split of `split_with_progress`."""
    return drain(split_with_progress(posts, labels, validation, test, seed))


def split_with_progress(
    posts: Sequence[str],
    labels: Sequence[int],
    validation: float = 0.1,
    test: float = 0.1,
    seed: int = 0,
    grouping: int = GROUPING_VERSION,
    own_parts: Mapping[str, Sequence[int]] = MappingProxyType({}),
) -> Generator[Progress, None, Split]:
    """Split posts by group, stratified: each label gives the shares `validation` and `test` of its posts.

    The same posts, labels and seed give the same split on every machine. A label of three groups or more is in all
    three parts (unless groups of several labels make that impossible), one of fewer in train first. A share of 0 leaves
    its part empty. Raise UserInputError when there are too few groups to fill every part.

    `own_parts` are the posts of "validation" or "test" that have a file of their own. The other posts fill the other
    parts. A post that is in the group of one in the test file, or else in the validation file, is left out as a leak.
    """
    import numpy as np

    groups = yield from group_posts(posts, grouping)
    groups, fixed, leaks = _separate(groups, own_parts)
    if own_parts and not (groups and all(fixed.values())):
        message = _(
            "All posts of one file are in another one too. Choose other files for training, validation and test."
        )
        raise UserInputError(message)
    shares = {"test": test, "validation": validation}
    shares = {part: share for part, share in shares.items() if share > 0 and part not in own_parts}
    parts = fixed | (yield from _assign_groups(groups, labels, shares, seed))
    if not all(parts.values()):
        message = _(
            "The {posts} posts form only {groups} groups of similar texts, too few to train and test on. Add "
            "posts that differ in more than emoticons, punctuation and digits, and are not reposts of each "
            "other."
        )
        raise UserInputError(message.format(posts=len(posts), groups=len(groups)))
    arrays = {part: np.sort(np.array(indices, dtype=np.int64)) for part, indices in parts.items()}
    empty = np.array([], dtype=np.int64)
    return Split(arrays["train"], arrays.get("validation", empty), arrays.get("test", empty), leaks)


def _separate(
    groups: list[list[int]], own_parts: Mapping[str, Sequence[int]]
) -> tuple[list[list[int]], dict[str, list[int]], int]:
    """Return the groups without a post of own parts, the posts of these parts, and the number of leaks."""
    part_of = {post: part for part, posts in own_parts.items() for post in posts}
    others: list[list[int]] = []
    fixed: dict[str, list[int]] = {part: [] for part in own_parts}
    leaks = 0
    for group in groups:
        owners = [part_of.get(post, "train") for post in group]
        part = next(part for part in ("test", "validation", "train") if part in owners)
        if part == "train":
            others.append(group)
            continue
        kept = [post for post, owner in zip(group, owners, strict=True) if owner == part]
        fixed[part] += kept
        leaks += len(group) - len(kept)
    return others, fixed, leaks


def group_posts(posts: Sequence[str], grouping: int = GROUPING_VERSION) -> Generator[Progress, None, list[list[int]]]:
    """Return the groups of posts that share a text, directly or through others, in order of their first posts.

    Version 1 compares normalized posts and parts of repost chains. Version 2 also compares what `words_only` leaves of
    each, and near-duplicates of it. Version 3 compares all of these without HTML and what crawlers add, version 4 with
    simplified characters too.
    """
    parents = list(range(len(posts)))  # a union-find forest
    first_by_text: dict[str, int] = {}
    first_by_words: dict[str, int] = {}

    def root(post: int) -> int:
        while parents[post] != post:
            parents[post] = parents[parents[post]]
            post = parents[post]
        return post

    def join(post: int, other: int) -> None:
        post, other = root(post), root(other)
        parents[max(post, other)] = min(post, other)

    for start in range(0, len(posts), STEP):
        wholes = posts[start : start + STEP]
        wholes = without_boilerplate_all(wholes) if grouping > 2 else wholes
        wholes = simplified_all(wholes) if grouping > 3 else wholes
        parts = [dict.fromkeys((whole, *repost_parts(whole))) for whole in wholes]
        indices = [index for index, own in enumerate(parts, start) for _part in own]
        texts = normalize_all([part for own in parts for part in own], 1)
        words = words_only_all(texts) if grouping > 1 else [""] * len(texts)
        previous = -1
        for index, text, word in zip(indices, texts, words, strict=True):
            # A post without a text, for example of a name alone, shares that with others of its kind.
            if (text or index != previous) and (first := first_by_text.setdefault(text, index)) != index:
                join(index, first)
            if word and (first := first_by_words.setdefault(word, index)) != index:
                join(index, first)
            previous = index
        yield Progress("grouping", start + len(wholes), len(posts))
    posts_of_words = list(first_by_words.values())
    similar = yield from near_duplicates(list(first_by_words))
    for earlier, later in similar:
        join(posts_of_words[earlier], posts_of_words[later])
    groups: dict[int, list[int]] = {}
    for index in range(len(posts)):
        groups.setdefault(root(index), []).append(index)
    return list(groups.values())


def _assign_groups(
    groups: list[list[int]], labels: Sequence[int], shares: dict[str, float], seed: int
) -> Generator[Progress, None, dict[str, list[int]]]:
    """Return the posts of each part: one group of every label in every part, then the rest in random order.

    A group goes to the first part that still needs as many posts of each of its labels, otherwise to train. So a part
    gets no more than its share, and a group larger than that goes to train.
    """
    order = list(range(len(groups)))
    random.Random(seed).shuffle(order)
    label_counts = [_count_labels(group, labels) for group in groups]
    totals = Counter(labels[post] for group in groups for post in group)
    needed = {part: {label: round(share * n) for label, n in totals.items()} for part, share in shares.items()}
    parts: dict[str, list[int]] = {part: [] for part in (*shares, "train")}
    assigned = _assign_one_of_each_label(order, groups, label_counts, list(parts))
    for done, group in enumerate(order):
        if done % STEP == 0:
            yield Progress("splitting", done, len(order))
        counts = label_counts[group]
        part = assigned.get(group) or next(
            (part for part, need in needed.items() if all(n <= need[label] for label, n in counts.items())),
            "train",
        )
        if part in needed:
            for label, n in counts.items():
                needed[part][label] -= n
        parts[part] += groups[group]
    return parts


def _count_labels(group: list[int], labels: Sequence[int]) -> dict[int, int]:
    if len(group) == 1:  # as most are, and a Counter is slow there
        return {labels[group[0]]: 1}
    return Counter(labels[post] for post in group)


def _assign_one_of_each_label(
    order: list[int], groups: list[list[int]], label_counts: list[dict[int, int]], parts: list[str]
) -> dict[int, str]:
    """Return the part of one small group of every label for every part. Labels of few groups choose first."""
    groups_by_label: dict[int, list[int]] = {}
    for group in order:
        for label in label_counts[group]:
            groups_by_label.setdefault(label, []).append(group)
    assigned: dict[int, str] = {}
    for candidates in sorted(groups_by_label.values(), key=len):
        candidates.sort(key=lambda group: len(groups[group]))
        filled = {assigned[group] for group in candidates if group in assigned}
        free = [group for group in candidates if group not in assigned]
        missing = [part for part in parts if part not in filled]
        if len(free) < len(missing):
            sizes = Counter(assigned.values())
            missing.sort(key=lambda part: (part != "train", sizes[part]))
        assigned.update(zip(free, missing, strict=False))
    return assigned


def hash_texts(
    posts: Sequence[str], version: int = PREPROCESSING
) -> Generator[Progress, None, tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Return two hashes of 64 bits for each post, (n,) and (n,), which keep none of its text.

    The first are equal where `normalize` of this version gives the same text, the second where `words_only` leaves the
    same of it.
    """
    import numpy as np

    texts, words = np.empty(len(posts), np.int64), np.empty(len(posts), np.int64)
    for start in range(0, len(posts), STEP):
        normalized = normalize_all(posts[start : start + STEP], version)
        part = slice(start, start + len(normalized))
        texts[part] = [hash_text(text) for text in normalized]
        words[part] = [
            hash_text(words or text) for words, text in zip(words_only_all(normalized), normalized, strict=True)
        ]
        yield Progress("hashing", part.stop, len(posts))
    return texts, words

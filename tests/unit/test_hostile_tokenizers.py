"""A `tokenizer.json` that would fill the memory, search without end or break the process is refused before it is used;
what real bases bring goes on working."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import english
import models
import numpy as np
import pytest
from bounds import little_memory, sparse
from commands import listing
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from weibo_tui.engine import tokenizer_check
from weibo_tui.engine.tokenizer import PostTokenizer, SpecialTokens, rust_errors
from weibo_tui.engine.vocabulary import build_tokenizer
from weibo_tui.errors import UserInputError, WeiboTuiError
from weibo_tui.registry.bases import Bases

Definition = dict[str, Any]


def definition(**changes: Any) -> Definition:
    """That of the tests' own base."""
    made: Definition = json.loads(build_tokenizer(models.TOKENS).to_str())
    return made | changes


def sequence(part: str, *steps: Definition) -> Definition:
    inner = {"normalizer": "normalizers", "pre_tokenizer": "pretokenizers", "post_processor": "processors"}[part]
    return {part: {"type": "Sequence", inner: list(steps)}}


def replace(pattern: Definition, content: str) -> Definition:
    return {"type": "Replace", "pattern": pattern, "content": content}


def split(pattern: Definition) -> Definition:
    return {"type": "Split", "pattern": pattern, "behavior": "Isolated", "invert": False}


def charsmap(root: int = 256 << 10, child: int = 0x61 | 0x100 | 0xE1 << 10, leaf: int = 1 << 31, size: int = 0) -> str:
    """SentencePiece's table for one character, which writes an a as a b; or a broken one."""
    units = np.zeros(512, "<u4")
    units[0], units[0x161], units[0x180] = root, child, leaf
    return base64.b64encode((size or units.nbytes).to_bytes(4, "little") + units.tobytes() + b"b\0").decode()


def precompiled(table: str) -> Definition:
    return {"type": "Precompiled", "precompiled_charsmap": table}


def model(**changes: Any) -> Definition:
    return {"model": definition()["model"] | changes}


BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
ADDED = {"content": "x", "single_word": False, "lstrip": False, "rstrip": False, "normalized": True, "special": False}

BOMBS: dict[str, tuple[Callable[[], Definition], str]] = {
    "letters doubled": (lambda: {"normalizer": replace({"String": "a"}, "aa")}, "normalizer Replace"),
    "letters doubled again and again": (
        lambda: sequence("normalizer", *[replace({"String": "a"}, "aa")] * 36),
        "normalizer Sequence",
    ),
    "something out of nothing": (lambda: {"normalizer": replace({"String": ""}, "")}, "normalizer Replace"),
    "expression without end": (lambda: {"normalizer": replace({"Regex": "(a+)+$"}, "")}, "normalizer Replace"),
    "expression that splits without end": (
        lambda: {"pre_tokenizer": split({"Regex": "^(a|aa|a*)*b$"})},
        "pre_tokenizer Split",
    ),
    "bytes of bytes of bytes": (lambda: sequence("pre_tokenizer", *[BYTES] * 12), "pre_tokenizer .ByteLevel"),
    "much before each text": (
        lambda: {"normalizer": {"type": "Prepend", "prepend": "x" * 10**6}},
        "normalizer Prepend",
    ),
    "nothing before each text": (lambda: {"normalizer": {"type": "Prepend", "prepend": ""}}, "normalizer Prepend"),
    "steps within steps": (
        lambda: sequence("normalizer", {"type": "Sequence", "normalizers": []}),
        "normalizer 'Sequence'",
    ),
    "table that is none": (lambda: {"normalizer": precompiled("AAAA////")}, "normalizer Precompiled"),
    "table that is no base64": (lambda: {"normalizer": precompiled("字")}, "normalizer Precompiled"),
    "table with a lying size": (lambda: {"normalizer": precompiled(charsmap(size=2**31))}, "normalizer Precompiled"),
    "table that leads out of itself": (
        lambda: {"normalizer": precompiled(charsmap(root=1 << 28))},
        "normalizer Precompiled",
    ),
    "table with a leaf that is none": (lambda: {"normalizer": precompiled(charsmap(leaf=9))}, "normalizer Precompiled"),
    "table that writes what is not there": (
        lambda: {"normalizer": precompiled(charsmap(leaf=1 << 31 | 7))},
        "normalizer Precompiled",
    ),
    "pieces of no length": (lambda: {"pre_tokenizer": {"type": "FixedLength", "length": 0}}, "'FixedLength'"),
    "a kind of its own": (lambda: {"normalizer": {"type": "Mine"}}, "normalizer 'Mine'"),
    "a kind that is no word": (lambda: {"normalizer": {"type": ["NFC"]}}, "normalizer list"),
    "a key of a component": (lambda: {"normalizer": {"type": "NFC", "\x1b]0;x": 1}}, "normalizer NFC '.x1b]0;x'"),
    "a key of the model": (lambda: model(key=1), "model WordPiece 'key'"),
    "a key of an added token": (lambda: {"added_tokens": [ADDED | {"id": 0, "key": 1}]}, "added_tokens 'key'"),
    "an added token without end": (
        lambda: {"added_tokens": [ADDED | {"id": 0, "content": "x" * 1001}]},
        "added_tokens content",
    ),
    "a pattern without end": (lambda: {"pre_tokenizer": split({"String": "x" * 1001})}, "pre_tokenizer Split"),
    "a key of its own": (lambda: {"key": 1}, "'key'"),
    "words tried at every end": (lambda: model(max_input_chars_per_word=10**9), "max_input_chars_per_word"),
    "chance": (lambda: model(dropout=0.5), "dropout"),
    "a crowd of added tokens": (lambda: {"added_tokens": [ADDED] * 60_000}, "more than 50000 added tokens"),
    "prefix longer than what it is before": (
        lambda: {
            "model": {
                "type": "BPE",
                "continuing_subword_prefix": "#" * 99,
                "vocab": {"a": 0, "b": 1},
                "merges": [["a", "b"]],
            }
        },
        "continuing_subword_prefix",
    ),
}


@pytest.mark.parametrize(("bomb", "said"), BOMBS.values(), ids=BOMBS)
def test_tokenizer_that_would_run_away_is_refused_unused(bomb: Callable[[], Definition], said: str) -> None:
    text = json.dumps(definition(**bomb()))
    with little_memory(), pytest.raises(UserInputError, match=f"The tokenizer was refused, .*{said}") as refused:
        PostTokenizer(text, SpecialTokens((), (), 0), len(models.TOKENS))
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"model": 1}', "[" * 10**5, '{"a": ' * 5000, '{"model": {}, "model": {}}']
)
def test_what_is_no_definition_says_so(text: str) -> None:
    with pytest.raises(WeiboTuiError, match="The tokenizer") as refused:
        PostTokenizer(text, SpecialTokens((), (), 0), 9)
    assert "\n" not in str(refused.value)


def test_definition_too_large_is_not_parsed() -> None:
    text = " " * (tokenizer_check.LARGEST_DEFINITION + 1)
    with little_memory(2**28), pytest.raises(UserInputError, match="more than 33554432 characters"):
        PostTokenizer(text, SpecialTokens((), (), 0), 9)


def test_key_that_stands_twice_hides_nothing() -> None:
    bomb = json.dumps(replace({"Regex": "(a+)+$"}, ""))
    text = json.dumps(definition(normalizer=None))
    text = text.replace('"normalizer": null', f'"normalizer": {bomb}, "normalizer": null')
    assert json.loads(tokenizer_check.canonical(text))["normalizer"] is None
    PostTokenizer(text, SpecialTokens((), (), 0), len(models.TOKENS)).encode(["a" * 40 + "!"], 9)


def test_panic_of_the_library_is_a_sentence(capfd: pytest.CaptureFixture[str]) -> None:
    """As of an expression that gives up; its own kind of error is none of Python's ordinary ones."""
    broken = Tokenizer.from_str(json.dumps(definition(normalizer=replace({"Regex": "(a+)+$"}, ""))))
    with pytest.raises(WeiboTuiError, match="The tokenizer cannot be read: ") as refused, rust_errors():
        broken.encode("a" * 40 + "!")
    assert "\n" not in str(refused.value)
    with pytest.raises(KeyboardInterrupt), rust_errors():
        raise KeyboardInterrupt


@pytest.mark.parametrize("where", ["tokenizer.json", "archive"])
def test_base_with_such_a_tokenizer_is_refused_and_nothing_is_left(tmp_path: Path, where: str) -> None:
    source = models.write_folder(tmp_path / "from", models.reference(), tokens="tokenizer.json")
    bases = Bases(tmp_path / "bases")
    bases.add(source, "good")
    place = source if where == "tokenizer.json" else bases.path("good")
    text = json.dumps(definition(**BOMBS["letters doubled again and again"][0]()))
    (place / "tokenizer.json").write_text(text, encoding="utf-8")
    if where == "archive":
        card = json.loads((place / "card.json").read_bytes())
        card["sha256"]["tokenizer.json"] = hashlib.sha256(text.encode()).hexdigest()
        (place / "card.json").write_text(json.dumps(card), encoding="utf-8")
    before = listing(tmp_path)
    with little_memory(), pytest.raises(UserInputError, match="The tokenizer was refused") as refused:
        if where == "archive":
            list(bases.import_model(place, "bad"))
        else:
            bases.add(source, "bad")
    assert "\n" not in str(refused.value)
    assert listing(tmp_path) == before


@pytest.mark.parametrize("name", ["vocab.txt", "vocab.json", "merges.txt", "tokenizer.json"])
def test_tokenizer_file_of_gigabytes_is_not_opened(tmp_path: Path, name: str) -> None:
    source = models.write_folder(tmp_path / "from", models.reference())
    sparse(source / name, 5 * 10**9)
    with little_memory(), pytest.raises(UserInputError, match=f"{name} was refused: it is too large"):
        Bases(tmp_path / "bases").add(source, "one")
    assert not (tmp_path / "bases").exists()


def test_padding_and_truncation_of_a_tokenizer_are_left_behind(tmp_path: Path) -> None:
    source = models.write_folder(tmp_path / "from", models.reference(), tokens="tokenizer.json")
    padding = {"strategy": {"Fixed": 2**40}, "direction": "Right", "pad_to_multiple_of": None, "pad_id": 0}
    padding |= {"pad_type_id": 0, "pad_token": "[PAD]"}
    truncation = {"direction": "Right", "max_length": 1, "strategy": "LongestFirst", "stride": 0}
    bases = Bases(tmp_path / "bases")
    plain = bases.add(source, "plain")
    text = json.dumps(definition(padding=padding, truncation=truncation))
    (source / "tokenizer.json").write_text(text, encoding="utf-8")
    with little_memory():
        card = bases.add(source, "padded")
    assert card.fingerprint == plain.fingerprint
    kept = json.loads((bases.path("padded") / "tokenizer.json").read_bytes())
    assert (kept["padding"], kept["truncation"]) == (None, None)


UNIGRAM = {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0], ["▁", -1.0], ["b", -2.0]], "byte_fallback": False}
XLNET = {
    "model": UNIGRAM,
    "normalizer": {
        "type": "Sequence",
        "normalizers": [
            replace({"String": "``"}, '"'),
            replace({"String": "''"}, '"'),
            {"type": "NFKD"},
            {"type": "StripAccents"},
            precompiled(charsmap()),
            replace({"Regex": " {2,}"}, " "),
        ],
    },
    "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True},
    "post_processor": None,
    "decoder": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True},
    "added_tokens": [],
}


def test_tokenizers_as_real_bases_bring_them_are_taken() -> None:
    for text in (english.bpe().to_str(), build_tokenizer(models.TOKENS).to_str()):
        tokenizer_check.canonical(text)
    merging = split({"String": " "}) | {"behavior": "MergedWithPrevious"}  # Gemma's
    tokenizer_check.canonical(json.dumps(definition(pre_tokenizer=merging)))
    tokenizer = PostTokenizer(json.dumps(definition(**XLNET)), SpecialTokens((), (), 0), 3)
    assert tokenizer.encode(["a"], 9).ids.tolist() == [1, 2]  # an a is written as a b, behind a blank


SCALARS = st.none() | st.booleans() | st.integers(-9, 2**40) | st.text(max_size=4) | st.just("Sequence")
JSON = st.recursive(
    SCALARS, lambda one: st.lists(one, max_size=3) | st.dictionaries(st.text(max_size=4), one, max_size=3)
)
KINDS = st.sampled_from(sorted(kind for kinds in tokenizer_check.COMPONENTS.values() for kind in kinds))


@given(st.sampled_from(sorted(definition())), KINDS, st.dictionaries(st.text(max_size=9), JSON, max_size=3), JSON)
def test_any_part_changed_gives_a_tokenizer_or_words(part: str, kind: str, step: Definition, other: Any) -> None:
    for value in ({"type": kind} | step, other):
        try:
            made = PostTokenizer(json.dumps(definition(**{part: value})), SpecialTokens((), (), 0), len(models.TOKENS))
            made.encode(["好a A1"], 16)
        except WeiboTuiError as error:
            assert "\n" not in str(error)

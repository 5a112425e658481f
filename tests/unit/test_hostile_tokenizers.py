"""A `tokenizer.json` that would fill the memory, search without end or break the process is refused before it is used;
what real bases bring goes on working."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import english
import models
import pytest
from bounds import little_memory, sparse
from commands import listing
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from weibo_tui.engine import tokenizer_check
from weibo_tui.engine.tokenizer import PostTokenizer, SpecialTokens, translate_tokenizer_errors
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


def model(**changes: Any) -> Definition:
    return {"model": definition()["model"] | changes}


BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
ADDED = {"content": "x", "single_word": False, "lstrip": False, "rstrip": False, "normalized": True, "special": False}

BOMBS: dict[str, tuple[Callable[[], Definition], str]] = {
    "letters doubled": (lambda: {"normalizer": replace({"String": "a"}, "aa")}, "normalizer 'Replace'"),
    "letters doubled again and again": (
        lambda: sequence("normalizer", *[replace({"String": "a"}, "aa")] * 36),
        "normalizer 'Replace'",
    ),
    "expression that splits without end": (
        lambda: {"pre_tokenizer": split({"Regex": "^(a|aa|a*)*b$"})},
        "pre_tokenizer Split 'pattern'",
    ),
    "bytes of bytes of bytes": (lambda: sequence("pre_tokenizer", *[BYTES] * 12), "pre_tokenizer .ByteLevel"),
    "steps within steps": (
        lambda: sequence("normalizer", {"type": "Sequence", "normalizers": []}),
        "normalizer 'Sequence'",
    ),
    "table of characters": (
        lambda: {"normalizer": {"type": "Precompiled", "precompiled_charsmap": "AAAA////"}},
        "normalizer 'Precompiled'",
    ),
    "a kind of its own": (lambda: {"normalizer": {"type": "\x1b]0;x\n"}}, "normalizer '.x1b]0;x.n'"),
    "a kind that is no word": (lambda: {"normalizer": {"type": ["NFC"]}}, "normalizer "),
    "no component": (lambda: {"normalizer": [1]}, "normalizer 'int'"),
    "a long value": (
        lambda: {"pre_tokenizer": {"type": "Metaspace", "replacement": "x" * 1000}},
        "pre_tokenizer Metaspace 'replacement'",
    ),
    "an added token without end": (
        lambda: {"added_tokens": [ADDED | {"id": 0, "content": "x" * 1001}]},
        "added_tokens content",
    ),
    "words tried at every end": (lambda: model(max_input_chars_per_word=10**9), "max_input_chars_per_word"),
    "chance": (lambda: model(dropout=0.5), "dropout"),
    "a crowd of added tokens": (lambda: {"added_tokens": [ADDED] * 60_000}, "more than 50000 added tokens"),
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
    text = " " * (tokenizer_check.MAX_DEFINITION_LENGTH + 1)
    with little_memory(2**28), pytest.raises(UserInputError, match="more than 33554432 characters"):
        PostTokenizer(text, SpecialTokens((), (), 0), 9)


def test_key_that_stands_twice_hides_nothing() -> None:
    bomb = json.dumps(replace({"Regex": "(a+)+$"}, ""))
    text = json.dumps(definition(normalizer=None))
    text = text.replace('"normalizer": null', f'"normalizer": {bomb}, "normalizer": null')
    assert json.loads(tokenizer_check.check_definition(text))["normalizer"] is None
    PostTokenizer(text, SpecialTokens((), (), 0), len(models.TOKENS)).encode(["a" * 40 + "!"], 9)


def test_panic_of_the_library_is_a_sentence(capfd: pytest.CaptureFixture[str]) -> None:
    """As of an expression that gives up; its own kind of error is none of Python's ordinary ones."""
    broken = Tokenizer.from_str(json.dumps(definition(normalizer=replace({"Regex": "(a+)+$"}, ""))))
    with pytest.raises(WeiboTuiError, match="The tokenizer cannot be read: ") as refused, translate_tokenizer_errors():
        broken.encode("a" * 40 + "!")
    assert "\n" not in str(refused.value)
    with pytest.raises(KeyboardInterrupt), translate_tokenizer_errors():
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
            list(bases.take_in(place, "bad"))
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
SENTENCEPIECE = {
    "model": UNIGRAM,
    "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFKC"}, {"type": "Lowercase"}]},
    "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True},
    "added_tokens": [],
}


def test_tokenizers_as_real_bases_bring_them_are_taken() -> None:
    for text in (english.bpe().to_str(), build_tokenizer(models.TOKENS).to_str()):
        tokenizer_check.check_definition(text)
    tokenizer = PostTokenizer(json.dumps(definition(**SENTENCEPIECE)), SpecialTokens((), (), 0), 3)
    assert tokenizer.encode(["B"], 9).ids.tolist() == [1, 2]  # a blank is put before a text


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

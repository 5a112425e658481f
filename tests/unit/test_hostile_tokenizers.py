"""A `tokenizer.json` that would fill the memory, search forever or crash the process is refused before it is used."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import english
import models
import pytest
from bounds import little_memory, sparse
from commands import listing
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from weibo_tui.engine import tokenizer_check
from weibo_tui.engine.tokenizer import PostTokenizer, SpecialTokens, translate_tokenizer_errors
from weibo_tui.engine.vocabulary import build_tokenizer
from weibo_tui.errors import UserInputError, WeiboTuiError
from weibo_tui.registry.bases import Bases

Definition = dict[str, Any]


def definition(**changes: Any) -> Definition:
    """That of the tests' own base, with changes."""
    own: Definition = json.loads(build_tokenizer(models.TOKENS).to_str())
    return own | changes


def load(text: str, rows: int = len(models.TOKENS)) -> PostTokenizer:
    return PostTokenizer(text, SpecialTokens((), (), 0), rows)


def sequence(*steps: Definition) -> Definition:
    return {"type": "Sequence", "normalizers": list(steps)}


def replace(pattern: Definition, content: str) -> Definition:
    return {"type": "Replace", "pattern": pattern, "content": content}


def split(pattern: Definition) -> Definition:
    return {"type": "Split", "pattern": pattern, "behavior": "Isolated", "invert": False}


def model(**changes: Any) -> Definition:
    return {"model": definition()["model"] | changes}


BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
ADDED = {"content": "x", "single_word": False, "lstrip": False, "rstrip": False, "normalized": True, "special": False}
DOUBLING = replace({"String": "a"}, "aa")

BOMBS: dict[str, Definition] = {
    "letters doubled": {"normalizer": DOUBLING},
    "letters doubled again": {"normalizer": sequence(*[DOUBLING] * 36)},
    "expression without end": {"normalizer": replace({"Regex": "(a+)+$"}, "")},
    "split without end": {"pre_tokenizer": split({"Regex": "^(a|aa|a*)*b$"})},
    "bytes of bytes": {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [BYTES] * 12}},
    "long prefix": {"normalizer": {"type": "Prepend", "prepend": "x" * 10**6}},
    "nested sequence": {"normalizer": sequence(sequence())},
    "broken table": {"normalizer": {"type": "Precompiled", "precompiled_charsmap": "AAAA////"}},
    "unknown type": {"pre_tokenizer": {"type": "FixedLength", "length": 0}},
    "type that is a list": {"normalizer": {"type": ["NFC"]}},
    "long added token": {"added_tokens": [ADDED | {"id": 0, "content": "x" * 1001}]},
    "many added tokens": {"added_tokens": [ADDED] * 60_000},
    "long words": model(max_input_chars_per_word=10**9),
    "random merges": model(dropout=0.5),
    "long continuing prefix": model(continuing_subword_prefix="#" * 999),
}


def test_tokenizer_bomb_is_refused() -> None:
    for bomb in BOMBS.values():
        text = json.dumps(definition(**bomb))
        with little_memory(), pytest.raises(UserInputError, match="The tokenizer was refused, ") as refused:
            load(text)
        assert "\n" not in str(refused.value)
        assert len(str(refused.value)) < 300


def test_invalid_definition_is_a_sentence() -> None:
    for text in ("", "[]", '{"model": 1}', "[" * 10**5, '{"model": {}, "model": {}}'):
        with pytest.raises(WeiboTuiError, match="Cannot read the tokenizer: ") as refused:
            load(text)
        assert "\n" not in str(refused.value)


def test_definition_too_large_is_not_parsed() -> None:
    with little_memory(2**28), pytest.raises(UserInputError, match="more than 33554432 characters"):
        load(" " * (2**25 + 1))


def test_duplicate_key_hides_nothing() -> None:
    bomb = json.dumps(replace({"Regex": "(a+)+$"}, ""))
    text = json.dumps(definition(normalizer=None))
    load(text.replace('"normalizer": null', f'"normalizer": {bomb}, "normalizer": null')).encode(["a" * 40 + "!"], 9)


def test_panic_of_the_library_is_a_sentence() -> None:
    """A panic is no `Exception`."""
    broken = Tokenizer.from_str(json.dumps(definition(normalizer=replace({"Regex": "(a+)+$"}, ""))))
    with pytest.raises(WeiboTuiError, match="Cannot read the tokenizer: ") as refused, translate_tokenizer_errors():
        broken.encode("a" * 40 + "!")
    assert "\n" not in str(refused.value)
    with pytest.raises(KeyboardInterrupt), translate_tokenizer_errors():
        raise KeyboardInterrupt


@pytest.mark.parametrize("where", ["folder", "archive"])
def test_base_with_tokenizer_bomb_is_refused(tmp_path: Path, where: str) -> None:
    source = models.write_folder(tmp_path / "from", models.reference(), tokens="tokenizer.json")
    bases = Bases(tmp_path / "bases")
    bases.add(source, "good")
    folder = source if where == "folder" else bases.path("good")
    text = json.dumps(definition(**BOMBS["letters doubled again"]))
    (folder / "tokenizer.json").write_text(text, encoding="utf-8")
    if where == "archive":
        card = json.loads((folder / "card.json").read_bytes())
        card["sha256"]["tokenizer.json"] = hashlib.sha256(text.encode()).hexdigest()
        (folder / "card.json").write_text(json.dumps(card), encoding="utf-8")
    before = listing(tmp_path)
    with little_memory(), pytest.raises(UserInputError, match="The tokenizer was refused") as refused:
        if where == "archive":
            list(bases.import_model(folder, "bad"))
        else:
            bases.add(source, "bad")
    assert "\n" not in str(refused.value)
    assert listing(tmp_path) == before


def test_tokenizer_file_of_gigabytes_is_not_opened(tmp_path: Path) -> None:
    source = models.write_folder(tmp_path / "from", models.reference())
    for name in ("vocab.txt", "tokenizer.json"):
        sparse(source / name, 5 * 10**9)
        with little_memory(), pytest.raises(UserInputError, match=f"{name} was refused: it is too large"):
            Bases(tmp_path / "bases").add(source, "one")
        (source / name).write_bytes(b"")
    assert not (tmp_path / "bases").exists()


def test_padding_and_truncation_are_removed(tmp_path: Path) -> None:
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
    stored = json.loads((bases.path("padded") / "tokenizer.json").read_bytes())
    assert (stored["padding"], stored["truncation"]) == (None, None)


def test_tokenizers_of_gpt2_and_of_bert_are_accepted() -> None:
    load(english.bpe().to_str(), 60_000)
    load(json.dumps(definition()))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 2**40) | st.text(max_size=4) | st.just("Sequence"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
)
TYPES = st.sampled_from(sorted(kind for kinds in tokenizer_check.COMPONENTS.values() for kind in kinds))


@settings(max_examples=25)
@given(st.sampled_from(sorted(definition())), TYPES, st.dictionaries(st.text(max_size=9), JSON, max_size=3), JSON)
def test_any_part_changed_gives_a_tokenizer_or_a_sentence(part: str, kind: str, step: Definition, other: Any) -> None:
    for value in ({"type": kind} | step, other):
        try:
            load(json.dumps(definition(**{part: value}))).encode(["好a A1"], 16)
        except WeiboTuiError as error:
            assert "\n" not in str(error)

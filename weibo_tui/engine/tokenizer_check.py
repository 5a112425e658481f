"""The lists of what a tokenizer may hold that comes from outside: every component and every key.

The library does all that a `tokenizer.json` says. A chain of replacements can make terabytes of a word, and a regular
expression can search without end: loading it once, in a process of its own, does not show that. So what is not on the
lists is refused.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from typing import Any

import numpy as np

from weibo_tui.errors import CorruptFileError, UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.text.terminal import truncate

# No tokenizer in use comes near these.
LARGEST_DEFINITION = 2**25  # characters
MOST_STEPS = 16  # in one sequence
MOST_ADDED = 50_000  # loading takes time by their square
LONGEST_VALUE = 20  # characters of a prefix, a suffix, or the name of a mode
LONGEST_PATTERN = 1000  # characters of a pattern or of an added token; `tokenizer.REACH` relies on it
LONGEST_WORD = 200  # WordPiece tries every end of a word; BERT's has 100
LONGEST_NORMALISED = 64  # characters that one is written as; Unicode's own longest is 18

# By part and kind, the keys that a component may have. Older versions of the library wrote some of them.
COMPONENTS = {
    "normalizer": {
        "BertNormalizer": "clean_text handle_chinese_chars strip_accents lowercase",
        **dict.fromkeys(("NFC", "NFD", "NFKC", "NFKD", "Nmt", "Lowercase", "StripAccents", "ByteLevel"), ""),
        "Strip": "strip_left strip_right",
        "Replace": "pattern content",
        "Prepend": "prepend",
        "Precompiled": "precompiled_charsmap",
    },
    "pre_tokenizer": {
        **dict.fromkeys(("BertPreTokenizer", "Whitespace", "WhitespaceSplit", "UnicodeScripts"), ""),
        "ByteLevel": "add_prefix_space trim_offsets use_regex",
        "Metaspace": "replacement add_prefix_space prepend_scheme split str_rep",
        "Digits": "individual_digits",
        "Punctuation": "behavior",
        "Split": "pattern behavior invert",
    },
    "model": {
        "WordPiece": "vocab unk_token continuing_subword_prefix max_input_chars_per_word",
        "BPE": "vocab merges dropout unk_token continuing_subword_prefix end_of_word_suffix fuse_unk byte_fallback "
        "ignore_merges",
        "Unigram": "vocab unk_id byte_fallback",
        "WordLevel": "vocab unk_token",
    },
}
SEQUENCES = {"normalizer": "normalizers", "pre_tokenizer": "pretokenizers"}
REPEATED = ("Replace", "Split")  # all others are in a sequence once: twice, some of them would lengthen a text
ADDED_TOKEN = frozenset(("id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"))
# A post is framed, cut and padded here, and ids are not read back.
NOT_USED = frozenset(("version", "truncation", "padding", "post_processor", "decoder"))

EXPRESSIONS = frozenset(
    (
        " {2,}",
        r"\s+",
        # of GPT-2, and of those that came after it
        r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
        r"|\s+(?!\S)|\s+",
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
        r"|\s+(?!\S)|\s+",
    )
)


def canonical(definition: str) -> str:
    """Write a definition again, with what encodes a text alone. Raises UserInputError that names what is not on the
    lists, Damaged where it is no JSON object."""
    if len(definition) > LARGEST_DEFINITION:
        raise _refusal(_("more than {number} characters").format(number=LARGEST_DEFINITION))
    try:
        values = json.loads(definition)
    except (ValueError, RecursionError) as error:
        raise CorruptFileError(
            _("The tokenizer cannot be read: {error}.").format(error=truncate(str(error)))
        ) from error
    if not isinstance(values, dict) or not isinstance(values.get("model"), dict):
        raise CorruptFileError(_("The tokenizer cannot be read: {error}.").format(error=_("it has no model")))
    added = values.get("added_tokens") or []
    _check_keys("", values, {*SEQUENCES, *NOT_USED, "added_tokens", "model"})
    for part in SEQUENCES:
        for step in _steps(part, values.get(part)):
            _check_component(part, step)
    values["model"].setdefault("type", "BPE")  # GPT-2's own does not say it
    _check_component("model", values["model"])
    if not isinstance(added, list) or len(added) > MOST_ADDED:
        raise _refusal(_("more than {number} added tokens").format(number=MOST_ADDED))
    for token in added:
        _check_keys("added_tokens", token, ADDED_TOKEN)
        if not isinstance(token.get("content"), str) or len(token["content"]) > LONGEST_PATTERN:
            raise _refusal(f"added_tokens content={_quoted(token.get('content'))}")
    used = {key: value for key, value in values.items() if key not in NOT_USED}
    return json.dumps(used, ensure_ascii=False, separators=(",", ":"))


def _steps(part: str, component: Any) -> list[Any]:
    """The components of one part. A sequence within a sequence counts as a component, and is on no list."""
    if not isinstance(component, dict) or component.get("type") != "Sequence":
        return [] if component is None else [component]
    _check_keys(part, component, {"type", SEQUENCES[part]})
    steps = component.get(SEQUENCES[part])
    if not isinstance(steps, list) or len(steps) > MOST_STEPS:
        raise _refusal(f"{part} Sequence")
    kinds = [step.get("type") for step in steps if isinstance(step, dict)]
    for kind in kinds:
        if kinds.count(kind) > 1 and kind not in REPEATED:
            raise _refusal(f"{part} {_quoted(kind)}")
    return steps


def _check_component(part: str, step: Any) -> None:
    kind = step.get("type") if isinstance(step, dict) else None
    if not isinstance(kind, str) or kind not in COMPONENTS[part]:
        raise _refusal(f"{part} {_quoted(kind)}")
    _check_keys(f"{part} {kind}", step, {"type", *COMPONENTS[part][kind].split()})
    for key in step.keys() - {"type"}:
        if not _VALUES.get(key, _is_small)(step[key]):
            raise _refusal(f"{part} {kind} {key}={_quoted(step[key])}")
    if kind == "Replace" and not _is_no_longer(step):
        raise _refusal(f"{part} {kind}")


def _check_keys(place: str, values: Any, known: set[str] | frozenset[str]) -> None:
    unknown = values.keys() - known if isinstance(values, dict) else {"–"}
    if unknown:
        raise _refusal(f"{place} {min(unknown)!r}")


def _is_small(value: Any) -> bool:
    return (
        value is None
        or isinstance(value, bool | int | float)
        or (isinstance(value, str) and len(value) <= LONGEST_VALUE)
    )


def _is_pattern(value: Any) -> bool:
    if not isinstance(value, dict) or len(value) != 1:
        return False
    text = value.get("String")
    return (isinstance(text, str) and 0 < len(text) <= LONGEST_PATTERN) or value.get("Regex") in EXPRESSIONS


def _is_no_longer(replace: dict[str, Any]) -> bool:
    """Whether a replacement never makes a text longer."""
    pattern, content = replace.get("pattern"), replace.get("content")
    return isinstance(pattern, dict) and isinstance(content, str) and len(content) <= len(pattern.get("String", "1"))


def _is_charsmap(value: Any) -> bool:
    """SentencePiece's table of normalised characters: a double array (Aoe 1989, in the form of darts-clone) of
    little-endian 32-bit units behind its size in bytes, then what its leaves point at, each ended by a zero byte. The
    library trusts every number in it."""
    try:
        table = base64.b64decode(value or "", validate=True)
        size = int.from_bytes(table[:4], "little")
        written = table[4 + size :]
        written.decode("utf-8")
    except (ValueError, TypeError, binascii.Error):
        return False
    if not 0 < size <= len(table) - 4 or size % 1024 or max(map(len, written.split(b"\0"))) > 4 * LONGEST_NORMALISED:
        return False
    units = np.frombuffer(table, "<u4", size // 4, 4).astype(np.int64)
    leaf = units >> 31 == 1
    target = np.arange(len(units)) ^ ((units >> 10) << ((units & 512) >> 6))
    inner = target[~leaf]
    if (inner | 255).max(initial=0) >= len(units) or not leaf[target[~leaf & (units & 256 > 0)]].all():
        return False
    starts = units[leaf] & 0x7FFFFFFF
    # Behind the end, and within a character, nothing begins.
    begins = np.frombuffer(written, np.uint8) & 0xC0 != 0x80
    return bool((starts < len(written)).all() and begins[starts].all())


# What is more than a flag, a small number or a short word, by its key.
_VALUES: dict[str, Callable[[Any], bool]] = {
    "vocab": lambda value: isinstance(value, dict | list),
    "merges": lambda value: isinstance(value, list),
    "dropout": lambda value: not value,  # merges left out by chance would read a post otherwise each time
    "unk_token": lambda value: value is None or isinstance(value, str),
    "max_input_chars_per_word": lambda value: isinstance(value, int) and value <= LONGEST_WORD,
    "pattern": _is_pattern,
    "content": lambda value: isinstance(value, str),
    # Before a Strip, an empty one makes the library panic at some texts.
    "prepend": lambda value: isinstance(value, str) and 0 < len(value) <= LONGEST_VALUE,
    "precompiled_charsmap": _is_charsmap,
}


def _quoted(value: Any) -> str:
    return truncate(repr(value), 40) if isinstance(value, str | int | float) else type(value).__name__


def _refusal(what: str) -> UserInputError:
    return UserInputError(
        _(
            "The tokenizer was refused, it holds what is not known to be harmless ({what}): get the model from "
            "elsewhere."
        ).format(what=truncate(what.strip(), 100))
    )

"""What a `tokenizer.json` from outside may hold: components that are known, and that neither blow up what they read nor
take for ever over it.

The library applies whatever stands there. A chain of replacements can make terabytes of a word, a regular expression
can search without end, and a broken table ends the process; so what is not on the list is refused, unread.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from weibo_tui.errors import BadInput, Damaged
from weibo_tui.locale import gettext as _

# No tokenizer in use comes near these.
LARGEST_DEFINITION = 2**25  # characters
MOST_STEPS = 16  # in one sequence
MOST_ADDED = 50_000
LONGEST_TOKEN = 1000
LONGEST_PREFIX = 16
LONGEST_WORD = 200  # WordPiece tries every end of a word; BERT's has 100
LONGEST_NORMALISED = 64  # characters that one is written as; Unicode's own longest is 18

NORMALIZERS = frozenset(
    (
        *("BertNormalizer", "NFC", "NFD", "NFKC", "NFKD", "Nmt", "Lowercase", "StripAccents", "Strip", "Replace"),
        *("Prepend", "Precompiled", "ByteLevel"),
    )
)
PRE_TOKENIZERS = frozenset(
    (
        *("BertPreTokenizer", "ByteLevel", "Metaspace", "Whitespace", "WhitespaceSplit", "Digits", "Punctuation"),
        *("UnicodeScripts", "Split"),
    )
)
MODELS = frozenset(("WordPiece", "BPE", "Unigram", "WordLevel"))
POST_PROCESSORS = frozenset(("TemplateProcessing", "BertProcessing", "RobertaProcessing", "ByteLevel"))
DECODERS = frozenset(("WordPiece", "ByteLevel", "Metaspace", "BPEDecoder", "ByteFallback", "Fuse", "Strip", "Replace"))
REPEATED = frozenset(("Replace", "Split"))  # all others stand in a sequence once: twice, some of them would grow a text

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


def check(definition: str) -> None:
    """Raise BadInput that names what a definition holds and may not, Damaged where it is no JSON object."""
    if len(definition) > LARGEST_DEFINITION:
        raise _refusal(_("more than {number} characters").format(number=LARGEST_DEFINITION))
    try:
        values = json.loads(definition, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise Damaged(_("The tokenizer cannot be read: {error}.").format(error=error)) from error
    if not isinstance(values, dict) or not isinstance(values.get("model"), dict):
        raise Damaged(_("The tokenizer cannot be read: {error}.").format(error=_("it has no model")))
    for part, kinds, inner in (
        ("normalizer", NORMALIZERS, "normalizers"),
        ("pre_tokenizer", PRE_TOKENIZERS, "pretokenizers"),
        ("post_processor", POST_PROCESSORS, "processors"),
        ("decoder", DECODERS, "decoders"),
    ):
        for step in _steps(part, values.get(part), kinds, inner):
            if not _CHECKS.get(step["type"], _anything)(step):
                raise _refusal(f"{part} {step['type']}")
    _check_model(values["model"])
    _check_added(values.get("added_tokens", []))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; of a key that stands in it twice the library may take the other one."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError(_("a key stands in it twice"))
    return found


def _steps(part: str, component: Any, kinds: frozenset[str], inner: str) -> Iterator[dict[str, Any]]:
    """The components of one part, each of a kind that is known."""
    if component is None:
        return
    is_sequence = isinstance(component, dict) and component.get("type") == "Sequence"
    steps = component.get(inner) if is_sequence else [component]
    if not isinstance(steps, list) or len(steps) > MOST_STEPS:
        raise _refusal(f"{part} Sequence")
    seen: set[str] = set()
    for step in steps:
        kind = step.get("type") if isinstance(step, dict) else None
        if not isinstance(kind, str) or kind not in kinds or (kind in seen and kind not in REPEATED):
            raise _refusal(f"{part} {_short(kind)}")
        seen.add(kind)
        yield step


def _check_model(model: dict[str, Any]) -> None:
    kind = model.get("type", "BPE")  # GPT-2's own does not say it
    if not isinstance(kind, str) or kind not in MODELS:
        raise _refusal(f"model {_short(kind)}")
    vocabulary = model.get("vocab")
    tokens: Iterable[Any] = vocabulary if isinstance(vocabulary, dict) else ()
    if isinstance(vocabulary, list):
        tokens = (pair[0] for pair in vocabulary if isinstance(pair, list) and pair)
    longest = max((len(token) for token in tokens if isinstance(token, str)), default=0)
    if longest > LONGEST_TOKEN:
        raise _refusal(_("a token of {number} characters").format(number=longest))
    sound = {
        # Some of the merges left out by chance would read each post otherwise each time.
        "dropout": not model.get("dropout"),
        "max_input_chars_per_word": _is_within(model.get("max_input_chars_per_word", 0), LONGEST_WORD),
        "continuing_subword_prefix": _is_short(model.get("continuing_subword_prefix"), LONGEST_PREFIX),
        "end_of_word_suffix": _is_short(model.get("end_of_word_suffix"), LONGEST_PREFIX),
    }
    for name in [name for name, is_sound in sound.items() if not is_sound]:
        raise _refusal(f"{kind} {name}={_short(model[name])}")


def _check_added(added: Any) -> None:
    if not isinstance(added, list) or len(added) > MOST_ADDED:
        raise _refusal(_("more than {number} added tokens").format(number=MOST_ADDED))
    for token in added:
        if not isinstance(token, dict) or not _is_short(token.get("content"), LONGEST_TOKEN):
            raise _refusal(_("an added token that is none"))


def _is_within(value: Any, most: int) -> bool:
    return isinstance(value, int) and value <= most


def _is_short(value: Any, most: int) -> bool:
    return value is None or (isinstance(value, str) and len(value) <= most)


def _anything(_step: dict[str, Any]) -> bool:
    return True


def _replace(step: dict[str, Any]) -> bool:
    """What never makes a text longer."""
    pattern, content = step.get("pattern"), step.get("content")
    if not isinstance(pattern, dict) or not isinstance(content, str) or len(pattern) != 1:
        return False
    text = pattern.get("String")
    if isinstance(text, str):
        return 0 < len(text) <= LONGEST_TOKEN and len(content) <= len(text)
    return pattern.get("Regex") in EXPRESSIONS and len(content) <= 1


def _split(step: dict[str, Any]) -> bool:
    pattern = step.get("pattern")
    if not isinstance(pattern, dict) or len(pattern) != 1:
        return False
    text = pattern.get("String")
    return (isinstance(text, str) and 0 < len(text) <= LONGEST_TOKEN) or pattern.get("Regex") in EXPRESSIONS


def _prepend(step: dict[str, Any]) -> bool:
    return isinstance(step.get("prepend"), str) and len(step["prepend"]) <= LONGEST_PREFIX


def _template(step: dict[str, Any]) -> bool:
    """A few tokens around the text, which stands in it once."""
    tokens = step.get("special_tokens")
    if not isinstance(tokens, dict):
        return False
    few = all(isinstance(one, dict) and len(one.get("ids") or ()) <= MOST_STEPS for one in tokens.values())
    for name in ("single", "pair"):
        pieces = step.get(name)
        if not isinstance(pieces, list) or len(pieces) > MOST_STEPS:
            return False
        texts = [str(piece["Sequence"]) for piece in pieces if isinstance(piece, dict) and "Sequence" in piece]
        if len(texts) > (1 if name == "single" else 2):
            return False
    return few


def _precompiled(step: dict[str, Any]) -> bool:
    """SentencePiece's table of normalised characters: a double array (Aoe 1989, in the form of darts-clone) of
    little-endian 32-bit units behind its size in bytes, then what its leaves point at, each ended by a zero byte. The
    library trusts every number in it."""
    try:
        table = base64.b64decode(step.get("precompiled_charsmap") or "", validate=True)
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


_CHECKS: dict[str, Callable[[dict[str, Any]], bool]] = {
    "Replace": _replace,
    "Split": _split,
    "Prepend": _prepend,
    "Precompiled": _precompiled,
    "TemplateProcessing": _template,
}


def _short(value: Any) -> str:
    return repr(value)[:40]


def _refusal(what: str) -> BadInput:
    return BadInput(
        _(
            "The tokenizer was refused, it holds what is not known to be harmless ({what}): get the model from "
            "elsewhere."
        ).format(what=what)
    )

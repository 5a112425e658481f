"""The allow-list of components in tokenizers that come from outside.

The tokenizers library executes every step that a `tokenizer.json` names. A chain of replacements can turn one word into
terabytes, and a regular expression can search forever. This file loads without an error and fails only when a post is
encoded, so loading it in a child process (`registry.isolated`) does not show it. Components that no GPT-2 needs are
therefore refused.
"""

from __future__ import annotations

import json
from typing import Any

from weibo_tui.errors import CorruptFileError, UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.text.terminal import truncate

# No tokenizer in use comes near these.
MAX_DEFINITION_LENGTH = 2**25  # characters
MAX_ADDED_TOKENS = 50_000  # loading time grows with their square
MAX_TOKEN_LENGTH = 1000  # characters of an added token; `tokenizer.MARGIN` relies on it
MAX_WORD_LENGTH = 200  # WordPiece tries every end of a word; BERT's value is 100
MAX_VALUE_LENGTH = 100  # characters of any other string

COMPONENTS = {
    "normalizer": frozenset(["BertNormalizer", "NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "ByteLevel"]),
    "pre_tokenizer": frozenset(
        [
            *("BertPreTokenizer", "Whitespace", "WhitespaceSplit", "UnicodeScripts", "ByteLevel", "Metaspace"),
            *("Digits", "Punctuation", "Split"),
        ]
    ),
    "model": frozenset(["WordPiece", "BPE", "Unigram", "WordLevel"]),
}
SEQUENCES = {"normalizer": "normalizers", "pre_tokenizer": "pretokenizers"}
# What encodes a text. Posts are framed, cut and padded by this program, and ids are not decoded.
USED_KEYS = ("normalizer", "pre_tokenizer", "model", "added_tokens")
# The patterns of GPT-2 and of its successors.
SPLIT_PATTERNS = (
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+",
)


def check_definition(definition: str) -> str:
    """Return the text of a `tokenizer.json`, reduced to `USED_KEYS`.

    Raises UserInputError that names what is not allowed, and CorruptFileError where the text is no tokenizer."""
    if len(definition) > MAX_DEFINITION_LENGTH:
        raise _refusal(_("more than {number} characters").format(number=MAX_DEFINITION_LENGTH))
    try:
        values = json.loads(definition)
    except (ValueError, RecursionError) as error:
        raise CorruptFileError(_("Cannot read the tokenizer: {error}.").format(error=truncate(str(error)))) from error
    if not isinstance(values, dict) or not isinstance(values.get("model"), dict):
        raise CorruptFileError(_("Cannot read the tokenizer: {error}.").format(error=_("it has no model")))
    values["model"].setdefault("type", "BPE")  # GPT-2's own file does not name it
    for part, kinds in COMPONENTS.items():
        components = _components(part, values.get(part))
        types = [_type_of(component) for component in components]
        # Some components lengthen a text each time they occur.
        for kind in types:
            if kind not in kinds or types.count(kind) > 1:
                raise _refusal(f"{part} {kind!r}")
        for component in components:
            for key, value in component.items():
                if not _is_harmless(key, value):
                    raise _refusal(f"{part} {component['type']} {key!r}")
    _check_added_tokens(values.get("added_tokens"))
    used = {key: values[key] for key in USED_KEYS if key in values}
    return json.dumps(used, ensure_ascii=False, separators=(",", ":"))


def _components(part: str, value: Any) -> list[Any]:
    if isinstance(value, dict) and part in SEQUENCES and value.get("type") == "Sequence":
        value = value.get(SEQUENCES[part])
    return value if isinstance(value, list) else [] if value is None else [value]


def _type_of(component: Any) -> str:
    return str(component.get("type")) if isinstance(component, dict) else type(component).__name__


def _is_harmless(key: str, value: Any) -> bool:
    match key:
        case "vocab" | "merges":
            return isinstance(value, dict | list)
        case "pattern":
            return isinstance(value, dict) and value.get("Regex") in SPLIT_PATTERNS
        case "max_input_chars_per_word":
            return isinstance(value, int) and value <= MAX_WORD_LENGTH
        case "dropout":  # BPE would encode the same post differently each time
            return not value
    return (
        value is None or isinstance(value, int | float) or (isinstance(value, str) and len(value) <= MAX_VALUE_LENGTH)
    )


def _check_added_tokens(tokens: Any) -> None:
    if tokens and (not isinstance(tokens, list) or len(tokens) > MAX_ADDED_TOKENS):
        raise _refusal(_("more than {number} added tokens").format(number=MAX_ADDED_TOKENS))
    for token in tokens or ():
        content = token.get("content") if isinstance(token, dict) else None
        if not isinstance(content, str) or len(content) > MAX_TOKEN_LENGTH:
            raise _refusal(f"added_tokens content={content!r}")


def _refusal(reason: str) -> UserInputError:
    return UserInputError(
        _("The tokenizer was refused, because it uses an unsupported component ({what}). Use another model.").format(
            what=truncate(reason, 100)
        )
    )

"""Cards: JSON files that describe the weights in the same folder. Without torch, so that listing is fast.

A card from outside is hostile: its size is limited, and the type of every field is checked. Unknown keys, which a newer
version may add, are ignored.
"""

from __future__ import annotations

import hashlib
import json
import re
import typing
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from weibo_tui.atomic import read_bounded
from weibo_tui.errors import CorruptFileError, UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.text.cleaning import SIMPLIFYING
from weibo_tui.version import __version__

CARD = "card.json"
MAX_CARD_SIZE = 4 * 2**20

# Far more than any card of this program has.
MAX_ITEMS = 10_000
MAX_TEXT_LENGTH = 10_000
MAX_LABEL_LENGTH = 1000
MAX_MATRIX_LABELS = 250
"""A card has no confusion matrix of more labels."""
MAX_DATA_FILES = 100
"""A card has no more names of training files."""
TEMPERATURE_RANGE = (1e-4, 1e4)
_WINDOWS_DEVICES = {"CON", "PRN", "AUX", "NUL", *(f"{port}{number}" for port in ("COM", "LPT") for number in range(10))}

Card = TypeVar("Card", "BaseCard", "AdapterCard")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True, slots=True)
class BaseCard:
    """Description of a base.

    `fingerprint` identifies the model in any file format (see `weights.fingerprint`), `sha256` each of its files.
    `prefix`, `suffix` and `pad` are ids of special tokens, and `made` is the provenance."""

    name: str
    fingerprint: str
    sha256: dict[str, str]
    prefix: tuple[int, ...]
    suffix: tuple[int, ...]
    pad: int
    parameters: int
    source: str
    made: dict[str, Any] = field(default_factory=dict)
    created_at: str = field(default_factory=_now)
    program: str = __version__
    format: int = 1


@dataclass(frozen=True, slots=True)
class AdapterCard:
    """Description of an adapter, its training data and its calibration.

    `raw_labels[i]` is the value in data files for `labels[i]`. `temperature` was fitted on the validation split with
    the backbone in `dtype`. `score` is the score card on the test split; `data` has the files, their hash and the
    split."""

    name: str
    base: str
    base_fingerprint: str
    labels: tuple[str, ...]
    raw_labels: tuple[str, ...]
    width: int
    blocks: tuple[int, ...]
    bottleneck: int
    activation: str
    max_length: int
    preprocessing: int
    temperature: float
    dtype: str
    parameters: int
    weights_sha256: str = ""
    dropout: float = 0.0
    data: dict[str, Any] = field(default_factory=dict)
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    score: dict[str, Any] = field(default_factory=dict)
    run: str = ""
    created_at: str = field(default_factory=_now)
    program: str = __version__
    format: int = 1

    def __post_init__(self) -> None:
        """Raise ValueError for fields that would give wrong predictions or none."""
        lowest, highest = TEMPERATURE_RANGE
        valid = {
            "labels": len(set(self.labels)) == len(self.labels) > 0 and max(map(len, self.labels)) <= MAX_LABEL_LENGTH,
            "raw_labels": len(self.raw_labels) == len(self.labels),
            "preprocessing": 0 <= self.preprocessing <= SIMPLIFYING,
            "temperature": lowest <= self.temperature <= highest,
            "data": _is_list(self.data.get("files", []), str) and _is_dict(self.data.get("labels", {}), int),
            "score": _is_score(self.score),
        }
        for name in [name for name, is_valid in valid.items() if not is_valid]:
            raise ValueError(_("invalid field {name}").format(name=name))


def check_name(name: str) -> str:
    """Return `name`. Raises UserInputError where no base or adapter can have this name."""
    if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}", name):
        message = _(
            "Invalid name: '{name}'. Use 1 to 64 of the characters A-Z a-z 0-9 . _ - and do not start with a dot."
        )
        raise UserInputError(message.format(name=name))
    return name


def check_new_name(name: str) -> str:
    """Return `name`. Raises UserInputError where `check_name` does, and for names that Windows reserves or cannot
    store."""
    if check_name(name).partition(".")[0].upper() in _WINDOWS_DEVICES or name.endswith("."):
        raise UserInputError(_("Invalid name on Windows: '{name}'. Choose another name.").format(name=name))
    return name


def check_labels(labels: Sequence[str]) -> None:
    """Raise UserInputError for labels that are too long for a card, which repeats each of them five times."""
    names = json.dumps(list(labels), ensure_ascii=False).encode("utf-8", "surrogatepass")
    if 5 * len(names) + 500 * len(labels) > MAX_CARD_SIZE // 2:
        message = _("The {number} labels are too long for a card. Use fewer or shorter labels.")
        raise UserInputError(message.format(number=len(labels)))


def write(card: BaseCard | AdapterCard) -> bytes:
    """Return the bytes of a card's file, with a checksum. A label may hold a lone surrogate, as in JSON."""
    values = asdict(card)
    text = json.dumps(values | {"checksum": _checksum(values)}, ensure_ascii=False, indent=2, allow_nan=False) + "\n"
    return text.encode("utf-8", "surrogatepass")


def checksum_matches(data: bytes) -> bool:
    """Return whether a card, which `parse` accepts, is as it was written; true for old cards without a checksum.

    A card that was changed, by a user or a broken disk, is used all the same."""
    values = json.loads(data)
    checksum = values.pop("checksum", None)
    return checksum is None or checksum == _checksum(values)


def _checksum(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True, allow_nan=False).encode()).hexdigest()


def read(path: Path, card_type: type[Card]) -> Card:
    """Load the card in the file `path`. Raises CorruptFileError with the file and the reason."""
    try:
        return parse(read_bounded(path, MAX_CARD_SIZE), card_type)
    except (OSError, ValueError) as error:
        message = _("Invalid card {path} ({reason}). Remove its folder, then add or train it again.")
        raise CorruptFileError(message.format(path=path, reason=error)) from error


def parse(data: bytes, card_type: type[Card]) -> Card:
    """Return the card in the bytes of its file. Raises ValueError with the reason."""
    card: Card = _parse(data, card_type)  # type: ignore[arg-type]  # mypy takes the hash of the class for that of its cards
    return card


# Each prediction reads the cards of its models, also those while typing.
@lru_cache(maxsize=16)
def _parse(data: bytes, card_type: type[Any]) -> Any:
    try:
        values = json.loads(data)
    except (RecursionError, UnicodeDecodeError) as error:
        raise ValueError(_("it is not JSON")) from error
    if not isinstance(values, dict):
        raise ValueError(_("it is not a JSON object"))
    # Version 0.1.0 hashed the weights only.
    if card_type is BaseCard and isinstance(values.get("weights_sha256"), str):
        values.setdefault("sha256", {"model.safetensors": values["weights_sha256"]})
    hints = typing.get_type_hints(card_type)
    known = {item.name: values[item.name] for item in fields(card_type) if item.name in values}
    if values.get("format", 1) != 1:
        raise ValueError(_("it was written by a newer version of weibo-tui"))
    for name, value in known.items():
        known[name] = tuple(value) if isinstance(value, list) else value
        if not _has_type(known[name], hints[name]):
            raise ValueError(_("invalid field {name}").format(name=name))
    try:
        card = card_type(**known)
        write(card)  # fails for NaN and for deep nesting
    except TypeError as error:
        raise ValueError(_("a field is missing")) from error
    except RecursionError as error:
        raise ValueError(_("it is not JSON")) from error
    return card


def _is_score(score: Mapping[str, Any]) -> bool:
    """Return whether the fields that are there are those of `engine.score_card.ScoreCard.to_dict`."""
    labels, confusion = (score.get(name) or [] for name in ("labels", "confusion"))
    intervals = [score.get(name) or [] for name in ("accuracy_ci", "macro_f1_ci", "mcc_ci", "ece_null")]
    emoticons, per_label = (score.get(name) or {} for name in ("emoticons", "per_label"))
    shares = {name: score.get(name) for name in ("accuracy", "macro_f1", "mcc", "ece", "brier", "augrc")}
    # Their readers check the values.
    points = [score.get(name) or [] for name in ("confidences", "risk_coverage")]
    tables = [score.get(name) or [] for name in ("reliability", "answering", "sources", "lengths", "baselines")]
    mappings = [score.get(name) or {} for name in ("interval_methods", "seeds", "faithfulness")]
    return (
        _is_dict(shares, float | None)
        and _is_dict(emoticons, float | None)
        and _is_dict({name: score.get(name, 0) for name in ("n", "failed")}, int)
        and all(_is_list(interval, float) and len(interval) in (0, 2) for interval in intervals)
        and all(_is_list(rows, list | tuple) for rows in points)
        and all(_is_list(rows, dict) for rows in tables)
        and all(isinstance(mapping, dict) for mapping in mappings)
        and _is_list(labels, str)
        and _is_list(confusion, list | tuple)
        and len(confusion) in (0, len(labels))
        and all(_is_list(row, int) and len(row) == len(labels) for row in confusion)
        and isinstance(per_label, dict)
        and all(_is_dict(figures, float | None) for figures in per_label.values())
    )


def _is_dict(values: Any, hint: Any) -> bool:
    return isinstance(values, dict) and all(_has_type(value, hint) for value in values.values())


def _is_list(values: Any, hint: Any) -> bool:
    is_list = isinstance(values, list | tuple) and len(values) <= MAX_ITEMS
    return is_list and all(_has_type(value, hint) for value in values)


def _has_type(value: Any, hint: Any) -> bool:
    """Return whether a JSON value has the type of a field and is not absurdly large."""
    if typing.get_origin(hint) is tuple:
        return _is_list(value, typing.get_args(hint)[0])
    if typing.get_origin(hint) is dict:
        return isinstance(value, dict)
    if hint == float | None:
        return value is None or _has_type(value, float)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63
    return isinstance(value, hint) and not (isinstance(value, str) and len(value) > MAX_TEXT_LENGTH)

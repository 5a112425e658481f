"""The cards: JSON beside the weights that says what they are. Free of torch, so that listing is quick.

A card from outside is hostile: its size is bounded, every field's type is checked, and keys that a newer
version may have added are passed over.
"""

from __future__ import annotations

import hashlib
import json
import re
import typing
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from weibo_tui.atomic import read_bounded
from weibo_tui.errors import CorruptFileError, UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.text.cleaning import PREPROCESSING
from weibo_tui.version import __version__

CARD = "card.json"
LARGEST_CARD = 4 * 2**20

# No card of ours comes near these; what a person is shown of one from outside keeps to them.
MOST_ITEMS = 10_000
LONGEST_TEXT = 10_000
LONGEST_LABEL = 1000
# A confusion matrix of more labels is not kept in the card, nor are the names of more files.
MOST_IN_MATRIX = 250
MOST_FILES = 100
TEMPERATURES = (1e-4, 1e4)
_WINDOWS_DEVICES = {"CON", "PRN", "AUX", "NUL", *(f"{port}{number}" for port in ("COM", "LPT") for number in range(10))}

Card = TypeVar("Card", "BaseCard", "AdapterCard")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True, slots=True)
class BaseCard:
    """What a base is: `fingerprint` identifies the model however it is packed (see `weights.fingerprint`),
    `sha256` each of its files; prefix, suffix and pad are the token ids of the frame; `made` how it came about."""

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
    """What an adapter is, what it was trained on, and how sure it is.

    Files may say `raw_labels[i]` where people read `labels[i]`. `temperature` was fitted on the validation split
    with the trunk in `dtype`; `score` is the score card on the test split, `data` names the files, their hash and
    the split."""

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
        """Raise ValueError for what would give no verdicts, or wrong ones."""
        sound = {
            "labels": len(set(self.labels)) == len(self.labels) > 0 and max(map(len, self.labels)) <= LONGEST_LABEL,
            "raw_labels": len(self.raw_labels) == len(self.labels),
            "preprocessing": 0 <= self.preprocessing <= PREPROCESSING,
            "temperature": TEMPERATURES[0] <= self.temperature <= TEMPERATURES[1],
            "data": _is_data(self.data),
            "score": _is_score(self.score),
        }
        for name in [name for name, is_sound in sound.items() if not is_sound]:
            raise ValueError(_("its field {name} is not what it should be").format(name=name))


def check_name(name: str) -> str:
    """`name` if it can name a base or an adapter, else UserInputError."""
    if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}", name):
        raise UserInputError(
            _(
                "The name '{name}' cannot be used: take 1 to 64 of the characters A-Z a-z 0-9 . _ - and no dot first."
            ).format(name=name)
        )
    return name


def check_new_name(name: str) -> str:
    """Return `name`. Raise UserInputError where `check_name` does, and for names that Windows reserves or cannot
    hold."""
    if check_name(name).partition(".")[0].upper() in _WINDOWS_DEVICES or name.endswith("."):
        raise UserInputError(_("The name '{name}' cannot be used on Windows. Choose another name.").format(name=name))
    return name


def check_labels(labels: Sequence[str]) -> None:
    """Raise UserInputError for labels that a card has no room for. Each is in it five times, with its scores."""
    names = json.dumps(list(labels), ensure_ascii=False).encode("utf-8", "surrogatepass")
    if 5 * len(names) + 500 * len(labels) > LARGEST_CARD // 2:
        raise UserInputError(
            _("The {number} labels are too long for a card. Use fewer or shorter labels.").format(number=len(labels))
        )


def write(card: BaseCard | AdapterCard) -> bytes:
    """A card as the bytes of its file, with a checksum of its own. A label may hold a lone surrogate, as JSON does."""
    values = asdict(card)
    text = json.dumps(values | {"checksum": _checksum(values)}, ensure_ascii=False, indent=2, allow_nan=False) + "\n"
    return text.encode("utf-8", "surrogatepass")


def is_as_written(data: bytes) -> bool:
    """Whether the bytes of a card, which `parse` takes, are of what was written once; so are those without a checksum.

    A bit may turn in a figure and leave a sound card. It is used all the same: a person may have changed it."""
    values = json.loads(data)
    checksum = values.pop("checksum", None)
    return checksum is None or checksum == _checksum(values)


def _checksum(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True, allow_nan=False).encode()).hexdigest()


def read(path: Path, kind: type[Card]) -> Card:
    """The card in the file `path`. Raises CorruptFileError that names the file and what is wrong with it."""
    try:
        return parse(read_bounded(path, LARGEST_CARD), kind)
    except (OSError, ValueError) as error:
        raise CorruptFileError(
            _("The card {path} cannot be used ({reason}): remove its folder, then add or train it again.").format(
                path=path, reason=error
            )
        ) from error


def parse(data: bytes, kind: type[Card]) -> Card:
    """A card from the bytes of its file. Raises ValueError that says what is wrong."""
    try:
        values = json.loads(data)
    except (RecursionError, UnicodeDecodeError) as error:
        raise ValueError(_("it is not JSON")) from error
    if not isinstance(values, dict):
        raise ValueError(_("it is not a JSON object"))
    if kind is BaseCard and isinstance(values.get("weights_sha256"), str):  # of 0.1.0, which hashed no other file
        values.setdefault("sha256", {"model.safetensors": values["weights_sha256"]})
    hints = typing.get_type_hints(kind)
    known = {one.name: values[one.name] for one in fields(kind) if one.name in values}
    if values.get("format", 1) != 1:
        raise ValueError(_("it was written by a newer version of weibo-tui"))
    for name, value in known.items():
        known[name] = tuple(value) if isinstance(value, list) else value
        if not _fits(known[name], hints[name]):
            raise ValueError(_("its field {name} is not what it should be").format(name=name))
    try:
        card = kind(**known)
        write(card)  # what cannot be written again (NaN, nested without end) cannot be kept either
    except TypeError as error:
        raise ValueError(_("a field is missing")) from error
    except RecursionError as error:
        raise ValueError(_("it is not JSON")) from error
    return card


def _is_data(data: Mapping[str, Any]) -> bool:
    """Whether what there is of the files and the split is what it should be; anything may be missing."""
    files, counts = data.get("files", []), data.get("labels", {})
    return isinstance(files, list | tuple) and _fits(tuple(files), tuple[str, ...]) and _holds(counts, int)


def _is_score(score: Mapping[str, Any]) -> bool:
    """The same for a score card (`engine.metrics.ScoreCard.to_json`)."""
    around, labels, confusion = (score.get(name) or [] for name in ("accuracy_ci", "labels", "confusion"))
    emoticons, per_label = (score.get(name) or {} for name in ("emoticons", "per_label"))
    if not all(isinstance(one, list | tuple) for one in (around, labels, confusion)) or not isinstance(per_label, dict):
        return False
    shares = {name: score.get(name) for name in ("accuracy", "macro_f1", "mcc", "ece", "brier")}
    whole = [isinstance(row, list | tuple) and len(row) == len(labels) for row in confusion]
    return (
        _holds(shares, float | None)
        and _holds(emoticons, float | None)
        and _holds({name: score.get(name, 0) for name in ("n", "failed")}, int)
        and len(around) in (0, 2)
        and _holds(dict(enumerate(around)), float)
        and _fits(tuple(labels), tuple[str, ...])
        and len(confusion) in (0, len(labels))
        and all(whole)
        and all(_holds(dict(enumerate(row)), int) for row in confusion)
        and all(_holds(figures, float | None) for figures in per_label.values())
    )


def _holds(values: Any, hint: Any) -> bool:
    return isinstance(values, dict) and all(_fits(value, hint) for value in values.values())


def _fits(value: Any, hint: Any) -> bool:
    if typing.get_origin(hint) is tuple:
        few = isinstance(value, tuple) and len(value) <= MOST_ITEMS
        return few and all(_fits(item, typing.get_args(hint)[0]) for item in value)
    if typing.get_origin(hint) is dict:
        return isinstance(value, dict)
    if hint == float | None:
        return value is None or _fits(value, float)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63
    return isinstance(value, hint) and not (isinstance(value, str) and len(value) > LONGEST_TEXT)

"""Base models on disk: folders that transformers can open too, each with a card."""

from __future__ import annotations

import json
import math
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from weibo_tui.atomic import atomic_folder, read_bounded, sha256
from weibo_tui.errors import CorruptFileError, UserInputError
from weibo_tui.locale import N_
from weibo_tui.locale import gettext as _
from weibo_tui.progress import Progress, drain
from weibo_tui.registry import cards, isolated
from weibo_tui.registry.cards import CARD, BaseCard
from weibo_tui.registry.store import ModelStore
from weibo_tui.registry.tokenizer_stats import measure_tokenizer
from weibo_tui.text.terminal import truncate

if TYPE_CHECKING:
    from weibo_tui.engine.config import GPT2Config
    from weibo_tui.engine.gpt2 import GPT2
    from weibo_tui.engine.tokenizer import PostTokenizer, SpecialTokens
    from weibo_tui.registry.conversion import Checkpoint

WEIGHTS = "model.safetensors"
TOKENIZER = "tokenizer.json"
CONFIG = "config.json"
TOKENIZER_CONFIG = "tokenizer_config.json"

# Raised for files that make no model.
_INVALID = (ValueError, RecursionError, UserInputError, CorruptFileError)


@dataclass(frozen=True, slots=True)
class OpenBase:
    """A base model in memory: its card, the frozen backbone in float32, and its tokenizer."""

    card: BaseCard
    backbone: GPT2
    tokenizer: PostTokenizer


class Bases(ModelStore[BaseCard]):
    """The store of base models."""

    card_type = BaseCard
    files: ClassVar = {CONFIG: 2**20, TOKENIZER: 2**25, WEIGHTS: 2**33}
    unknown_message = N_("Base not found: '{name}'. Choose one of {there}, or add it with 'weibo-tui bases add'.")
    empty_message = N_(
        "Base not found: '{name}'. Download one with 'weibo-tui bases get', add one with 'weibo-tui bases "
        "add', or pretrain one with 'weibo-tui bases pretrain'."
    )
    exists_message = N_("Base exists: '{name}'. Choose another --name.")
    card_message = N_("{source} has no base card ({reason}). Give a file written by 'weibo-tui bases export'.")

    def open(self, name: str) -> OpenBase:
        """Load a base. Raises CorruptFileError where its files are not as they were written."""
        from weibo_tui.engine.gpt2 import GPT2
        from weibo_tui.registry.weights import check_sha256, read_tensors

        folder = self.path(name)
        card = self.card(name)
        with self.bundled_errors(name):
            for file in (CONFIG, TOKENIZER):
                if file in card.sha256:
                    check_sha256(folder / file, card.sha256[file])
            with _damage_errors(folder):
                config, tokenizer = _read(folder, card)
            tensors = read_tensors(folder / WEIGHTS, card.sha256.get(WEIGHTS, ""))
            return OpenBase(card, GPT2.load(config, tensors), tokenizer)

    def config(self, name: str) -> GPT2Config:
        """Read the shape of a base alone. Raises CorruptFileError where it is damaged."""
        folder = self.path(name)
        with self.bundled_errors(name), _damage_errors(folder):
            return _read_config(folder)

    def import_folder(
        self, source: Path, name: str, *, origin: str = "", made: Mapping[str, Any] = {}
    ) -> Generator[Progress, None, BaseCard]:
        """Import a Hugging Face folder from outside, which a child process converts; the result is its card.

        The card has `origin` (default: the path) as its source, and `made`. Raises UserInputError or CorruptFileError,
        and leaves nothing."""
        self.check_free(name)
        with atomic_folder(self.folder / name) as folder:
            origin = origin or str(source.absolute())
            yield from isolated.run(convert, source, folder, name, origin, dict(made))
            return cards.read(folder / CARD, BaseCard)

    def add(self, source: Path, name: str, *, origin: str = "", made: Mapping[str, Any] = {}) -> BaseCard:
        """Convert a trusted Hugging Face folder in this process; otherwise like `import_folder`."""
        self.check_free(name)
        with atomic_folder(self.folder / name) as folder:
            return convert(source, folder, name, origin or str(source.absolute()), made)

    def create(
        self, name: str, checkpoint: Checkpoint, source: str, made: Mapping[str, Any], *, int8: bool = False
    ) -> BaseCard:
        """Save a checkpoint as the base `name`, in the layout of a Hugging Face folder.

        With `int8` the matrices need a quarter of the space, transformers cannot open them, and the fingerprint is
        that of the quantized weights."""
        self.check_free(name)
        with atomic_folder(self.folder / name) as folder:
            return _write(folder, name, checkpoint, source, made, int8=int8)

    def check_free(self, name: str, overwrite: bool = False) -> None:
        """See `ModelStore`. A base may not hide a bundled one, because the bundled adapters need it."""
        super().check_free(name, overwrite)
        self._check_not_bundled(name)

    def hashes(self, card: BaseCard) -> Mapping[str, str]:
        """See `ModelStore`."""
        return card.sha256

    def check(self, name: str) -> None:
        """See `ModelStore`."""
        from weibo_tui.registry.weights import open_tensors

        config, _tokenizer = _read(self.path(name), self.card(name))
        with open_tensors(self.path(name) / WEIGHTS, config):
            pass

    def _verify_import(self, card: BaseCard, folder: Path, source: Path) -> Generator[Progress, None, BaseCard]:  # noqa: ARG002
        yield from isolated.run(check, source, folder)
        return cards.read(folder / CARD, BaseCard)


def convert(source: Path, folder: Path | str, name: str, origin: str, made: Mapping[str, Any]) -> BaseCard:
    """Write a Hugging Face folder as a base into the empty `folder`; see `Bases.import_folder`."""
    from weibo_tui.engine.tokenizer import PostTokenizer
    from weibo_tui.registry.conversion import read_folder

    checkpoint = read_folder(source)
    tokenizer = PostTokenizer(checkpoint.tokenizer, checkpoint.special_tokens, checkpoint.config.vocabulary)
    return _write(Path(folder), name, checkpoint, origin, {**measure_tokenizer(tokenizer), **made})


def check(source: Path, folder: Path | str) -> None:
    """Check the base in `folder`, which was copied from `source`, and write its card and configs again.

    Raises UserInputError where it does not work, or has another fingerprint than its card, which adapters trust."""
    from weibo_tui.registry.weights import fingerprint, open_tensors

    folder = Path(folder)
    card = cards.read(folder / CARD, BaseCard)
    try:
        config, tokenizer = _read(folder, card)
        measure_tokenizer(tokenizer)
        with open_tensors(folder / WEIGHTS, config) as read:
            actual = drain(fingerprint(config, read, tokenizer))
    except _INVALID as error:
        message = _("{source} is not a working base ({reason}). Export it again from its source.")
        raise UserInputError(message.format(source=source, reason=truncate(str(error).rstrip("."), 300))) from error
    if actual != card.fingerprint:
        message = _("{source} was refused: the base does not match its card. Export it again from its source.")
        raise UserInputError(message.format(source=source))
    # A config from outside may name code, which transformers would offer to run.
    _write_configs(folder, config, tokenizer)
    card = replace(
        card,
        sha256={file: card.sha256[file] for file in Bases.files} | {CONFIG: sha256(folder / CONFIG)},
        parameters=sum(math.prod(shape) for _name, shape in config.tensors()),
    )
    (folder / CARD).write_bytes(cards.write(card))


def _write(
    folder: Path, name: str, checkpoint: Checkpoint, source: str, made: Mapping[str, Any], *, int8: bool = False
) -> BaseCard:
    from weibo_tui.engine.gpt2 import GPT2
    from weibo_tui.engine.tokenizer import PostTokenizer
    from weibo_tui.registry.int8 import dequantize, quantize
    from weibo_tui.registry.weights import fingerprint, save_tensors

    config, special_tokens = checkpoint.config, checkpoint.special_tokens
    stored = quantize(checkpoint.tensors) if int8 else checkpoint.tensors
    tensors = dequantize(stored)
    GPT2.load(config, tensors)
    tokenizer = PostTokenizer(checkpoint.tokenizer, special_tokens, config.vocabulary)
    save_tensors(stored, folder / WEIGHTS, metadata={"format": "pt"})
    (folder / TOKENIZER).write_text(checkpoint.tokenizer, "utf-8")
    _write_configs(folder, config, tokenizer)
    card = BaseCard(
        name=name,
        fingerprint=drain(fingerprint(config, tensors.__getitem__, tokenizer)),
        sha256={file: sha256(folder / file) for file in Bases.files},
        prefix=special_tokens.prefix,
        suffix=special_tokens.suffix,
        pad=special_tokens.pad,
        parameters=sum(tensor.numel() for tensor in tensors.values()),
        source=source,
        made=dict(made),
    )
    (folder / CARD).write_bytes(cards.write(card))
    return card


@contextmanager
def _damage_errors(folder: Path) -> Iterator[None]:
    """Raise CorruptFileError where the block cannot read the files of a base."""
    try:
        yield
    except (OSError, *_INVALID) as error:
        message = _("Base {folder} is damaged ({reason}). Remove it and add it again.")
        raise CorruptFileError(message.format(folder=folder, reason=str(error).rstrip("."))) from error


def _read_config(folder: Path) -> GPT2Config:
    """Read the config of a base. Raises one of _INVALID."""
    from weibo_tui.engine.config import GPT2Config

    values = json.loads(read_bounded(folder / CONFIG, Bases.files[CONFIG]))
    if not isinstance(values, dict):
        raise ValueError(_("it is not a JSON object"))
    return GPT2Config.from_hugging_face(values)


def _read(folder: Path, card: BaseCard) -> tuple[GPT2Config, PostTokenizer]:
    """Load the config and the tokenizer of a base. Raises one of _INVALID."""
    from weibo_tui.engine.tokenizer import PostTokenizer, SpecialTokens

    config = _read_config(folder)
    definition = read_bounded(folder / TOKENIZER, Bases.files[TOKENIZER]).decode()
    return config, PostTokenizer(definition, SpecialTokens(card.prefix, card.suffix, card.pad), config.vocabulary)


def _write_configs(folder: Path, config: GPT2Config, tokenizer: PostTokenizer) -> None:
    """Write config.json, and the tokenizer_config.json with which transformers opens tokenizer.json."""
    special_tokens = tokenizer.special_tokens
    by_id = {index: token for token, index in tokenizer.vocabulary().items()}
    special = {
        "pad_token": (special_tokens.pad,),
        "cls_token": special_tokens.prefix,
        "sep_token": special_tokens.suffix,
        "unk_token": (tokenizer.unknown,),
    }
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": config.positions}
    settings |= {name: by_id[ids[0]] for name, ids in special.items() if len(ids) == 1 and ids[0] in by_id}
    for file, values in ((CONFIG, hugging_face_config(config, special_tokens)), (TOKENIZER_CONFIG, settings)):
        (folder / file).write_bytes((json.dumps(values, ensure_ascii=False, indent=2) + "\n").encode())


def hugging_face_config(config: GPT2Config, special_tokens: SpecialTokens) -> dict[str, Any]:
    """Return the content of config.json. Without these ids transformers assumes those of the English GPT-2."""
    ids = {
        "bos_token_id": special_tokens.prefix[0] if special_tokens.prefix else None,
        "eos_token_id": special_tokens.suffix[-1] if special_tokens.suffix else None,
        "pad_token_id": special_tokens.pad,
    }
    return config.to_hugging_face() | ids

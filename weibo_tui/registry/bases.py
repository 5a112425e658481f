"""Bases: frozen GPT-2s as folders that transformers opens too, each with a card."""

from __future__ import annotations

import json
import math
from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from weibo_tui.atomic import atomic_folder, read_bounded, sha256
from weibo_tui.errors import CorruptFileError, UserInputError
from weibo_tui.locale import N_
from weibo_tui.locale import gettext as _
from weibo_tui.progress import Progress, finish
from weibo_tui.registry import cards, isolated
from weibo_tui.registry.cards import CARD, BaseCard
from weibo_tui.registry.store import ModelStore
from weibo_tui.registry.tokenizer_stats import token_support
from weibo_tui.text import short

if TYPE_CHECKING:
    from weibo_tui.engine.config import GPT2Config
    from weibo_tui.engine.gpt2 import GPT2
    from weibo_tui.engine.tokenizer import PostTokenizer, SpecialTokens
    from weibo_tui.registry.conversion import Checkpoint

WEIGHTS = "model.safetensors"
TOKENIZER = "tokenizer.json"
CONFIG = "config.json"
TOKENIZER_CONFIG = "tokenizer_config.json"

# What reading a base raises whose parts make no model.
UNSOUND = (ValueError, RecursionError, UserInputError, CorruptFileError)


@dataclass(frozen=True, slots=True)
class OpenBase:
    """A base in memory: its card, the frozen trunk in float32, and its tokenizer."""

    card: BaseCard
    backbone: GPT2
    tokenizer: PostTokenizer


class Bases(ModelStore[BaseCard]):
    """The folder of bases. Removing one leaves adapters on it, which say which base they want."""

    kind = BaseCard
    files: ClassVar = {CONFIG: 2**20, TOKENIZER: 2**25, WEIGHTS: 2**33}
    unknown = N_("There is no base '{name}': take one of {there}, or add it with 'weibo-tui bases add'.")
    none_yet = N_(
        "There is no base '{name}' and no other yet: fetch one with 'weibo-tui bases get', add one with 'weibo-tui "
        "bases add', or make one with 'weibo-tui bases pretrain'."
    )
    taken = N_("A base named '{name}' is there already: choose another --name.")
    no_card = N_("{source} holds no card of a base ({reason}): name what 'weibo-tui bases export' wrote.")

    def open(self, name: str) -> OpenBase:
        """Load a base. Raises CorruptFileError where its files are not what was written."""
        from weibo_tui.engine.gpt2 import GPT2
        from weibo_tui.registry.weights import check_sha256, read_tensors

        folder = self.path(name)
        card = self.card(name)
        with self.mending(name):
            for file in (CONFIG, TOKENIZER):
                if file in card.sha256:
                    check_sha256(folder / file, card.sha256[file])
            try:
                config, tokenizer = _read(folder, card)
            except (OSError, *UNSOUND) as error:
                raise CorruptFileError(
                    _("The base {folder} is damaged ({reason}): remove it and add it again.").format(
                        folder=folder, reason=str(error).rstrip(".")
                    )
                ) from error
            tensors = read_tensors(folder / WEIGHTS, card.sha256.get(WEIGHTS, ""))
            return OpenBase(card, GPT2.load(config, tensors), tokenizer)

    def take_in_folder(
        self, source: Path, name: str, *, origin: str = "", made: Mapping[str, Any] = {}
    ) -> Generator[Progress, None, BaseCard]:
        """Take in a local Hugging Face folder from outside, converted once in a child process (see `isolated`).

        The result is its card, which is that of `add`. Raises UserInputError or CorruptFileError and leaves nothing."""
        self.check_free(name)
        with atomic_folder(self.folder / name) as folder:
            origin = origin or str(source.absolute())
            yield from isolated.run(convert, source, folder, name, origin, dict(made))
            return cards.read(folder / CARD, BaseCard)

    def add(self, source: Path, name: str, *, origin: str = "", made: Mapping[str, Any] = {}) -> BaseCard:
        """Convert a trusted Hugging Face folder in this process. Raises UserInputError or CorruptFileError and leaves
        nothing."""
        self.check_free(name)
        with atomic_folder(self.folder / name) as folder:
            return convert(source, folder, name, origin or str(source.absolute()), made)

    def create(
        self, name: str, checkpoint: Checkpoint, source: str, made: Mapping[str, Any], *, eight_bits: bool = False
    ) -> BaseCard:
        """Keep a checkpoint as the base `name`, in the layout of a Hugging Face folder. In `eight_bits` its matrices
        take a quarter of the room, transformers cannot open it, and the base is the one that was rounded so."""
        self.check_free(name)
        with atomic_folder(self.folder / name) as folder:
            return _write(folder, name, checkpoint, source, made, eight_bits=eight_bits)

    def check_free(self, name: str, overwrite: bool = False) -> None:
        """See `ModelStore`. One of a bundled base's name would take the bundled adapters' base from them."""
        super().check_free(name, overwrite)
        self._check_own(name)

    def hashes(self, card: BaseCard) -> Mapping[str, str]:
        return card.sha256

    def checked(self, card: BaseCard, folder: Path, source: Path) -> Generator[Progress, None, BaseCard]:
        """See `ModelStore`. The fingerprint, which adapters trust, is made anew from what came."""
        (folder / CARD).write_bytes(cards.write(card))
        yield from isolated.run(check, source, folder)
        return cards.read(folder / CARD, BaseCard)

    def check(self, name: str) -> None:
        """See `ModelStore`."""
        from weibo_tui.registry.weights import backbone_on_disk

        config, _tokenizer = _read(self.path(name), self.card(name))
        with backbone_on_disk(self.path(name) / WEIGHTS, config):
            pass


def convert(source: Path, folder: Path | str, name: str, origin: str, made: Mapping[str, Any]) -> BaseCard:
    """Write a Hugging Face folder as a base into the empty `folder`.

    Its card says that it came from `origin`, and keeps `made` beside what was found of its tokenizer (see
    `token_support`). Raises UserInputError or CorruptFileError."""
    from weibo_tui.engine.tokenizer import PostTokenizer
    from weibo_tui.registry.conversion import read_folder

    checkpoint = read_folder(source)
    tokenizer = PostTokenizer(checkpoint.tokenizer, checkpoint.special_tokens, checkpoint.config.vocabulary)
    return _write(Path(folder), name, checkpoint, origin, {**token_support(tokenizer), **made})


def check(source: Path, folder: Path | str) -> None:
    """Check the files of a base that came from `source` and are in `folder`, and write its card and configs anew.

    Raises UserInputError where they are no base that works, or not the one that its card says."""
    from weibo_tui.registry.weights import backbone_on_disk, fingerprint

    folder = Path(folder)
    card = cards.read(folder / CARD, BaseCard)
    try:
        config, tokenizer = _read(folder, card)
        token_support(tokenizer)
        with backbone_on_disk(folder / WEIGHTS, config) as read:
            found = finish(fingerprint(config, read, tokenizer))
    except UNSOUND as error:
        raise UserInputError(
            _("{source} was refused, it is no base that works ({reason}): export it again where it was made.").format(
                source=source, reason=short(str(error).rstrip("."), 300)
            )
        ) from error
    if found != card.fingerprint:
        raise UserInputError(
            _("{source} was refused: it is not the base that its card says; export it again where it was made.").format(
                source=source
            )
        )
    # Written by us, so that nobody else's code is named in them.
    _write_configs(folder, config, tokenizer)
    card = replace(
        card,
        sha256={file: card.sha256[file] for file in Bases.files} | {CONFIG: sha256(folder / CONFIG)},
        parameters=sum(math.prod(shape) for _name, shape in config.tensors()),
    )
    (folder / CARD).write_bytes(cards.write(card))


def _write(
    folder: Path, name: str, checkpoint: Checkpoint, source: str, made: Mapping[str, Any], *, eight_bits: bool = False
) -> BaseCard:
    """Write a checkpoint as a base into an empty folder; see `Bases.create`."""
    from weibo_tui.engine.gpt2 import GPT2
    from weibo_tui.engine.tokenizer import PostTokenizer
    from weibo_tui.registry.int8 import restored, rounded
    from weibo_tui.registry.serialization import save_tensors
    from weibo_tui.registry.weights import fingerprint

    config, special_tokens = checkpoint.config, checkpoint.special_tokens
    written = rounded(checkpoint.tensors) if eight_bits else checkpoint.tensors
    tensors = restored(written)
    GPT2.load(config, tensors)
    tokenizer = PostTokenizer(checkpoint.tokenizer, special_tokens, config.vocabulary)
    save_tensors(written, folder / WEIGHTS, metadata={"format": "pt"})
    (folder / TOKENIZER).write_text(checkpoint.tokenizer, "utf-8")
    _write_configs(folder, config, tokenizer)
    card = BaseCard(
        name=name,
        fingerprint=finish(fingerprint(config, tensors.__getitem__, tokenizer)),
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


def _read(folder: Path, card: BaseCard) -> tuple[GPT2Config, PostTokenizer]:
    """The shape and the tokenizer of a base. Raises one of UNSOUND where they are none."""
    from weibo_tui.engine.config import GPT2Config
    from weibo_tui.engine.tokenizer import PostTokenizer, SpecialTokens

    values = json.loads(read_bounded(folder / CONFIG, Bases.files[CONFIG]))
    if not isinstance(values, dict):
        raise ValueError(_("it is not a JSON object"))
    config = GPT2Config.from_hugging_face(values)
    definition = read_bounded(folder / TOKENIZER, Bases.files[TOKENIZER]).decode()
    return config, PostTokenizer(definition, SpecialTokens(card.prefix, card.suffix, card.pad), config.vocabulary)


def _write_configs(folder: Path, config: GPT2Config, tokenizer: PostTokenizer) -> None:
    values = hugging_face_config(config, tokenizer.special_tokens)
    (folder / CONFIG).write_bytes((json.dumps(values, indent=2) + "\n").encode())
    (folder / TOKENIZER_CONFIG).write_text(_tokenizer_config(tokenizer, tokenizer.special_tokens, config), "utf-8")


def hugging_face_config(config: GPT2Config, special_tokens: SpecialTokens) -> dict[str, Any]:
    """What `config.json` holds; the ids of the frame keep transformers from assuming those of the English GPT-2."""
    ids = {
        "bos_token_id": special_tokens.prefix[0] if special_tokens.prefix else None,
        "eos_token_id": special_tokens.suffix[-1] if special_tokens.suffix else None,
        "pad_token_id": special_tokens.pad,
    }
    return config.to_hugging_face() | ids


def _tokenizer_config(tokenizer: PostTokenizer, special_tokens: SpecialTokens, config: GPT2Config) -> str:
    """What transformers needs to open `tokenizer.json` as it stands."""
    by_id = {index: token for token, index in tokenizer.vocabulary().items()}
    named = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": config.positions}
    special = {
        "pad_token": (special_tokens.pad,),
        "cls_token": special_tokens.prefix,
        "sep_token": special_tokens.suffix,
        "unk_token": (tokenizer.unknown,),
    }
    named |= {name: by_id[ids[0]] for name, ids in special.items() if len(ids) == 1 and ids[0] in by_id}
    return json.dumps(named, ensure_ascii=False, indent=2) + "\n"

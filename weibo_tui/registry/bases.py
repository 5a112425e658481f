"""Bases: frozen GPT-2s as folders that transformers opens too, each with a card."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weibo_tui.errors import BadInput, Damaged
from weibo_tui.files import atomic_folder, sha256
from weibo_tui.locale import N_
from weibo_tui.locale import gettext as _
from weibo_tui.registry import cards
from weibo_tui.registry.cards import CARD, BaseCard, check_name
from weibo_tui.registry.shelf import Shelf

if TYPE_CHECKING:
    from weibo_tui.engine.gpt2 import GPT2, GPT2Config
    from weibo_tui.engine.tokenizer import Frame, PostTokenizer
    from weibo_tui.registry.conversion import Checkpoint

WEIGHTS = "model.safetensors"
TOKENIZER = "tokenizer.json"
CONFIG = "config.json"


@dataclass(frozen=True, slots=True)
class OpenBase:
    """A base in memory: its card, the frozen trunk in float32, and its tokenizer."""

    card: BaseCard
    trunk: GPT2
    tokenizer: PostTokenizer


class Bases(Shelf[BaseCard]):
    """The folder of bases. Removing one leaves adapters on it, which say which base they want."""

    kind = BaseCard
    unknown = N_("There is no base '{name}': take one of {there}, or add it with 'weibo-tui bases add'.")
    none_yet = N_(
        "There is no base '{name}' and no other yet: add one with 'weibo-tui bases add', or make one with 'weibo-tui "
        "bases pretrain'."
    )

    def open(self, name: str) -> OpenBase:
        """Load a base. Raises Damaged where its files are not what was written."""
        from weibo_tui.engine.gpt2 import GPT2, GPT2Config
        from weibo_tui.registry.weights import check_sha256, read_tensors

        folder = self.path(name)
        card = self.card(name)
        for file in (CONFIG, TOKENIZER):
            check_sha256(folder / file, card.sha256.get(file, ""))
        try:
            config = GPT2Config.from_hugging_face(json.loads((folder / CONFIG).read_bytes()))
            definition = (folder / TOKENIZER).read_text(encoding="utf-8")
            tokenizer = _tokenizer(definition, card, config)
        except (OSError, ValueError, BadInput, Damaged) as error:
            raise Damaged(
                _("The base {folder} is damaged ({reason}): remove it and add it again.").format(
                    folder=folder, reason=str(error).rstrip(".")
                )
            ) from error
        tensors = read_tensors(folder / WEIGHTS, card.sha256.get(WEIGHTS, ""))
        return OpenBase(card, GPT2.load(config, tensors), tokenizer)

    def add(self, source: Path, name: str) -> BaseCard:
        """Take a local Hugging Face folder in, converted once. Raises BadInput or Damaged and leaves nothing."""
        from weibo_tui.registry.conversion import read_folder

        self.check_free(name)
        return self.create(name, read_folder(source), source=str(source.absolute()), made={})

    def create(self, name: str, checkpoint: Checkpoint, source: str, made: Mapping[str, Any]) -> BaseCard:
        """Keep a checkpoint as the base `name`, in the layout of a Hugging Face folder."""
        import safetensors.torch

        from weibo_tui.engine.gpt2 import GPT2
        from weibo_tui.engine.tokenizer import PostTokenizer
        from weibo_tui.registry.weights import fingerprint

        self.check_free(name)
        config, frame = checkpoint.config, checkpoint.frame
        GPT2.load(config, checkpoint.tensors)
        tokenizer = PostTokenizer(checkpoint.tokenizer, frame, config.vocabulary)
        with atomic_folder(self.folder / name) as folder:
            safetensors.torch.save_file(checkpoint.tensors, folder / WEIGHTS, metadata={"format": "pt"})
            (folder / CONFIG).write_bytes(_config(config, frame))
            (folder / TOKENIZER).write_text(checkpoint.tokenizer, "utf-8")
            (folder / "tokenizer_config.json").write_text(_tokenizer_config(tokenizer, frame, config), "utf-8")
            card = BaseCard(
                name=name,
                fingerprint=fingerprint(config, checkpoint.tensors, tokenizer),
                sha256={file: sha256(folder / file) for file in (CONFIG, TOKENIZER, WEIGHTS)},
                prefix=frame.prefix,
                suffix=frame.suffix,
                pad=frame.pad,
                parameters=sum(tensor.numel() for tensor in checkpoint.tensors.values()),
                source=source,
                made=dict(made),
            )
            (folder / CARD).write_bytes(cards.write(card))
        return card

    def check_free(self, name: str) -> None:
        """Raise BadInput where `name` is no name, or is taken."""
        if (self.folder / check_name(name)).exists():
            raise BadInput(_("A base named '{name}' is there already: choose another --name.").format(name=name))


def _tokenizer(definition: str, card: BaseCard, config: GPT2Config) -> PostTokenizer:
    from weibo_tui.engine.tokenizer import Frame, PostTokenizer

    return PostTokenizer(definition, Frame(card.prefix, card.suffix, card.pad), config.vocabulary)


def _config(config: GPT2Config, frame: Frame) -> bytes:
    """`config.json`; the ids of the frame keep transformers from assuming those of the English GPT-2."""
    ids = {
        "bos_token_id": frame.prefix[0] if frame.prefix else None,
        "eos_token_id": frame.suffix[-1] if frame.suffix else None,
        "pad_token_id": frame.pad,
    }
    return (json.dumps(config.to_hugging_face() | ids, indent=2) + "\n").encode()


def _tokenizer_config(tokenizer: PostTokenizer, frame: Frame, config: GPT2Config) -> str:
    """What transformers needs to open `tokenizer.json` as it stands."""
    by_id = {index: token for token, index in tokenizer.vocabulary().items()}
    named = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": config.positions}
    named |= {"pad_token": by_id[frame.pad]} if frame.pad in by_id else {}
    named |= {"cls_token": by_id[frame.prefix[0]]} if len(frame.prefix) == 1 else {}
    named |= {"sep_token": by_id[frame.suffix[0]]} if len(frame.suffix) == 1 else {}
    named |= {"unk_token": by_id[tokenizer.unknown]} if tokenizer.unknown is not None else {}
    return json.dumps(named, ensure_ascii=False, indent=2) + "\n"

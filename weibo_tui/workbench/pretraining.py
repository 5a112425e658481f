"""Making a base from plain text: count a vocabulary, encode, pretrain, keep. Also goes on with an interrupted one."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from weibo_tui.atomic import atomic_write, sha256
from weibo_tui.datasets.corpus import lines
from weibo_tui.datasets.parsers import windows
from weibo_tui.engine.events import Event, RunFinished, RunStarted
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.progress import Progress
from weibo_tui.storage.runs import Run
from weibo_tui.text import PREPROCESSING, clean
from weibo_tui.workbench.config import PretrainingConfig
from weibo_tui.workbench.home import Home
from weibo_tui.workbench.runs import ActiveRun, at_work, begun_with, check_resumable, check_unreserved, settled

if TYPE_CHECKING:
    from weibo_tui.engine.device import Compute
    from weibo_tui.engine.pretraining import Pretrainer
    from weibo_tui.engine.tokenizer import EncodedPosts, SpecialTokens

KIND = "pretrain"
# Posts cleaned, counted or encoded between two yields.
STRETCH = 2000
# Of so many posts one is held out for validation, up to MOST_HELD_OUT.
HELD_OUT_EVERY, MOST_HELD_OUT = 200, 2000
TOKENIZER = "tokenizer.json"


@dataclass(frozen=True, slots=True)
class PreparedPretraining:
    """All that a pretraining needs; making it again from the same corpus and tokenizer gives the same."""

    tokenizer: str
    special_tokens: SpecialTokens
    compute: Compute
    pretraining: Pretrainer


def pretrain(home: Home, plan: PretrainingConfig) -> Iterator[object]:
    """`Workbench.pretrain`."""
    from weibo_tui.engine.config import GPT2Config

    home.bases.check_free(plan.name)
    check_unreserved(home, KIND, plan.name)
    GPT2Config(plan.layers, plan.heads, plan.width, plan.positions, plan.vocabulary, 4 * plan.width)
    tokenizer, special_tokens = yield from _count_vocabulary(plan)
    prepared = yield from _prepare(home, plan, tokenizer, special_tokens)
    plan = replace(plan, machine=settled(prepared.compute))
    kept = {
        "plan": plan.to_json(),
        "corpus": sha256(plan.corpus),
        "frame": _frame_to_json(special_tokens),
        "tokenizer": hashlib.sha256(tokenizer.encode()).hexdigest(),
    }
    run = home.runs.create(KIND, plan.name, kept)
    atomic_write(home.runs.folder(run.id) / TOKENIZER, tokenizer.encode())
    with at_work(home, run, prepared.pretraining, plan.checkpoint_seconds) as work:
        yield from _run(home, plan, prepared, work)


def resume(home: Home, run: Run) -> Iterator[object]:
    """`Workbench.resume` for a pretraining."""
    from weibo_tui.registry.weights import check_sha256

    check_resumable(run)
    plan, corpus, special_tokens = begun_with(run, _begun_with)
    if not _kept_already(home, plan.name, run):
        home.bases.check_free(plan.name)
    check_unreserved(home, KIND, plan.name, run.id)
    if sha256(plan.corpus) != corpus:
        raise UserInputError(
            _("The corpus {path} has changed since run {run} began: pretrain anew.").format(
                path=plan.corpus, run=run.id
            )
        )
    tokenizer = home.runs.folder(run.id) / TOKENIZER
    check_sha256(tokenizer, run.plan.get("tokenizer", sha256(tokenizer)))
    prepared = yield from _prepare(home, plan, tokenizer.read_text(encoding="utf-8"), special_tokens)
    with at_work(home, run, prepared.pretraining, plan.checkpoint_seconds, resumed=True) as work:
        yield from _run(home, plan, prepared, work)


def _posts(plan: PretrainingConfig) -> Iterator[str]:
    """The corpus as the model reads it, one cleaned post at a time; what is empty then is passed over."""
    for line in lines(plan.corpus, plan.encoding):
        if text := clean(line, PREPROCESSING).text:
            yield text


def _count_vocabulary(plan: PretrainingConfig) -> Generator[Progress, None, tuple[str, SpecialTokens]]:
    """A tokenizer definition and its frame, counted from the corpus."""
    from weibo_tui.engine.vocabulary import (
        BPETokenizerTrainer,
        CharacterTokenizerTrainer,
        TokenizerTrainer,
        bert_special_tokens,
    )

    makers: dict[str, Callable[[bool], TokenizerTrainer]] = {
        "characters": CharacterTokenizerTrainer,
        "pieces": BPETokenizerTrainer,
    }
    maker, done = makers[plan.units](plan.emoticons), 0
    for stretch in windows(_posts(plan), STRETCH, len):
        maker.add(stretch)
        done += len(stretch)
        yield Progress("counting characters", done, None)
    for found in maker.train(plan.vocabulary):
        if not isinstance(found, int):
            return found.to_str(), bert_special_tokens(found)
        yield Progress("making the vocabulary", found, None)
    raise AssertionError("a maker's last word is its tokenizer")


def _prepare(
    home: Home, plan: PretrainingConfig, definition: str, special_tokens: SpecialTokens
) -> Generator[Progress, None, PreparedPretraining]:
    from weibo_tui.engine.config import GPT2Config
    from weibo_tui.engine.pretraining import Pretrainer, initialize_backbone
    from weibo_tui.engine.tokenizer import EncodedPosts, PostTokenizer
    from weibo_tui.engine.vocabulary import emoticon_mask

    tokenizer = PostTokenizer(definition, special_tokens, plan.vocabulary)
    config = GPT2Config(
        layers=plan.layers,
        heads=plan.heads,
        width=plan.width,
        positions=plan.positions,
        vocabulary=len(tokenizer.vocabulary()),
        inner=4 * plan.width,
    )
    train: list[EncodedPosts] = []
    held_out: list[EncodedPosts] = []
    held, done = HeldOut(), 0
    for stretch in windows(_posts(plan), STRETCH, len):
        apart = list(map(held.has, stretch))
        for part, wanted in ((train, False), (held_out, True)):
            chosen = [post for post, is_apart in zip(stretch, apart, strict=True) if is_apart == wanted]
            part.append(tokenizer.encode(chosen, plan.positions))
        done += len(stretch)
        yield Progress("encoding", done, None)
    compute = home.compute(plan.machine)
    pretraining = Pretrainer(
        initialize_backbone(config, plan.recipe.seed),
        EncodedPosts.join(train),
        EncodedPosts.join(held_out),
        emoticon_mask(tokenizer.vocabulary()),
        plan.recipe,
        compute,
    )
    return PreparedPretraining(definition, special_tokens, compute, pretraining)


class HeldOut:
    """Which posts are held out: chosen by their text, so that no copy of one is learned from."""

    def __init__(self) -> None:
        self._chosen: set[str] = set()

    def has(self, post: str) -> bool:
        if post in self._chosen:
            return True
        if len(self._chosen) == MOST_HELD_OUT or zlib.crc32(post.encode()) % HELD_OUT_EVERY:
            return False
        self._chosen.add(post)
        return True


def _run(home: Home, plan: PretrainingConfig, prepared: PreparedPretraining, work: ActiveRun) -> Iterator[Event]:
    from weibo_tui.registry.conversion import Checkpoint

    pretraining, compute = prepared.pretraining, prepared.compute
    backbone = pretraining.backbone
    yield work.tell(
        RunStarted(
            run=work.run.id,
            name=plan.name,
            kind=KIND,
            base=plan.name,
            device=str(compute.device),
            dtype=compute.dtype_name,
            threads=plan.machine.threads,
            step=pretraining.state.step,
            steps=pretraining.steps,
            epochs=0,
            posts={"train": len(pretraining.train), "validation": len(pretraining.validation)},
            trainable=sum(parameter.numel() for parameter in backbone.parameters()),
            frozen=0,
        )
    )
    yield from work.pull(pretraining)
    state = pretraining.state
    made = {
        "corpus": plan.corpus.name,
        "corpus_sha256": work.run.plan["corpus"],
        "plan": plan.to_json(),
        "tokens": state.tokens,
        "epochs": state.epoch,
        "seconds": round(state.seconds, 1),
        "validation_loss": state.loss if state.loss == state.loss else None,
        "dtype": compute.dtype_name,
        "run": work.run.id,
    }
    work.check_folder()
    if _kept_already(home, plan.name, work.run):
        home.bases.remove(plan.name)
    # A base that was added or renamed since may have taken the name: what was made is kept all the same.
    name = home.bases.free_name(plan.name)
    checkpoint = Checkpoint(backbone.config, backbone.to_hf_state_dict(), prepared.tokenizer, prepared.special_tokens)
    home.bases.create(name, checkpoint, source="pretrained", made=made)
    finished = RunFinished(
        run=work.run.id,
        name=name,
        kind=KIND,
        path=str(home.bases.path(name)),
        best_epoch=None,
        score=None,
    )
    yield work.finish(finished, {"tokens": state.tokens, "validation_loss": made["validation_loss"]})


def _kept_already(home: Home, name: str, run: Run) -> bool:
    """Whether the run was cut off between keeping its base and saying so; then it makes the same one again."""
    return any(card.name == name and card.made.get("run") == run.id for card in home.bases.list())


def _begun_with(values: Mapping[str, Any]) -> tuple[PretrainingConfig, str, SpecialTokens]:
    """What `Run.plan` says: the plan, the SHA-256 of the corpus, and the frame of its vocabulary."""
    from weibo_tui.engine.tokenizer import SpecialTokens

    special_tokens = values["frame"]
    plan = PretrainingConfig.from_json(values["plan"])
    return (
        plan,
        str(values["corpus"]),
        SpecialTokens(tuple(special_tokens["prefix"]), tuple(special_tokens["suffix"]), int(special_tokens["pad"])),
    )


def _frame_to_json(special_tokens: SpecialTokens) -> dict[str, object]:
    return {"prefix": list(special_tokens.prefix), "suffix": list(special_tokens.suffix), "pad": special_tokens.pad}

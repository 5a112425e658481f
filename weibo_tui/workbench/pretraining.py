"""Pretraining of a base on plain text: train a tokenizer, encode, train, save."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from weibo_tui.atomic import atomic_write, sha256
from weibo_tui.datasets.corpus import read_lines
from weibo_tui.datasets.tables import chunks
from weibo_tui.engine.events import Event
from weibo_tui.engine.hyperparameters import ComputeOptions, PretrainingHyperparameters
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.progress import Progress
from weibo_tui.storage.runs import Run, Runs
from weibo_tui.text.cleaning import clean
from weibo_tui.workbench.config import PretrainingConfig
from weibo_tui.workbench.models import ModelLoader
from weibo_tui.workbench.parallel import share_job
from weibo_tui.workbench.runs import (
    RunSession,
    check_name_unreserved,
    load_run_config,
    resolved_options,
    run_session,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from weibo_tui.engine.config import GPT2Config
    from weibo_tui.engine.device import Compute
    from weibo_tui.engine.pretraining import Pretrainer
    from weibo_tui.engine.tokenizer import EncodedPosts, SpecialTokens

KIND = "pretrain"
BATCH = 2000
"""Posts that are cleaned, counted or encoded between two yields."""
VALIDATION_EVERY, MAX_VALIDATION = 200, 2000
"""One post of this many is held out for validation, up to a maximum."""
TOKENIZER = "tokenizer.json"


@dataclass(frozen=True, slots=True)
class PreparedPretraining:
    """The inputs of a pretraining, a deterministic function of its corpus and tokenizer."""

    tokenizer: str
    special_tokens: SpecialTokens
    compute: Compute
    trainer: Pretrainer


@dataclass(frozen=True, slots=True)
class PretrainingJob:
    """The inputs of the trainer of a base, for all processes (see `parallel`)."""

    shape: GPT2Config
    machine: ComputeOptions
    train: EncodedPosts
    validation: EncodedPosts
    emoticon_mask: NDArray[np.bool_]
    recipe: PretrainingHyperparameters

    def build_trainer(self, models: ModelLoader) -> Pretrainer:
        """Build the trainer of a process that is not rank 0."""
        return self.trainer_on(models.training_compute(self.machine))

    def trainer_on(self, compute: Compute) -> Pretrainer:
        """Build the trainer of a new base."""
        from weibo_tui.engine.parallel import current
        from weibo_tui.engine.pretraining import Pretrainer, initialize_backbone

        backbone = initialize_backbone(self.shape, self.recipe.seed)
        return Pretrainer(backbone, self.train, self.validation, self.emoticon_mask, self.recipe, compute, current())


def pretrain(models: ModelLoader, runs: Runs, config: PretrainingConfig) -> Iterator[object]:
    """Pretrain a base; see `Workbench.iter_pretrain`."""
    from weibo_tui.engine.config import GPT2Config

    models.bases.check_free(config.name)
    check_name_unreserved(runs, KIND, config.name)
    # Refuse invalid sizes before the corpus is read.
    GPT2Config(config.layers, config.heads, config.width, config.positions, config.vocabulary, 4 * config.width)
    tokenizer, special_tokens = yield from _train_tokenizer(config)
    prepared = yield from _prepare(models, config, tokenizer, special_tokens)
    config = replace(config, machine=resolved_options(prepared.compute, config.machine))
    stored = {
        "plan": config.to_json(),
        "corpus": sha256(config.corpus),
        "frame": {
            "prefix": list(special_tokens.prefix),
            "suffix": list(special_tokens.suffix),
            "pad": special_tokens.pad,
        },
        "tokenizer": hashlib.sha256(tokenizer.encode()).hexdigest(),
    }
    run = runs.create(KIND, config.name, stored)
    atomic_write(runs.folder(run.id) / TOKENIZER, tokenizer.encode())
    with runs.lock(run.id), run_session(runs, run, prepared.trainer, config.checkpoint_seconds) as session:
        yield from _run(models, config, prepared, session)


def resume(models: ModelLoader, runs: Runs, run: Run) -> Iterator[object]:
    """Resume a pretraining; see `Workbench.iter_resume`."""
    from weibo_tui.registry.weights import check_sha256

    with runs.resuming(run.id):
        config, corpus, special_tokens = load_run_config(run, _parse_stored)
        if not _is_saved(models, config.name, run):
            models.bases.check_free(config.name)
        check_name_unreserved(runs, KIND, config.name, run.id)
        if sha256(config.corpus) != corpus:
            message = _("Corpus {path} has changed since run {run} started. Start a new run.")
            raise UserInputError(message.format(path=config.corpus, run=run.id))
        tokenizer = runs.folder(run.id) / TOKENIZER
        check_sha256(tokenizer, run.plan.get("tokenizer", sha256(tokenizer)))
        prepared = yield from _prepare(models, config, tokenizer.read_text(encoding="utf-8"), special_tokens)
        with run_session(runs, run, prepared.trainer, config.checkpoint_seconds, resumed=True) as session:
            yield from _run(models, config, prepared, session)


def _parse_stored(values: Mapping[str, Any]) -> tuple[PretrainingConfig, str, SpecialTokens]:
    """Parse `Run.plan`: the config, the SHA-256 of the corpus, and the frame of the tokenizer."""
    from weibo_tui.engine.tokenizer import SpecialTokens

    special_tokens = values["frame"]
    config = PretrainingConfig.from_json(values["plan"])
    special = SpecialTokens(
        tuple(special_tokens["prefix"]), tuple(special_tokens["suffix"]), int(special_tokens["pad"])
    )
    return config, str(values["corpus"]), special


def _posts(config: PretrainingConfig) -> Iterator[str]:
    """Yield the cleaned posts of the corpus, without empty ones."""
    for line in read_lines(config.corpus, config.encoding):
        if text := clean(line, config.preprocessing).text:
            yield text


def _train_tokenizer(config: PretrainingConfig) -> Generator[Progress, None, tuple[str, SpecialTokens]]:
    """Train a tokenizer on the corpus, and return its JSON and its frame."""
    from weibo_tui.engine.vocabulary import (
        BPETokenizerTrainer,
        CharacterTokenizerTrainer,
        TokenizerTrainer,
        bert_special_tokens,
    )

    trainers: dict[str, Callable[[bool], TokenizerTrainer]] = {
        "characters": CharacterTokenizerTrainer,
        "pieces": BPETokenizerTrainer,
    }
    trainer, done = trainers[config.units](config.emoticons), 0
    for batch in chunks(_posts(config), BATCH, len):
        trainer.add(batch)
        done += len(batch)
        yield Progress("counting characters", done, None)
    for step in trainer.train(config.vocabulary):
        if not isinstance(step, int):
            return step.to_str(), bert_special_tokens(step)
        yield Progress("building the vocabulary", step, None)
    raise AssertionError("the last step is the tokenizer")


def _prepare(
    models: ModelLoader, config: PretrainingConfig, definition: str, special_tokens: SpecialTokens
) -> Generator[Progress, None, PreparedPretraining]:
    """Encode the corpus and initialize the model."""
    from weibo_tui.engine.config import GPT2Config
    from weibo_tui.engine.tokenizer import EncodedPosts, PostTokenizer
    from weibo_tui.engine.vocabulary import emoticon_mask

    tokenizer = PostTokenizer(definition, special_tokens, config.vocabulary)
    model_config = GPT2Config(
        layers=config.layers,
        heads=config.heads,
        width=config.width,
        positions=config.positions,
        vocabulary=len(tokenizer.vocabulary()),
        inner=4 * config.width,
    )
    parts: dict[bool, list[EncodedPosts]] = {False: [], True: []}
    split, done = ValidationSplit(), 0
    for batch in chunks(_posts(config), BATCH, len):
        is_validation = list(map(split.contains, batch))
        for key, part in parts.items():
            posts = [post for post, other in zip(batch, is_validation, strict=True) if other == key]
            part.append(tokenizer.encode(posts, config.positions))
        done += len(batch)
        yield Progress("encoding", done, None)
    compute = models.training_compute(config.machine)
    job = PretrainingJob(
        model_config,
        resolved_options(compute, config.machine),
        EncodedPosts.join(parts[False]),
        EncodedPosts.join(parts[True]),
        emoticon_mask(tokenizer.vocabulary()),
        config.recipe,
    )
    share_job(job)
    return PreparedPretraining(definition, special_tokens, compute, job.trainer_on(compute))


class ValidationSplit:
    """The posts that are held out for validation. They are chosen by text, so that copies stay together."""

    def __init__(self) -> None:
        self._posts: set[str] = set()

    def contains(self, post: str) -> bool:
        """Decide whether `post` is held out, from the posts so far."""
        if post in self._posts:
            return True
        if len(self._posts) == MAX_VALIDATION or zlib.crc32(post.encode()) % VALIDATION_EVERY:
            return False
        self._posts.add(post)
        return True


def _run(
    models: ModelLoader, config: PretrainingConfig, prepared: PreparedPretraining, session: RunSession
) -> Iterator[Event]:
    from weibo_tui.registry.conversion import Checkpoint

    trainer, compute = prepared.trainer, prepared.compute
    backbone = trainer.backbone
    yield session.start(
        compute,
        base=config.name,
        step=trainer.state.step,
        steps=trainer.steps,
        epochs=0,
        posts={"train": len(trainer.train), "validation": len(trainer.validation)},
        trainable=sum(parameter.numel() for parameter in backbone.parameters()),
        frozen=0,
    )
    yield from session.iter_events(trainer)
    state = trainer.state
    validation_loss = state.loss if state.loss == state.loss else None  # NaN without validation posts
    provenance = {
        "corpus": config.corpus.name,
        "corpus_sha256": session.run.plan["corpus"],
        "plan": config.to_json(),
        "tokens": state.tokens,
        "epochs": state.epoch,
        "seconds": round(state.seconds, 1),
        "validation_loss": validation_loss,
        "dtype": compute.dtype_name,
        "run": session.run.id,
    }
    session.check_folder()
    if _is_saved(models, config.name, session.run):
        models.bases.remove(config.name)
    # A base that was added or renamed during the run may have taken the name.
    name = models.bases.free_name(config.name)
    checkpoint = Checkpoint(backbone.config, backbone.to_hf_state_dict(), prepared.tokenizer, prepared.special_tokens)
    models.bases.create(name, checkpoint, source="pretrained", made=provenance)
    yield session.finish(name, models.bases.path(name), {"tokens": state.tokens, "validation_loss": validation_loss})


def _is_saved(models: ModelLoader, name: str, run: Run) -> bool:
    """Return True where the run was killed after saving its base; a resume then creates the same one again."""
    return any(card.name == name and card.made.get("run") == run.id for card in models.bases.list())

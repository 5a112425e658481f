"""Training an adapter from files to a card: read, split, encode, train, calibrate, test, keep."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from weibo_tui.datasets.dataset import Dataset, check_trainable, load
from weibo_tui.datasets.splitting import Split, split_steps
from weibo_tui.datasets.text_hashes import text_hashes
from weibo_tui.engine.events import Event, RunFinished, RunStarted
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.progress import Progress
from weibo_tui.registry import cards
from weibo_tui.registry.cards import AdapterCard
from weibo_tui.storage.runs import Run
from weibo_tui.text import PREPROCESSING, without_emoticons
from weibo_tui.workbench.config import TrainingConfig
from weibo_tui.workbench.downloads import get_base
from weibo_tui.workbench.evaluation import score_posts
from weibo_tui.workbench.home import Home
from weibo_tui.workbench.runs import ActiveRun, at_work, begun_with, check_resumable, check_unreserved, settled
from weibo_tui.workbench.scratch_arrays import room_in

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from weibo_tui.engine.device import Compute
    from weibo_tui.engine.tokenizer import EncodedPosts, PostTokenizer
    from weibo_tui.engine.training import AdapterTrainer, Examples
    from weibo_tui.registry.bases import OpenBase

KIND = "train"
# Posts encoded between two yields.
STRETCH = 1000


@dataclass(frozen=True, slots=True)
class PreparedTraining:
    """All that a training needs, made from its plan; making it again gives the same."""

    base: OpenBase
    compute: Compute
    dataset: Dataset
    split: Split
    training: AdapterTrainer


def train(home: Home, plan: TrainingConfig) -> Iterator[object]:
    """`Workbench.train`."""
    home.adapters.check_free(plan.name, plan.overwrite)
    check_unreserved(home, KIND, plan.name)
    if "/" in plan.base and not plan.offline:
        card = yield from get_base(home, plan.base)
        plan = replace(plan, base=card.name)
    plan = replace(plan, base=home.base_name(plan.base))
    prepared = yield from _prepare(home, plan)
    plan = replace(plan, machine=settled(prepared.compute))
    kept = {"plan": plan.to_json(), "data": prepared.dataset.digest, "base": prepared.base.card.fingerprint}
    run = home.runs.create(KIND, plan.name, kept)
    with at_work(home, run, prepared.training, plan.checkpoint_seconds) as work:
        yield from _run(home, plan, prepared, work)


def resume(home: Home, run: Run) -> Iterator[object]:
    """`Workbench.resume` for a training."""
    check_resumable(run)
    plan, data, fingerprint = begun_with(
        run, lambda values: (TrainingConfig.from_json(values["plan"]), str(values["data"]), str(values["base"]))
    )
    # It may have been renamed since, or another may have come under its name.
    plan = replace(plan, base=home.base_with(fingerprint, plan.base) or plan.base)
    if any(card.name == plan.name and card.run == run.id for card in home.adapters.list()):
        # It was cut off between keeping its adapter and saying so: the same one is made again.
        plan = replace(plan, overwrite=True)
    home.adapters.check_free(plan.name, plan.overwrite)
    check_unreserved(home, KIND, plan.name, run.id)
    prepared = yield from _prepare(home, plan)
    if prepared.dataset.digest != data:
        raise UserInputError(
            _("The data of run {run} has changed since it began ({files}): train anew.").format(
                run=run.id, files=", ".join(map(str, plan.data))
            )
        )
    if prepared.base.card.fingerprint != fingerprint:
        raise UserInputError(
            _("The base '{base}' is not the one that run {run} began with: train anew.").format(
                base=plan.base, run=run.id
            )
        )
    with at_work(home, run, prepared.training, plan.checkpoint_seconds, resumed=True) as work:
        yield from _run(home, plan, prepared, work)


def _prepare(home: Home, plan: TrainingConfig) -> Generator[Progress, None, PreparedTraining]:
    """Read, split and encode; everything that can be wrong with the plan is found here, before a run is made."""
    from weibo_tui.engine.activation_cache import ActivationCache
    from weibo_tui.engine.adapter import Adapter, AdapterConfig, parse_blocks
    from weibo_tui.engine.training import AdapterTrainer

    columns, hyper = plan.columns, plan.hyper
    dataset = yield from load(plan.data, columns.text, columns.label, columns.encoding, plan.labels)
    check_trainable(dataset)
    cards.check_labels(dataset.names)
    split = yield from split_steps(dataset.posts, dataset.labels, plan.validation, plan.test, hyper.seed, plan.grouping)
    compute = home.compute(plan.machine)
    base = home.open_base(plan.base, compute)
    config = base.backbone.config
    if hyper.max_length > config.positions:
        raise UserInputError(
            _("The base '{base}' reads {positions} tokens at most: choose a --max-length up to that.").format(
                base=plan.base, positions=config.positions
            )
        )
    adapter = Adapter.initialize(
        AdapterConfig(
            width=config.width,
            blocks=parse_blocks(hyper.blocks, config.layers),
            labels=len(dataset.names),
            bottleneck=hyper.bottleneck,
            activation=hyper.activation,
            dropout=hyper.dropout,
        ),
        hyper.seed,
        hyper.init,
    )
    if plan.keep_states and ActivationCache.last_block(adapter, base.backbone) < 1:
        raise UserInputError(
            _("The adapter follows blocks from the first on, which leaves no states to keep: give --blocks last4.")
        )
    examples = yield from _examples(
        base.tokenizer, dataset, split.train, plan, emoticon_free=hyper.emoticon_dropout > 0
    )
    held_out = yield from _examples(base.tokenizer, dataset, split.validation, plan, emoticon_free=False)
    training = AdapterTrainer(
        base.backbone,
        adapter.to(compute.device),
        examples,
        held_out,
        hyper,
        compute,
        base.tokenizer.special_tokens.pad,
        room_in(home.paths.runs) if plan.keep_states else None,
    )
    return PreparedTraining(base, compute, dataset, split, training)


def _examples(
    tokenizer: PostTokenizer, dataset: Dataset, which: NDArray[np.int64], plan: TrainingConfig, emoticon_free: bool
) -> Generator[Progress, None, Examples]:
    import numpy as np

    from weibo_tui.engine.training import Examples

    posts = [dataset.posts[index] for index in which]
    encoded = yield from _encode(tokenizer, posts, plan.hyper.max_length)
    without = None
    if emoticon_free:
        without = yield from _encode(tokenizer, list(map(without_emoticons, posts)), plan.hyper.max_length)
        # A post that is nothing but emoticons has no variant without.
        own = np.arange(len(posts))
        joined = type(encoded).join([encoded, without])
        without = joined.take(np.where(without.num_content_tokens > 0, own + len(posts), own))
    readable = np.flatnonzero(encoded.num_content_tokens)
    labels = np.array([dataset.labels[index] for index in which], np.int64)
    return Examples(encoded.take(readable), labels[readable], None if without is None else without.take(readable))


def _encode(tokenizer: PostTokenizer, posts: Sequence[str], max_length: int) -> Generator[Progress, None, EncodedPosts]:
    from weibo_tui.engine.tokenizer import EncodedPosts

    parts = []
    for start in range(0, len(posts), STRETCH):
        stretch = posts[start : start + STRETCH]
        parts.append(tokenizer.encode_posts(stretch, max_length, PREPROCESSING)[1])
        yield Progress("encoding", start + len(stretch), len(posts))
    return EncodedPosts.join(parts)


def _run(home: Home, plan: TrainingConfig, prepared: PreparedTraining, work: ActiveRun) -> Iterator[Event]:
    import numpy as np

    training, compute = prepared.training, prepared.compute
    split, unlabeled = prepared.split, prepared.dataset.unlabeled
    yield work.tell(
        RunStarted(
            run=work.run.id,
            name=plan.name,
            kind=KIND,
            base=plan.base,
            device=str(compute.device),
            dtype=compute.dtype_name,
            threads=plan.machine.threads,
            step=training.state.step,
            steps=training.steps,
            epochs=plan.hyper.epochs,
            posts={
                "train": len(split.train),
                "validation": len(split.validation),
                "test": len(split.test),
                **({"unlabeled": unlabeled} if unlabeled else {}),
            },
            trainable=_count(training.adapter),
            frozen=prepared.base.card.parameters,
        )
    )
    yield from work.pull(training)
    texts, words = yield from text_hashes(prepared.dataset.posts)
    card = yield from _measure(plan, prepared, work.run, words[split.test])
    work.check_folder()
    if not plan.overwrite:
        # An adapter that was imported or renamed since may have taken the name: what was trained is kept all the same.
        card = replace(card, name=home.adapters.free_name(card.name))
    # Those of the validation split too: the best epoch was chosen by them.
    seen = np.concatenate([texts[split.train], texts[split.validation]])
    card = home.adapters.save(training.adapter, card, plan.overwrite, seen)
    finished = RunFinished(
        run=work.run.id,
        name=card.name,
        kind=KIND,
        path=str(home.adapters.path(card.name)),
        best_epoch=training.state.best_epoch,
        score=card.score,
    )
    yield work.finish(finished, {"best_epoch": training.state.best_epoch, "score": card.score})


def _measure(
    plan: TrainingConfig, prepared: PreparedTraining, run: Run, words: NDArray[np.int64]
) -> Generator[Progress, None, AdapterCard]:
    """Temperature on the validation split, score card on the test split, and the card that says both. `words` are the
    hashes of the test split's posts' words."""
    import numpy as np

    from weibo_tui.engine.calibration import fit_temperature
    from weibo_tui.engine.prediction import Classifier, predict_logits

    training, dataset, split = prepared.training, prepared.dataset, prepared.split
    compute, base, held_out = prepared.compute, prepared.base, prepared.training.validation
    logits, done = np.zeros((len(held_out.encoded), len(dataset.names))), 0
    for batch, part in predict_logits(training.backbone, training.adapter, held_out.encoded, training.padding, compute):
        logits[batch] = part
        done += len(batch)
        yield Progress("calibration", done, len(logits))
    classifier = Classifier(
        training.backbone,
        training.adapter,
        base.tokenizer,
        compute,
        max_length=plan.hyper.max_length,
        preprocessing=PREPROCESSING,
        temperature=fit_temperature(logits, held_out.labels),
    )
    posts = [dataset.posts[index] for index in split.test]
    score, _judged = yield from score_posts(
        classifier, posts, words, [dataset.labels[index] for index in split.test], dataset.names
    )
    config = training.adapter.config
    return AdapterCard(
        name=plan.name,
        base=plan.base,
        base_fingerprint=base.card.fingerprint,
        labels=dataset.names,
        raw_labels=dataset.label_set.raw,
        width=config.width,
        blocks=config.blocks,
        bottleneck=config.bottleneck,
        activation=config.activation,
        dropout=config.dropout,
        max_length=plan.hyper.max_length,
        preprocessing=PREPROCESSING,
        temperature=classifier.temperature,
        dtype=compute.dtype_name,
        parameters=_count(training.adapter),
        data=_about(dataset, split, plan),
        hyperparameters=asdict(plan.hyper),
        score=score.to_json() | ({} if len(dataset.names) <= cards.MOST_IN_MATRIX else {"confusion": ()}),
        run=run.id,
    )


def _about(dataset: Dataset, split: Split, plan: TrainingConfig) -> dict[str, Any]:
    return {
        "files": [str(source.path.name) for source in dataset.sources[: cards.MOST_FILES]],
        "more_files": max(0, len(dataset.sources) - cards.MOST_FILES),
        "sha256": dataset.digest,
        "labels": dataset.counts(),
        "skipped": len(dataset.skipped),
        "train": len(split.train),
        "validation": len(split.validation),
        "test": len(split.test),
        "split_seed": plan.hyper.seed,
    }


def _count(module: Any) -> int:
    return sum(parameter.numel() for parameter in module.parameters())

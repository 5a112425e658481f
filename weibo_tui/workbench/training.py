"""Training of an adapter, from files to a card: read, split, encode, train, calibrate, evaluate, save."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weibo_tui.datasets.dataset import Dataset, check_trainable, load_dataset
from weibo_tui.datasets.label_map import parse_rules
from weibo_tui.datasets.splitting import STEP, Split, hash_texts, split_with_progress
from weibo_tui.engine.events import CachePlanned, Event
from weibo_tui.engine.hyperparameters import ComputeOptions, Hyperparameters
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_list, ngettext
from weibo_tui.progress import Progress
from weibo_tui.registry import cards
from weibo_tui.registry.cards import AdapterCard
from weibo_tui.storage.answers import Answers, SampleTexts
from weibo_tui.storage.runs import Run, Runs
from weibo_tui.text.emoticons import without_emoticons
from weibo_tui.text.keys import text_key
from weibo_tui.workbench.baselines import compare_with_baselines
from weibo_tui.workbench.config import TrainingConfig
from weibo_tui.workbench.downloads import download_base
from weibo_tui.workbench.encoding import Encoding, encode_posts
from weibo_tui.workbench.evaluation import score_posts
from weibo_tui.workbench.models import ModelLoader
from weibo_tui.workbench.parallel import share_job
from weibo_tui.workbench.runs import (
    RunSession,
    check_name_unreserved,
    load_run_config,
    resolved_options,
    run_session,
)
from weibo_tui.workbench.scratch_files import MAX_SHARE, file_opener, free_space
from weibo_tui.workbench.seeds import SeedRuns, seed_runs
from weibo_tui.workbench.subsets import post_files

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from weibo_tui.engine.adapter import AdapterConfig
    from weibo_tui.engine.config import GPT2Config
    from weibo_tui.engine.device import Compute
    from weibo_tui.engine.prediction import Classifier
    from weibo_tui.engine.tokenizer import EncodedPosts, PostTokenizer
    from weibo_tui.engine.training import AdapterTrainer, Examples
    from weibo_tui.registry.bases import OpenBase

KIND = "train"


@dataclass(frozen=True, slots=True)
class PreparedTraining:
    """The inputs of a training, a deterministic function of its config and data.

    `cache` depends on the free disk space. It is None where the config has no cache."""

    base: OpenBase
    compute: Compute
    dataset: Dataset
    split: Split
    trainer: AdapterTrainer
    cache: CachePlanned | None


@dataclass(frozen=True, slots=True)
class AdapterJob:
    """The inputs of the trainer of an adapter, for all processes (see `parallel`)."""

    base: str
    fingerprint: str
    machine: ComputeOptions
    shape: AdapterConfig
    examples: Examples
    held_out: Examples
    hyper: Hyperparameters
    keep_states: bool

    def build_trainer(self, models: ModelLoader) -> AdapterTrainer:
        """Build the trainer of a process that is not rank 0, on its own copy of the base."""
        name = models.find_base(self.fingerprint, self.base)
        if name is None:
            message = _(
                "Base '{base}' (fingerprint {fingerprint}…) is not installed there. Install the same base there."
            )
            raise UserInputError(message.format(base=self.base, fingerprint=self.fingerprint[:12]))
        compute = models.training_compute(self.machine)
        return self.trainer_on(models.open_base(name, compute), compute, models)

    def trainer_on(
        self, base: OpenBase, compute: Compute, models: ModelLoader, probes: EncodedPosts | None = None
    ) -> AdapterTrainer:
        """Build the trainer of a new adapter on an open base."""
        from weibo_tui.engine.adapter import Adapter
        from weibo_tui.engine.parallel import current
        from weibo_tui.engine.training import AdapterTrainer

        return AdapterTrainer(
            base.backbone,
            Adapter.initialize(self.shape, self.hyper.seed, self.hyper.init).to(compute.device),
            self.examples,
            self.held_out,
            self.hyper,
            compute,
            base.tokenizer.special_tokens.pad,
            file_opener(models.paths.runs) if self.keep_states else None,
            probes,
            current(),
        )


def train(models: ModelLoader, runs: Runs, answers: Answers, config: TrainingConfig) -> Iterator[object]:
    """Train an adapter; see `Workbench.iter_train`."""
    models.adapters.check_free(config.name, config.overwrite)
    check_name_unreserved(runs, KIND, config.name)
    if "/" in config.base and not config.offline:
        card = yield from download_base(models, config.base)
        config = replace(config, base=card.name)
    probes = models.settings.probes if config.probes is None else config.probes
    config = replace(config, base=models.base_name(config.base), probes=probes)
    seeds = None if config.group is None else SeedRuns(models, runs, config.group)
    last_answer = answers.last_id() if seeds is None or seeds.last_answer is None else seeds.last_answer
    prepared = yield from _prepare(models, config, answers.sample_texts(last_answer))
    if seeds is not None:
        seeds.check_comparable(prepared.dataset.digest, prepared.base.card.fingerprint)
    machine = resolved_options(prepared.compute, config.machine)
    config = replace(config, machine=machine, split_seed=config.seed_of_split, keep_states=_is_used(prepared.cache))
    stored = {
        "plan": config.to_json(),
        "data": prepared.dataset.digest,
        "base": prepared.base.card.fingerprint,
        "last_answer": last_answer,
    }
    run = runs.create(KIND, config.name, stored)
    with runs.lock(run.id), run_session(runs, run, prepared.trainer, config.checkpoint_seconds) as session:
        yield from _run(models, runs, config, prepared, session)


def resume(models: ModelLoader, runs: Runs, answers: Answers, run: Run) -> Iterator[object]:
    """Resume a training; see `Workbench.iter_resume`."""
    with runs.resuming(run.id):
        config, data, fingerprint = load_run_config(
            run, lambda values: (TrainingConfig.from_json(values["plan"]), str(values["data"]), str(values["base"]))
        )
        # The base may have another name by now.
        config = replace(config, base=models.find_base(fingerprint, config.base) or config.base)
        if any(card.name == config.name and card.run == run.id for card in models.adapters.list()):
            # The run was killed after saving its adapter, and creates the same one again.
            config = replace(config, overwrite=True)
        models.adapters.check_free(config.name, config.overwrite)
        check_name_unreserved(runs, KIND, config.name, run.id)
        # Answers since the start change nothing, and runs that are older than the answers leave nothing out.
        last_answer = load_run_config(run, lambda values: int(values.get("last_answer", 0)))
        prepared = yield from _prepare(models, config, answers.sample_texts(last_answer))
        if prepared.cache is not None and not prepared.cache.used:
            # Without the cache, it would compute other bits than before.
            message = _(
                "Run {run} needs {needed:.2f} GB of free disk space for its cached activations, and {free:.2f} GB are "
                "free. Free some space."
            )
            needed, free = prepared.cache.size / MAX_SHARE / 1e9, prepared.cache.free / 1e9
            raise UserInputError(message.format(run=run.id, needed=needed, free=free))
        if prepared.dataset.digest != data:
            message = _("The data of run {run} has changed since it started ({files}). Start a new run.")
            raise UserInputError(message.format(run=run.id, files=join_list(map(str, config.files))))
        if prepared.base.card.fingerprint != fingerprint:
            message = _("Base '{base}' has changed since run {run} started. Start a new run.")
            raise UserInputError(message.format(base=config.base, run=run.id))
        with run_session(runs, run, prepared.trainer, config.checkpoint_seconds, resumed=True) as session:
            yield from _run(models, runs, config, prepared, session)


def load_data(config: TrainingConfig, samples: Sequence[SampleTexts]) -> Generator[Progress, None, Dataset]:
    """Read the files of a training, without posts that are in one of the samples, which are there to measure with.

    Raises UserInputError where the files cannot be trained on."""
    dataset = yield from load_dataset(
        config.files,
        config.columns,
        config.labels,
        preprocessing=config.preprocessing,
        label_map=None if config.map is None else parse_rules(config.map),
    )
    if samples:
        dataset = yield from _without_samples(dataset, config, samples)
    own_parts = _own_parts(dataset, config)
    check_trainable(dataset, len(dataset.posts) - sum(map(len, own_parts.values())))
    cards.check_labels(dataset.names)
    if own_parts:
        # A post that moves from one file to the next leaves the digest of all posts the same.
        sizes = [len(own_parts.get(part, ())) for part in ("validation", "test")]
        digest = hashlib.sha256(f"{dataset.digest} {sizes}".encode()).hexdigest()
        dataset = replace(dataset, digest=digest)
    return dataset


def _without_samples(
    dataset: Dataset, config: TrainingConfig, samples: Sequence[SampleTexts]
) -> Generator[Progress, None, Dataset]:
    """Leave out the posts whose normalized text is in a sample, and say how many of which. Test files keep theirs."""
    owners = {key: sample.path for sample in samples for key in sample.keys.tolist() if key}
    tests = len(config.data) + len(config.validation_data)  # these files come last
    left_out: dict[int, Path] = {}
    for index, post in enumerate(dataset.posts):
        if dataset.places[index][0] < tests and (owner := owners.get(text_key(post))) is not None:
            left_out[index] = owner
        if (index + 1) % STEP == 0:
            yield Progress("hashing", index + 1, len(dataset.posts))
    if not left_out:
        return dataset
    for path, number in Counter(left_out.values()).items():
        message = ngettext(
            "{number:,} post left out, because it is in the sample of {file}.",
            "{number:,} posts left out, because they are in the sample of {file}.",
            number,
        )
        note = message.format(number=number, file=path.name)
        yield Progress("hashing", len(dataset.posts), len(dataset.posts), note=note)
    kept = [index for index in range(len(dataset.posts)) if index not in left_out]
    digest = hashlib.sha256(f"{dataset.digest} {sorted(left_out)}".encode()).hexdigest()
    return replace(
        dataset,
        posts=[dataset.posts[index] for index in kept],
        labels=[dataset.labels[index] for index in kept],
        places=[dataset.places[index] for index in kept],
        digest=digest,
        left_out={**dataset.left_out, "in a sample": len(left_out)},
    )


def _own_parts(dataset: Dataset, config: TrainingConfig) -> dict[str, list[int]]:
    """Return the posts of the parts that have files of their own, which follow the training files in the dataset."""
    validation = len(config.data)
    test = validation + len(config.validation_data)
    parts: dict[str, list[int]] = {}
    for index, (file, _row) in enumerate(dataset.places):
        if file >= validation:
            parts.setdefault("validation" if file < test else "test", []).append(index)
    for part, files in (("validation", config.validation_data), ("test", config.test_data)):
        if files and part not in parts:
            message = _("{files}: no row has both a post and a label.")
            raise UserInputError(message.format(files=join_list(map(str, files))))
    return parts


def _prepare(
    models: ModelLoader, config: TrainingConfig, samples: Sequence[SampleTexts]
) -> Generator[Progress, None, PreparedTraining]:
    """Read, split and encode the data. All errors in the config are found here, before a run is created."""
    from weibo_tui.engine.adapter import AdapterConfig

    hyper = config.hyper
    dataset = yield from load_data(config, samples)
    own_parts = _own_parts(dataset, config)  # raises before the base is loaded
    compute = models.training_compute(config.machine)
    base = models.open_base(config.base, compute)
    blocks = check_base_fits(config, base.backbone.config)
    split, encoded = yield from _split_and_encode(base.tokenizer, dataset, own_parts, config)
    shape = AdapterConfig(
        width=base.backbone.config.width,
        blocks=blocks,
        labels=len(dataset.names),
        bottleneck=hyper.bottleneck,
        activation=hyper.activation,
        dropout=hyper.dropout,
    )
    without = None
    if hyper.emoticon_dropout > 0:
        without = yield from _encode_without_emoticons(base.tokenizer, dataset, split.train, config)
    examples = _examples(dataset, split.train, encoded, without)
    held_out = _examples(dataset, split.validation, encoded)
    probes = yield from _encode_probes(base.tokenizer, config)
    cache = _plan_cache(models, base, compute, examples, held_out) if config.keep_states else None
    machine = resolved_options(compute, config.machine)
    job = AdapterJob(
        config.base, base.card.fingerprint, machine, shape, examples, held_out, hyper, keep_states=_is_used(cache)
    )
    share_job(job)
    return PreparedTraining(base, compute, dataset, split, job.trainer_on(base, compute, models, probes), cache)


def _split_and_encode(
    tokenizer: PostTokenizer, dataset: Dataset, own_parts: dict[str, list[int]], config: TrainingConfig
) -> Generator[Progress, None, tuple[Split, EncodedPosts]]:
    """Split the posts, and encode them in threads at the same time."""
    # Posts of a test file come last. They are encoded when they are predicted.
    posts = dataset.posts[: len(dataset.posts) - len(own_parts.get("test", ()))]
    with Encoding(tokenizer, posts, config.hyper.max_length, config.preprocessing) as encoding:
        split = yield from split_with_progress(
            dataset.posts,
            dataset.labels,
            config.validation,
            config.test,
            config.seed_of_split,
            config.grouping,
            own_parts,
        )
        return split, (yield from encoding.finish())


def _plan_cache(
    models: ModelLoader, base: OpenBase, compute: Compute, examples: Examples, held_out: Examples
) -> CachePlanned:
    """Compare the bytes of the activations of all posts, with and without emoticons, with the free space."""
    parts = (examples.encoded, examples.emoticon_free, held_out.encoded)
    tokens = sum(int(part.lengths.sum()) for part in parts if part is not None)
    size, free = tokens * base.backbone.config.width * compute.dtype.itemsize, free_space(models.paths.runs)
    return CachePlanned(size, free, used=size <= MAX_SHARE * free)


def _is_used(cache: CachePlanned | None) -> bool:
    return cache is not None and cache.used


def check_base_fits(config: TrainingConfig, shape: GPT2Config) -> tuple[int, ...]:
    """Return the blocks that get an adapter in a base of this shape. Raises UserInputError where it does not fit."""
    from weibo_tui.engine.activation_cache import ActivationCache
    from weibo_tui.engine.adapter import parse_blocks

    if config.hyper.max_length > shape.positions:
        message = _("Base '{base}' reads at most {positions} tokens. Choose a --max-length up to {positions}.")
        raise UserInputError(message.format(base=config.base, positions=shape.positions))
    blocks = parse_blocks(config.hyper.blocks, shape.layers)
    if config.keep_states and ActivationCache.last_block(blocks, shape.layers) < 1:
        message = _(
            "Base '{base}' of {layers} blocks leaves no activations to cache below an adapter in {blocks}. Turn off "
            "--keep-states, or choose later --blocks."
        )
        raise UserInputError(message.format(base=config.base, layers=shape.layers, blocks=config.hyper.blocks))
    return blocks


def _encode_without_emoticons(
    tokenizer: PostTokenizer, dataset: Dataset, indices: NDArray[np.int64], config: TrainingConfig
) -> Generator[Progress, None, EncodedPosts]:
    posts = [without_emoticons(dataset.posts[index]) for index in indices]
    return (yield from encode_posts(tokenizer, posts, config.hyper.max_length, config.preprocessing))


def _examples(
    dataset: Dataset, indices: NDArray[np.int64], encoded: EncodedPosts, without: EncodedPosts | None = None
) -> Examples:
    """Return the posts `indices` that have a token, from all posts of the dataset that are `encoded`.

    `without` are those of the indices without their emoticons."""
    import numpy as np

    from weibo_tui.engine.training import Examples

    encoded = encoded.take(indices)
    if without is not None:
        # A post of emoticons only has no variant without them.
        own = np.arange(len(indices))
        joined = type(encoded).join([encoded, without])
        without = joined.take(np.where(without.num_content_tokens > 0, own + len(indices), own))
    readable = np.flatnonzero(encoded.num_content_tokens)
    labels = np.array([dataset.labels[index] for index in indices], np.int64)
    return Examples(encoded.take(readable), labels[readable], None if without is None else without.take(readable))


def _encode_probes(tokenizer: PostTokenizer, config: TrainingConfig) -> Generator[Progress, None, EncodedPosts]:
    probes = config.probes or ()
    encoded = yield from encode_posts(tokenizer, probes, config.hyper.max_length, config.preprocessing)
    for post, tokens in zip(probes, encoded.num_content_tokens, strict=True):
        if not tokens:
            raise UserInputError(_("Probe post '{post}' has no text after cleaning. Remove it.").format(post=post))
    return encoded


def _run(
    models: ModelLoader, runs: Runs, config: TrainingConfig, prepared: PreparedTraining, session: RunSession
) -> Iterator[Event]:
    import numpy as np

    trainer, split = prepared.trainer, prepared.split
    dataset = prepared.dataset
    left_out = {**dataset.left_out, "unlabeled": dataset.unlabeled, "leaks": split.leaks}
    left_out.pop("predicted", None)
    yield session.start(
        prepared.compute,
        base=config.base,
        step=trainer.state.step,
        steps=trainer.steps,
        epochs=config.hyper.epochs,
        posts={**_sizes(split), **{reason: number for reason, number in left_out.items() if number}},
        trainable=_count_parameters(trainer.adapter),
        frozen=prepared.base.card.parameters,
        labels_read_as=dataset.labels_read_as,
        labels=dataset.names,
        probes=config.probes or (),
    )
    if prepared.cache is not None:
        yield session.record(prepared.cache)
    yield from session.iter_events(trainer)
    texts, words = yield from hash_texts(dataset.posts, config.preprocessing)
    card = yield from session.obeying(_evaluate(config, prepared, session.run, words[split.test]))
    session.check_folder()
    if not config.overwrite:
        # An adapter that was imported or renamed during the run may have taken the name.
        card = replace(card, name=models.adapters.free_name(card.name))
    # The validation split counts as training data, because it chose the best epoch.
    training_texts = np.concatenate([texts[split.train], texts[split.validation]])
    card = models.adapters.save(trainer.adapter, card, config.overwrite, training_texts)
    best_epoch, score = trainer.state.best_epoch, card.score
    summary = {"best_epoch": best_epoch, "validation_f1": trainer.state.best_f1, "score": score}
    finished = session.finish(card.name, models.adapters.path(card.name), summary, best_epoch, score)
    if config.group is not None:
        with seed_runs(models, runs, config.group) as seeds:
            # Of the plan, because a resume may have set it for the run's own adapter.
            kept = seeds.complete(bool(session.run.plan["plan"]["overwrite"]))
        if kept is not None:
            path = str(models.adapters.path(kept.name))
            finished = replace(finished, name=kept.name, path=path, score=kept.score)
    yield finished


def _evaluate(
    config: TrainingConfig, prepared: PreparedTraining, run: Run, words: NDArray[np.int64]
) -> Generator[Progress, None, AdapterCard]:
    """Fit the temperature on the validation split, score the test split, and return the card with both.

    `words`, (test posts,), are hashes from `hash_texts`."""
    trainer, dataset, split = prepared.trainer, prepared.dataset, prepared.split
    classifier = yield from _calibrate(config, prepared)
    score, predictions = yield from score_posts(
        classifier,
        [dataset.posts[index] for index in split.test],
        words,
        [dataset.labels[index] for index in split.test],
        dataset.names,
        files=post_files(dataset, split.test),
    )
    if config.baselines:
        baselines = yield from compare_with_baselines(dataset, split, config.preprocessing, predictions, words)
        score = replace(score, baselines=baselines)
    shape = trainer.adapter.config
    return AdapterCard(
        name=config.name,
        base=config.base,
        base_fingerprint=prepared.base.card.fingerprint,
        labels=dataset.names,
        raw_labels=dataset.label_set.raw,
        width=shape.width,
        blocks=shape.blocks,
        bottleneck=shape.bottleneck,
        activation=shape.activation,
        dropout=shape.dropout,
        max_length=config.hyper.max_length,
        preprocessing=config.preprocessing,
        temperature=classifier.temperature,
        dtype=prepared.compute.dtype_name,
        parameters=_count_parameters(trainer.adapter),
        data=_data_info(dataset, split, config),
        hyperparameters=asdict(config.hyper),
        score=score.to_dict() | ({} if len(dataset.names) <= cards.MAX_MATRIX_LABELS else {"confusion": ()}),
        run=run.id,
    )


def _calibrate(config: TrainingConfig, prepared: PreparedTraining) -> Generator[Progress, None, Classifier]:
    """Return the trained classifier, with the temperature that fits the validation split best."""
    import numpy as np

    from weibo_tui.engine.calibration import fit_temperature
    from weibo_tui.engine.prediction import Classifier, predict_logits

    trainer, held_out = prepared.trainer, prepared.trainer.validation
    compute = trainer.processes.place_alone(prepared.compute, config.machine.threads)
    logits, done = np.zeros((len(held_out.encoded), len(prepared.dataset.names))), 0
    for batch, part in predict_logits(trainer.backbone, trainer.adapter, held_out.encoded, trainer.padding, compute):
        logits[batch] = part
        done += len(batch)
        yield Progress("calibration", done, len(logits))
    return Classifier(
        trainer.backbone,
        trainer.adapter,
        prepared.base.tokenizer,
        compute,
        max_length=config.hyper.max_length,
        preprocessing=config.preprocessing,
        temperature=fit_temperature(logits, held_out.labels),
    )


def _data_info(dataset: Dataset, split: Split, config: TrainingConfig) -> dict[str, Any]:
    info: dict[str, Any] = {
        "files": [path.name for path in config.data[: cards.MAX_DATA_FILES]],
        "more_files": max(0, len(config.data) - cards.MAX_DATA_FILES),
        "sha256": dataset.digest,
        "labels": dataset.counts(),
        "skipped": len(dataset.skipped),
        **_sizes(split),
        "split_seed": config.seed_of_split,
    }
    for part, files in (("validation", config.validation_data), ("test", config.test_data)):
        if files:
            info |= {f"{part}_files": [path.name for path in files[: cards.MAX_DATA_FILES]], "leaks": split.leaks}
    return info


def _sizes(split: Split) -> dict[str, int]:
    return {"train": len(split.train), "validation": len(split.validation), "test": len(split.test)}


def _count_parameters(module: Any) -> int:
    return sum(parameter.numel() for parameter in module.parameters())

"""The fourteen things under "What must hold" in the design, one test each, in the order of that list.

Each tells what it measured: `python -m pytest -rA tests/unit/test_invariants.py` shows it, and a `--junitxml` file
holds it as the property `measured`.
"""

from __future__ import annotations

import copy
import csv
import dataclasses
import json
import subprocess
import sys
import warnings
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import made_up
import models
import numpy as np
import pytest
import torch
from commands import Command
from safetensors.torch import load_file
from sklearn import metrics
from torch import Tensor
from transformers import GPT2Config as ReferenceConfig
from transformers import GPT2ForSequenceClassification

from weibo_tui.atomic import sha256
from weibo_tui.datasets.dataset import load
from weibo_tui.datasets.splitting import split
from weibo_tui.engine.adapter import Adapter, AdapterConfig
from weibo_tui.engine.batches import training_steps
from weibo_tui.engine.calibration import fit_temperature, negative_log_likelihood
from weibo_tui.engine.events import Evaluated, RunFinished, RunStarted, StepDone
from weibo_tui.engine.gpt2 import GPT2
from weibo_tui.engine.hyperparameters import Hyperparameters
from weibo_tui.engine.metrics import score
from weibo_tui.engine.prediction import logits_of, softmax
from weibo_tui.engine.tokenizer import PostTokenizer, SpecialTokens
from weibo_tui.engine.training import AdapterTrainer
from weibo_tui.engine.vocabulary import build_tokenizer
from weibo_tui.errors import CorruptFileError, UserInputError
from weibo_tui.progress import Progress, finish
from weibo_tui.registry import cards
from weibo_tui.text import normalise, repost_segments
from weibo_tui.workbench import ComputeOptions, EvaluationConfig, LabelingConfig, TrainingConfig, Workbench
from weibo_tui.workbench.evaluation import EvaluationResult
from weibo_tui.workbench.labeling import LabelingResult

Tell = Callable[[str], None]
HYPER = Hyperparameters(epochs=1, batch_size=16, learning_rate=1e-2, bottleneck=8, max_length=32)
POSTS = [text for text, _label in made_up.posts(60, seed=4)]


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Tell:
    """Keeps what a test measured."""

    def keep(measured: str) -> None:
        record_property("measured", measured)
        print("measured:", measured)

    return keep


def training_of(trunk: GPT2, hyper: Hyperparameters, number: int, *, micro_tokens: int = 2048) -> AdapterTrainer:
    adapter = Adapter.fresh(AdapterConfig(trunk.config.width, (0, 1), 2, hyper.bottleneck), seed=0)
    posts = made_up.posts(number + 20, seed=3)
    dtype = trunk.blocks[0].mlp_in.weight.dtype  # type: ignore[union-attr]
    return AdapterTrainer(
        trunk,
        adapter,
        models.examples(posts[20:]),
        models.examples(posts[:20]),
        hyper,
        models.compute(dtype, micro_tokens),  # type: ignore[arg-type]
        padding=0,
    )


def difference(one: Tensor, other: Tensor) -> float:
    """The greatest difference, absolute in float64, else as a share of the size of `other`."""
    size = 1.0 if other.dtype == torch.float64 else float(other.abs().max())
    return float((one - other).abs().max()) / size


TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-4}


# 1
def test_trunk_is_bit_equal_after_training_and_exactly_the_adapter_and_head_were_trained(
    tell: Tell,
) -> None:
    for dtype in (torch.float32, torch.bfloat16):
        trunk = models.trunk_of(models.reference(), dtype)
        training = training_of(trunk, HYPER, 160)
        before = copy.deepcopy(trunk.state_dict())
        start = copy.deepcopy(training.adapter.state_dict())
        steps = sum(isinstance(event, StepDone) for event in training.events())
        assert steps == 10
        assert models.same_bits(trunk.state_dict(), before)

        expected = {
            f"blocks.{i}.{part}.{kind}" for i in (0, 1) for part in ("down", "up") for kind in ("weight", "bias")
        }
        expected.add("head.weight")
        moments = "optimizer.exp_avg."
        updated = {name.removeprefix(moments) for name in training.snapshot().tensors if name.startswith(moments)}
        changed = {
            name for name, tensor in training.adapter.state_dict().items() if not torch.equal(tensor, start[name])
        }
        assert {name for name, p in training.adapter.named_parameters() if p.requires_grad} == expected
        assert updated == changed == start.keys() == expected
        assert not any(parameter.requires_grad for parameter in trunk.parameters())

    with torch.device("meta"):
        full = Adapter(AdapterConfig(width=768, blocks=tuple(range(12)), labels=2, bottleneck=64))
    sizes = {name: parameter.numel() for name, parameter in full.named_parameters()}
    head = sizes.pop("head.weight")
    assert (sum(sizes.values()), head) == (1_189_632, 1_536)
    tell(
        f"{steps} steps in float32 and bfloat16: {len(before)} trunk tensors bit-equal, {len(changed)} of "
        f"{len(expected)} trainable changed; 12x768 bottleneck 64: {sum(sizes.values()):,} + {head:,}",
    )


# 2
def test_frozen_tensors_have_no_gradient(tell: Tell) -> None:
    trunk = models.trunk_of(models.reference())
    training = training_of(trunk, HYPER, 64, micro_tokens=128)
    looks = amid = 0
    for event in training.events():
        assert all(parameter.grad is None for parameter in trunk.parameters())
        looks += 1
        if isinstance(event, Progress) and event.stage == "step":
            amid += 1  # a backward pass has been, and its gradients are not yet used up
            assert all(parameter.grad is not None for parameter in training.adapter.parameters())
    assert amid >= 4
    tell(f"{sum(1 for _p in trunk.parameters())} tensors, looked at {looks} times, {amid} mid-step")


# 3
def test_zero_up_projection_gives_plain_logits_and_the_trunk_equals_transformers(tell: Tell) -> None:
    sizes: dict[str, Any] = {
        "n_layer": 4,
        "n_embd": 96,
        "n_head": 6,
        "n_positions": 64,
        "vocab_size": len(models.TOKENS),
    }
    config = ReferenceConfig(**sizes, pad_token_id=0, bos_token_id=None, eos_token_id=None)
    config.num_labels = 3
    plain = models.reference(**sizes)
    oracle = GPT2ForSequenceClassification(config)
    oracle.train(False)
    oracle.transformer.load_state_dict(plain.state_dict())
    # transformers takes the last token that is not padding for the pooled one, so no post ends in id 0 here.
    rows = [[max(index, 1) for index in row] for row in models.ragged(12, 64)]
    ids, lengths = models.batch(rows)
    inside = torch.arange(ids.shape[1]) < lengths[:, None]
    measured = []
    for dtype in (torch.float64, torch.float32):
        trunk = models.trunk_of(plain, dtype)
        adapter = models.adapter_for(trunk.config).to(dtype)
        with torch.no_grad():
            for name, parameter in adapter.named_parameters():
                if ".up." in name:
                    parameter.zero_()
            torch.nn.Module.to(oracle, dtype)
            oracle.score.weight.copy_(adapter.head.weight)
            want = oracle(ids, attention_mask=inside.long()).logits
            states = oracle.transformer(ids, attention_mask=inside.long()).last_hidden_state
            off_logits = difference(adapter(trunk(ids, lengths, adapter)), want)
            off_plain = difference(adapter(trunk(ids, lengths)), want)
            off_states = difference(trunk.states(ids)[inside], states[inside])
        assert max(off_logits, off_plain, off_states) <= TOLERANCE[dtype]
        assert float(want.std()) > 0.3  # logits of which a difference would be seen
        measured.append(f"{str(dtype)[6:]}: logits {max(off_logits, off_plain):.1e}, states {off_states:.1e}")
    tell("; ".join(measured) + " (float32 as a share of their size)")


# 4
def test_post_alone_in_a_ragged_batch_or_padded_to_the_limit_is_the_same(tell: Tell, home: Path) -> None:
    plain, rows = models.reference(), models.ragged(40, 64)
    measured = []
    for dtype in (torch.float64, torch.float32, torch.bfloat16):
        trunk = models.trunk_of(plain, dtype)
        adapter = models.adapter_for(trunk.config)
        if dtype == torch.float64:
            adapter.to(dtype)

        def logits(posts: Sequence[Sequence[int]], length: int = 0, padding: int = 0) -> Tensor:
            ids, lengths = models.batch(posts, length, padding)
            found: Tensor = adapter(trunk(ids, lengths, adapter))  # noqa: B023
            return found

        with torch.inference_mode():
            alone = torch.cat([logits([row]) for row in rows])
            others = {
                "ragged": logits(rows),
                "ragged, other padding": logits(rows, padding=7),
                "padded": torch.cat([logits([row], length=64) for row in rows]),
            }
        for together in others.values():
            if dtype == torch.bfloat16:
                off = float((together.softmax(1) - alone.softmax(1)).abs().max())
                assert off <= 0.01
            else:
                off = difference(together, alone)
                assert off <= TOLERANCE[dtype]
        measured.append(f"{str(dtype)[6:]} {off:.1e}")

    posts = [post * (1 + place % 7) for place, post in enumerate(POSTS)]
    with Workbench.open(home) as bench:
        base = bench.bases.open(models.add_base(bench, home / "from").name)
        models.add_adapter(bench, base, "mood", max_length=64)
        answers = list(bench.predict(posts, "mood", machine=models.MACHINE, record=False))
        single = [next(bench.predict([post], "mood", machine=models.MACHINE, record=False)) for post in posts]
    assert [analysis.text for analysis in answers] == posts
    for one, other in zip(answers, single, strict=True):
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-5)
    assert len({analysis.confidence for analysis in single}) == len(posts)  # so that a swapped order would be seen
    tell(", ".join(measured) + f"; {len(posts)} posts of 7 lengths in order")


# 5
def test_trainer_workbench_and_command_line_give_the_same_probability(tell: Tell, home: Path, command: Command) -> None:
    labelled = made_up.posts(24, seed=9)
    posts = [text for text, _label in labelled]
    truth = np.array([label for _text, label in labelled])
    measured = []
    for dtype in ("float32", "bfloat16"):
        machine = ComputeOptions("cpu", dtype, 1)
        tolerance = 1e-4 if dtype == "float32" else 0.01
        with Workbench.open(home) as bench:
            if dtype == "float32":
                models.add_base(bench, home / "from")
            base = bench.open_base("small", bench.compute(machine))
            training = AdapterTrainer(
                base.trunk,
                Adapter.fresh(AdapterConfig(32, (0, 1), 2, 8), seed=1),
                models.examples(made_up.posts(32, seed=2)),
                models.examples(labelled),
                HYPER,
                models.compute(bench.compute(machine).dtype, micro_tokens=150),  # other batches than predict's
                base.tokenizer.frame.pad,
            )
            (validated,) = [event for event in training.events() if isinstance(event, Evaluated)]
            logits = np.empty((len(posts), 2))
            for batch, part in logits_of(
                base.trunk, training.adapter, training.validation.encoded, training.padding, training.compute
            ):
                logits[batch] = part
            card = models.card_for(training.adapter, base, dtype, temperature=1.7, dtype=dtype)
            bench.adapters.save(training.adapter, card)
            found = list(bench.predict(posts, dtype, machine=machine))
        predicted = np.array([list(analysis.probabilities.values()) for analysis in found])
        arguments = ("--adapter", dtype, "--dtype", dtype, "--device", "cpu", "--threads", "1", "--json")
        done = command.ok("predict", *arguments, *posts)
        printed = np.array([list(json.loads(line)["probabilities"].values()) for line in done.out.splitlines()])
        trained = softmax(logits, temperature=1.7)
        off = max(float(np.abs(one - other).max()) for one, other in combinations([trained, predicted, printed], 2))
        assert off <= tolerance
        # The loss that the trainer itself reported is the same posts' -log p, before the temperature.
        plain = softmax(np.log(printed) * 1.7)
        reported = abs(validated.loss - float(-np.log(plain[np.arange(len(truth)), truth]).mean()))
        assert reported <= 10 * tolerance
        assert predicted[:, 0].std() > 0.02
        measured.append(f"{dtype}: probabilities {off:.1e}, reported loss {reported:.1e}")
    tell("; ".join(measured))


HOSTILE = [
    *(
        "[SEP]",
        "[CLS][PAD][UNK][MASK]",
        "##a",
        "a" * 500,
        "\ud83d",
        "👨‍👩‍👧‍👦",
        "𠮷野家",
        "\x00\x1b[31m",
        "ﷺ" * 50,
        "é" * 3,
    ),
    *("[哈哈][哈哈]", "//@某人：转发", "😀" * 90, "\u202e反", "０１２", "Ⅷ", " ", "日本語かなカナ", "x" * 5000),
]


# 6
def test_every_id_lies_below_the_embedding_rows_and_the_frame_is_the_cards(tell: Tell, home: Path) -> None:
    with Workbench.open(home) as bench:
        card = models.add_base(bench, home / "from")
        base = bench.bases.open("small")
        rows = base.trunk.config.vocabulary
        assert max(base.tokenizer.vocabulary().values()) < rows
        frame = base.tokenizer.frame
        assert (frame.prefix, frame.suffix, frame.pad) == (card.prefix, card.suffix, card.pad) == ((2,), (3,), 0)
        _cleaned, encoded = base.tokenizer.encode_posts([*HOSTILE, *POSTS], 32, 1)
        assert 0 <= encoded.ids.min() <= encoded.ids.max() < rows
        for place in range(len(encoded)):
            ids = encoded.ids[encoded.starts[place] : encoded.starts[place + 1]]
            assert (ids[0], ids[-1]) == (2, 3)
            assert not {0, 2, 3} & set(ids[1:-1].tolist())

        # Too few rows for a token, or for an id of the frame: refused by name, at the door and when opened.
        few = models.write_folder(home / "few", models.reference(vocab_size=len(models.TOKENS) - 1))
        with pytest.raises(UserInputError, match=f"gives ##9 the id {rows - 1}, .* {rows - 1} ids only"):
            bench.add_base(few, "few")
        assert not (home / "bases" / "few").exists()
        definition = build_tokenizer(models.TOKENS).to_str()
        for wrong in (SpecialTokens((2,), (3,), rows), SpecialTokens((rows,), (3,), 0), SpecialTokens((2,), (-1,), 0)):
            with pytest.raises(UserInputError, match=f"gives #(-1|{rows}) the id"):
                PostTokenizer(definition, wrong, rows)
        extra = build_tokenizer([*models.TOKENS, "囍"]).to_str()
        tokenizer = home / "bases" / "small" / "tokenizer.json"
        tokenizer.write_text(extra, encoding="utf-8")
        told = dataclasses.replace(card, sha256=card.sha256 | {"tokenizer.json": sha256(tokenizer)})
        (home / "bases" / "small" / "card.json").write_bytes(cards.write(told))
        with pytest.raises(CorruptFileError, match=f"gives 囍 the id {rows}"):
            bench.bases.open("small")
    tell(f"greatest id {encoded.ids.max()} of {rows} rows over {len(encoded)} posts; 5 bases refused")


LOADER = """
import sys
from weibo_tui.workbench import Machine, Workbench
from weibo_tui.engine.prediction import logits_of
with Workbench.open() as bench:
    classifier = bench.classifier("mood", Machine("cpu", "float32", 1))
    encoded = classifier.tokenizer.encode_posts(sys.argv[1:], classifier.max_length, classifier.preprocessing)[1]
    for batch, logits in logits_of(classifier.trunk, classifier.adapter, encoded, 0, classifier.compute):
        for place, row in zip(batch, logits):
            print(place, row.tobytes().hex())
"""


# 7
def test_saved_adapter_gives_bit_equal_logits_in_a_new_process_and_holds_no_trunk(tell: Tell, home: Path) -> None:
    posts = POSTS[:20]
    with Workbench.open(home) as bench:
        models.add_base(bench, home / "from")
        base = bench.open_base("small", bench.compute(models.MACHINE))
        adapter = models.adapter_for(base.trunk.config, labels=2)
        bench.adapters.save(adapter, models.card_for(adapter, base, "mood"))
    encoded = base.tokenizer.encode_posts(posts, 32, 1)[1]
    here: dict[str, str] = {}
    for batch, logits in logits_of(base.trunk, adapter, encoded, 0, models.compute()):
        here |= {str(place): row.tobytes().hex() for place, row in zip(batch, logits, strict=True)}
    child = subprocess.run([sys.executable, "-c", LOADER, *posts], capture_output=True, text=True, check=True)
    there = dict(line.split() for line in child.stdout.splitlines())
    assert there == here
    assert len(set(here.values())) == len(posts)

    folder = home / "adapters" / "mood"
    assert sorted(path.name for path in folder.iterdir()) == ["adapter.safetensors", "card.json"]
    saved = load_file(folder / "adapter.safetensors")
    assert saved.keys() == adapter.state_dict().keys()
    of_trunk = [tensor for tensor in base.trunk.state_dict().values() if tensor.dim() > 1]
    assert not any(one.shape == other.shape and torch.equal(one, other) for one in saved.values() for other in of_trunk)
    size = (folder / "adapter.safetensors").stat().st_size
    assert size < 4 * sum(tensor.numel() for tensor in saved.values()) + 4096
    tell(f"{len(posts)} posts bit-equal; {len(saved)} tensors, {size:,} bytes")


# 8
def test_adapter_on_another_base_is_refused_saying_which_it_wants(tell: Tell, home: Path, command: Command) -> None:
    with Workbench.open(home) as bench:
        models.add_base(bench, home / "from")
        own = bench.bases.open("small")
        card = models.add_adapter(bench, own, "mood")
        models.add_base(bench, home / "from", "other", seed=1)
        wanted = rf"'small' \({card.base_fingerprint[:12]}…\), not to 'other'"
        with pytest.raises(UserInputError, match=wanted):
            bench.adapters.load("mood", bench.bases.open("other"))
        assert bench.adapters.load("mood", own)[1] == card

        # The same name with other weights in it is another base; the same weights under another name are not.
        bench.remove_base("small")
        models.add_base(bench, home / "from", "small", seed=2)
        with pytest.raises(UserInputError, match=f"wants the base 'small' .fingerprint {card.base_fingerprint[:12]}"):
            bench.classifier("mood", models.MACHINE)
        refused = command("predict", "真好", "--adapter", "mood")
        assert (refused.code, refused.out) == (2, "")
        assert refused.err.count("\n") == 1
        assert f"'small' (fingerprint {card.base_fingerprint[:12]}" in refused.err
        models.add_base(bench, home / "from", "renamed", seed=0)
        assert bench.classifier("mood", models.MACHINE)
    tell(f"exit 2: {refused.err.strip()}")


# 9
def test_adapter_a_then_b_then_a_again_gives_identical_logits(tell: Tell, home: Path) -> None:
    with Workbench.open(home) as bench:
        models.add_base(bench, home / "from")
        base = bench.open_base("small", bench.compute(models.MACHINE))
        for seed, name in enumerate("ab"):
            models.add_adapter(bench, base, name, seed)
        found: list[list[float | None]] = []
        trunks = set()
        for name in "abaab":
            found.append([one.confidence for one in bench.predict(POSTS, name, machine=models.MACHINE, record=False)])
            trunks.add(id(bench.classifier(name, models.MACHINE).trunk))
        a, b = models.adapter_for(base.trunk.config, 0), models.adapter_for(base.trunk.config, 1)
        encoded = base.tokenizer.encode_posts(POSTS, 32, 1)[1]
        logits = [
            np.concatenate([part for _batch, part in logits_of(base.trunk, one, encoded, 0, models.compute())])
            for one in (a, b, a)
        ]
    assert logits[0].tobytes() == logits[2].tobytes() != logits[1].tobytes()
    assert found[0] == found[2] == found[3] != found[1] == found[4]
    assert trunks == {id(base.trunk)}
    apart = np.abs(logits[0] - logits[1]).max()
    tell(f"a and a: bit-equal over {len(POSTS)} posts; a and b: up to {apart:.2f} apart; one trunk")


def sorted_files(folder: Path) -> list[Path]:
    """Two files, each sorted by its label, the second full of reposts and near-copies of the first."""
    labelled = sorted(made_up.posts(120, seed=6), key=lambda item: -item[1])
    tables = [labelled[::2], []]
    for place, (text, label) in enumerate(labelled[1::2]):
        quoted = labelled[(2 * place) % 40][0]
        copy_of = [
            text,
            f"转发 //@某人:{quoted}",
            f"{text}//@甲: {quoted} //@乙：说得对啊朋友们",
            f" {quoted.upper()}！",
        ]
        tables[1].append((copy_of[place % 4], label))
    paths = []
    for number, table in enumerate(tables):
        paths.append(folder / f"sorted-{number}.csv")
        with paths[-1].open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("review", "label"), *table])
    return paths


# 10
def test_splits_share_no_text_best_epoch_is_chosen_on_validation_and_sorted_files_mix(
    tell: Tell, home: Path, tmp_path: Path
) -> None:
    files = sorted_files(tmp_path)
    dataset = finish(load(files))
    labels = np.array(dataset.labels)
    reposts = sum(len(repost_segments(post)) > 1 for post in dataset.posts)
    assert reposts >= 20
    for seed in range(5):
        parts = split(dataset.posts, dataset.labels, 0.2, 0.2, seed)
        indices = (parts.train, parts.validation, parts.test)
        assert sorted(np.concatenate(indices)) == list(range(len(dataset.posts)))
        texts = [
            {text for at in part for text in (normalise(dataset.posts[at]), *repost_segments(dataset.posts[at]))}
            for part in indices
        ]
        assert not any(one & other for one, other in combinations(texts, 2))
        assert all(set(labels[part]) == {0, 1} for part in indices)
        for epoch in (1, 2):
            lengths = np.array([len(dataset.posts[at]) for at in parts.train])
            steps = training_steps(lengths, 16, seed, epoch)
            assert all(set(labels[parts.train[step]]) == {0, 1} for step in steps if len(step) == 16)

    # What is learnt from labels turned round makes validation worse with each epoch: the first must win.
    trunk = models.trunk_of(models.reference())
    training = training_of(trunk, Hyperparameters(epochs=4, batch_size=16, learning_rate=1e-2, bottleneck=8), 300)
    training.train.labels[:] = 1 - training.train.labels
    evaluated, weights = [], {}
    for event in training.events():
        if isinstance(event, Evaluated):
            evaluated.append(event)
            weights[event.epoch] = copy.deepcopy(training.adapter.state_dict())
    f1 = [event.macro_f1 for event in evaluated]
    best = int(np.argmax(np.array(f1)))
    assert all(event.split == "validation" for event in evaluated)
    assert best < 3
    assert training.at.best_epoch == best + 1
    assert models.same_bits(training.adapter.state_dict(), weights[best + 1])
    assert not models.same_bits(training.adapter.state_dict(), weights[4])

    # What is reported is of the test posts, with the kept weights.
    with Workbench.open(home) as bench:
        models.add_base(bench, home / "from")
        plan = TrainingConfig(tuple(files), "mood", hyper=HYPER, validation=0.2, test=0.2, machine=models.MACHINE)
        events = list(bench.train(plan))
        (finished,) = [event for event in events if isinstance(event, RunFinished)]
        (started,) = [event for event in events if isinstance(event, RunStarted)]
        parts = split(dataset.posts, dataset.labels, 0.2, 0.2, HYPER.seed)
        posts = [dataset.posts[at] for at in parts.test]
        verdicts = [one.label for one in bench.predict(posts, "mood", machine=models.MACHINE)]
    assert started.posts == {"train": len(parts.train), "validation": len(parts.validation), "test": len(parts.test)}
    assert finished.score is not None
    assert finished.score["n"] == len(posts)
    truth = [dataset.names[dataset.labels[at]] for at in parts.test]
    confusion = metrics.confusion_matrix(truth, verdicts, labels=dataset.names)
    assert np.array_equal(finished.score["confusion"], confusion)
    tell(
        f"{len(dataset.posts)} posts of {len(files)} sorted files, {reposts} repost chains, 5 seeds: no text shared; "
        f"validation F1 {', '.join(f'{value:.2f}' for value in f1)}: epoch {best + 1} kept; {len(posts)} test posts",
    )


# 11
def test_metrics_equal_scikit_learns_also_on_one_class_and_on_nothing(tell: Tell) -> None:
    random = np.random.default_rng(0)
    cases = 0
    for labels in (2, 3, 5):
        names = [f"label {index}" for index in range(labels)]
        for n, present, predicted in [(200, labels, labels), (50, 1, labels), (50, labels, 1), (30, 1, 1), (1, 1, 1)]:
            truth = random.integers(0, present, n)
            p = random.dirichlet(np.full(labels, 0.4), n)
            if predicted == 1:
                p = np.sort(p, axis=1)[:, ::-1]
            verdict = p.argmax(axis=1)
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                card = score(truth, p, names, failed=3)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # scikit-learn's own, about classes that are not there
                report = metrics.classification_report(
                    truth, verdict, labels=range(labels), target_names=names, output_dict=True, zero_division=0
                )
                f1 = metrics.f1_score(truth, verdict, labels=range(labels), average="macro", zero_division=0)
                expected = {
                    "accuracy": metrics.accuracy_score(truth, verdict),
                    "macro_f1": f1,
                    "mcc": metrics.matthews_corrcoef(truth, verdict),
                    "brier": metrics.brier_score_loss(truth, p, labels=range(labels)),
                }
            assert (card.n, card.failed) == (n, 3)
            for name, value in expected.items():
                assert getattr(card, name) == pytest.approx(value, abs=1e-12), name
            assert [list(row) for row in card.confusion] == metrics.confusion_matrix(
                truth, verdict, labels=range(labels)
            ).tolist()
            for name in names:
                wanted = report[name]
                wanted["f1"] = wanted.pop("f1-score")
                assert card.per_label[name] == pytest.approx(wanted)
            cases += 1
    nothing = score([], np.empty((0, 2)), ["a", "b"], failed=2)
    assert (nothing.n, nothing.failed, nothing.confusion) == (0, 2, ((0, 0), (0, 0)))
    undefined = [nothing.accuracy, nothing.accuracy_ci, nothing.macro_f1, nothing.mcc, nothing.ece, nothing.brier]
    assert undefined == [None] * 6
    tell(f"{cases} cases to 1e-12, 12 of them with one class; no posts: every figure is null")


# 12
def test_temperature_keeps_the_argmax_and_never_raises_validation_nll(tell: Tell) -> None:
    random = np.random.default_rng(1)
    gains, temperatures = [], []
    for _case in range(120):
        n, labels = int(random.integers(1, 200)), int(random.integers(2, 6))
        truth = random.integers(0, labels, n)
        # From logits that say nothing to logits that are sure and wrong, and some that separate the labels.
        logits = random.normal(0, random.choice([1e-3, 0.3, 3.0, 40.0]), (n, labels))
        logits[np.arange(n), truth] += random.choice([-30.0, 0.0, 1.0, 4.0, 60.0])
        temperature = fit_temperature(logits, truth)
        before, after = (negative_log_likelihood(logits, truth, t) for t in (1.0, temperature))
        assert temperature > 0
        assert after <= before
        scaled = softmax(logits, temperature)
        assert (scaled.argmax(axis=1) == logits.argmax(axis=1)).all()
        assert after == pytest.approx(metrics.log_loss(truth, scaled, labels=range(labels)), abs=1e-6)
        gains.append(before - after)
        temperatures.append(temperature)
    assert fit_temperature(np.empty((0, 2)), np.empty(0, np.int64)) == 1.0
    tell(
        f"{len(gains)} sets: NLL fell in {sum(gain > 0 for gain in gains)} by up to {max(gains):.2f} and rose in none; "
        f"temperatures {min(temperatures):.2f} to {max(temperatures):.2f}; every argmax kept",
    )


# 13
def test_empty_or_failed_post_is_an_error_row_never_a_label(
    tell: Tell,
    home: Path,
    tmp_path: Path,
    command: Command,
) -> None:
    nothing = ["", "   ", "http://t.cn/abc", "\u200b\u200d", "\ud83d", "\ufffd"]
    with Workbench.open(home) as bench:
        models.add_base(bench, home / "from")
        models.add_adapter(bench, bench.bases.open("small"), "mood")
        for analysis in bench.predict(nothing, "mood", machine=models.MACHINE):
            assert (analysis.label, analysis.confidence, analysis.probabilities) == ("", None, {})
            assert analysis.error

        for post, *form in [(nothing[0],), (nothing[1],), (nothing[2],), (nothing[3], "--json")]:
            alone = command("predict", *form, post)
            assert alone.code == 2
            assert alone.err.count("\n") == 1
            assert "positive" not in alone.out + alone.err
            assert "negative" not in alone.out + alone.err
        among = command.ok("predict", "--json", POSTS[0], nothing[2], POSTS[1])
        found = [json.loads(line)["label"] for line in among.out.splitlines()]
        assert found[1] is None
        assert {found[0], found[2]} <= {"negative", "positive"}

        source, out = tmp_path / "mixed.csv", tmp_path / "out.csv"
        rows = [(POSTS[0], "0"), ("", "1"), (POSTS[1], "1"), ("http://t.cn/abc", "0"), (POSTS[2], "1"), ("\ufffd", "1")]
        with source.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("review", "label"), *rows])
        done = models.until(
            bench.label_file(LabelingConfig(source, out, "mood", machine=models.MACHINE)), LabelingResult
        )
        with out.open(encoding="utf-8", newline="") as file:
            labelled = list(csv.DictReader(file))
        assert [bool(row["error"]) for row in labelled] == [False, True, False, True, False, True]
        for row in labelled:
            verdict = [row["predicted"], row["confidence"], row["prob_negative"], row["prob_positive"]]
            assert all(verdict) != bool(row["error"])
            assert any(verdict) != bool(row["error"])
        assert (done.rows, done.failed, sum(done.counts.values())) == (6, 3, 3)

        scored = models.until(
            bench.evaluate(EvaluationConfig((source,), "mood", machine=models.MACHINE)), EvaluationResult
        )
        assert (scored.score.n, scored.score.failed) == (3, 3)
        assert sum(map(sum, scored.score.confusion)) == 3
    tell(f"alone: exit 2; in a file: {done.failed} of {done.rows} rows; evaluate: n=3, failed=3")


CUT_OFF = """
import json, socket, sys

def refuse(event, arguments):
    if event == "socket.__new__" and arguments[1] in (socket.AF_INET, socket.AF_INET6):
        raise PermissionError("a socket was made")
    if event in ("socket.getaddrinfo", "socket.gethostbyname"):
        raise PermissionError("an address was asked for")

sys.addaudithook(refuse)
for forbidden in (socket.socket, lambda: socket.create_connection(("example.org", 80))):
    try:
        forbidden()
    except PermissionError:
        continue
    raise SystemExit("sockets are not blocked")

from weibo_tui.cli import main


for line in json.loads(sys.argv[1]):
    sys.argv = ["weibo-tui", *line]
    try:
        main()
    except SystemExit as leaving:
        if leaving.code:
            raise SystemExit(f"{line[0]} left with {leaving.code}")
    print("done", line[0], file=sys.stderr, flush=True)
"""


# 14
def test_with_sockets_blocked_everything_but_a_fetch_works(tell: Tell, tmp_path: Path) -> None:
    posts = str(made_up.write_posts(tmp_path / "posts.csv", 60))
    corpus = str(made_up.write_corpus(tmp_path / "corpus.txt", 400))
    folder = str(models.write_folder(tmp_path / "hf", models.reference()))
    cpu = ["--threads", "1", "--dtype", "float32"]
    small = ["--layers", "1", "--width", "16", "--heads", "2", "--positions", "32", "--context", "16"]
    commands = [
        ["bases", "pretrain", corpus, "--name", "own", "--tokens", "1000", *small, *cpu],
        ["bases", "add", folder, "--name", "added"],
        ["bases", "list", "--json"],
        ["train", posts, "--base", "own", "--name", "mood", "--epochs", "1", "--max-length", "32", "--json", *cpu],
        ["train", posts, "--base", "added", "--name", "second", "--epochs", "1", "--max-length", "32", *cpu],
        ["adapters", "use", "mood"],
        ["adapters", "list", "--json"],
        ["adapters", "export", "mood", str(tmp_path / "mood.zip")],
        ["adapters", "import", str(tmp_path / "mood.zip"), "--name", "again"],
        ["predict", "今天的面真好吃[哈哈]", "--json", *cpu],
        ["predict", "--file", posts, "--out", str(tmp_path / "out.csv"), *cpu],
        ["evaluate", posts, "--adapter", "again", "--json", *cpu],
        ["audit", posts, "--json"],
        ["history", "list", "--json"],
        ["runs", "list", "--json"],
    ]
    child = subprocess.run(
        [sys.executable, "-c", CUT_OFF, json.dumps(commands)], capture_output=True, text=True, check=False
    )
    assert child.returncode == 0, child.stderr[-3000:]
    done = [line for line in child.stderr.splitlines() if line.startswith("done ")]
    assert len(done) == len(commands)
    said = [json.loads(line) for line in child.stdout.splitlines() if line.startswith("{")]
    assert [one["n"] for one in said if "emoticons" in one and "n" in one and "event" not in one] == [60]
    verdicts = [one["label"] for one in said if one.get("text") == "今天的面真好吃[哈哈]"]
    assert verdicts
    assert set(verdicts) <= {"negative", "positive"}
    assert {one["name"] for one in said if one.get("state") == "finished"} == {"own", "mood", "second"}
    tell(f"{len(commands)} commands in one process that can make no socket, all exit 0")

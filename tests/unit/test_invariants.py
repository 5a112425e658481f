"""Invariants of the whole program, in the order of the design's list.

Its numbers 11 and 12 are in `test_metrics` and `test_calibration`.
"""

from __future__ import annotations

import copy
import csv
import dataclasses
import json
import os
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import made_up
import models
import numpy as np
import pytest
import torch
from commands import Command, json_lines, table
from engine_helpers import all_logits, rows_of
from safetensors.torch import load_file
from torch import Tensor

from weibo_tui import ComputeOptions, EvaluationConfig, LabelingConfig, TrainingConfig, Workbench
from weibo_tui.atomic import sha256
from weibo_tui.datasets.dataset import load_dataset
from weibo_tui.datasets.splitting import split
from weibo_tui.engine.adapter import Adapter, AdapterConfig
from weibo_tui.engine.batches import training_steps
from weibo_tui.engine.events import Evaluated, RunFinished, RunStarted, StepDone
from weibo_tui.engine.gpt2 import GPT2
from weibo_tui.engine.hyperparameters import Hyperparameters
from weibo_tui.engine.prediction import softmax
from weibo_tui.engine.tokenizer import PostTokenizer, SpecialTokens
from weibo_tui.engine.training import AdapterTrainer
from weibo_tui.engine.vocabulary import build_tokenizer
from weibo_tui.errors import CorruptFileError, UserInputError
from weibo_tui.progress import Progress, drain
from weibo_tui.registry import cards
from weibo_tui.text.cleaning import normalize, repost_segments
from weibo_tui.workbench.evaluation import EvaluationResult
from weibo_tui.workbench.labeling import LabelingResult

HYPER = Hyperparameters(epochs=1, batch_size=16, learning_rate=1e-2, bottleneck=8, max_length=32)
POSTS = [text for text, _label in made_up.posts(60, seed=4)]


def training_of(backbone: GPT2, hyper: Hyperparameters, number: int, *, micro_tokens: int = 2048) -> AdapterTrainer:
    posts = made_up.posts(number + 20, seed=3)
    parts = models.examples(posts[20:]), models.examples(posts[:20])
    return models.trainer(backbone, hyper, *parts, micro_tokens=micro_tokens)


def difference(one: Tensor, other: Tensor) -> float:
    """Return the greatest difference, absolute in float64, otherwise relative to the size of `other`."""
    size = 1.0 if other.dtype == torch.float64 else float(other.abs().max())
    return float((one - other).abs().max()) / size


TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-4}


# 1
def test_training_changes_adapter_and_head_only() -> None:
    expected = {f"blocks.{i}.{part}.{kind}" for i in (0, 1) for part in ("down", "up") for kind in ("weight", "bias")}
    expected.add("head.weight")
    for dtype in (torch.float32, torch.bfloat16):
        backbone = models.backbone_of(models.reference(), dtype)
        training = training_of(backbone, HYPER, 160)
        before, start = copy.deepcopy(backbone.state_dict()), copy.deepcopy(training.adapter.state_dict())
        assert sum(isinstance(event, StepDone) for event in training.events()) == 10
        assert models.same_bits(backbone.state_dict(), before)
        moments = "optimizer.exp_avg."
        updated = {name.removeprefix(moments) for name in training.snapshot().tensors if name.startswith(moments)}
        changed = {name for name, value in training.adapter.state_dict().items() if not torch.equal(value, start[name])}
        assert {name for name, p in training.adapter.named_parameters() if p.requires_grad} == expected
        assert updated == changed == start.keys() == expected
        assert not any(parameter.requires_grad for parameter in backbone.parameters())

    with torch.device("meta"):
        full = Adapter(AdapterConfig(width=768, blocks=tuple(range(12)), labels=2, bottleneck=64))
    sizes = {name: parameter.numel() for name, parameter in full.named_parameters()}
    head = sizes.pop("head.weight")
    assert (sum(sizes.values()), head) == (1_189_632, 1_536)


# 2
def test_backbone_has_no_gradients() -> None:
    backbone = models.backbone_of(models.reference())
    training = training_of(backbone, HYPER, 64, micro_tokens=128)
    mid_step = 0
    for event in training.events():
        assert all(parameter.grad is None for parameter in backbone.parameters())
        if isinstance(event, Progress) and event.stage == "step":
            mid_step += 1  # after a backward pass, before the update
            assert all(parameter.grad is not None for parameter in training.adapter.parameters())
    assert mid_step >= 4


# 3
def test_zero_adapter_equals_transformers() -> None:
    from transformers import GPT2Config, GPT2ForSequenceClassification

    sizes: dict[str, Any] = {"n_layer": 4, "n_embd": 96, "n_head": 6, "n_positions": 64}
    sizes["vocab_size"] = len(models.TOKENS)
    config = GPT2Config(**sizes, pad_token_id=0, bos_token_id=None, eos_token_id=None)
    config.num_labels = 3
    plain = models.reference(**sizes)
    reference = GPT2ForSequenceClassification(config)
    reference.train(False)
    reference.transformer.load_state_dict(plain.weights)
    # transformers pools at the last token that is not padding, so no post may end in id 0.
    ids, lengths = models.batch([[max(index, 1) for index in row] for row in models.ragged(12, 64)])
    inside = torch.arange(ids.shape[1]) < lengths[:, None]
    for dtype in (torch.float64, torch.float32):
        backbone = models.backbone_of(plain, dtype)
        adapter = models.adapter_for(backbone.config).to(dtype)
        with torch.no_grad():
            for name, parameter in adapter.named_parameters():
                if ".up." in name:
                    parameter.zero_()
            torch.nn.Module.to(reference, dtype)
            reference.score.weight.copy_(adapter.head.weight)
            logits = reference(ids, attention_mask=inside.long()).logits
            states = reference.transformer(ids, attention_mask=inside.long()).last_hidden_state
            assert difference(adapter(backbone(ids, lengths, adapter)), logits) <= TOLERANCE[dtype]
            assert difference(adapter(backbone(ids, lengths)), logits) <= TOLERANCE[dtype]
            assert difference(backbone.hidden_states(ids)[inside], states[inside]) <= TOLERANCE[dtype]
        assert float(logits.std()) > 0.3  # so that a difference would be visible


# 4
def test_logits_do_not_depend_on_batch_or_padding() -> None:
    plain, rows = models.reference(), models.ragged(40, 64)
    for dtype in (torch.float64, torch.float32, torch.bfloat16):
        backbone = models.backbone_of(plain, dtype)
        adapter = models.adapter_for(backbone.config)
        if dtype == torch.float64:
            adapter.to(dtype)

        def logits(posts: Sequence[Sequence[int]], length: int = 0, padding: int = 0) -> Tensor:
            ids, lengths = models.batch(posts, length, padding)
            result: Tensor = adapter(backbone(ids, lengths, adapter))  # noqa: B023
            return result

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


# 5
def test_trainer_workbench_and_cli_probabilities_agree(home: Path, command: Command) -> None:
    labeled = made_up.posts(24, seed=9)
    posts = [text for text, _label in labeled]
    truth = np.array([label for _text, label in labeled])
    for dtype, tolerance in (("float32", 1e-4), ("bfloat16", 0.01)):
        machine = ComputeOptions("cpu", dtype, 1)
        with Workbench(home) as wb:
            if dtype == "float32":
                models.add_base(wb, home / "from")
            base = wb.open_base("small", wb.compute(machine))
            parts = models.examples(made_up.posts(32, seed=2)), models.examples(labeled)
            training = models.trainer(base.backbone, HYPER, *parts, micro_tokens=150)  # other batches than predict's
            (validated,) = [event for event in training.events() if isinstance(event, Evaluated)]
            logits = all_logits(base.backbone, training.adapter, training.validation.encoded, training.compute)
            card = models.card_for(training.adapter, base, dtype, temperature=1.7, dtype=dtype)
            wb.adapters.save(training.adapter, card)
            analyses = list(wb.iter_predict(posts, dtype, machine=machine))
        predicted = np.array([list(analysis.probabilities.values()) for analysis in analyses])
        options = ("--adapter", dtype, "--dtype", dtype, "--device", "cpu", "--threads", "1", "--json")
        lines = command.ok("predict", *options, *posts).out.splitlines()
        printed = np.array([list(json.loads(line)["probabilities"].values()) for line in lines])
        for one, other in combinations([softmax(logits, temperature=1.7), predicted, printed], 2):
            assert np.abs(one - other).max() <= tolerance
        # The trainer's loss is -log p of the same posts before the temperature.
        plain = softmax(np.log(printed) * 1.7)
        assert validated.loss == pytest.approx(-np.log(plain[np.arange(24), truth]).mean(), abs=10 * tolerance)
        assert predicted[:, 0].std() > 0.02


HOSTILE = "[SEP] [CLS][PAD][UNK][MASK] ##a \ud83d 👨‍👩‍👧‍👦 𠮷野家 \x00\x1b[31m [哈哈][哈哈] //@某人：转发".split()
HOSTILE += [" ", "\u202e反", "０１２", "Ⅷ", "日本語かなカナ", "a" * 500, "ﷺ" * 50, "é" * 3, "😀" * 90, "x" * 5000]


# 6
def test_ids_are_below_rows_and_special_ids_match_card(home: Path) -> None:
    with Workbench(home) as wb:
        card = models.add_base(wb, home / "from")
        base = wb.bases.open("small")
        rows = base.backbone.config.vocabulary
        assert max(base.tokenizer.vocabulary().values()) < rows
        ids = base.tokenizer.special_tokens
        assert (ids.prefix, ids.suffix, ids.pad) == (card.prefix, card.suffix, card.pad) == ((2,), (3,), 0)
        _cleaned, encoded = base.tokenizer.encode_posts([*HOSTILE, *POSTS], 32, 1)
        assert 0 <= encoded.ids.min() <= encoded.ids.max() < rows
        for row in rows_of(encoded):
            assert (row[0], row[-1]) == (2, 3)
            assert not {0, 2, 3} & set(row[1:-1])

        # Too few rows for a token or a special id: refused by name when added and when opened.
        few = models.write_folder(home / "few", models.reference(vocab_size=len(models.TOKENS) - 1))
        with pytest.raises(UserInputError, match=f"gives ##9 the id {rows - 1}, .* {rows - 1} embeddings"):
            wb.add_base(few, "few")
        assert not (home / "bases" / "few").exists()
        definition = build_tokenizer(models.TOKENS).to_str()
        for wrong in (SpecialTokens((2,), (3,), rows), SpecialTokens((rows,), (3,), 0), SpecialTokens((2,), (-1,), 0)):
            with pytest.raises(UserInputError, match=f"gives #(-1|{rows}) the id"):
                PostTokenizer(definition, wrong, rows)
        extra = build_tokenizer([*models.TOKENS, "囍"]).to_str()
        tokenizer = home / "bases" / "small" / "tokenizer.json"
        tokenizer.write_text(extra, encoding="utf-8")
        forged = dataclasses.replace(card, sha256=card.sha256 | {"tokenizer.json": sha256(tokenizer)})
        (home / "bases" / "small" / "card.json").write_bytes(cards.write(forged))
        with pytest.raises(CorruptFileError, match=f"gives 囍 the id {rows}"):
            wb.bases.open("small")


LOADER = """
import json, sys
from engine_helpers import all_logits
from weibo_tui import ComputeOptions, Workbench
with Workbench() as wb:
    classifier = wb.classifier("mood", ComputeOptions("cpu", "float32", 1))
posts = classifier.tokenizer.encode_posts(sys.argv[1:], classifier.max_length, classifier.preprocessing)[1]
logits = all_logits(classifier.backbone, classifier.adapter, posts, classifier.compute)
print(json.dumps([row.tobytes().hex() for row in logits]))
"""


# 7
def test_saved_adapter_is_bit_equal_in_new_process(home: Path) -> None:
    posts = POSTS[:20]
    with Workbench(home) as wb:
        models.add_base(wb, home / "from")
        base = wb.open_base("small", wb.compute(models.MACHINE))
        adapter = models.adapter_for(base.backbone.config, labels=2)
        wb.adapters.save(adapter, models.card_for(adapter, base, "mood"))
    logits = all_logits(base.backbone, adapter, base.tokenizer.encode_posts(posts, 32, 1)[1], models.compute())
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    child = subprocess.run(
        [sys.executable, "-c", LOADER, *posts], capture_output=True, text=True, check=True, env=environment
    )
    assert json.loads(child.stdout) == [row.tobytes().hex() for row in logits]
    assert len(np.unique(logits, axis=0)) == len(posts)

    folder = home / "adapters" / "mood"
    assert sorted(path.name for path in folder.iterdir()) == ["adapter.safetensors", "card.json"]
    saved = load_file(folder / "adapter.safetensors")
    assert saved.keys() == adapter.state_dict().keys()
    of_trunk = [tensor for tensor in base.backbone.state_dict().values() if tensor.dim() > 1]
    assert not any(one.shape == other.shape and torch.equal(one, other) for one in saved.values() for other in of_trunk)
    size = (folder / "adapter.safetensors").stat().st_size
    assert size < 4 * sum(tensor.numel() for tensor in saved.values()) + 4096


# 8
def test_adapter_on_other_base_is_refused(home: Path, command: Command) -> None:
    with Workbench(home) as wb:
        models.add_base(wb, home / "from")
        own = wb.bases.open("small")
        card = models.add_adapter(wb, own, "mood")
        models.add_base(wb, home / "from", "other", seed=1)
        expected = rf"'small' \({card.base_fingerprint[:12]}…\), not to 'other'"
        with pytest.raises(UserInputError, match=expected):
            wb.adapters.load("mood", wb.bases.open("other"))
        assert wb.adapters.load("mood", own)[1] == card

        # A base is its weights, not its name.
        wb.remove_base("small")
        models.add_base(wb, home / "from", "small", seed=2)
        with pytest.raises(UserInputError, match=f"needs base 'small' .fingerprint {card.base_fingerprint[:12]}"):
            wb.classifier("mood", models.MACHINE)
        refused = command("predict", "真好", "--adapter", "mood")
        assert (refused.code, refused.out) == (2, "")
        assert refused.err.count("\n") == 1
        assert f"'small' (fingerprint {card.base_fingerprint[:12]}" in refused.err
        models.add_base(wb, home / "from", "renamed", seed=0)
        assert wb.classifier("mood", models.MACHINE)


# 9
def test_switching_adapters_gives_identical_logits(home: Path) -> None:
    with Workbench(home) as wb:
        models.add_base(wb, home / "from")
        base = wb.open_base("small", wb.compute(models.MACHINE))
        for seed, name in enumerate("ab"):
            models.add_adapter(wb, base, name, seed)
        confidences, backbones = [], set()
        for name in "abaab":
            analyses = wb.iter_predict(POSTS, name, machine=models.MACHINE, record=False)
            confidences.append([analysis.confidence for analysis in analyses])
            backbones.add(id(wb.classifier(name, models.MACHINE).backbone))
        a, b = models.adapter_for(base.backbone.config, 0), models.adapter_for(base.backbone.config, 1)
        encoded = base.tokenizer.encode_posts(POSTS, 32, 1)[1]
        logits = [all_logits(base.backbone, adapter, encoded, models.compute()) for adapter in (a, b, a)]
    assert logits[0].tobytes() == logits[2].tobytes() != logits[1].tobytes()
    assert confidences[0] == confidences[2] == confidences[3] != confidences[1] == confidences[4]
    assert backbones == {id(base.backbone)}


def sorted_files(folder: Path) -> list[Path]:
    """Write two files, each sorted by label. The second has reposts and near-copies of the first."""
    labeled = sorted(made_up.posts(120, seed=6), key=lambda item: -item[1])
    tables = [labeled[::2], []]
    for number, (text, label) in enumerate(labeled[1::2]):
        quoted = labeled[(2 * number) % 40][0]
        repost = f"{text}//@甲: {quoted} //@乙：说得对啊朋友们"
        copies = [text, f"转发 //@某人:{quoted}", repost, f" {quoted.upper()}！"]
        tables[1].append((copies[number % 4], label))
    paths = []
    for number, rows in enumerate(tables):
        paths.append(folder / f"sorted-{number}.csv")
        with paths[-1].open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("review", "label"), *rows])
    return paths


# 10
def test_splits_share_no_text_and_score_is_on_test(home: Path, tmp_path: Path) -> None:
    files = sorted_files(tmp_path)
    dataset = drain(load_dataset(files))
    labels = np.array(dataset.labels)
    assert sum(len(repost_segments(post)) > 1 for post in dataset.posts) >= 20
    for seed in range(5):
        parts = split(dataset.posts, dataset.labels, 0.2, 0.2, seed)
        indices = (parts.train, parts.validation, parts.test)
        assert sorted(np.concatenate(indices)) == list(range(len(dataset.posts)))
        posts_of = [[dataset.posts[index] for index in part] for part in indices]
        texts = [{text for post in posts for text in (normalize(post), *repost_segments(post))} for posts in posts_of]
        assert not any(one & other for one, other in combinations(texts, 2))
        assert all(set(labels[part]) == {0, 1} for part in indices)
        steps = training_steps(np.array(list(map(len, posts_of[0]))), 16, seed, epoch=1)
        assert all(set(labels[parts.train[step]]) == {0, 1} for step in steps if len(step) == 16)

    # The score is of the test posts, with the saved weights.
    with Workbench(home) as wb:
        models.add_base(wb, home / "from")
        plan = TrainingConfig(tuple(files), "mood", hyper=HYPER, validation=0.2, test=0.2, machine=models.MACHINE)
        events = list(wb.iter_train(plan))
        (finished,) = [event for event in events if isinstance(event, RunFinished)]
        (started,) = [event for event in events if isinstance(event, RunStarted)]
        parts = split(dataset.posts, dataset.labels, 0.2, 0.2, HYPER.seed)
        posts = [dataset.posts[index] for index in parts.test]
        predictions = [analysis.label for analysis in wb.iter_predict(posts, "mood", machine=models.MACHINE)]
    assert started.posts == {"train": len(parts.train), "validation": len(parts.validation), "test": len(parts.test)}
    assert finished.score is not None
    assert finished.score["n"] == len(posts)
    pairs = Counter(zip((dataset.names[labels[index]] for index in parts.test), predictions, strict=True))
    confusion = [[pairs[actual, predicted] for predicted in dataset.names] for actual in dataset.names]
    assert np.array_equal(finished.score["confusion"], confusion)


# 13
def test_empty_post_is_an_error_row(home: Path, tmp_path: Path, command: Command) -> None:
    nothing = ["", "   ", "http://t.cn/abc", "\u200b\u200d", "\ud83d", "\ufffd"]
    with Workbench(home) as wb:
        models.add_base(wb, home / "from")
        models.add_adapter(wb, wb.bases.open("small"), "mood")
        for analysis in wb.iter_predict(nothing, "mood", machine=models.MACHINE):
            assert (analysis.label, analysis.confidence, analysis.probabilities) == ("", None, {})
            assert analysis.error

        for post, *form in [(nothing[0],), (nothing[1],), (nothing[2],), (nothing[3], "--json")]:
            alone = command("predict", *form, post)
            assert alone.code == 2
            assert alone.err.count("\n") == 1
            assert "positive" not in alone.out + alone.err
            assert "negative" not in alone.out + alone.err
        among = command.ok("predict", "--json", POSTS[0], nothing[2], POSTS[1])
        first, empty, second = (json.loads(line)["label"] for line in among.out.splitlines())
        assert empty is None
        assert {first, second} <= {"negative", "positive"}

        source, out = tmp_path / "mixed.csv", tmp_path / "out.csv"
        rows = [(POSTS[0], "0"), ("", "1"), (POSTS[1], "1"), ("http://t.cn/abc", "0"), (POSTS[2], "1"), ("\ufffd", "1")]
        with source.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("review", "label"), *rows])
        done = models.until(
            wb.iter_label_file(LabelingConfig(source, out, "mood", machine=models.MACHINE)), LabelingResult
        )
        labeled = table(out, "utf-8")
        assert [bool(row["error"]) for row in labeled] == [False, True, False, True, False, True]
        for row in labeled:
            values = [row["predicted"], row["confidence"], row["prob_negative"], row["prob_positive"]]
            assert all(values) == any(values) != bool(row["error"])
        assert (done.rows, done.failed, sum(done.counts.values())) == (6, 3, 3)

        scored = models.until(
            wb.iter_evaluate(EvaluationConfig((source,), "mood", machine=models.MACHINE)), EvaluationResult
        )
        assert (scored.score.n, scored.score.failed) == (3, 3)
        assert sum(map(sum, scored.score.confusion)) == 3


# 14
def test_commands_work_without_sockets(tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    class NoSocket(socket.socket):
        def __init__(self, family: int = socket.AF_INET, *others: Any, **options: Any) -> None:
            if family in (socket.AF_INET, socket.AF_INET6):
                pytest.fail("a socket was made")
            super().__init__(family, *others, **options)

    monkeypatch.setattr(socket, "socket", NoSocket)
    posts = made_up.write_posts(tmp_path / "posts.csv", 60)
    corpus = made_up.write_corpus(tmp_path / "corpus.txt", 400)
    folder = models.write_folder(tmp_path / "hf", models.reference())
    cpu = ["--threads", "1", "--dtype", "float32"]
    small = "--layers 1 --width 16 --heads 2 --positions 32 --context 16".split()
    command.ok("bases", "pretrain", corpus, "--name", "own", "--tokens", "1000", *small, *cpu)
    command.ok("bases", "add", folder, "--name", "added")
    command.ok("train", posts, "--base", "own", "--name", "mood", "--epochs", "1", "--max-length", "32", *cpu)
    command.ok("adapters", "use", "mood")
    command.ok("adapters", "export", "mood", tmp_path / "mood.zip")
    command.ok("adapters", "import", tmp_path / "mood.zip", "--name", "again")
    (prediction,) = json_lines(command.ok("predict", "今天的面真好吃[哈哈]", "--json", *cpu).out)
    assert prediction["label"] in ("negative", "positive")
    command.ok("predict", "--file", posts, "--out", tmp_path / "out.csv", *cpu)
    (score,) = json_lines(command.ok("evaluate", posts, "--adapter", "again", "--json", *cpu).out)
    assert score["n"] == 60
    command.ok("audit", posts, "--json")
    command.ok("history", "list", "--json")
    runs = json_lines(command.ok("runs", "list", "--json").out)
    assert {run["name"] for run in runs if run["state"] == "finished"} == {"own", "mood"}

"""Other GPT-2s as bases, such as the English one, and models that are refused."""

from __future__ import annotations

import json
import os
import pickle
import re
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import english
import made_up
import models
import pytest
import torch
import uer
from commands import Command, listing
from engine_helpers import rows_of

from weibo_tui import TrainingConfig, Workbench
from weibo_tui.engine.hyperparameters import Hyperparameters
from weibo_tui.registry.bases import Bases, OpenBase

CHINESE = "今天的面很香😀好"
SPARE_ROWS = 7  # rows without a token, as in models with a rounded vocabulary


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return english.write_folder(tmp_path_factory.mktemp("english") / "gpt2", spare_rows=SPARE_ROWS)


@pytest.fixture(scope="module")
def bases(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Bases:
    made = Bases(tmp_path_factory.mktemp("english") / "bases")
    made.add(folder, "english")
    return made


@pytest.fixture(scope="module")
def opened(bases: Bases) -> OpenBase:
    return bases.open("english")


def test_english_gpt2_pads_with_end_of_text(folder: Path, opened: OpenBase) -> None:
    from transformers import AutoTokenizer

    end = opened.tokenizer.vocabulary()[english.END]
    assert AutoTokenizer.from_pretrained(folder).pad_token_id is None
    assert (opened.card.prefix, opened.card.suffix, opened.card.pad) == ((), (), end)
    assert end not in opened.tokenizer.encode([english.END], 64).ids.tolist()  # in a post it is characters
    assert opened.backbone.config.vocabulary == end + 1 + SPARE_ROWS


def test_english_gpt2_equals_transformers(folder: Path, bases: Bases, opened: OpenBase) -> None:
    from transformers import AutoTokenizer, GPT2Model

    theirs = AutoTokenizer.from_pretrained(folder)
    posts = [CHINESE, "the rain in the morning", "Weibo 2024, ok?", "x"]
    encoded = opened.tokenizer.encode(posts, 64)
    rows = rows_of(encoded)
    assert rows == [theirs(post)["input_ids"] for post in posts]
    backbone = bases.open("english").backbone.set_compute_dtype(torch.float64)
    ids, lengths = models.batch(rows, padding=opened.card.pad)
    with torch.no_grad():
        expected = GPT2Model.from_pretrained(folder, dtype=torch.float64)(ids).last_hidden_state
        assert (backbone(ids, lengths) - expected[torch.arange(len(rows)), lengths - 1]).abs().max() < 1e-9


def test_tokenizer_json_gives_same_base_as_merges(tmp_path: Path, opened: OpenBase) -> None:
    source = english.write_folder(tmp_path / "from", tokenizer="tokenizer.json", spare_rows=SPARE_ROWS)
    assert Bases(tmp_path / "bases").add(source, "one").fingerprint == opened.card.fingerprint


def test_backbone_and_language_model_give_same_base(tmp_path: Path) -> None:
    from transformers import GPT2LMHeadModel, GPT2Model

    bases, prints = Bases(tmp_path / "bases"), []
    for name in ("GPT2Model", "GPT2LMHeadModel"):
        source = english.write_folder(tmp_path / name)
        backbone = GPT2Model.from_pretrained(source)
        model = backbone if name == "GPT2Model" else GPT2LMHeadModel(backbone.config)
        model.base_model.load_state_dict(backbone.state_dict())
        model.save_pretrained(source)
        assert json.loads((source / "config.json").read_text(encoding="utf-8"))["architectures"] == [name]
        prints.append(bases.add(source, name).fingerprint)
    assert prints[0] == prints[1]


def test_partially_encoded_character_is_not_covered(opened: OpenBase) -> None:
    full = opened.tokenizer.encode([CHINESE], 64)
    assert full.chars_covered.tolist() == [len(CHINESE)]
    bodies = [opened.tokenizer.encode([one], 64).ids.tolist() for one in (CHINESE[:4], CHINESE[3], "😀")]
    assert [len(body) for body in bodies[1:]] == [3, 4]
    before = len(bodies[0])
    read = {
        room: int(opened.tokenizer.encode([CHINESE], room).chars_covered[0]) for room in range(1, len(full.ids) + 1)
    }
    assert [read[before + more] for more in range(4)] == [4, 4, 4, 5]
    assert read[len(full.ids)] == len(CHINESE)
    for room, characters in read.items():
        ids = full.ids[:room].tolist()
        assert ids[: len(opened.tokenizer.encode([CHINESE[:characters]], 64).ids)] == (
            opened.tokenizer.encode([CHINESE[:characters]], 64).ids.tolist()
        )
    assert sorted(read.values()) == list(read.values())


def test_english_gpt2_trains_and_predicts(home: Path, folder: Path, tmp_path: Path) -> None:
    data = made_up.write_posts(tmp_path / "posts.csv", 60)
    hyper = Hyperparameters(epochs=1, batch_size=8, max_length=40, bottleneck=8)
    with Workbench(home) as wb:
        wb.add_base(folder, "english")
        deque(wb.iter_train(TrainingConfig((data,), "mood", hyper=hyper, machine=models.MACHINE)), maxlen=0)
    posts = [CHINESE, "服务太差了" * 20, "", "ok"]
    with Workbench(home) as wb:
        together = list(wb.iter_predict(posts, machine=models.MACHINE))
        alone = [next(iter(wb.iter_predict([post], machine=models.MACHINE))) for post in posts]
    assert [analysis.truncated for analysis in together] == [False, True, False, False]
    assert [bool(analysis.error) for analysis in together] == [False, False, True, False]
    for one, other in zip(together, alone, strict=True):  # padding has no effect
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-5)


def test_bases_add_reports_english_tokenizer(folder: Path, home: Path, command: Command) -> None:
    done = command.ok("bases", "add", folder, "--name", "english")
    assert "The tokenizer does not know 0.0% of an everyday text. It keeps capital letters." in done.err
    assert "The tokenizer needs 2.8 tokens per character. It was not made for Chinese" in done.err


class Bomb:
    """Creates a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.mark}",)


def config(**changes: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "config.json"
        english.write_json(path, **(json.loads(path.read_text(encoding="utf-8")) | changes))

    return change


def other_architecture(**values: Any) -> Callable[[Path], None]:
    return lambda folder: english.write_json(folder / "config.json", **values)


def bomb_in_second_shard(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    plain = models.reference(vocab_size=len(english.bpe().get_vocab(with_added_tokens=True)))
    uer.write_weights(folder, plain, uer.Packing(shards=2, prefix="", head="none"))
    torch.save({"h.0.ln_1.bias": Bomb(folder / "ran")}, folder / "pytorch_model-00002-of-00002.bin")


def code_in_a_tokenizer(folder: Path) -> None:
    english.write_json(
        folder / "tokenizer_config.json", tokenizer_class="Mine", auto_map={"AutoTokenizer": ["mine.Mine", None]}
    )
    (folder / "mine.py").write_text(f"import pathlib\npathlib.Path({str(folder / 'ran')!r}).touch()\n")


REFUSED: dict[str, tuple[Callable[[Path], object], int, str]] = {
    "its own code": (
        other_architecture(model_type="mine", auto_map={"AutoModel": "mine.Model"}),
        2,
        "This model is mine. A base model must be a GPT-2",
    ),
    "largest size": (config(n_embd=16384, n_positions=131072, vocab_size=2_000_000), 1, "has shape"),
    "a number too long to parse": (
        lambda folder: (folder / "config.json").write_text('{"model_type": "gpt2", "n_embd": ' + "9" * 5000 + "}"),
        1,
        "Cannot read .*config.json",
    ),
    "no merges": (lambda folder: (folder / "merges.txt").unlink(), 2, "tokenizer"),
    "no vocabulary": (lambda folder: (folder / "vocab.json").unlink(), 2, "No tokenizer"),
    "vocabulary a list": (lambda folder: (folder / "vocab.json").write_text("[1]"), 2, "tokenizer"),
    "code in a shard": (bomb_in_second_shard, 2, "00002-of-00002.bin was refused"),
    "code that a tokenizer names": (code_in_a_tokenizer, 2, "tokenizer"),
}


@pytest.mark.parametrize(("spoil", "code", "message"), REFUSED.values(), ids=REFUSED)
def test_invalid_gpt2_is_refused_in_one_line(
    tmp_path: Path, home: Path, command: Command, spoil: Callable[[Path], object], code: int, message: str
) -> None:
    source = english.write_folder(tmp_path / "from")
    spoil(source)
    done = command("bases", "add", source, "--name", "one")
    assert (done.code, done.out) == (code, "")
    assert done.err.startswith("weibo-tui: ")
    assert done.err.count("\n") == 1
    assert re.search(message, done.err)
    assert not [path for path in listing(home) if path.startswith("bases/")]
    assert not (source / "ran").exists()


def test_other_pickles_are_not_opened(tmp_path: Path) -> None:
    source = english.write_folder(tmp_path / "from")
    for name in ("training_args.bin", "optimizer.pt", "pytorch_model.bin"):
        (source / name).write_bytes(pickle.dumps(Bomb(source / "ran")))
    bases = Bases(tmp_path / "bases")
    bases.add(source, "one")
    assert not (source / "ran").exists()
    assert {file.suffix for file in bases.path("one").iterdir()} == {".json", ".safetensors"}

"""uer/gpt2-chinese-cluecorpussmall, by its exact shape: from its folder to a verdict, however the folder is packed."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import made_up
import models
import pytest
import torch
import uer
from commands import Command
from transformers import GPT2Model

from weibo_tui.engine.events import RunStarted, StepDone
from weibo_tui.engine.hyperparameters import Hyperparameters
from weibo_tui.registry.bases import Bases
from weibo_tui.workbench import TrainingConfig, Workbench

# Adapters of 64 in twelve blocks of 768, and the head for two labels.
TRAINED = 12 * (768 * 64 + 64 + 64 * 768 + 768) + 2 * 768


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder at its full size, 102 million parameters."""
    folder = tmp_path_factory.mktemp("uer") / "gpt2-chinese-cluecorpussmall"
    yield uer.write_folder(folder, uer.reference())
    shutil.rmtree(folder)  # half a gigabyte, which pytest would keep


@pytest.fixture(scope="module")
def small() -> GPT2Model:
    """The same with fewer and narrower blocks."""
    return uer.reference(layers=2, heads=2, width=16)


def test_folder_is_laid_out_as_it_is_said_to_be(whole: Path) -> None:
    assert {file.name for file in whole.iterdir()} == {
        *("config.json", "pytorch_model.bin", "vocab.txt", "tokenizer_config.json", "special_tokens_map.json")
    }
    lines = (whole / "vocab.txt").read_text(encoding="utf-8").splitlines()
    assert len(lines) == len(set(lines)) == 21_128
    assert [lines.index(token) for token in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")] == [0, 100, 101, 102, 103]
    held = torch.load(whole / "pytorch_model.bin", weights_only=True)
    assert held["transformer.wte.weight"].shape == held["lm_head.weight"].shape == (21_128, 768)
    assert held["transformer.wpe.weight"].shape == (1024, 768)
    assert {"transformer.h.11.attn.bias", "transformer.h.11.attn.masked_bias"} <= held.keys()


def test_from_the_folder_to_a_verdict(whole: Path, home: Path, tmp_path: Path) -> None:
    """Added, checked against transformers, trained, stopped and resumed, saved, and judging in another workbench."""
    data = made_up.write_posts(tmp_path / "posts.csv", 48)
    hyper = Hyperparameters(epochs=1, batch_size=6, max_length=16, learning_rate=1e-3, seed=3)
    plan = TrainingConfig((data,), "undisturbed", base="uer", hyper=hyper, machine=models.MACHINE)
    with Workbench.open(home) as bench:
        card = bench.add_base(whole, "uer")
        assert (card.parameters, card.prefix, card.suffix, card.pad) == (102_068_736, (101,), (102,), 0)
        kept = bench.bases.path("uer") / "model.safetensors"
        before = hashlib.sha256(kept.read_bytes()).hexdigest()

        opened = bench.bases.open("uer")
        _cleaned, encoded = opened.tokenizer.encode_posts([text for text, _label in made_up.posts(3)], 64, 1)
        rows = [encoded.ids[a:b].tolist() for a, b in zip(encoded.starts[:-1], encoded.starts[1:], strict=True)]
        ids, lengths = models.batch(rows)
        with torch.no_grad():
            want = GPT2Model.from_pretrained(whole)(ids).last_hidden_state[torch.arange(3), lengths - 1]
            assert (opened.trunk(ids, lengths) - want).abs().max() < 1e-4 * want.abs().max()
        del opened

        deque(bench.train(plan), maxlen=0)
        started = bench.train(dataclasses.replace(plan, name="resumed"))
        run = models.until(started, RunStarted).run
        models.until(started, StepDone, 3)
        started.close()  # type: ignore[attr-defined]
        assert bench.runs.get(run).state == "stopped"
        rest = list(bench.resume(run))
        assert next(event.step for event in rest if isinstance(event, StepDone)) == 4

        folders = [bench.adapters.path(name) for name in ("undisturbed", "resumed")]
        one, other = ((folder / "adapter.safetensors").read_bytes() for folder in folders)
        assert one == other
        assert bench.adapters.card("resumed").parameters == TRAINED
        assert hashlib.sha256(kept.read_bytes()).hexdigest() == before

    posts = ["今天的面真好吃", "服务太差了，再也不来", "OK"]
    with Workbench.open(home) as bench:
        found = [list(bench.predict(posts, name, machine=models.MACHINE)) for name in ("undisturbed", "resumed")]
        bench.remove_base("uer")
    assert [analysis.probabilities for analysis in found[0]] == [analysis.probabilities for analysis in found[1]]
    assert all(analysis.label in ("negative", "positive") for analysis in found[0])


PACKINGS = {
    "as it is": uer.Packing(),
    "safetensors": uer.Packing("model.safetensors"),
    "no prefix": uer.Packing(prefix=""),
    "no prefix, safetensors": uer.Packing("model.safetensors", prefix="", buffers=False, head="none"),
    "bin in shards": uer.Packing(shards=3),
    "safetensors in shards": uer.Packing("model.safetensors", shards=3, buffers=False),
    "untied": uer.Packing(head="untied"),
    "untied, safetensors in shards": uer.Packing("model.safetensors", shards=2, head="untied"),
    "no head": uer.Packing(head="none", buffers=False),
}


@pytest.fixture(scope="module")
def fingerprint(small: GPT2Model, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("plain")
    return Bases(folder / "bases").add(uer.write_folder(folder / "from", small), "plain").fingerprint


def check_equal_to_transformers(bases: Bases, name: str, folder: Path) -> None:
    """In float64: a trunk of ours against what transformers itself makes of the same folder."""
    theirs = GPT2Model.from_pretrained(folder, dtype=torch.float64)
    ours = bases.open(name).trunk.compute_in(torch.float64)
    ids, lengths = models.batch(models.ragged(5, 60))
    with torch.no_grad():
        want = theirs(ids).last_hidden_state
        assert (ours.states(ids) - want).abs().max() < 1e-9
        assert (ours(ids, lengths) - want[torch.arange(5), lengths - 1]).abs().max() < 1e-9
    assert want.std() > 0.3


@pytest.mark.parametrize("packing", PACKINGS.values(), ids=PACKINGS)
def test_however_packed_it_is_the_same_base_and_equals_transformers(
    tmp_path: Path, small: GPT2Model, fingerprint: str, packing: uer.Packing
) -> None:
    source = uer.write_folder(tmp_path / "from", small, packing)
    bases = Bases(tmp_path / "bases")
    card = bases.add(source, "one")
    assert card.fingerprint == fingerprint
    assert card.parameters == sum(parameter.numel() for parameter in small.parameters())
    assert models.same_bits(bases.open("one").trunk.canonical(), models.weights_of(small))
    check_equal_to_transformers(bases, "one", source)


def test_where_both_are_there_safetensors_are_read(tmp_path: Path, small: GPT2Model, fingerprint: str) -> None:
    source = uer.write_folder(tmp_path / "from", small)
    uer.write_weights(source, small, uer.Packing("model.safetensors", buffers=False))
    (source / "pytorch_model.bin").write_bytes(b"not read")
    assert Bases(tmp_path / "bases").add(source, "one").fingerprint == fingerprint


@pytest.mark.parametrize("file", ["pytorch_model.bin", "model.safetensors"])
def test_half_precision_is_the_base_of_the_numbers_that_are_left(
    tmp_path: Path, small: GPT2Model, fingerprint: str, file: str
) -> None:
    bases = Bases(tmp_path / "bases")
    source = uer.write_folder(tmp_path / "half", small, uer.Packing(file, dtype=torch.float16))
    card = bases.add(source, "half")
    rounded = uer.reference(layers=2, heads=2, width=16)
    with torch.no_grad():
        for parameter in rounded.parameters():
            parameter.copy_(parameter.half())
    assert card.fingerprint == bases.add(uer.write_folder(tmp_path / "from", rounded), "rounded").fingerprint
    assert card.fingerprint != fingerprint
    check_equal_to_transformers(bases, "half", source)


# Of its everyday text: emoji, and what the vocabulary has in small letters only.
@pytest.mark.parametrize(("lower_case", "least", "most"), [(True, 0.005, 0.025), (False, 0.03, 0.05)])
def test_card_and_command_tell_how_the_tokenizer_reads_posts(
    tmp_path: Path, home: Path, small: GPT2Model, command: Command, lower_case: bool, least: float, most: float
) -> None:
    source = uer.write_folder(tmp_path / "from", small, lower_case=lower_case)
    done = command.ok("bases", "add", source, "--name", "one")
    card = Bases(home / "bases").card("one")
    assert card.made["lower_cases"] is lower_case
    assert least < card.made["unknown_share"] < most
    assert f"{100 * card.made['unknown_share']:.1f} % of an everyday text is unknown to its tokenizer" in done.err
    assert ("makes small letters of capitals" if lower_case else "keeps capital letters") in done.err
    assert "verdicts will suffer" not in done.err
    tokenizer = Bases(home / "bases").open("one").tokenizer
    ids = tokenizer.encode(["KTV"], 16).ids.tolist()
    assert (100 in ids) is not lower_case


def test_tokenizer_that_knows_little_is_warned_of(
    tmp_path: Path, home: Path, small: GPT2Model, command: Command
) -> None:
    source = uer.write_folder(tmp_path / "from", small)
    tokens = [
        token if len(token) > 1 or token < "一" else f"[unused{100 + at}]" for at, token in enumerate(uer.tokens())
    ]
    (source / "vocab.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")
    done = command.ok("bases", "add", source, "--name", "one")
    assert Bases(home / "bases").card("one").made["unknown_share"] > 0.5
    assert "verdicts will suffer" in done.err
    assert json.loads(command.ok("bases", "list", "--json").out)["made"]["unknown_share"] > 0.5


def test_where_it_came_from_is_told_beside_what_was_found(tmp_path: Path, small: GPT2Model) -> None:
    bases = Bases(tmp_path / "bases")
    source = uer.write_folder(tmp_path / "from", small)
    plain = bases.add(source, "plain")
    assert plain.source == str(source)
    card = bases.add(source, "named", origin="uer/gpt2-chinese-cluecorpussmall", made={"revision": "0123abcd"})
    assert card.source == "uer/gpt2-chinese-cluecorpussmall"
    assert card.made == {**plain.made, "revision": "0123abcd"}
    assert bases.card("named") == card

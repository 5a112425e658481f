"""Bases shaped as uer/gpt2-chinese-cluecorpussmall: from the folder, in any packing, to a prediction."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import made_up
import models
import pytest
import torch
import uer
from commands import Command
from engine_helpers import rows_of
from models import Checkpoint

from weibo_tui import TrainingConfig, Workbench
from weibo_tui.engine.events import RunStarted, StepDone
from weibo_tui.engine.hyperparameters import Hyperparameters
from weibo_tui.registry.bases import Bases


@pytest.fixture(scope="module")
def small() -> Checkpoint:
    """Return the model with fewer blocks, a smaller width and a shorter vocabulary."""
    return uer.reference(layers=2, heads=2, width=16, vocabulary=400)


@pytest.mark.parametrize(
    ("layers", "width", "parameters"),
    [(2, 32, 734_336), pytest.param(12, 768, 102_068_736, marks=pytest.mark.slow)],
    ids=["small", "full size"],
)
def test_model_from_folder_to_prediction(home: Path, tmp_path: Path, layers: int, width: int, parameters: int) -> None:
    """Add it, compare it with transformers, train, stop, resume, and predict in another workbench."""
    from transformers import GPT2Model

    source = uer.write_folder(tmp_path / "from", uer.reference(layers, layers, width))
    data = made_up.write_posts(tmp_path / "posts.csv", 24)
    hyper = Hyperparameters(epochs=1, batch_size=6, max_length=16, learning_rate=1e-3, seed=3)
    plan = TrainingConfig((data,), "mood", base="uer", hyper=hyper, machine=models.MACHINE)
    with Workbench(home) as wb:
        card = wb.add_base(source, "uer")
        assert (card.parameters, card.prefix, card.suffix, card.pad) == (parameters, (101,), (102,), 0)
        weights = wb.bases.path("uer") / "model.safetensors"
        before = hashlib.sha256(weights.read_bytes()).hexdigest()

        opened = wb.bases.open("uer")
        _cleaned, encoded = opened.tokenizer.encode_posts([text for text, _label in made_up.posts(3)], 64, 1)
        ids, lengths = models.batch(rows_of(encoded))
        with torch.no_grad():
            expected = GPT2Model.from_pretrained(source)(ids).last_hidden_state[torch.arange(3), lengths - 1]
            assert (opened.backbone(ids, lengths) - expected).abs().max() < 1e-4 * expected.abs().max()
        del opened

        events = wb.iter_train(plan)
        run = models.until(events, RunStarted).run
        models.until(events, StepDone)
        events.close()
        assert wb.runs.get(run).state == "stopped"
        steps = [event.step for event in wb.iter_resume(run) if isinstance(event, StepDone)]
        assert steps[0] == 2
        bottlenecks = layers * (width * 64 + 64 + 64 * width + width)
        assert wb.adapters.card("mood").parameters == bottlenecks + 2 * width
        assert hashlib.sha256(weights.read_bytes()).hexdigest() == before

    with Workbench(home) as wb:
        analyses = list(
            wb.iter_predict(["今天的面真好吃", "服务太差了，再也不来", "OK"], "mood", machine=models.MACHINE)
        )
        wb.remove_base("uer")  # the full size is half a gigabyte
    shutil.rmtree(source)
    assert all(analysis.label in ("negative", "positive") for analysis in analyses)


PACKINGS = {
    "bin": uer.Packing(),
    "safetensors without prefix, buffers and head": uer.Packing(
        "model.safetensors", prefix="", buffers=False, head="none"
    ),
    "bin in shards without prefix": uer.Packing(prefix="", shards=3),
    "safetensors in shards, untied": uer.Packing("model.safetensors", shards=2, head="untied"),
}


@pytest.fixture(scope="module")
def fingerprint(small: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("plain")
    return Bases(folder / "bases").add(uer.write_folder(folder / "from", small), "plain").fingerprint


def check_equal_to_transformers(bases: Bases, name: str, folder: Path) -> None:
    """Compare our backbone with transformers' own in float64."""
    from transformers import GPT2Model

    theirs = GPT2Model.from_pretrained(folder, dtype=torch.float64)
    ours = bases.open(name).backbone.set_compute_dtype(torch.float64)
    ids, lengths = models.batch(models.ragged(5, 60))
    with torch.no_grad():
        expected = theirs(ids).last_hidden_state
        assert (ours.hidden_states(ids) - expected).abs().max() < 1e-9
        assert (ours(ids, lengths) - expected[torch.arange(5), lengths - 1]).abs().max() < 1e-9
    assert expected.std() > 0.3


@pytest.mark.parametrize("packing", PACKINGS.values(), ids=PACKINGS)
def test_packing_gives_same_base_as_transformers(
    tmp_path: Path, small: Checkpoint, fingerprint: str, packing: uer.Packing
) -> None:
    source = uer.write_folder(tmp_path / "from", small, packing)
    bases = Bases(tmp_path / "bases")
    card = bases.add(source, "one")
    assert card.fingerprint == fingerprint
    assert card.parameters == sum(weight.numel() for weight in small.weights.values())
    assert models.same_bits(bases.open("one").backbone.to_hf_state_dict(), models.weights_of(small))
    check_equal_to_transformers(bases, "one", source)


def test_safetensors_are_preferred(tmp_path: Path, small: Checkpoint, fingerprint: str) -> None:
    source = uer.write_folder(tmp_path / "from", small)
    uer.write_weights(source, small, uer.Packing("model.safetensors", buffers=False))
    (source / "pytorch_model.bin").write_bytes(b"not read")
    assert Bases(tmp_path / "bases").add(source, "one").fingerprint == fingerprint


@pytest.mark.parametrize("file", ["pytorch_model.bin", "model.safetensors"])
def test_half_precision_is_base_of_rounded_weights(
    tmp_path: Path, small: Checkpoint, fingerprint: str, file: str
) -> None:
    bases = Bases(tmp_path / "bases")
    source = uer.write_folder(tmp_path / "half", small, uer.Packing(file, dtype=torch.float16))
    card = bases.add(source, "half")
    rounded = Checkpoint(small.config, {name: weight.half().float() for name, weight in small.weights.items()})
    assert card.fingerprint == bases.add(uer.write_folder(tmp_path / "from", rounded), "rounded").fingerprint
    assert card.fingerprint != fingerprint
    check_equal_to_transformers(bases, "half", source)


# The unknown share is that of emoji, and of capitals unless they are lowered.
@pytest.mark.parametrize(("lower_case", "least", "most"), [(True, 0.005, 0.025), (False, 0.03, 0.05)])
def test_tokenizer_stats_are_in_card_and_command(
    tmp_path: Path, home: Path, command: Command, lower_case: bool, least: float, most: float
) -> None:
    source = uer.write_folder(tmp_path / "from", uer.reference(1, 1, 8), lower_case=lower_case)
    done = command.ok("bases", "add", source, "--name", "one")
    card = Bases(home / "bases").card("one")
    assert card.made["lower_cases"] is lower_case
    assert least < card.made["unknown_share"] < most
    assert f"The tokenizer does not know {100 * card.made['unknown_share']:.1f}% of an everyday text" in done.err
    assert ("converts letters to lower case" if lower_case else "keeps capital letters") in done.err
    assert "predictions will be poor" not in done.err
    ids = Bases(home / "bases").open("one").tokenizer.encode(["KTV"], 16).ids.tolist()
    assert (100 in ids) is not lower_case


def test_tokenizer_with_many_unknowns_is_warned_of(
    tmp_path: Path, home: Path, small: Checkpoint, command: Command
) -> None:
    source = uer.write_folder(tmp_path / "from", small)
    done = command.ok("bases", "add", source, "--name", "one")
    assert Bases(home / "bases").card("one").made["unknown_share"] > 0.5
    assert "predictions will be poor" in done.err
    assert json.loads(command.ok("bases", "list", "--json").out)["made"]["unknown_share"] > 0.5


def test_card_has_origin(tmp_path: Path, small: Checkpoint) -> None:
    bases = Bases(tmp_path / "bases")
    source = uer.write_folder(tmp_path / "from", small)
    plain = bases.add(source, "plain")
    assert plain.source == str(source)
    card = bases.add(source, "named", origin="uer/gpt2-chinese-cluecorpussmall", made={"revision": "0123abcd"})
    assert card.source == "uer/gpt2-chinese-cluecorpussmall"
    assert card.made == {**plain.made, "revision": "0123abcd"}
    assert bases.card("named") == card

"""The original project's checkpoint comes in, judges as its training side did, and goes out again the same."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import models
import numpy as np
import originals
import pytest
import torch
from commands import Command, listing
from torch import Tensor

from weibo_tui.errors import UserInputError, WeiboTuiError
from weibo_tui.workbench import ImportResult, Workbench

POSTS = [
    "这部电影太好看了[哈哈]",
    "  好  看\t不看  ",
    "@小明: 不好看 http://t.cn/abc123 //@小红: abc 123",
    "a",
    "好看不好看，" * 60,
]
DOWN = "gpt2.transformer.h.0.adapter.down_project.weight"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "project"
    found.mkdir()
    return found


@pytest.fixture
def original(folder: Path) -> originals.Original:
    return originals.write_original(folder)


@pytest.fixture
def checkpoint(original: originals.Original, folder: Path) -> Path:
    return folder / "best_weibo_sentiment_model.pth"


@pytest.fixture
def bench(home: Path, original: originals.Original, folder: Path) -> Iterator[Workbench]:
    """A workbench with the original's base."""
    with Workbench.open(home) as opened:
        opened.add_base(folder / "models" / "gpt2-chinese", "uer")
        yield opened


def take_in(bench: Workbench, checkpoint: Path, name: str = "theirs", **options: Any) -> ImportResult:
    last = list(bench.import_original(checkpoint, name, **options))[-1]
    assert isinstance(last, ImportResult)
    return last


def judge(bench: Workbench, adapter: str) -> np.ndarray[Any, Any]:
    found = list(bench.predict(POSTS, adapter, record=False, machine=models.MACHINE))
    return np.array([list((one.probabilities or {}).values()) for one in found])


def weights(bench: Workbench, name: str) -> bytes:
    return (bench.adapters.path(name) / "adapter.safetensors").read_bytes()


def change(checkpoint: Path, alter: Callable[[dict[Any, Any]], object]) -> None:
    state = dict(torch.load(checkpoint))
    alter(state)
    torch.save(state, checkpoint)


def test_checkpoint_judges_as_its_training_side_did(
    bench: Workbench, original: originals.Original, checkpoint: Path, folder: Path
) -> None:
    card = take_in(bench, checkpoint).card
    assert card == bench.adapters.card("theirs")
    model = folder / "models" / "gpt2-chinese"
    theirs = original.judge(POSTS, model).numpy()
    assert np.abs(judge(bench, "theirs") - theirs).max() < 1e-5
    assert np.abs(theirs[:, 0] - 0.5).max() > 0.1  # the posts are told apart
    lengths = [one.truncated for one in bench.predict(POSTS, "theirs", record=False, machine=models.MACHINE)]
    assert lengths == [False, False, False, False, True]


def test_their_predict_script_judges_otherwise_where_a_post_is_padded(
    bench: Workbench, original: originals.Original, checkpoint: Path, folder: Path
) -> None:
    """It pools at the 128th token, which is padding but for the longest posts."""
    take_in(bench, checkpoint)
    predicted = original.judge(POSTS, folder / "models" / "gpt2-chinese", originals.PREDICTED_PAD).numpy()
    apart = np.abs(judge(bench, "theirs") - predicted).max(axis=1)
    assert (apart[:-1] > 1e-5).all()
    assert apart[:-1].max() > 0.1
    assert apart[-1] < 1e-5


def test_card_of_a_checkpoint_says_what_the_original_fixed(bench: Workbench, checkpoint: Path) -> None:
    take_in(bench, checkpoint)
    card = bench.adapters.card("theirs")
    assert (card.labels, card.raw_labels) == (("negative", "positive"), ("0", "1"))
    assert (card.blocks, card.bottleneck, card.activation, card.dropout) == ((0, 1), 64, "relu", 0.0)
    assert (card.max_length, card.preprocessing, card.temperature, card.dtype) == (128, 0, 1.0, "float32")
    assert (card.base, card.base_fingerprint) == ("uer", bench.bases.card("uer").fingerprint)
    assert card.parameters == 2 * (2 * 32 * 64 + 64 + 32) + 2 * 32
    assert card.data == {"checkpoint": "best_weibo_sentiment_model.pth"}
    take_in(bench, checkpoint, "named", labels=("bad", "good"))
    assert bench.adapters.card("named").labels == ("bad", "good")


def test_import_export_import_gives_equal_bytes(bench: Workbench, checkpoint: Path, tmp_path: Path) -> None:
    take_in(bench, checkpoint)
    out = [tmp_path / f"{number}.pth" for number in range(2)]
    for path in out:
        list(bench.export_original("theirs", path))
    assert out[0].read_bytes() == out[1].read_bytes()
    assert models.same_bits(torch.load(out[0]), dict(torch.load(checkpoint)))
    take_in(bench, out[0], "again")
    assert weights(bench, "again") == weights(bench, "theirs")
    list(bench.export_original("again", out[1], overwrite=True))
    assert out[0].read_bytes() == out[1].read_bytes()


def test_exported_adapter_is_loaded_strictly_and_judges_the_same(
    bench: Workbench, folder: Path, tmp_path: Path
) -> None:
    """Also a calibrated one: what divides its logits here is in its head there."""
    base = bench.bases.open("uer")
    ours = models.adapter_for(base.trunk.config, 3, 2, bottleneck=64, activation="relu")
    card = models.card_for(ours, base, "ours", temperature=2.5, max_length=128, preprocessing=0)
    bench.adapters.save(ours, card)
    out = tmp_path / "ours.pth"
    list(bench.export_original("ours", out))
    theirs = originals.Original(models.reference(9, n_positions=160), seed=9)
    theirs.load_state_dict(torch.load(out, map_location="cpu"), strict=True)
    found = theirs.judge(POSTS, folder / "models" / "gpt2-chinese").numpy()
    assert np.abs(judge(bench, "ours") - found).max() < 1e-5
    take_in(bench, out, "back")
    assert np.abs(judge(bench, "back") - found).max() < 1e-5


@pytest.mark.parametrize(
    ("shape", "labels", "missing"),
    [
        ({"blocks": (1,)}, 2, "one in each of the 2 blocks"),
        ({"activation": "gelu"}, 2, "the activation relu"),
        ({"bottleneck": 8}, 2, "bottlenecks of 64"),
        ({}, 3, "2 labels"),
        ({"bottleneck": 8, "activation": "tanh"}, 2, "bottlenecks of 64, the activation relu"),
    ],
)
def test_adapter_that_the_original_cannot_load_is_not_written(
    bench: Workbench, tmp_path: Path, shape: dict[str, Any], labels: int, missing: str
) -> None:
    base = bench.bases.open("uer")
    adapter = models.adapter_for(base.trunk.config, 0, labels, **({"bottleneck": 64, "activation": "relu"} | shape))
    bench.adapters.save(adapter, models.card_for(adapter, base, "other", tuple("abc"[:labels])))
    before = listing(tmp_path)
    with pytest.raises(UserInputError, match=f"cannot load the adapter 'other', for it wants {missing}: "):
        list(bench.export_original("other", tmp_path / "out" / "other.pth"))
    assert listing(tmp_path) == before


def test_export_left_before_its_end_or_without_the_base_leaves_nothing(
    bench: Workbench, checkpoint: Path, tmp_path: Path
) -> None:
    take_in(bench, checkpoint)
    before = listing(tmp_path)
    stopped: Any = bench.export_original("theirs", tmp_path / "out.pth")
    next(stopped)
    stopped.close()
    bench.remove_base("uer")
    with pytest.raises(UserInputError, match="'theirs' wants the base 'uer' .* is not here"):
        list(bench.export_original("theirs", tmp_path / "out.pth"))
    assert not (tmp_path / "out.pth").exists()
    assert {path for path in listing(tmp_path) if ".partial" in path} == {p for p in before if ".partial" in p} == set()


def test_buffers_and_heads_of_older_transformers_are_passed_over(bench: Workbench, checkpoint: Path) -> None:
    take_in(bench, checkpoint)
    block = "gpt2.transformer.h.0.original_block.attn."
    old = {block + "bias": torch.ones(1, 1, 160, 160).tril().bool(), block + "masked_bias": torch.tensor(-1e4)}
    change(checkpoint, lambda state: state.update(old | {"gpt2.lm_head.weight": torch.zeros(3, 32)}))
    take_in(bench, checkpoint, "old")
    assert weights(bench, "old") == weights(bench, "theirs")


def test_views_of_one_storage_and_parameters_are_taken_in(bench: Workbench, checkpoint: Path) -> None:
    take_in(bench, checkpoint)

    def entwine(state: dict[Any, Any]) -> None:
        up = "gpt2.transformer.h.0.adapter.up_project.weight"
        both = torch.stack([state[DOWN], state[up].t()])
        state[DOWN], state[up] = both[0], both[1].t()
        state["gpt2.score.weight"] = torch.nn.Parameter(state["gpt2.score.weight"])

    change(checkpoint, entwine)
    take_in(bench, checkpoint, "entwined")
    assert weights(bench, "entwined") == weights(bench, "theirs")


# what is refused


class Evil:
    """Makes a file where it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.marker),)


def without(name: str) -> Callable[[dict[Any, Any]], object]:
    return lambda state: state.pop(name)


def drop_block(state: dict[Any, Any]) -> None:
    for name in [name for name in state if ".h.1." in name]:
        del state[name]


def add_block(state: dict[Any, Any]) -> None:
    state.update({name.replace(".h.1.", ".h.2."): tensor for name, tensor in state.items() if ".h.1." in name})


def wake_workers(name: str) -> Callable[[dict[Any, Any]], object]:
    def alter(state: dict[Any, Any]) -> None:
        flat = state[name].view(-1)
        flat[3] = torch.nextafter(flat[3], torch.tensor(9.0))

    return alter


def put(name: str, value: Tensor) -> Callable[[dict[Any, Any]], object]:
    return lambda state: state.update({name: value})


ANOTHER = "belongs to another base than 'uer', the first tensor that differs is "
REFUSED: dict[str, tuple[Callable[[dict[Any, Any]], object], str]] = {
    "one bit of the trunk": (
        wake_workers("gpt2.transformer.h.1.original_block.mlp.c_fc.weight"),
        ANOTHER + "h.1.mlp.c_fc.weight",
    ),
    "one bit of the embeddings": (wake_workers("gpt2.transformer.wte.weight"), ANOTHER + "wte.weight"),
    "a smaller vocabulary": (put("gpt2.transformer.wte.weight", torch.zeros(7, 32)), ANOTHER + "wte.weight"),
    "a block too few": (drop_block, ANOTHER + "h.1.ln_1.weight"),
    "a block too many": (add_block, ANOTHER + "h.2."),
    "whole numbers for weights": (
        put("gpt2.transformer.ln_f.bias", torch.zeros(32, dtype=torch.int64)),
        ANOTHER + "ln_f.bias",
    ),
    "a sparse weight": (
        put("gpt2.transformer.wpe.weight", torch.zeros(160, 32).to_sparse()),
        "holds something else than weights",
    ),
    "no head": (without("gpt2.score.weight"), "has no gpt2.score.weight"),
    "no adapters": (without(DOWN), "has no gpt2.transformer.h.0.adapter.down_project.weight"),
    "an adapter too few": (
        without("gpt2.transformer.h.1.adapter.up_project.bias"),
        r"lacks gpt2.transformer.h.1.adapter.up_project.bias of the shape \(32,\)",
    ),
    "bottlenecks of two widths": (
        put("gpt2.transformer.h.1.adapter.down_project.weight", torch.zeros(8, 32)),
        r"lacks gpt2.transformer.h.1.adapter.down_project.weight of the shape \(64, 32\)",
    ),
    "a bottleneck of no width": (put(DOWN, torch.zeros(0, 32)), "No adapter can have this shape"),
    "a stranger": (put("gpt2.stranger", torch.zeros(1)), "holds gpt2.stranger too"),
    "three labels": (put("gpt2.score.weight", torch.zeros(3, 32)), "knows 3 labels and not negative, positive"),
    "names that are none": (lambda state: state.update({7: torch.zeros(1)}), "holds something else"),
    "a list": (lambda state: state.update(epochs=[2]), "holds something else"),
}


@pytest.mark.parametrize(("alter", "message"), REFUSED.values(), ids=REFUSED)
def test_checkpoint_that_will_not_do_is_refused_and_nothing_is_left(
    bench: Workbench, checkpoint: Path, tmp_path: Path, alter: Callable[[dict[Any, Any]], object], message: str
) -> None:
    change(checkpoint, alter)
    before = listing(tmp_path)
    with pytest.raises(WeiboTuiError, match=message) as refused:
        take_in(bench, checkpoint)
    assert "\n" not in str(refused.value)
    assert listing(tmp_path) == before


def test_checkpoint_with_code_in_it_is_refused_and_nothing_runs(
    command: Command, bench: Workbench, checkpoint: Path, tmp_path: Path
) -> None:
    marker = tmp_path / "marker"
    change(checkpoint, lambda state: state.update(evil=Evil(marker)))
    before = listing(tmp_path)
    done = command("adapters", "import", checkpoint)
    assert (done.code, done.out) == (2, "")
    assert "was refused: it is no plain file of weights" in done.err
    assert done.err.count("\n") == 1
    assert listing(tmp_path) == before
    assert not marker.exists()
    torch.load(checkpoint, weights_only=False)
    assert marker.is_dir()  # it would have run


@pytest.mark.parametrize("spoil", [models.cut, lambda path: path.write_bytes(b""), lambda path: path.write_text("a")])
def test_broken_checkpoint_says_so(
    command: Command, bench: Workbench, checkpoint: Path, tmp_path: Path, spoil: Callable[[Path], object]
) -> None:
    spoil(checkpoint)
    before = listing(tmp_path)
    done = command("adapters", "import", checkpoint)
    assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)
    assert "is damaged" in done.err
    assert listing(tmp_path) == before


def test_bad_calls_are_one_line_and_leave_nothing(
    command: Command, bench: Workbench, checkpoint: Path, tmp_path: Path
) -> None:
    models.add_base(bench, tmp_path / "from", "small", seed=1)
    bench.use_base("uer")
    list(bench.export_adapter(take_in(bench, checkpoint).card.name, tmp_path / "theirs.zip"))
    before = listing(tmp_path)
    for arguments, message in {
        ("import", checkpoint, "--base", "small"): "another base than 'small', the first tensor that differs is wte",
        ("import", checkpoint, "--base", "none"): "There is no base 'none'",
        ("import", checkpoint, "--labels", "a,b,c"): "knows 2 labels and not a, b, c",
        ("import", checkpoint, "--labels", "a,a"): "give each label a name of its own",
        ("import", checkpoint, "--name", "theirs"): "named 'theirs' is there already",
        ("import", checkpoint, "--name", "a/b"): "cannot be used",
        ("import", tmp_path / "none.pth"): "none.pth is not there",
        ("import", tmp_path / "theirs.zip", "--base", "uer"): "--base and --labels are for a .pth",
        ("export", "theirs", tmp_path / "a.zip", "--format", "original"): "cannot be of the format original",
        ("export", "theirs", tmp_path / "a.pth", "--format", "ours"): "cannot be of the format ours",
        ("export", "theirs", tmp_path / "a.pth", "--format", "new"): "cannot be of the format new",
        ("export", "none", tmp_path / "a.pth"): "There is no adapter 'none'",
    }.items():
        done = command("adapters", *arguments)
        assert (done.code, done.out, done.err.count("\n")) == (2, "", 1), done.err
        assert message in done.err
        assert listing(tmp_path) == before


def test_command_line_takes_a_checkpoint_in_and_writes_it_again(
    command: Command, bench: Workbench, checkpoint: Path, tmp_path: Path
) -> None:
    done = command.well("adapters", "import", checkpoint, "--base", "uer", "--labels", "坏,好")
    assert "The adapter 'best_weibo_sentiment_model' is there." in done.err
    command.well("adapters", "import", checkpoint, "--overwrite")
    assert bench.adapters.card("best_weibo_sentiment_model").labels == ("negative", "positive")
    written = [tmp_path / "a.pth", tmp_path / "b.bin"]
    done = command.well("adapters", "export", "best_weibo_sentiment_model", written[0])
    assert done.out == f"{written[0]}\n"
    assert "judges at their padding" in done.err
    command.well("adapters", "export", "best_weibo_sentiment_model", written[1], "--format", "original")
    assert written[0].read_bytes() == written[1].read_bytes()

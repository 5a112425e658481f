"""Files of the original project are offered; its checkpoint is imported, predicts as there, and is exported again."""

from __future__ import annotations

import os
import shutil
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

from weibo_tui import ImportResult, Workbench
from weibo_tui.errors import UserInputError, WeiboTuiError
from weibo_tui.registry.bases import Bases
from weibo_tui.workbench.legacy_project import BASE, CHECKPOINT, DATA, LegacyProject


@pytest.fixture
def project(made: tuple[Path, originals.Original], tmp_path: Path, few: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of the original project, the current one."""
    folder = shutil.copytree(made[0] / "project", tmp_path / "project")
    (folder / DATA).parent.mkdir()
    few.rename(folder / DATA)
    monkeypatch.chdir(folder)
    return folder


def test_find_returns_existing_paths(project: Path, tmp_path: Path) -> None:
    assert LegacyProject.find() == LegacyProject(BASE, DATA, CHECKPOINT)
    assert LegacyProject.find().paths == (BASE, CHECKPOINT, DATA)
    assert LegacyProject.find(project).data == project / DATA
    assert LegacyProject.find(tmp_path) == LegacyProject(None, None, None)
    (project / BASE / "config.json").unlink()
    (project / CHECKPOINT).unlink()
    (project / CHECKPOINT).mkdir()
    assert LegacyProject.find().paths == (DATA,)


def test_errors_offer_each_step_of_the_import(command: Command, project: Path, home: Path) -> None:
    before = listing(home)
    for words in (("train", DATA), ("adapters", "import", CHECKPOINT)):
        done = command(*words)
        assert (done.code, done.err.count("\n")) == (2, 1)
        assert f"'weibo-tui bases add {BASE}'" in done.err
    assert "runs" not in listing(home)
    assert {path for path in listing(home) if path.startswith("adapters")} == set()
    assert "adapters" not in before

    assert "base 'gpt2-chinese'" in command.ok("bases", "add").err
    done = command("predict", "好看", "--device", "cpu")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert f"'weibo-tui adapters import {CHECKPOINT}'" in done.err
    command.ok("adapters", "import", CHECKPOINT)
    assert command.ok("predict", "好看", "--device", "cpu", "--json").out.count("\n") == 1
    with Workbench(home) as wb:
        assert wb.bases.card("gpt2-chinese").source == str(project / BASE)

    done = command("train")
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert f"'weibo-tui train {DATA}'" in done.err


def test_errors_without_legacy_project_offer_other_steps(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for arguments, message in {
        ("bases", "add"): "Give the folder of the model",
        ("train",): "Give files to train on, or a run with --resume",
        ("predict", "好看"): "There is no adapter yet. Train one",
        ("adapters", "import", "a.pth"): "There is no base yet. Add one with 'weibo-tui bases add'",
    }.items():
        done = command(*arguments)
        assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
        assert message in done.err


POSTS = [
    "这部电影太好看了[哈哈]",
    "  好  看\t不看  ",
    "@小明: 不好看 http://t.cn/abc123 //@小红: abc 123",
    "a",
    "好看不好看，" * 60,
]
DOWN = "gpt2.transformer.h.0.adapter.down_project.weight"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, originals.Original]:
    """Return a folder with the original project and a home that has its base, and the model."""
    folder = tmp_path_factory.mktemp("made")
    original = originals.write_original(folder / "project")
    Bases(folder / "home" / "bases").add(folder / "project" / "models" / "gpt2-chinese", "uer")
    return folder, original


@pytest.fixture
def original(made: tuple[Path, originals.Original]) -> originals.Original:
    return made[1]


@pytest.fixture
def model(made: tuple[Path, originals.Original]) -> Path:
    return made[0] / "project" / "models" / "gpt2-chinese"


@pytest.fixture
def checkpoint(made: tuple[Path, originals.Original], tmp_path: Path) -> Path:
    return Path(shutil.copy(made[0] / "project" / "best_weibo_sentiment_model.pth", tmp_path))


@pytest.fixture
def wb(home: Path, made: tuple[Path, originals.Original]) -> Iterator[Workbench]:
    """A workbench with the original project's base."""
    shutil.copytree(made[0] / "home", home, dirs_exist_ok=True)
    with Workbench(home) as opened:
        yield opened


def import_checkpoint(wb: Workbench, checkpoint: Path, name: str = "theirs", **options: Any) -> ImportResult:
    last = list(wb.iter_import_legacy(checkpoint, name, **options))[-1]
    assert isinstance(last, ImportResult)
    return last


def predict(wb: Workbench, adapter: str) -> np.ndarray[Any, Any]:
    analyses = list(wb.iter_predict(POSTS, adapter, record=False, machine=models.MACHINE))
    return np.array([list((analysis.probabilities or {}).values()) for analysis in analyses])


def weights(wb: Workbench, name: str) -> bytes:
    return (wb.adapters.path(name) / "adapter.safetensors").read_bytes()


def change(checkpoint: Path, alter: Callable[[dict[Any, Any]], object]) -> None:
    state = dict(torch.load(checkpoint))
    alter(state)
    torch.save(state, checkpoint)


def test_checkpoint_predicts_as_its_training_script(
    wb: Workbench, original: originals.Original, checkpoint: Path, model: Path
) -> None:
    """Its predict script pools at the 128th token instead, which is padding except in the longest posts."""
    card = import_checkpoint(wb, checkpoint).card
    assert card == wb.adapters.card("theirs")
    theirs = original.predict(POSTS, model).numpy()
    ours = predict(wb, "theirs")
    assert np.abs(ours - theirs).max() < 1e-5
    assert np.abs(theirs[:, 0] - 0.5).max() > 0.1
    lengths = [
        analysis.truncated for analysis in wb.iter_predict(POSTS, "theirs", record=False, machine=models.MACHINE)
    ]
    assert lengths == [False, False, False, False, True]

    apart = np.abs(ours - original.predict(POSTS, model, originals.PREDICTED_PAD).numpy()).max(axis=1)
    assert (apart[:-1] > 1e-5).all()
    assert apart[:-1].max() > 0.1
    assert apart[-1] < 1e-5


def test_card_has_the_constants_of_the_original(wb: Workbench, checkpoint: Path) -> None:
    import_checkpoint(wb, checkpoint)
    card = wb.adapters.card("theirs")
    assert (card.labels, card.raw_labels) == (("negative", "positive"), ("0", "1"))
    assert (card.blocks, card.bottleneck, card.activation, card.dropout) == ((0, 1), 64, "relu", 0.0)
    assert (card.max_length, card.preprocessing, card.temperature, card.dtype) == (128, 0, 1.0, "float32")
    assert (card.base, card.base_fingerprint) == ("uer", wb.bases.card("uer").fingerprint)
    assert card.parameters == 2 * (2 * 32 * 64 + 64 + 32) + 2 * 32
    assert card.data == {"checkpoint": "best_weibo_sentiment_model.pth"}
    import_checkpoint(wb, checkpoint, "named", labels=("bad", "good"))
    assert wb.adapters.card("named").labels == ("bad", "good")


def test_import_and_export_change_no_byte(wb: Workbench, checkpoint: Path, tmp_path: Path) -> None:
    import_checkpoint(wb, checkpoint)
    out = [tmp_path / f"{number}.pth" for number in range(2)]
    for path in out:
        list(wb.iter_export_legacy("theirs", path))
    assert out[0].read_bytes() == out[1].read_bytes()
    assert models.same_bits(torch.load(out[0]), dict(torch.load(checkpoint)))
    import_checkpoint(wb, out[0], "again")
    assert weights(wb, "again") == weights(wb, "theirs")
    list(wb.iter_export_legacy("again", out[1], overwrite=True))
    assert out[0].read_bytes() == out[1].read_bytes()


def test_exported_adapter_predicts_the_same_in_the_original(wb: Workbench, model: Path, tmp_path: Path) -> None:
    """The temperature of a calibrated adapter is in the head there."""
    base = wb.bases.open("uer")
    ours = models.adapter_for(base.backbone.config, 3, 2, bottleneck=64, activation="relu")
    card = models.card_for(ours, base, "ours", temperature=2.5, max_length=128, preprocessing=0)
    wb.adapters.save(ours, card)
    out = tmp_path / "ours.pth"
    list(wb.iter_export_legacy("ours", out))
    theirs = originals.Original(models.reference(9, n_positions=160).to_transformers(), seed=9)
    theirs.load_state_dict(torch.load(out, map_location="cpu"), strict=True)
    expected = theirs.predict(POSTS, model).numpy()
    assert np.abs(predict(wb, "ours") - expected).max() < 1e-5
    import_checkpoint(wb, out, "back")
    assert np.abs(predict(wb, "back") - expected).max() < 1e-5


def test_adapter_of_another_shape_is_not_exported(wb: Workbench, tmp_path: Path) -> None:
    base = wb.bases.open("uer")
    shapes: tuple[tuple[dict[str, Any], int, str], ...] = (
        ({"blocks": (1,)}, 2, "one in each of the 2 blocks"),
        ({"activation": "gelu"}, 2, "the activation relu"),
        ({"bottleneck": 8}, 2, "a bottleneck of 64"),
        ({}, 3, "2 labels"),
        ({"bottleneck": 8, "activation": "tanh"}, 2, "a bottleneck of 64, the activation relu"),
    )
    for shape, labels, missing in shapes:
        adapter = models.adapter_for(
            base.backbone.config, 0, labels, **({"bottleneck": 64, "activation": "relu"} | shape)
        )
        wb.adapters.save(adapter, models.card_for(adapter, base, "other", tuple("abc"[:labels])), overwrite=True)
        with pytest.raises(UserInputError, match=f"cannot load adapter 'other', because it needs {missing}. Train one"):
            list(wb.iter_export_legacy("other", tmp_path / "out" / "other.pth"))
        assert not (tmp_path / "out").exists()


def test_closed_export_and_missing_base_leave_nothing(wb: Workbench, checkpoint: Path, tmp_path: Path) -> None:
    import_checkpoint(wb, checkpoint)
    before = listing(tmp_path)
    stopped: Any = wb.iter_export_legacy("theirs", tmp_path / "out.pth")
    next(stopped)
    stopped.close()
    wb.remove_base("uer")
    with pytest.raises(UserInputError, match="'theirs' needs base 'uer' .* is not installed"):
        list(wb.iter_export_legacy("theirs", tmp_path / "out.pth"))
    assert not (tmp_path / "out.pth").exists()
    assert {path for path in listing(tmp_path) if ".partial" in path} == {p for p in before if ".partial" in p} == set()


def test_buffers_parameters_and_shared_storages_are_read(wb: Workbench, checkpoint: Path) -> None:
    import_checkpoint(wb, checkpoint)
    block = "gpt2.transformer.h.0.original_block.attn."
    old = {block + "bias": torch.ones(1, 1, 160, 160).tril().bool(), block + "masked_bias": torch.tensor(-1e4)}

    def entwine(state: dict[Any, Any]) -> None:
        up = "gpt2.transformer.h.0.adapter.up_project.weight"
        both = torch.stack([state[DOWN], state[up].t()])
        state[DOWN], state[up] = both[0], both[1].t()
        state["gpt2.score.weight"] = torch.nn.Parameter(state["gpt2.score.weight"])
        state.update(old | {"gpt2.lm_head.weight": torch.zeros(3, 32)})

    change(checkpoint, entwine)
    import_checkpoint(wb, checkpoint, "entwined")
    assert weights(wb, "entwined") == weights(wb, "theirs")


class Evil:
    """Makes a folder where it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.marker),)


def flip_bit(tensor: Tensor) -> Tensor:
    """Change one bit."""
    tensor = tensor.clone()
    tensor.view(-1)[3] = torch.nextafter(tensor.view(-1)[3], torch.tensor(9.0))
    return tensor


BLOCK = "gpt2.transformer.h.1."
ANOTHER = "does not belong to base 'uer': tensor "
# The value for each name: a tensor, a function of the old one, or None for a missing one.
REFUSED: dict[str, tuple[dict[Any, Any], str]] = {
    "one bit of the backbone": ({BLOCK + "original_block.mlp.c_fc.weight": flip_bit}, ANOTHER + "h.1.mlp.c_fc.weight"),
    "smaller vocabulary": ({"gpt2.transformer.wte.weight": torch.zeros(7, 32)}, ANOTHER + "wte.weight"),
    "missing block": ({BLOCK + "original_block.ln_1.weight": None}, ANOTHER + "h.1.ln_1.weight"),
    "extra block": ({"gpt2.transformer.h.2.original_block.ln_1.weight": torch.zeros(32)}, ANOTHER + "h.2."),
    "integers": ({"gpt2.transformer.ln_f.bias": torch.zeros(32, dtype=torch.int64)}, ANOTHER + "ln_f.bias"),
    "no head": ({"gpt2.score.weight": None}, "has no gpt2.score.weight"),
    "no adapters": ({DOWN: None}, "has no gpt2.transformer.h.0.adapter.down_project.weight"),
    "missing adapter": (
        {BLOCK + "adapter.up_project.bias": None},
        r"incomplete .*up_project.bias of shape \(32,\) is missing",
    ),
    "two widths": (
        {BLOCK + "adapter.down_project.weight": torch.zeros(8, 32)},
        r"incomplete .* of shape \(64, 32\) is missing",
    ),
    "empty bottleneck": ({DOWN: torch.zeros(0, 32)}, "Invalid adapter size"),
    "unknown tensor": ({"gpt2.stranger": torch.zeros(1)}, "also contains gpt2.stranger"),
    "three labels": ({"gpt2.score.weight": torch.zeros(3, 32)}, "has 3 labels, not negative, positive"),
    "number as name": ({7: torch.zeros(1)}, "contains more than weights"),
}


@pytest.mark.parametrize(("changes", "message"), REFUSED.values(), ids=REFUSED)
def test_unfit_checkpoint_is_refused_and_leaves_nothing(
    wb: Workbench, checkpoint: Path, tmp_path: Path, changes: dict[Any, Any], message: str
) -> None:
    def alter(state: dict[Any, Any]) -> None:
        for name, value in changes.items():
            old = state.pop(name, None)
            if value is not None:
                state[name] = value if isinstance(value, Tensor) else value(old)

    change(checkpoint, alter)
    before = listing(tmp_path)
    with pytest.raises(WeiboTuiError, match=message) as refused:
        import_checkpoint(wb, checkpoint)
    assert "\n" not in str(refused.value)
    assert listing(tmp_path) == before


def test_checkpoint_with_code_or_damage_is_refused(
    command: Command, wb: Workbench, checkpoint: Path, tmp_path: Path
) -> None:
    whole, marker = checkpoint.read_bytes(), tmp_path / "marker"
    change(checkpoint, lambda state: state.update(evil=Evil(marker)))
    evil = checkpoint.read_bytes()
    for content, code, message in (
        (whole[: len(whole) // 2], 1, "is damaged"),
        (b"", 1, "is damaged"),
        (b"a", 1, "is damaged"),
        (evil, 2, "was refused: it contains more than weights"),
    ):
        checkpoint.write_bytes(content)
        before = listing(tmp_path)
        done = command("adapters", "import", checkpoint)
        assert (done.code, done.out, done.err.count("\n"), message in done.err) == (code, "", 1, True)
        assert listing(tmp_path) == before
    torch.load(checkpoint, weights_only=False)
    assert marker.is_dir()


def test_invalid_arguments_are_one_line_and_leave_nothing(
    command: Command, wb: Workbench, checkpoint: Path, tmp_path: Path
) -> None:
    models.add_base(wb, tmp_path / "from", "small", seed=1)
    wb.set_default_base("uer")
    list(wb.iter_export_adapter(import_checkpoint(wb, checkpoint).card.name, tmp_path / "theirs.zip"))
    before = listing(tmp_path)
    for arguments, message in {
        ("import", checkpoint, "--base", "small"): "does not belong to base 'small': tensor wte",
        ("import", checkpoint, "--base", "none"): "Base not found: 'none'",
        ("import", checkpoint, "--labels", "a,b,c"): "has 2 labels, not a, b, c",
        ("import", checkpoint, "--labels", "a,a"): "Give each label its own name",
        ("import", checkpoint, "--name", "theirs"): "exists: 'theirs'",
        ("import", checkpoint, "--name", "a/b"): "Invalid name",
        ("import", tmp_path / "none.pth"): "File not found: ",
        ("import", tmp_path / "theirs.zip", "--base", "uer"): "--base and --labels are for .pth files",
        ("export", "theirs", tmp_path / "a.zip", "--format", "original"): "does not fit the format legacy",
        ("export", "theirs", tmp_path / "a.pth", "--format", "ours"): "does not fit the format native",
        ("export", "theirs", tmp_path / "a.pth", "--format", "new"): "does not fit the format new",
        ("export", "none", tmp_path / "a.pth"): "Adapter not found: 'none'",
    }.items():
        done = command("adapters", *arguments)
        assert (done.code, done.out, done.err.count("\n")) == (2, "", 1), done.err
        assert message in done.err
        assert listing(tmp_path) == before


def test_commands_import_and_export_a_checkpoint(
    command: Command, wb: Workbench, checkpoint: Path, tmp_path: Path
) -> None:
    done = command.ok("adapters", "import", checkpoint, "--base", "uer", "--labels", "坏,好")
    assert "Imported adapter 'best_weibo_sentiment_model'." in done.err
    command.ok("adapters", "import", checkpoint, "--overwrite")
    assert wb.adapters.card("best_weibo_sentiment_model").labels == ("negative", "positive")
    written = [tmp_path / "a.pth", tmp_path / "b.bin"]
    done = command.ok("adapters", "export", "best_weibo_sentiment_model", written[0])
    assert done.out == f"{written[0]}\n"
    assert "reads the padding token" in done.err
    command.ok("adapters", "export", "best_weibo_sentiment_model", written[1], "--format", "original")
    assert written[0].read_bytes() == written[1].read_bytes()

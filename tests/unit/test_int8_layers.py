"""Products in int8: their layers, whole backbones, and where they are refused."""

from __future__ import annotations

from pathlib import Path

import models
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from commands import Command
from engine_helpers import needs_int8

from weibo_tui import ComputeOptions, Workbench
from weibo_tui.engine import int8_layers
from weibo_tui.engine.device import Compute
from weibo_tui.engine.gpt2 import GPT2
from weibo_tui.engine.int8_layers import Int8Linear, Int8Norm, Levels, fold_scales, is_supported
from weibo_tui.engine.layers import LayerNorm, Linear
from weibo_tui.engine.placement import place
from weibo_tui.engine.prediction import Classifier, Floats, Prediction
from weibo_tui.errors import UserInputError
from weibo_tui.registry.bases import OpenBase
from weibo_tui.settings import Settings

POSTS = ["今天的面真好吃", "真好", "太差了[泪]", "味道不错，明天还来！" * 4, "呵呵"]


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def norm_and_linear(width: int = 64, outputs: int = 48) -> tuple[LayerNorm, Linear]:
    """Return layers with one channel that is a hundred times as large as the others."""
    norm, linear = LayerNorm(width), Linear(width, outputs)
    weight = 1 + 0.3 * drawn(width)
    weight[7] *= 100
    norm.load_state_dict({"weight": weight, "bias": drawn(width, seed=1)})
    linear.load_state_dict({"weight": drawn(outputs, width, seed=2) / width**0.5, "bias": drawn(outputs, seed=3)})
    return norm, linear


def classifier_of(base: OpenBase, dtype: str) -> Classifier:
    compute = Compute.choose("cpu", dtype, 1)
    reference = models.reference()
    backbone = GPT2.load(models.config_of(reference), models.weights_of(reference))
    place(backbone, base.tokenizer, compute)
    adapter = models.adapter_for(backbone.config)
    return Classifier(backbone, adapter, base.tokenizer, compute, max_length=32, preprocessing=1)


def probabilities(classifier: Classifier, posts: list[str]) -> Floats:
    results = classifier.predict(posts)
    assert all(isinstance(result, Prediction) for result in results)
    return np.array([result.probabilities for result in results if isinstance(result, Prediction)])


@needs_int8
@torch.inference_mode()
def test_folded_norm_and_product_equal_plain_ones() -> None:
    norm, linear = norm_and_linear()
    x = drawn(200, 64, seed=4)
    quantizing, product = fold_scales(norm, linear, norm(x), torch.float32)
    levels = quantizing(x)
    assert levels.dtype == torch.uint8
    plain = linear(norm(x))
    error = (product(levels) - plain).square().mean().sqrt() / plain.std()
    assert error < 0.03


@needs_int8
@torch.inference_mode()
def test_values_beyond_the_calibration_are_cut_off() -> None:
    norm, linear = norm_and_linear()
    similar = drawn(64, seed=5) + 0.1 * drawn(100, 64, seed=6)
    quantizing, _product = fold_scales(norm, linear, norm(similar), torch.float32)
    others = drawn(200, 64, seed=7)
    levels = quantizing(others)
    plain = F.layer_norm(others, (64,), quantizing.weight, quantizing.bias, quantizing.eps)
    assert (plain < 0).any()
    assert (plain > 255).any()
    assert ((levels == 255) == (plain >= 255)).all()
    assert (levels[plain < 0] == 0).all()


@needs_int8
@torch.inference_mode()
def test_residual_is_added_in_place() -> None:
    _norm, linear = norm_and_linear()
    x = torch.randint(0, 256, (32, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    layer = Int8Linear(linear.weight, linear.bias, Levels(0.02, 9), torch.float32)
    residual = drawn(32, 48, seed=5)
    expected = residual + layer(x)
    assert torch.allclose(layer.add_to(residual, x), expected, atol=1e-5)
    assert torch.allclose(residual, expected, atol=1e-5)


@needs_int8
def test_int8_predictions_are_near_those_in_float32(base: OpenBase) -> None:
    plain, quantized = (probabilities(classifier_of(base, dtype), POSTS) for dtype in ("float32", "int8"))
    assert 0 < np.abs(plain - quantized).max() < 0.1
    assert np.abs(plain - quantized).mean() < 0.02


@needs_int8
def test_int8_prediction_does_not_depend_on_other_posts(base: OpenBase) -> None:
    classifier = classifier_of(base, "int8")
    together = probabilities(classifier, POSTS)
    alone = np.concatenate([probabilities(classifier, [post]) for post in POSTS])
    assert np.abs(together - alone).max() < 0.02


@needs_int8
def test_inaccurate_products_stay_as_they_are(base: OpenBase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(int8_layers, "_MAX_ERROR", 0.0)
    classifier = classifier_of(base, "int8")
    assert not any(isinstance(module, Int8Linear | Int8Norm) for module in classifier.backbone.modules())
    monkeypatch.undo()
    kinds = [type(module) for module in classifier_of(base, "int8").backbone.modules()]
    assert kinds.count(Int8Linear) == 3 * models.config_of(models.reference()).layers


@needs_int8
def test_int8_file_labels_equal_single_predictions(wb: Workbench, tmp_path: Path) -> None:
    posts = tmp_path / "posts.csv"
    posts.write_text("review\n" + "\n".join(POSTS) + "\n", encoding="utf-8")
    machine = ComputeOptions("cpu", "int8", 1)
    adapter = wb.adapters.list()[0].name
    wb.label_file(posts, tmp_path / "out.csv", adapter=adapter, machine=machine, progress=False)
    rows = (tmp_path / "out.csv").read_text(encoding="utf-8-sig").splitlines()[1:]
    labels = [row.split(",")[1].strip('"') for row in rows]
    assert labels == [prediction.label for prediction in wb.predict(POSTS, adapter, machine=machine, progress=False)]


def test_int8_is_refused_where_cpu_lacks_it(monkeypatch: pytest.MonkeyPatch) -> None:
    is_supported.cache_clear()
    monkeypatch.setattr(torch.cpu, "_is_vnni_supported", lambda: False)
    try:
        with pytest.raises(UserInputError, match=r"int8 needs a CPU with VNNI or AMX.*Choose"):
            Compute.choose("cpu", "int8")
    finally:
        is_supported.cache_clear()


def test_training_refuses_int8_option(command: Command, few: Path) -> None:
    result = command("train", str(few), "--dtype", "int8")
    assert result.code == 2
    assert "dtype is int8, which is for predictions only" in result.err


@needs_int8
def test_training_ignores_int8_setting(wb: Workbench) -> None:
    Settings.save(wb.paths, dtype="int8")
    assert wb.models.compute(ComputeOptions("cpu")).dtype_name == "int8"
    trained_in = wb.models.training_compute(ComputeOptions("cpu"))
    assert trained_in.dtype == Compute.choose("cpu").dtype


@needs_int8
def test_training_tells_that_it_ignores_int8_setting(
    command: Command, furnished: Path, few: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEIBO_TUI_DTYPE", "int8")
    quick = ("--epochs", "1", "--no-baseline", "--no-probes", "--device", "cpu")
    stderr = command.ok("train", few, "--name", "ignoring", *quick).err
    assert "The setting dtype, int8, is for predictions only. The run computes in " in stderr

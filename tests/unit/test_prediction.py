"""Predictions of posts, in order, with posts that have none."""

from __future__ import annotations

from dataclasses import replace

import made_up
import models
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from weibo_tui.engine.adapter import Adapter
from weibo_tui.engine.prediction import EMPTY_POST, NOT_FINITE, Classifier, Floats, Prediction, predict_logits, softmax

BACKBONE = models.backbone_of(models.reference())
ADAPTER = models.adapter_for(BACKBONE.config)


def classifier(micro_tokens: int = 200, temperature: float = 1.0, adapter: Adapter = ADAPTER) -> Classifier:
    compute, tokenizer = models.compute(micro_tokens=micro_tokens), models.tokenizer()
    options = {"max_length": 32, "preprocessing": 1}
    return Classifier(BACKBONE, adapter, tokenizer, compute, temperature=temperature, **options)


POSTS = [text * (1 + place % 5) for place, (text, _label) in enumerate(made_up.posts(40))]


def check(result: object) -> Prediction:
    assert isinstance(result, Prediction)
    return result


def test_predict_keeps_order_for_any_batch_size() -> None:
    alone = [check(classifier().predict([post])[0]) for post in POSTS]
    assert len({prediction.confidence for prediction in alone}) > 30
    for micro_tokens in (1, 100, 10_000):
        together = classifier(micro_tokens).predict(POSTS)
        for one, other in zip(map(check, together), alone, strict=True):
            assert one.probabilities == pytest.approx(other.probabilities, abs=1e-5)
            assert replace(one, probabilities=()) == replace(other, probabilities=())


def test_iter_batches_yields_every_post_once() -> None:
    posts = ["", *POSTS, "http://t.cn/a", "\u200b"]
    batches = list(classifier(micro_tokens=100).iter_batches(posts))
    assert len(batches) > 5
    assert sorted(index for batch in batches for index, _result in batch) == list(range(len(posts)))
    result = classifier().predict(posts)
    assert [index for index, one in enumerate(result) if one is EMPTY_POST] == [0, 41, 42]
    assert classifier().predict([]) == []
    assert classifier().predict(["", " "]) == [EMPTY_POST] * 2


def test_repost_without_words_fails_in_version_2_only() -> None:
    posts = ["转发微博", "<p>转发微博</p>", "//@小王:", POSTS[0], f"<p>{POSTS[0]}</p> 来自iPhone客户端"]
    assert not any(one is EMPTY_POST for one in classifier().predict(posts))
    second = classifier()
    second.preprocessing = 2
    *empty, plain, dressed = second.predict(posts)
    assert empty == [EMPTY_POST] * 3
    assert check(plain).probabilities == check(dressed).probabilities
    assert check(dressed).characters_read == len(posts[-1])


def test_predict_computes_equal_posts_once() -> None:
    backbone = models.backbone_of(models.reference())
    seen: list[int] = []
    backbone.register_forward_pre_hook(lambda _backbone, inputs: seen.append(len(inputs[0])))
    counting = Classifier(backbone, ADAPTER, models.tokenizer(), models.compute(), max_length=32, preprocessing=1)
    posts = [POSTS[0], "", POSTS[1], f"  {POSTS[0]}\u200b ", POSTS[0], ""]
    result = counting.predict(posts)
    assert sum(seen) == 2
    first, spaced, again = (check(result[index]) for index in (0, 3, 4))
    assert first == again
    assert first.probabilities == spaced.probabilities
    assert (first.characters, spaced.characters) == (len(posts[0]), len(posts[3]))
    assert [index for index, one in enumerate(result) if one is EMPTY_POST] == [1, 5]


def test_prediction_is_argmax_at_any_temperature() -> None:
    for cold, warm in zip(classifier().predict(POSTS), classifier(temperature=4.0).predict(POSTS), strict=True):
        one, other = check(cold), check(warm)
        assert sum(one.probabilities) == pytest.approx(1)
        assert one.confidence == max(one.probabilities) == one.probabilities[one.label]
        assert other.label == one.label
        assert other.confidence < one.confidence
        logits = np.log(one.probabilities)
        assert other.probabilities == pytest.approx(softmax(logits[None], 4.0)[0], abs=1e-9)


def test_characters_read_count_raw_characters() -> None:
    posts = ["真好", "http://t.cn/abc 真" + "好" * 50, "真" * 30, "真" * 31]
    result = [check(one) for one in classifier().predict(posts)]
    assert [one.characters for one in result] == list(map(len, posts))
    assert [one.characters_read for one in result] == [2, 16 + 30, 30, 30]


def test_predict_logits_restores_training_mode() -> None:
    encoded = models.tokenizer().encode_posts(POSTS, 32, 1)[1]
    adapter = models.adapter_for(BACKBONE.config, dropout=0.5).train()
    running = predict_logits(BACKBONE, adapter, encoded, 0, models.compute(micro_tokens=100))
    _batch, first = next(running)
    assert not adapter.training
    running.close()  # type: ignore[attr-defined]
    assert adapter.training
    _batch, again = next(predict_logits(BACKBONE, adapter, encoded, 0, models.compute(micro_tokens=100)))
    assert np.array_equal(first, again)  # no dropout in use
    assert first.dtype == np.float64


@given(
    arrays(np.float64, st.tuples(st.integers(1, 9), st.integers(1, 5)), elements=st.floats(-1e6, 1e6)),
    st.floats(0.05, 20),
)
@settings(max_examples=30)
def test_softmax_equals_scipy(logits: Floats, temperature: float) -> None:
    from scipy.special import softmax as reference_softmax

    assert np.allclose(softmax(logits, temperature), reference_softmax(logits / temperature, axis=1), atol=1e-12)


@pytest.mark.parametrize("weight", [3e38, float("inf"), float("nan")])
def test_prediction_not_finite_is_an_error(weight: float) -> None:
    adapter = models.adapter_for(BACKBONE.config)
    with torch.no_grad():
        adapter.head.weight.fill_(weight)
    huge = classifier(temperature=1e-4, adapter=adapter)
    assert huge.predict([*POSTS[:4], ""]) == [NOT_FINITE] * 4 + [EMPTY_POST]
    assert NOT_FINITE.reason == "the adapter's output for the post is NaN or infinite"

"""From posts to verdicts, in order, with what could not be read."""

from __future__ import annotations

import made_up
import models
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import softmax as reference_softmax

from weibo_tui.engine.prediction import EMPTY_POST, NOT_FINITE, Classifier, Floats, Prediction, predict_logits, softmax

TRUNK = models.backbone_of(models.reference())
ADAPTER = models.adapter_for(TRUNK.config)


def classifier(micro_tokens: int = 200, temperature: float = 1.0, max_length: int = 32) -> Classifier:
    return Classifier(
        TRUNK,
        ADAPTER,
        models.tokenizer(),
        models.compute(micro_tokens=micro_tokens),
        max_length=max_length,
        preprocessing=1,
        temperature=temperature,
    )


POSTS = [text * (1 + place % 5) for place, (text, _label) in enumerate(made_up.posts(40))]


def read(found: object) -> Prediction:
    assert isinstance(found, Prediction)
    return found


def test_verdicts_stand_in_the_order_of_the_posts_whatever_the_batches() -> None:
    alone = [read(classifier().predict([post])[0]) for post in POSTS]
    assert len({verdict.confidence for verdict in alone}) > 30
    for micro_tokens in (1, 100, 10_000):
        together = classifier(micro_tokens).predict(POSTS)
        for one, other in zip(map(read, together), alone, strict=True):
            assert one.probabilities == pytest.approx(other.probabilities, abs=1e-5)
            assert (one.label, one.characters, one.characters_read) == (
                other.label,
                other.characters,
                other.characters_read,
            )


def test_every_post_is_answered_once_a_micro_batch_at_a_time() -> None:
    posts = ["", *POSTS, "http://t.cn/a", "\u200b"]
    batches = list(classifier(micro_tokens=100).iter_batches(posts))
    assert len(batches) > 5
    assert sorted(index for batch in batches for index, _found in batch) == list(range(len(posts)))
    found = classifier().predict(posts)
    assert [index for index, one in enumerate(found) if one is EMPTY_POST] == [0, 41, 42]
    assert classifier().predict([]) == []
    assert classifier().predict(["", " "]) == [EMPTY_POST] * 2


def test_equal_posts_are_judged_once_and_each_keeps_its_own_length() -> None:
    backbone = models.backbone_of(models.reference())
    seen: list[int] = []
    backbone.register_forward_pre_hook(lambda _backbone, inputs: seen.append(len(inputs[0])))
    judge = Classifier(backbone, ADAPTER, models.tokenizer(), models.compute(), max_length=32, preprocessing=1)
    posts = [POSTS[0], "", POSTS[1], f"  {POSTS[0]}\u200b ", POSTS[0], ""]
    found = judge.predict(posts)
    assert sum(seen) == 2
    first, spaced, again = (read(found[index]) for index in (0, 3, 4))
    assert first == again
    assert first.probabilities == spaced.probabilities
    assert (first.characters, spaced.characters) == (len(posts[0]), len(posts[3]))
    assert [index for index, one in enumerate(found) if one is EMPTY_POST] == [1, 5]


def test_verdict_is_the_greatest_of_probabilities_that_add_up_to_one() -> None:
    for cold, warm in zip(classifier().predict(POSTS), classifier(temperature=4.0).predict(POSTS), strict=True):
        one, other = read(cold), read(warm)
        assert sum(one.probabilities) == pytest.approx(1)
        assert one.confidence == max(one.probabilities) == one.probabilities[one.label]
        assert other.label == one.label
        assert other.confidence < one.confidence
        logits = np.log(one.probabilities)
        assert other.probabilities == pytest.approx(reference_softmax(logits / 4), abs=1e-9)


def test_how_much_was_read_is_counted_in_the_posts_own_characters() -> None:
    posts = ["真好", "http://t.cn/abc 真" + "好" * 50, "真" * 30, "真" * 31]
    found = [read(one) for one in classifier(max_length=32).predict(posts)]
    assert [one.characters for one in found] == list(map(len, posts))
    assert [one.characters_read for one in found] == [2, 16 + 30, 30, 30]


def test_judging_leaves_the_adapter_as_it_was_also_when_left_half_way() -> None:
    encoded = models.tokenizer().encode_posts(POSTS, 32, 1)[1]
    adapter = models.adapter_for(TRUNK.config, dropout=0.5).train()
    judging = predict_logits(TRUNK, adapter, encoded, 0, models.compute(micro_tokens=100))
    _batch, first = next(judging)
    assert not adapter.training
    judging.close()  # type: ignore[attr-defined]
    assert adapter.training
    _batch, again = next(predict_logits(TRUNK, adapter, encoded, 0, models.compute(micro_tokens=100)))
    assert np.array_equal(first, again)  # no dropout in use
    assert first.dtype == np.float64


def test_only_the_posts_asked_for_are_judged() -> None:
    encoded = models.tokenizer().encode_posts(POSTS, 32, 1)[1]
    which = np.array([7, 3, 20])
    batches = [batch for batch, _logits in predict_logits(TRUNK, ADAPTER, encoded, 0, models.compute(), which)]
    assert sorted(np.concatenate(batches)) == [3, 7, 20]


@given(
    arrays(np.float64, st.tuples(st.integers(1, 9), st.integers(1, 5)), elements=st.floats(-1e6, 1e6)),
    st.floats(0.05, 20),
)
def test_softmax_is_scipys(logits: Floats, temperature: float) -> None:
    assert np.allclose(softmax(logits, temperature), reference_softmax(logits / temperature, axis=1), atol=1e-12)


@pytest.mark.parametrize("weight", [3e38, float("inf"), float("nan")])
def test_output_that_is_no_number_is_an_error_not_a_label(weight: float) -> None:
    adapter = models.adapter_for(TRUNK.config)
    with torch.no_grad():
        adapter.head.weight.fill_(weight)
    huge = Classifier(
        TRUNK, adapter, models.tokenizer(), models.compute(), max_length=32, preprocessing=1, temperature=1e-4
    )
    assert huge.predict([*POSTS[:4], ""]) == [NOT_FINITE] * 4 + [EMPTY_POST]
    assert NOT_FINITE.reason == "the adapter's output for the post is NaN or infinite"

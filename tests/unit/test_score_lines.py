"""The score card as the commands print it."""

from __future__ import annotations

import pytest
from evaluated import HOSTILE_NAME, full_score_card

from weibo_tui.cli.score_card import score_lines
from weibo_tui.presentation.answering import main_sentence
from weibo_tui.presentation.score_parts import score_parts


def test_score_lines_have_all_figures() -> None:
    card = full_score_card().to_dict()
    text = "\n".join(score_lines(card))
    low, high = card["macro_f1_ci"]
    for part in (
        f"({low:.1%} – {high:.1%})",
        "perfectly calibrated: 0.029",
        "b.csv",
        "21–60",
        "3 seeds",
        "linear model",
    ):
        assert part in text
    assert HOSTILE_NAME not in text and "\x1b" not in text and "\u202e" not in text


def test_score_lines_without_new_figures_leave_them_out() -> None:
    card = {"n": 3, "accuracy": 0.5, "labels": ["a", "b"], "macro_f1": 0.4, "ece": 0.1}
    lines = [*score_lines(card)]
    assert "Macro F1       40.0%    MCC –" in lines
    assert "Calibration    ECE 0.100    Brier –" in lines
    assert not any("confidence" in line or "seeds" in line for line in lines)


@pytest.mark.parametrize(
    ("answering", "expected"),
    [
        ([], ""),
        ([(0.9, 0.5, 1.0)], ""),  # all posts are answered
        ([(0.9, 0.6, 0.8), (0.95, 0.86, 0.71), (0.98, 0.97, 0.2)], "From 86.0% confidence on, it answers 71.0%"),
        ([(0.98, 0.97, 0.2)], "From 97.0% confidence on, it answers 20.0% of the posts, 98% of them correctly."),
    ],
)
def test_answering_sentence_is_about_95_percent(answering: list[tuple[float, float, float]], expected: str) -> None:
    rows = [
        {"accuracy": accuracy, "threshold": threshold, "coverage": coverage, "n": 100}
        for accuracy, threshold, coverage in answering
    ]
    sentence = "".join(main_sentence(score_parts({"answering": rows})))
    assert sentence.startswith(expected) and bool(sentence) == bool(expected)

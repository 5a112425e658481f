"""Pictures of score cards: what they show and where, hostile cards, and PNG with and without fonts."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

import pytest
import scores
from hostile import TEXTS
from hypothesis import given
from hypothesis import strategies as st

from weibo_tui import UserInputError
from weibo_tui.presentation.pictures.intervals import Row, interval_plot
from weibo_tui.presentation.pictures.png import png
from weibo_tui.presentation.pictures.score_card import score_pictures
from weibo_tui.presentation.pictures.svg import PANEL, Picture, Scale, standalone, words
from weibo_tui.presentation.score_parts import MAX_ROWS

SVG = "{http://www.w3.org/2000/svg}"
ELEMENTS = {f"{SVG}{name}" for name in "svg g text path rect circle".split()}


def parsed(svg: str) -> ElementTree.Element:
    root = ElementTree.fromstring(svg)
    assert {element.tag for element in root.iter()} <= ELEMENTS
    return root


def words_of(svg: str) -> list[str]:
    return [element.text or "" for element in parsed(svg).iter(f"{SVG}text")]


def pictures(score: dict[str, Any]) -> dict[str, Picture]:
    return {picture.name: picture for picture in score_pictures(score)}


def dots(picture: Picture) -> Iterator[tuple[float, float]]:
    for circle in parsed(picture.inline()).iter(f"{SVG}circle"):
        yield float(circle.attrib["cx"]), float(circle.attrib["cy"])


def test_score_card_has_all_pictures() -> None:
    found = pictures(scores.score())
    assert [*found] == ["reliability", "confidences", "risk-coverage", "confusion", "baselines", "seeds"]
    shown = {name: " ".join(words_of(picture.inline())) for name, picture in found.items()}
    assert "ECE 0.031 (perfectly calibrated: 0.027, 95% below 0.045)" in shown["reliability"]
    assert "40 of 200 predictions are wrong" in shown["confidences"]
    assert "AUGRC 0.0512" in shown["risk-coverage"]
    assert "≥ 0.900" in shown["risk-coverage"]
    assert "80.0%" in shown["confusion"]
    assert "linear model +1.2 (+0.2 – +2.2) · p 0.099" in shown["baselines"]
    assert "most frequent label" not in shown["baselines"]
    assert "81.00% ± 1.00" in shown["seeds"]
    assert "Macro F1" not in shown["seeds"]


def test_old_score_card_has_matrix_only() -> None:
    parts = "reliability confidences risk_coverage baselines".split()
    old = scores.score(**dict.fromkeys(parts, ()), seeds={})
    assert [*pictures(old)] == ["confusion"]
    assert [*pictures({})] == []


def test_calibrated_dots_are_on_the_diagonal() -> None:
    bins = [{"confidence": at, "accuracy": at, "low": at - 0.1, "high": at, "n": 9} for at in (0.5, 0.7, 0.9, 1.0)]
    found = [*dots(pictures(scores.score(reliability=bins))["reliability"])]
    slopes = [(y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in pairwise(found)]
    assert slopes == pytest.approx([slopes[0]] * 3, abs=0.01)
    assert all(x1 < x2 and y1 > y2 for (x1, y1), (x2, y2) in pairwise(found))


def test_errors_are_at_the_base_of_the_histogram() -> None:
    picture = pictures(scores.score(confidences=((0, 0), (30, 10))))["confidences"]
    *_frame, wrong, right = (
        rect.attrib for rect in parsed(picture.inline()).iter(f"{SVG}rect") if rect.attrib["height"] != "10.0"
    )
    assert float(right["height"]) == pytest.approx(3 * float(wrong["height"]), abs=0.2)
    assert float(right["y"]) + float(right["height"]) == pytest.approx(float(wrong["y"]), abs=0.2)


def test_matrix_of_many_labels_stays_readable_or_is_left_out() -> None:
    wide = pictures(scores.score(tuple(f"标签{number}" for number in range(20))))["confusion"]
    assert wide.width > PANEL[0]
    assert words_of(wide.inline()).count("标签19") == 2
    assert "confusion" not in pictures(scores.score(tuple(map(str, range(21)))))


@given(st.lists(st.text() | st.sampled_from([*TEXTS.values()]), min_size=2, max_size=4, unique=True))
def test_labels_of_any_text_give_valid_xml(labels: list[str]) -> None:
    parsed(standalone([*score_pictures(scores.score(tuple(labels)))], labels[0]))


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.just(10**400)
NAMES = "name confidence accuracy low high n threshold coverage difference difference_ci p".split()
ROWS = st.lists(
    VALUES | st.lists(VALUES, max_size=4) | st.dictionaries(st.sampled_from(NAMES), VALUES | st.lists(VALUES)),
    max_size=4,
)
PARTS = "reliability confidences risk_coverage answering sources lengths baselines ece_null accuracy_ci".split()


@given(
    st.dictionaries(st.sampled_from(PARTS), ROWS), st.dictionaries(st.sampled_from(["seeds", "accuracy", "mcc"]), ROWS)
)
def test_card_from_outside_gives_valid_pictures(parts: dict[str, Any], seeds: dict[str, Any]) -> None:
    found = [*score_pictures(scores.score() | parts | {"seeds": seeds})]
    svg = standalone(found)
    parsed(svg)
    assert not re.search(r"nan|inf\b", svg.replace("reliability", ""))


@pytest.mark.parametrize("value", [1e308, -1e308, 10**400, -5, 1e-320, float("nan"), float("-inf")])
def test_extreme_figures_give_valid_pictures(value: float) -> None:
    for other in (value, 0.5):
        point = dict.fromkeys(NAMES, value) | {"name": "x", "accuracy": other, "n": 3, "difference_ci": (other, value)}
        rows = {part: [point, point] for part in ("reliability", "answering", "baselines")}
        points = {"confidences": [(value, other)] * 2, "risk_coverage": [(value, other, value)] * 2}
        seeds = {"seeds": [1, 2], "accuracy": [value, other]}
        svg = standalone([*score_pictures(scores.score() | rows | points | {"seeds": seeds})])
        parsed(svg)
        assert not re.search(r"nan|inf\b", svg.replace("reliability", ""))


def test_seeds_without_figures_of_the_picture_are_left_out() -> None:
    seeds = {"seeds": [1, 2], "baseline_difference": [0.1, 0.2]}
    assert "seeds" not in [one.name for one in score_pictures(scores.score() | {"seeds": seeds})]


def test_long_parts_are_cut() -> None:
    point = {"confidence": 0.5, "accuracy": 0.5, "low": 0.4, "high": 0.6, "n": 1}
    picture = pictures(scores.score(reliability=[point] * 10**5))["reliability"]
    assert len([*dots(picture)]) == MAX_ROWS


def test_pictures_are_three_in_a_row() -> None:
    root = parsed(standalone([*score_pictures(scores.score())], "Title"))
    assert float(root.attrib["width"]) == 3 * PANEL[0]
    places = [element.attrib["transform"] for element in root.iter(f"{SVG}g")]
    assert places == [f"translate({x} {y})" for y in (28, 358) for x in (0, 360, 720)]


@pytest.mark.parametrize(
    ("low", "high", "shown"),
    [
        (0.0, 1.0, ["0%", "20%", "40%", "60%", "80%", "100%"]),
        (0.94, 0.965, ["94.0%", "94.5%", "95.0%", "95.5%", "96.0%", "96.5%"]),
        (-0.002, 0.014, ["0.0%", "0.5%", "1.0%"]),
    ],
)
def test_marks_have_the_digits_they_need(low: float, high: float, shown: list[str]) -> None:
    scale = Scale(low, high, 0, 100)
    assert [scale.share(value).replace("-0", "0") for value in scale.ticks()] == shown


def test_values_off_a_scale_are_at_its_ends() -> None:
    scale = Scale(0, 1, 10, 20)
    assert [scale(value) for value in (-5, 0.5, 7)] == [10, 15, 20]


def test_long_words_are_cut_by_width() -> None:
    assert "字字…</text>" in words(0, 0, "字" * 9, cells=5)


def test_rows_without_interval_and_equal_values_are_drawn() -> None:
    picture = interval_plot("one", "One", [Row("a", "", 0.5), Row("b", "", 0.5, (0.5, 0.5))])
    assert len({x for x, _y in dots(picture)}) == 1


# PNG


def test_png_has_twice_the_size_of_the_picture() -> None:
    data = png('<svg xmlns="http://www.w3.org/2000/svg" width="30" height="20"><rect width="9" height="9"/></svg>')
    assert data.startswith(b"\x89PNG")
    assert struct.unpack(">II", data[16:24]) == (60, 40)


@pytest.mark.parametrize(
    ("text", "message"), [("准确率", "No font with Chinese characters was found"), ("a", "No font was found")]
)
def test_png_without_fonts_is_refused(text: str, message: str) -> None:
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" width="30" height="20">{words(0, 10, text)}</svg>'
    with pytest.raises(UserInputError, match=message):
        png(svg, system_fonts=False)

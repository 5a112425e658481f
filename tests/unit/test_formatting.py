"""Texts from outside are shown safely, and numbers and labels are formatted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.content import Content

from weibo_tui import display_names
from weibo_tui.app import formatting as content
from weibo_tui.presentation.numbers import confidence, duration, number, percent, size
from weibo_tui.text.terminal import sanitize

ACTING = {chr(code) for code in (*range(0x20), *range(0x7F, 0xA0))} - {"\n"} | set("\u202e\u2066\u200b\ufeff")
texts = st.text(st.characters()) | st.text(st.sampled_from("[]/@$=bi哈\x1b\x9b\u202e\udcff\n\t"))


@given(texts, st.sampled_from(["", "bold $label-1"]))
def test_safe_content_shows_control_characters(text: str, style: str) -> None:
    shown = content.safe_content(text, style)
    assert str(shown) == sanitize(text).expandtabs(4)
    assert not ACTING & set(str(shown))
    assert all(span.style == style for span in shown.spans)


@given(texts)
def test_safe_line_has_no_line_break(text: str) -> None:
    shown = str(content.safe_line(text))
    assert len(shown.splitlines()) <= 1
    assert "\t" not in shown


LABELS = ("怒", "positive", "[b]x[/b]", "乐", "a", "b", "c", "d", "e")


def test_label_color_depends_on_the_position() -> None:
    assert content.label_color("positive", LABELS) == "$positive"
    assert content.label_color("negative", ()) == "$negative"
    assert content.label_color("怒", LABELS) == "$label-1"
    assert content.label_color("e", LABELS) == content.label_color("[b]x[/b]", LABELS) == "$label-3"
    assert content.label_color("gone", LABELS) == "$text"


@pytest.mark.parametrize(
    ("label", "uncertain", "words"),
    [
        ("positive", False, "▲ positive"),
        ("negative", False, "▼ negative"),
        ("negative", True, "? negative"),
        ("怒", False, "● 怒"),
        ("[b]\x1b[31m", False, "● [b]␛[31m"),
    ],
)
def test_label_content_has_a_sign_without_color(label: str, uncertain: bool, words: str) -> None:
    assert str(content.label_content(label, LABELS, uncertain)) == words


def test_label_name_translates_labels_of_bundled_adapters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(display_names, "gettext", str.upper)
    assert display_names.label_name("positive") == "POSITIVE"
    assert display_names.label_name("sad") == "SAD"
    assert display_names.label_name("label") == "label"


@given(st.floats(), st.integers(0, 60))
def test_bar_fills_its_width_for_any_share(share: float, width: int) -> None:
    drawn: Content = content.bar(share, width, "$positive")
    assert cell_len(str(drawn)) == width


def test_bar_fills_its_share() -> None:
    for share, filled in ((0.0, 0), (0.5, 5), (1.0, 10), (7.0, 10), (-1.0, 0)):
        assert str(content.bar(share, 10, "$positive")).count("━") == filled


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        (percent(0.98765), "98.8%"),
        (percent(1.0, 0), "100%"),
        (percent(None), "–"),
        (percent(float("nan")), "–"),
        (confidence(0.9895, True), "98.9%"),  # below a threshold of 99%
        (confidence(0.74962, True), "74.9%"),
        (confidence(0.99, True), "99.0%"),
        (confidence(0.6237, True), "62.4%"),
        (confidence(0.9895, False), "99.0%"),
        (confidence(None, False), "–"),
        (number(1234.5), "1,234.500"),
        (number(None), "–"),
        (number(float("inf")), "–"),
        (duration(7.4), "0:07"),
        (duration(750), "12:30"),
        (duration(11045), "3:04:05"),
        (duration(59.6), "1:00"),
        (duration(float("inf")), "–"),
        (size(0), "0 B"),
        (size(999), "999 B"),
        (size(2_500_000), "2.5 MB"),
        (size(999_960), "1.0 MB"),
        (size(7e12), "7000.0 GB"),
    ],
)
def test_numbers_are_formatted(shown: str, words: str) -> None:
    assert shown == words


def test_local_time_uses_the_machines_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(content.local_time("2026-01-31T23:30:00.000Z")) == len("2026-02-01 07:30")
    assert content.local_time("2026-01-31T23:30:12.000Z", seconds=True).endswith(":12")
    assert content.local_time("yesterday\x1b") == "yesterday␛"

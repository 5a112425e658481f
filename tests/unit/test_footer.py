"""The footer shows whole keys only, and the help always."""

from __future__ import annotations

from textual.binding import Binding

from weibo_tui.app.widgets.footer import FooterKey, fitting

NAMES = ["train.new", "train.stop", "train.zoom", "app.help", "app.palette", "app.quit"]
KEYS = [FooterKey(Binding("x", name, name.partition(".")[2], id=name), "x") for name in NAMES]


def names(width: int) -> list[str | None]:
    return [key.binding.id for key in fitting(KEYS, width)]


def test_footer_leaves_out_global_keys_before_those_of_the_pane() -> None:
    whole = sum(key.width for key in KEYS)
    assert names(whole) == NAMES
    assert names(whole - 1) == NAMES[:-1]
    assert names(whole - KEYS[-1].width - 1) == NAMES[:-2]
    assert names(KEYS[0].width + KEYS[3].width) == ["train.new", "app.help"]
    assert names(1) == ["app.help"]

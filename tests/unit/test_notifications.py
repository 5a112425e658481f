"""Window titles and notifications are sent only to terminals that know them, without control characters."""

from __future__ import annotations

import pytest

from weibo_tui.app.terminal.notifications import notification, title

KNOWN = {
    "\x1b]9;done\x1b\\": [{"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"}, {"TERM": "xterm-ghostty"}],
    "\x1b]99;;done\x1b\\": [{"TERM": "xterm-kitty"}],
    "\x1b]777;notify;weibo-tui;done\x1b\\": [{"TERM": "foot"}, {"TERM": "rxvt-unicode-256color"}],
    "": [{"TERM": "xterm-256color"}, {"TERM": "xterm-kitty", "TMUX": "/tmp/tmux"}, {"TERM": "linux"}, {}],
}


@pytest.mark.parametrize(("sequence", "environ"), [(key, item) for key, items in KNOWN.items() for item in items])
def test_notification_is_sent_to_terminals_that_know_it(sequence: str, environ: dict[str, str]) -> None:
    assert notification("done", environ) == sequence


def test_title_has_one_line_without_control_characters() -> None:
    sequence = title("a\x1b]2;b\x07\x9c\nc" + "好" * 200, {"TERM": "tmux-256color"})
    assert sequence.startswith("\x1b]2;a") and sequence.endswith("…\x1b\\")
    assert not set(sequence[4:-2]) & set("\x1b\x07\x9c\n")
    assert [title("a", {"TERM": term}) for term in ("linux", "dumb", "")] == [""] * 3

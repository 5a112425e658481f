"""Hostile texts, and a home that is full of them."""

from __future__ import annotations

import csv
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import models
from commands import CommandResult
from histories import ANALYSIS, FILE
from hypothesis import strategies as st

from weibo_tui import ComputeOptions, Workbench
from weibo_tui.app.formatting import safe_line
from weibo_tui.engine.events import Evaluated, RunStarted, StepDone, to_json
from weibo_tui.storage.journal import Journal
from weibo_tui.text.terminal import sanitize

TEXTS = {
    "emoticon": "[doge]笑死 [ok]",
    "closing": "[/哈哈]结束了",
    "markup": "[b]粗体[/b][red]红",
    "link": "[@click=app.quit]点我[/]",
    "style": "[link='file:///etc/passwd']x[/link]",
    "open": "[好吧 ]] [[ [",
    "variable": "$error $text-muted {name} %s \\[b]",
    "escape": "红\x1b[31m\x1b]0;title\x07\x1b[2J",
    "c0": "\x00\x01\b\x0e\x7f控制\x0b\x0c",
    "c1": "\x9b2J\x85\x90q\x9c后",
    "bidi": "ab\u202ecba\u2066x\u2069\u200f左",
    "zero": "无\u200b宽\ufeff\u2060\u00ad\u180e",
    "surrogate": "半\ud83d个\udcff",
    "rtl": "مرحبا بكم שלום",
    "combining": "z\u0351\u036b\u0343\u036a\u0302" * 8 + "a\u20dd",
    "emoji": "👨\u200d👩\u200d👧❤\ufe0f🇨🇳👍🏽①" * 3,
    "wide": "字" * 200,
    "long": "x" * 5000,
    "emojis": "😀" * 10_000,
    "lines": "第一行\n第二行\r\n\t第三\u2028行\u2029",
    "blank": " \u3000\t 空 \u00a0",
    "quotes": "'\"`<>&;|\\/../..",
    "csv": "=cmd|'/c calc'!A1,\"\"",
}
PIECES = (
    *("[b]", "[/哈哈]", "[doge]", "[@click=app.quit]", "[/]", "[link='x']", "[[", "]]", "$error", "{name}"),
    *("%s", "\\[", "\x1b[31m", "\x1b[2J", "\x1b[?1049h", "\x1b]0;t\x07", "\x1b]8;;http://a.cn\x1b\\"),
    *("\x1b]52;c;aGk=\x07", "\x1bP1$q\x1b\\", "\x1b_G\x1b\\", "\x1bc", "\x9b2J", "\x9d0;t\x9c", "\x90q\x9c"),
    *("\x85", "\x0e", "\b", "\x7f", "\x00", "\u202e", "\u202d", "\u2066", "\u2069", "\u200f", "\u061c"),
    *("\u200b", "\u200d", "\ufeff", "\u2060", "\xad", "\u3164", "\ud83d", "\udcff", "\udfff", "[SEP]", "[PAD]"),
    *("[CLS]", "[UNK]", "[MASK]", "<|endoftext|>", "##", "▁", "👨\u200d👩\u200d👧", "❤\ufe0f", "🇨🇳", "🇨"),
    *("👍🏽", "1\ufe0f\u20e3", "🏴\U000e0067\U000e007f", "😀" * 9, "\ufe0f", "z" + "\u0301\u0323" * 20),
    *("\u0315", "\uff9e", "مرحبا", "\n", "\r", "\r\n", "\x0b", "\x0c", "\u2028", "\u2029", "\t", "=1+1", "+"),
    *("-1", "@SUM(1)", "＝", "'", '"', ",", ";", "|cmd", "//@a:", "回复@a:", "http://t.cn/a", "www."),
    *("x" * 300, "字" * 99, "今天的面真好吃", "太差了", " ", "\u3000", "0", "1e5", "真", "-", "--", "../", "~"),
    *("*", "\\", "/", "null", "😭"),
)
"""`texts` combines these with any other characters."""
SOME = ("closing", "link", "escape", "bidi", "surrogate", "emojis", "lines")
LABELS = ("[b]怒[/b]", "\x1b[31m乐\u202e", "[/哈哈]", "positive", "[@click=app.quit]x[/]")


def texts(longest: int = 6) -> st.SearchStrategy[str]:
    """Return texts with many parts that act on a terminal, in markup, a spreadsheet, a tokenizer or a parser."""
    anything = st.text(st.characters(exclude_categories=[]), max_size=3)
    mixed = st.lists(st.sampled_from(PIECES) | anything, min_size=1, max_size=longest).map("".join)
    return mixed | st.sampled_from(PIECES)


def as_argument(text: str) -> str:
    """Return a text without what no command-line argument can have: NUL, and surrogates that are no bytes."""
    return "".join(
        one for one in text if one != "\0" and not "\ud800" <= one < "\udc80" and not "\udcff" < one < "\ue000"
    )


def as_file_name(text: str) -> str:
    """Return a short file name from a text."""
    data = os.fsencode(as_argument(text).replace("/", ""))[:80]
    return data.decode("utf-8", "ignore").strip(".") or "好"


def shown(text: str, cells: int = 6) -> str:
    """Return the start of the first word, made visible, which must be on the screen where `text` is shown."""
    return str(safe_line(text)).partition(" ")[0][:cells]


def fill(home: Path) -> None:
    """Fill a home that has the base `tiny` with a history, runs, an adapter and a base with hostile texts."""
    with Workbench(home) as wb:
        _fill_history(wb)
        _fill_runs(wb)
        _add_adapter(wb)
        (home / "adapters" / "[b]\x1b[31m[@click=app.quit]").mkdir()
    card = home / "bases" / "tiny" / "card.json"
    values = json.loads(card.read_bytes())
    everything = {name: text[:200] for name, text in TEXTS.items()}
    values |= {"source": TEXTS["escape"] + TEXTS["link"], "made": {**everything, "files": list(everything.values())}}
    card.write_text(json.dumps(values), encoding="utf-8")


def _fill_history(wb: Workbench) -> None:
    for number, text in enumerate(TEXTS.values()):
        label = text[:300]
        shares = {label: 0.9, "[b]": 0.1}
        entry = replace(ANALYSIS, text=text, label=label, probabilities=shares, adapter=label)
        (identity,) = wb.history.add([replace(entry, created_at=_at(number))])
        wb.history.correct(identity, text[:50])
    for number, name in enumerate(SOME, start=30):
        text = TEXTS[name][:300]
        failed = replace(ANALYSIS, label="", confidence=None, probabilities={}, error=text, adapter=text)
        wb.history.add([replace(failed, text=text, created_at=_at(number))])
        file = replace(FILE, path=Path(text), out=Path(text), adapter=text, counts={text: 3})
        wb.history.add_file(replace(file, created_at=_at(number)))


def _at(second: int) -> str:
    return f"2026-01-31T12:00:{second:02}.000Z"


def _fill_runs(wb: Workbench) -> None:
    for text in TEXTS.values():
        name = text[:300]
        plan: dict[str, Any] = {"plan": {"name": name, "data": [name], "base": name}, "data": name, "base": name}
        run = wb.runs.create("train", name, plan)
        started = RunStarted(run.id, name, "train", name, name, name, 1, 0, 4, 1, {name: 4}, 1, 1)
        with wb.runs.lock(run.id), Journal(wb.runs, run.id) as journal:
            journal.add(to_json(started))
            for step in range(1, 5):
                journal.add(to_json(StepDone(step, 4, 1, 1 / step, 1e-3, 1.0, 8, 64, 0.1, 10**6)))
            journal.add(to_json(Evaluated(1, 4, name, 0.5, 0.75, 0.75, True)))
        wb.runs.finish(run.id, "failed", {"error": name})


def _add_adapter(wb: Workbench) -> None:
    base = wb.open_base("tiny", wb.compute(ComputeOptions("cpu", "float32", 1)))
    adapter = models.adapter_for(base.backbone.config, labels=len(LABELS))
    texts = {text[:200]: text[:200] for text in TEXTS.values()}
    scores = {label: {"precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 4} for label in LABELS}
    card = models.card_for(
        adapter,
        base,
        "hostile",
        LABELS,
        data={"files": list(texts), "labels": dict.fromkeys(LABELS, 4), **texts},
        hyperparameters={**texts, "blocks": TEXTS["link"], "class_weights": TEXTS["escape"]},
        score={"labels": list(LABELS), "confusion": [[1] * 5] * 5, "per_label": scores, "accuracy": 0.5, **texts},
        run=TEXTS["closing"],
    )
    wb.adapters.save(adapter, card)


def write_labelled(folder: Path, name: str) -> Path:
    """Write hostile posts with hostile labels."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    with path.open("w", encoding="utf-8", errors="surrogatepass", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["label", "review"])
        for number, text in enumerate(text for name, text in TEXTS.items() if name != "surrogate"):
            for copy in range(4):
                writer.writerow([LABELS[(number + copy) % 2], f"{text[:500]} {number} {copy}"])
    return path


def harmless(lines: str) -> None:
    """Fail where the lines of a screen have control characters."""
    for line in lines.split("\n"):
        assert sanitize(line) == line, repr(line)
        assert not any(character < " " or "\x7f" <= character < "\xa0" for character in line), repr(line)


def spoken(done: CommandResult) -> None:
    """Fail where the output of a command has control characters, or where it failed with an unforeseen error."""
    for stream in (done.out, done.err):
        for line in stream.split("\n"):
            assert sanitize(line) == line, repr(line)
    assert done.code in (0, 2), done.err
    assert "Unexpected error" not in done.err
    if done.code == 2:
        assert len(done.err.splitlines()) == 1, done.err

"""Fuzz the readers of files and texts from outside, guided by coverage.

Atheris is no dependency: `pip install atheris`, then, with a target and libFuzzer's options,

    python tests/fuzzing/fuzz.py table -max_total_time=600 -rss_limit_mb=2048 -timeout=120 corpus-folder/

A crash is written to `crash-…` in the current folder; name that file to try it again. Earlier findings are ordinary
tests in `tests/unit/test_hostile_*.py`.
"""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import atheris
from rich.cells import cell_len

with atheris.instrument_imports(include=["weibo_tui", "json", "csv", "tarfile", "zipfile", "gzip"]):
    from weibo_tui.datasets import corpus, reading
    from weibo_tui.engine.config import GPT2Config
    from weibo_tui.engine.tokenizer import PostTokenizer, SpecialTokens
    from weibo_tui.errors import UserInputError, WeiboTuiError
    from weibo_tui.progress import drain
    from weibo_tui.registry import archives, cards, conversion
    from weibo_tui.text.cleaning import clean, normalize, repost_segments
    from weibo_tui.text.emoticons import find_emoticons
    from weibo_tui.text.terminal import sanitize, truncate_cells

FOLDER = Path(tempfile.mkdtemp(prefix="fuzz-"))
SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet", ".dat", ".txt", ".json", ".xlsx")
MEMBERS = {"card.json": 2**16, "weights": 2**16}


def table(data: bytes) -> None:
    """Read a table; the first byte selects the file type."""
    if not data:
        return
    path = FOLDER / f"table{SUFFIXES[data[0] % len(SUFFIXES)]}"
    path.write_bytes(data[1:])
    with contextlib.suppress(UserInputError):
        source = reading.open_table(path)
        number = sum(1 for _row in reading.read_rows(source))
        assert number == drain(reading.count_rows(source))


def plain(data: bytes) -> None:
    path = FOLDER / ("corpus.txt.gz" if data[:2] == b"\x1f\x8b" else "corpus.txt")
    path.write_bytes(data)
    with contextlib.suppress(UserInputError):
        for line in islice(corpus.read_lines(path), 10_000):
            assert len(line) <= corpus.MAX_LINE_LENGTH


def card(data: bytes) -> None:
    kinds: tuple[type[Any], ...] = (cards.AdapterCard, cards.BaseCard)
    for kind in kinds:
        with contextlib.suppress(ValueError):
            parsed = cards.parse(data, kind)
            assert cards.parse(cards.write(parsed), kind) == parsed


def archive(data: bytes) -> None:
    path = FOLDER / "archive"
    path.write_bytes(data)
    with contextlib.suppress(UserInputError):
        assert len(archives.read(path, MEMBERS, "card.json")) <= MEMBERS["card.json"]


def config(data: bytes) -> None:
    try:
        values = json.loads(data)
    except (ValueError, RecursionError):
        return
    if isinstance(values, dict):
        with contextlib.suppress(UserInputError):
            GPT2Config.from_hugging_face(values | {"model_type": "gpt2"})


def tokenizer(data: bytes) -> None:
    with contextlib.suppress(UnicodeDecodeError, WeiboTuiError):
        post_tokenizer = PostTokenizer(data.decode("utf-8"), SpecialTokens((), (), 0), 1000)
        with contextlib.suppress(WeiboTuiError):
            post_tokenizer.encode(["好[SEP]a A1"], 16)


def weights(data: bytes) -> None:
    path = FOLDER / ("weights.safetensors" if data[8:9] == b"{" else "weights.bin")
    path.write_bytes(data)
    with contextlib.suppress(WeiboTuiError):
        conversion.read_weights(path)


def post(data: bytes) -> None:
    raw = data.decode("utf-8", "surrogateescape")
    for version in (0, 1, 2):
        cleaned = clean(raw, version)
        cleaned.text.encode("utf-8")
        positions = [cleaned.raw_position(at) for at in range(len(cleaned.text) + 1)]
        assert positions == sorted(positions)
        assert positions[-1] == len(raw)
    shown = sanitize(raw)
    assert sanitize(shown) == shown
    assert not any((sign < " " and sign not in "\n\t") or "\x7f" <= sign < "\xa0" for sign in shown)
    find_emoticons(raw), normalize(raw), repost_segments(raw)
    assert cell_len(truncate_cells(shown, 7)) <= 8


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target for target in (table, plain, card, archive, config, tokenizer, weights, post)
}

if __name__ == "__main__":
    selected = TARGETS[sys.argv.pop(1)]
    atheris.Setup(sys.argv, selected)
    atheris.Fuzz()

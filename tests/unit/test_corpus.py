"""A corpus of plain text is read line by line, also compressed, or refused in one sentence."""

from __future__ import annotations

import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest

from weibo_tui.datasets.corpus import MAX_LINE_LENGTH, read_lines
from weibo_tui.errors import UserInputError

POSTS = ["今天的面真好吃[哈哈]", "  两边有空格  ", "中间\u3000有全角空格", "最后一条😊"]
TEXT = "\n\n".join(POSTS) + "\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_corpus_lines_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "corpus.txt"
    path.write_bytes(TEXT.encode(encoding))
    assert list(read_lines(path)) == POSTS
    path.write_bytes(TEXT.replace("\n", "\r\n").encode(encoding))
    assert list(read_lines(path)) == POSTS


@pytest.mark.parametrize(("ending", "compress"), [(".xz", lzma.compress), (".gz", gzip.compress)])
def test_corpus_lines_of_compressed_file(tmp_path: Path, ending: str, compress: Callable[[bytes], bytes]) -> None:
    path = tmp_path / f"corpus.txt{ending}"
    path.write_bytes(compress(TEXT.encode()))
    assert list(read_lines(path)) == POSTS
    path.write_bytes(compress(TEXT.encode("gb18030")))
    assert list(read_lines(path)) == list(read_lines(path, "gb18030")) == POSTS
    with pytest.raises(UserInputError, match="encoding with --encoding"):
        list(read_lines(path, "utf-8"))
    path.write_bytes(compress(TEXT.encode())[:-9])
    with pytest.raises(UserInputError, match="Cannot read .*corpus.txt"):
        list(read_lines(path))


def test_corpus_endless_line_is_split(tmp_path: Path) -> None:
    path = tmp_path / "corpus.txt"
    path.write_text("好" * (2 * MAX_LINE_LENGTH + 5), encoding="utf-8")
    assert list(map(len, read_lines(path))) == [MAX_LINE_LENGTH, MAX_LINE_LENGTH, 5]


@pytest.mark.parametrize("name", ["nothing.txt", "empty.txt", "folder"])
def test_corpus_without_text_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty.txt").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserInputError, match="not a text file"):
        list(read_lines(tmp_path / name))


def test_corpus_unknown_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "corpus.txt"
    path.write_text(TEXT, encoding="utf-8")
    with pytest.raises(UserInputError, match="Unknown encoding: klingon"):
        list(read_lines(path, "klingon"))

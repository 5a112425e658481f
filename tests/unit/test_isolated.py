"""Files from outside are read in a child process, so that crashes, hangs and output there are a sentence here."""

from __future__ import annotations

import importlib
import json
import os
import runpy
from pathlib import Path

import models
import pytest
from commands import listing

from weibo_tui.atomic import sha256
from weibo_tui.errors import CorruptFileError, UserInputError
from weibo_tui.progress import drain
from weibo_tui.registry import isolated
from weibo_tui.registry.bases import Bases

TERMINAL = "\x1b]0;x\x07\x1b]52;c;aGk=\x07"
ABORTING = {
    "version": "1.0",
    "added_tokens": [],
    "model": {"type": "BPE", "continuing_subword_prefix": "##", "vocab": {"ß": 0, "▁a": 1}, "merges": ["ß ▁a"]},
}


def write_json(path: Path, **changes: object) -> None:
    values = json.loads(path.read_bytes()) if path.exists() else {}
    path.write_text(json.dumps(values | changes), encoding="utf-8")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A model folder."""
    return models.write_folder(tmp_path / "from", models.reference())


def test_import_in_child_equals_import_here(tmp_path: Path, source: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Also with settings that transformers would act on, or print with their terminal escapes."""
    bases = Bases(tmp_path / "bases")
    here = bases.add(source, "here")
    capfd.readouterr()
    token = {"__type": "AddedToken", "content": "[UNK]", TERMINAL: 1}
    settings = {"chat_template": "{{ x }}", "tokenizer_file": "/dev/zero", "auto_map": {"A": "b"}}
    write_json(source / "tokenizer_config.json", unk_token=token, **settings)
    child = drain(bases.import_folder(source, "there"))
    assert (child.fingerprint, child.sha256, child.source) == (here.fingerprint, here.sha256, here.source)
    assert listing(bases.path("there")).keys() == listing(bases.path("here")).keys()
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_aborting_tokenizer_is_refused(tmp_path: Path, source: Path, capfd: pytest.CaptureFixture[str]) -> None:
    bases = Bases(tmp_path / "bases")
    bases.add(source, "small")
    (bases.path("small") / "tokenizer.json").write_text(json.dumps(ABORTING), encoding="utf-8")
    card = bases.card("small")
    hashed = card.sha256 | {"tokenizer.json": sha256(bases.path("small") / "tokenizer.json")}
    write_json(bases.path("small") / "card.json", sha256=hashed)
    before = listing(tmp_path)
    with pytest.raises(UserInputError, match="small was refused: reading it crashes"):
        drain(bases.import_model(bases.path("small"), "one"))
    assert listing(tmp_path) == before
    assert capfd.readouterr() == ("", "")


def script(tmp_path: Path, text: str) -> Path:
    """A task for the child: `runpy.run_path` runs it there."""
    (tmp_path / "script.py").write_text(text, encoding="utf-8")
    return tmp_path / "script.py"


@pytest.mark.parametrize("text", ["while True: pass", "[1][2]"])
def test_child_that_hangs_or_fails_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(isolated, "CPU_SECONDS", 0.0)  # beyond the start, rounded up to a second
    with pytest.raises(UserInputError, match="script.py was refused: reading it crashes") as refused:
        drain(isolated.run(runpy.run_path, script(tmp_path, text)))
    assert "\n" not in str(refused.value)


def test_aborted_child_leaves_no_output_and_no_files(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    text = "import os, tempfile; [os.write(stream, b'\\x1b[2J') for stream in (1, 2)]; print('x' * 10**6);"
    text += f"open({str(tmp_path / 'name')!r}, 'w').write(tempfile.mkdtemp()); os.abort()"
    with pytest.raises(UserInputError, match="reading it crashes"):
        drain(isolated.run(runpy.run_path, script(tmp_path, text)))
    assert not Path((tmp_path / "name").read_text(encoding="utf-8")).exists()
    assert capfd.readouterr() == ("", "")


def test_memory_limit_ignores_the_length_of_sparse_files(tmp_path: Path) -> None:
    (tmp_path / "__main__.py").write_text("bytearray(2**33)", encoding="ascii")
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(10**12)
    with pytest.raises(UserInputError, match="reading it crashes"):
        drain(isolated.run(runpy.run_path, tmp_path))


def test_errors_of_the_child_are_raised_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also those of a module that only this process has on its path."""
    text = "from weibo_tui.errors import CorruptFileError\ndef task(source): raise CorruptFileError('broken' * 10**6)"
    (tmp_path / "parent_module.py").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(CorruptFileError, match="brokenbroken") as raised:
        drain(isolated.run(importlib.import_module("parent_module").task, tmp_path / "file"))
    assert len(str(raised.value)) < 3000
    with pytest.raises(FileNotFoundError) as missing:
        drain(isolated.run(runpy.run_path, tmp_path / "none.py"))
    assert missing.value.filename == str(tmp_path / "none.py")


def test_closing_ends_the_child(tmp_path: Path) -> None:
    text = f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(99)"
    steps = isolated.run(runpy.run_path, script(tmp_path, text))
    while not ((tmp_path / "pid").exists() and (tmp_path / "pid").read_text(encoding="ascii")):
        next(steps)
    steps.close()
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text(encoding="ascii")), 0)

"""What comes from outside is read in a child process: what crashes, hangs or prints there is a sentence here."""

from __future__ import annotations

import importlib
import json
import os
import runpy
import shutil
from pathlib import Path
from typing import Any

import models
import pytest
import torch
from commands import listing
from safetensors.torch import load_file, save_file

from weibo_tui.atomic import sha256
from weibo_tui.errors import CorruptFileError, UserInputError
from weibo_tui.progress import drain
from weibo_tui.registry import isolated
from weibo_tui.registry.adapters import Adapters
from weibo_tui.registry.bases import Bases, OpenBase

TERMINAL = "\x1b]0;x\x07\x1b]52;c;aGk=\x07"
TOKEN: dict[str, Any] = {"content": "[UNK]", TERMINAL: 1}
ABORTING = {
    "version": "1.0",
    "added_tokens": [],
    "model": {"type": "BPE", "continuing_subword_prefix": "##", "vocab": {"ß": 0, "▁a": 1}, "merges": ["ß ▁a"]},
}


def write_json(path: Path, **changes: object) -> None:
    values = json.loads(path.read_bytes()) if path.exists() else {}
    path.write_text(json.dumps(values | changes), encoding="utf-8")


def source(folder: Path) -> Path:
    return models.write_folder(folder, models.reference(), tokens="tokenizer.json")


@pytest.mark.parametrize("place", ["tokenizer_config.json", "special_tokens_map.json", "decoder", "tokenizer.json"])
def test_unknown_tokenizer_key_is_not_printed(tmp_path: Path, capfd: pytest.CaptureFixture[str], place: str) -> None:
    folder = source(tmp_path / "from")
    if place == "decoder":
        write_json(folder / "tokenizer_config.json", added_tokens_decoder={"1": TOKEN})
    elif place == "tokenizer.json":
        definition = json.loads((folder / place).read_bytes())
        definition["added_tokens"][1][TERMINAL] = 1
        write_json(folder / place, **definition)
    else:
        write_json(folder / place, unk_token=TOKEN | {"__type": "AddedToken"})
    assert Bases(tmp_path / "bases").add(folder, "one").name == "one"
    assert capfd.readouterr() == ("", "")


def test_harmless_tokenizer_settings_are_passed_over(tmp_path: Path) -> None:
    folder = source(tmp_path / "from")
    bases = Bases(tmp_path / "bases")
    plain = bases.add(folder, "plain")
    harmless = {
        "chat_template": "{{ x }}",
        "tokenizer_file": "/dev/zero",
        "name_or_path": "a/b",
        "auto_map": {"A": "b"},
    }
    write_json(folder / "tokenizer_config.json", **harmless)
    assert bases.add(folder, "other").fingerprint == plain.fingerprint


def test_many_special_tokens_are_refused_unloaded(tmp_path: Path) -> None:
    folder = source(tmp_path / "from")
    write_json(folder / "tokenizer_config.json", additional_special_tokens=[f"<{n}>" for n in range(300_000)])
    with pytest.raises(UserInputError, match="names too many tokens"):
        Bases(tmp_path / "bases").add(folder, "one")


def test_aborting_tokenizer_is_refused_in_a_sentence(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = source(tmp_path / "from")
    (folder / "tokenizer.json").write_text(json.dumps(ABORTING), encoding="utf-8")
    before = listing(tmp_path)
    with pytest.raises(UserInputError, match="from was refused: reading it crashes"):
        drain(Bases(tmp_path / "bases").take_in_folder(folder, "one"))
    assert listing(tmp_path) == before
    assert capfd.readouterr() == ("", "")


def test_base_converted_in_a_child_is_the_same(tmp_path: Path) -> None:
    folder = source(tmp_path / "from")
    bases = Bases(tmp_path / "bases")
    here, there = bases.add(folder, "here"), drain(bases.take_in_folder(folder, "there"))
    assert (there.fingerprint, there.sha256, there.source) == (here.fingerprint, here.sha256, here.source)
    assert listing(bases.path("there")).keys() == listing(bases.path("here")).keys()


def script(tmp_path: Path, text: str) -> Path:
    """A task of the child's own: `runpy.run_path` runs it there."""
    (tmp_path / "script.py").write_text(text, encoding="utf-8")
    return tmp_path / "script.py"


@pytest.mark.parametrize(
    "text", ["import os; os.abort()", "while True: pass", "bytearray(10**12)", "import os; os._exit(0)", "[1][2]"]
)
def test_child_that_dies_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(isolated, "SECONDS", 0.0)  # of computing beyond the start; a whole second is the least
    with pytest.raises(UserInputError, match="script.py was refused: reading it crashes") as refused:
        drain(isolated.run(runpy.run_path, script(tmp_path, text)))
    assert "\n" not in str(refused.value)


def test_child_prints_nothing_here(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    text = "import os; [os.write(stream, b'\\x1b[2J') for stream in (1, 2)]; print('x' * 10**6)"
    drain(isolated.run(runpy.run_path, script(tmp_path, text)))
    assert capfd.readouterr() == ("", "")


def test_child_finds_modules_where_this_process_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "found_by_the_parent.py").write_text("def task(source): open(source, 'a')", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    task = importlib.import_module("found_by_the_parent").task
    drain(isolated.run(task, tmp_path / "made"))
    assert (tmp_path / "made").exists()


def test_sparse_file_beside_a_model_raises_no_limit(tmp_path: Path) -> None:
    (tmp_path / "__main__.py").write_text("bytearray(2**33)", encoding="ascii")  # which nothing fills
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(10**12)
    with pytest.raises(UserInputError, match="reading it crashes"):
        drain(isolated.run(runpy.run_path, tmp_path))


def test_temporary_files_of_a_dead_child_are_deleted(tmp_path: Path) -> None:
    text = f"import os, tempfile; open({str(tmp_path / 'place')!r}, 'w').write(tempfile.mkdtemp()); os.abort()"
    with pytest.raises(UserInputError, match="reading it crashes"):
        drain(isolated.run(runpy.run_path, script(tmp_path, text)))
    assert not Path((tmp_path / "place").read_text(encoding="utf-8")).exists()


def test_errors_of_the_child_come_back(tmp_path: Path) -> None:
    text = "from weibo_tui.errors import Damaged; raise Damaged('broken' * 10**6)"
    with pytest.raises(CorruptFileError, match="brokenbroken") as raised:
        drain(isolated.run(runpy.run_path, script(tmp_path, text)))
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


def test_import_of_broken_weights_keeps_the_old_adapter(tmp_path: Path, adapters: Adapters, base: OpenBase) -> None:
    shutil.copytree(adapters.path("mood"), tmp_path / "mood")
    weights = load_file(tmp_path / "mood" / "adapter.safetensors")
    save_file(weights | {"head.weight": torch.zeros(7, 7)}, tmp_path / "mood" / "adapter.safetensors")
    write_json(tmp_path / "mood" / "card.json", weights_sha256=sha256(tmp_path / "mood" / "adapter.safetensors"))
    before = listing(adapters.folder)
    with pytest.raises(UserInputError, match="mood is not a working adapter .*head.weight has the shape"):
        drain(adapters.take_in(tmp_path / "mood", overwrite=True))
    assert listing(adapters.folder) == before
    adapters.load("mood", base)

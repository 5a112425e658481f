"""Bad input: one line on stderr with the problem and the fix, and nothing is changed."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import Command, CommandResult, listing, start
from made_up import numeral

GOOD_CSV = "label,review\n" + "".join(f"{n % 2},第{numeral(n)}天的面真{'难好'[n % 2]}吃\n" for n in range(40))
# Files in the folder that the command runs in; each has one problem.
FILES = {
    "posts.csv": GOOD_CSV.encode(),
    "empty.csv": b"",
    "header.csv": b"label,review\n",
    "happy.csv": "label,review\n1,真好吃\n1,真好看\n1,真好听\n".encode(),
    "strange.csv": "label,review\n0,真难吃\n2,不好说\n".encode(),
    "nolabel.csv": "review,x\n真好吃,1\n真难吃,2\n".encode(),
    "binary.csv": b"label,review\n1,\xff\xfe\x81 abc\xe9\n",
    "ragged.csv": "label,review\n1,真好吃,多\n".encode(),
    "quote.csv": 'label,review\n1,"真好吃\n'.encode(),
    "blank.csv": b"label,review\n1,  \n0,\n",
    "taken.csv": "review,predicted\n真好吃,1\n".encode(),
    "posts.jsonl": b"not json\n",
    "posts.parquet": b"PAR1 and nothing behind it",
    "there.csv": b"precious",
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with `FILES`, in which the commands run."""
    place = tmp_path / "work"
    place.mkdir()
    for name, content in FILES.items():
        (place / name).write_bytes(content)
    monkeypatch.chdir(place)
    return place


def check_refused(result: CommandResult, code: int, *parts: str) -> None:
    assert (result.code, result.out) == (code, ""), result
    *summaries, message = result.err.splitlines()
    assert message.startswith("weibo-tui: ")
    assert result.err.endswith("\n")
    assert all(": CSV, UTF-8, " in line for line in summaries), result.err
    assert [part for part in parts if part not in result.err] == [], result.err


REFUSED: dict[str, tuple[str, ...]] = {
    # the command: parts of the line, which names the problem and the fix
    "train missing.csv": ("File not found: missing.csv", "Check the name"),
    "train .": ("Cannot detect the encoding of binary.csv", "Save it as UTF-8"),
    "train empty.csv": ("empty.csv is empty", ""),
    "train header.csv": ("header.csv has no rows", ""),
    "train posts.csv --column 正文": ("posts.csv has no column 正文", "Choose one with --column", "label, review"),
    "train posts.csv --label-column 态度": ("no column 态度", "Choose one with --label-column", "label, review"),
    "train nolabel.csv": ("nolabel.csv: label column not detected", "--label-column", "review, x"),
    "train happy.csv": ("happy.csv: all posts have the label positive", "needs at least two labels"),
    "train blank.csv": ("blank.csv: no row has both a post and a label",),
    "train posts.csv --labels bad,good,mixed": (
        "posts.csv: no post for training has the label mixed",
        "remove it from --labels",
    ),
    "train posts.csv --labels good": ("has the labels 0, 1, but --labels names good", "Name the same number"),
    "train posts.csv --labels same,same": ("--labels same,same", "Give each label its own name"),
    "evaluate strange.csv": (
        "strange.csv, row 2: the label 2 is not in the set (negative, positive)",
        "an adapter with",
    ),
    "train binary.csv": ("Cannot detect the encoding of binary.csv", "from line 2 on", "with --encoding"),
    "train posts.csv --encoding klingon": ("Unknown encoding: klingon", "Use utf-8, gb18030 or utf-16"),
    "train posts.csv --encoding ascii": ("posts.csv, line 2: not ascii", "--encoding"),
    "train ragged.csv": ("ragged.csv, line 2: 3 cells, but the table has 2", "cannot be read"),
    "train quote.csv": ("quote.csv: all posts have the label positive", "at least two labels"),
    "audit posts.jsonl": ("posts.jsonl, line 1: not JSON", "1 of 1 rows cannot be read"),
    "audit posts.parquet": ("Cannot read posts.parquet as Parquet", "Write it again"),
    "train posts.csv --base great": ("Base not found: 'great'", "Choose one of tiny"),
    "predict 真好吃 --adapter mad": ("Adapter not found: 'mad'", "Choose one of mood"),
    "evaluate posts.csv --adapter ../mood": ("Invalid name: '../mood'", "Use 1 to 64 of"),
    "train posts.csv --name mood": ("Adapter exists: 'mood'", "--overwrite"),
    "train posts.csv --max-length 129": ("Base 'tiny' reads at most 128 tokens", "Choose a --max-length up to"),
    "train posts.csv --blocks 7": ("Invalid blocks '7' for a base of 2 blocks", "Write all"),
    "train posts.csv --device cuda:9": ("device is cuda:9", "one of auto, cuda, mps, cpu"),
    "predict 真好吃 --threads -1": ("threads is -1", "from 0 to 1024"),
    "predict 真好吃 --dtype float64": ("dtype is float64", "one of auto, float32, bfloat16"),
    "predict ": ("The post contains no text", "Write some words"),
    "predict --file taken.csv --out out.csv": (
        "taken.csv has columns named predicted already",
        "Name the new ones with --prefix",
    ),
    "predict --file posts.csv --out there.csv": ("File exists: there.csv. Use --overwrite to replace it.",),
    "predict --file posts.csv --out posts.csv --overwrite": ("Output and input are the same file",),
    "predict --out out.csv 好": ("--out is for a file", "with --file"),
    "bases add .": (" is not a model folder: it has no config.json", "Give the folder that contains it"),
    "bases pretrain missing.txt --tokens 100": ("missing.txt", "Check the name"),
    "bases pretrain posts.csv": ("give either --minutes or --tokens",),
    "bases pretrain posts.csv --tokens 9 --units words": ("units is words", "characters, pieces"),
    "bases pretrain posts.csv --tokens 9 --tokenizer bpe --name tiny": (
        "Base exists: 'tiny'",
        "another --name",
    ),
    "adapters import posts.csv": ("Cannot read posts.csv as an archive", "Give a .zip or .tar.gz"),
    "adapters export mood mood.zip --format legacy": ("mood.zip does not fit the format legacy",),
    "adapters export mood mood.rar": ("mood.rar must end in .zip or .tar.gz",),
    "bases export none none.zip": ("Base not found: 'none'", "Choose one of tiny"),
    "bases rename tiny tiny": ("'tiny' exists", "Choose another name"),
    "adapters rename mood": ("NEW is missing", "See 'weibo-tui adapters rename --help'"),
    "train --resume nothing": ("Run not found: 'nothing'", "'weibo-tui runs list'"),
    "train": ("Give files to train on, or a run with --resume", "See 'weibo-tui train --help'"),
    "trian posts.csv": ("Command not found: 'trian'", "train", "See 'weibo-tui --help'"),
    "klingon": ("Command not found: 'klingon'. See 'weibo-tui --help'",),
    "adapters drop mood": ("Command not found: 'drop'", "See 'weibo-tui adapters --help'"),
    "train posts.csv --epoch 3": ("No such option: --epoch", "--epochs", "See 'weibo-tui train --help'"),
    "train posts.csv --epochs": ("--epochs", "See 'weibo-tui train --help'"),
    "train posts.csv --epochs two": ("--epochs takes a whole number", "See 'weibo-tui train --help'"),
    "train posts.csv --clip a": ("--clip takes a number", "See 'weibo-tui train --help'"),
    "history list --limit 0": ("--limit takes a whole number from 1 to 1,000,000", "--help"),
    "evaluate": ("No data given", "with --label-of"),
    "adapters show mood more": ("more", "See 'weibo-tui adapters show --help'"),
}


def test_refusal_names_problem_and_changes_nothing(command: Command, furnished: Path, folder: Path) -> None:
    before = listing(furnished), listing(folder)
    for words, parts in REFUSED.items():
        check_refused(command(*words.split(" ")), 2, *parts)
    assert (listing(furnished), listing(folder)) == before


def test_refusal_creates_no_home(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "nowhere"
    monkeypatch.setenv("WEIBO_TUI_HOME", str(home))
    for words in (
        *("train posts.csv --labels good", "evaluate strange.csv", "audit posts.jsonl", "bases add ."),
        *("predict --file posts.csv --out there.csv", "bases pretrain posts.csv", "adapters use mad"),
        *("train --resume nothing", "trian posts.csv", "history list --limit 0"),
    ):
        check_refused(command(*words.split(" ")), 2)
    assert not home.exists()


def test_all_values_out_of_range_are_named_at_once(command: Command, furnished: Path) -> None:
    before = listing(furnished)
    wrong = {
        "epochs": "0",
        "batch-size": "-3",
        "learning-rate": "nan",
        "warmup": "1.5",
        "max-length": "2",
        "class-weights": "odd",
        "activation": "sine",
        "dropout": "1",
        "validation": "0.9",
        "device": "abacus",
        "threads": "-1",
    }
    options = [word for name, value in wrong.items() for word in (f"--{name}", value)]
    parts = [f"{name} is {value}" for name, value in wrong.items() if name != "dropout"]
    check_refused(command("train", "posts.csv", *options), 2, *parts, "dropout is 1.0", "from 1 to 1000")
    assert listing(furnished) == before


def test_adapter_of_another_base_names_that_base(command: Command, furnished: Path) -> None:
    path = furnished / "adapters" / "mood" / "card.json"
    card = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps(card | {"base": "vast", "base_fingerprint": "f" * 64}), encoding="utf-8")
    before = listing(furnished)
    for words in (["predict", "真好吃"], ["evaluate", "posts.csv"], ["predict", "--file", "posts.csv", "--out", "o"]):
        check_refused(command(*words), 2, "'mood' needs base 'vast'", "ffffffffffff", "bases add")
    assert listing(furnished) == before


def test_post_empty_after_cleaning_is_refused(command: Command, furnished: Path) -> None:
    before = listing(furnished)
    check_refused(command("predict", "-", stdin="\u200b\n".encode()), 2, "no text")
    check_refused(command("predict", "--json", "\u200b \u200b"), 2, "no text")
    assert listing(furnished) == before


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut_in_half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


WEIGHTS = ("bases/tiny/model.safetensors", "adapters/mood/adapter.safetensors")
OTHERS = ("adapters/mood/card.json", "bases/tiny/config.json", "bases/tiny/tokenizer.json")


def test_damaged_files_are_named_and_kept(command: Command, furnished: Path) -> None:
    harms: list[Callable[[Path], None]] = [flip_a_bit, cut_in_half, Path.unlink]
    cases = [(file, harm) for file in WEIGHTS for harm in harms] + [(file, cut_in_half) for file in OTHERS]
    for file, harm in cases:
        path = furnished / file
        content = path.read_bytes()
        harm(path)
        before = listing(furnished)
        parts = (file, "Remove its folder") if file in WEIGHTS else (str(Path(file).parent), "Remove it")
        check_refused(command("predict", "真好吃"), 1, *parts)
        if file == WEIGHTS[0]:
            check_refused(command("train", "posts.csv"), 1, *parts)
        assert listing(furnished) == before
        path.write_bytes(content)


def test_damaged_database_is_set_aside(command: Command, furnished: Path) -> None:
    database = furnished / "weibo-tui.db"
    damaged = b"not a database at all" * 100
    database.write_bytes(damaged)
    check_refused(command("history", "list"), 1, "weibo-tui.db is damaged", "was moved to weibo-tui.db.damaged-")
    (aside,) = furnished.glob("weibo-tui.db.damaged-*")
    assert aside.read_bytes() == damaged
    assert command.ok("predict", "真好吃").err == ""
    assert "真好吃" in command.ok("history", "list").out


def test_unknown_setting_is_one_warning_and_the_command_goes_on(command: Command, home: Path) -> None:
    (home / "settings.toml").write_text("devise = 'cpu'\n", encoding="utf-8")
    result = command.ok("history", "list", "--json")
    assert result.out == ""
    assert result.err == (
        f"weibo-tui: Unknown settings in {home / 'settings.toml'} are ignored: 'devise' (did you mean device?). "
        "Correct or remove them there.\n"
    )


def test_version_and_help_need_no_settings(command: Command, home: Path) -> None:
    (home / "settings.toml").write_text("keys = " + "[" * 3000 + "]" * 3000, encoding="utf-8")
    assert command.ok("--version").err == ""
    process = start("history", "list", "--help")  # its text is translated when the program starts
    out, err = process.communicate()
    assert (process.returncode, err) == (0, b"")
    assert out
    check_refused(command("history", "list"), 2, "settings.toml is not valid TOML (nested too deeply)")


def test_working_folder_that_was_deleted_is_named(tmp_path: Path, command: Command) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    with contextlib.chdir(gone):
        gone.rmdir()
        result = command("history", "list")
        os.chdir(tmp_path)
    check_refused(result, 2, "current folder does not exist any more", "Change to another one")


def test_home_of_an_unknown_user_is_named(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIBO_TUI_HOME", "~nobody-of-this-name/x")
    check_refused(command("history", "list"), 2, "~nobody-of-this-name/x", "Set WEIBO_TUI_HOME")


def test_import_of_tampered_adapter_is_refused(command: Command, furnished: Path, tmp_path: Path) -> None:
    command.ok("adapters", "export", "mood", tmp_path / "mood.zip")
    flip_a_bit(tmp_path / "mood.zip")
    before = listing(furnished)
    result = command("adapters", "import", tmp_path / "mood.zip", "--name", "other")
    assert result.code in (1, 2)
    check_refused(result, result.code, "mood.zip")
    assert listing(furnished) == before


def test_unknown_and_finished_runs_are_refused(command: Command, furnished: Path) -> None:
    for words in (["runs", "show", "x"], ["train", "--resume", "x"], ["runs", "remove", "x"]):
        check_refused(command(*words), 2, "Run not found: 'x'", "'weibo-tui runs list'")
    run = json.loads((furnished / "adapters/mood/card.json").read_text("utf-8"))["run"]
    check_refused(command("train", "--resume", run), 2, f"Run {run} has finished", "runs list")


def test_history_clear_without_answer_clears_nothing(command: Command, furnished: Path) -> None:
    command.ok("predict", "真好吃")
    result = command("history", "clear")
    assert (result.code, result.out) == (2, "")
    question, refusal = result.err.splitlines()
    assert question.startswith("Delete all 1 history entries? [y/N]")
    assert refusal.startswith("weibo-tui: Nothing was deleted. Answer y, or use --yes")
    assert "真好吃" in command.ok("history", "list").out
    assert command.ok("history", "clear", stdin=b"y\n").out == ""
    assert "真好吃" not in command.ok("history", "list").out


def test_hostile_arguments_are_shown_harmless(command: Command, furnished: Path) -> None:
    for words in (
        ["train", "\x1b[31m红\x9b2J.csv"],
        ["\x1b]0;x\x07"],
        ["predict", "a", "--\x1b[2J"],
        ["train", "posts.csv", "--epochs", "\x1b[2J\n2"],
        ["adapters", "show", "\u202e[/哈哈]"],
        ["audit", "posts.csv", "--column", "\x1b[1m\n[b]"],
    ):
        result = command(*words)
        check_refused(result, 2)
        assert not set(result.err) & set("\x1b\x9b\x07\u202e")

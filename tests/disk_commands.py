"""Commands that write each kind of file, and what must hold when the disk fails."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import histories
import made_up
import models
from commands import MACHINE, CommandResult
from disks import Shell, check_message, kept, leftovers

from weibo_tui import Workbench
from weibo_tui.progress import drain

TRAINING = "--epochs 1 --batch-size 16 --bottleneck 64 --seed 3"
PRETRAINING = "--tokens 4000 --context 32 --layers 3 --width 64 --heads 2 --positions 64 --batch-size 8"

# By what each of them writes. `old-…` exists before.
COMMANDS = {
    "settings": "adapters use fitting",
    "a verdict": "predict 今天去江边走走，真开心 --json",
    "a history export": "history export {disk}/old-history.csv --overwrite",
    "a journal export": "runs export {run} {disk}/old-journal.jsonl --overwrite",
    "a journal's table": "runs export {run} {disk}/old-journal.csv --overwrite",
    "labeled file": "predict --file {elsewhere}/posts.csv --out {disk}/old-labelled.csv --overwrite --json",
    "wrong verdicts": "evaluate {elsewhere}/posts.csv --errors {disk}/old-errors.csv --overwrite",
    "an adapter's zip": "adapters export mood {disk}/old-mood.zip --overwrite",
    "an adapter's tar": "adapters export mood {disk}/old-mood.tar.gz --overwrite",
    "the original's checkpoint": "adapters export fitting {disk}/old-fitting.pth --overwrite",
    "a base's zip": "bases export tiny {disk}/old-tiny.zip --overwrite",
    "a converted base": "bases add {elsewhere}/folder --name another",
    "an imported adapter": "adapters import {elsewhere}/mood.zip --name another",
    "an imported adapter over another": "adapters import {elsewhere}/mood.zip --name fitting --overwrite",
    "an imported base": "bases import {elsewhere}/tiny.zip --name another",
    "an adapter's name": "adapters rename mood another",
    "a base's name": "bases rename tiny another",
    "no adapter": "adapters remove mood",
    "no base": "bases remove tiny",
    "no run": "runs remove {run}",
    "no history": "history clear --yes",
    "a trained adapter": "train {elsewhere}/few.csv --name another --base tiny " + TRAINING,
    "a trained adapter over another": "train {elsewhere}/few.csv --name fitting --overwrite --base tiny " + TRAINING,
    "a trained adapter, from kept states": "train {elsewhere}/few.csv --name another --keep-states --base deep "
    "--blocks 2 --epochs 1 --bottleneck 8 --max-length 32",
    "kept rows": "files show {elsewhere}/posts.csv",
    "an export of kept rows": "files export {elsewhere}/posts.csv {disk}/old-rows.csv --overwrite",
    "a pretrained base": "bases pretrain {elsewhere}/corpus.txt --name another " + PRETRAINING,
}
EXPORTS = [name for name, words in COMMANDS.items() if "{disk}" in words]
LABELLED = "old-labelled.csv"


@dataclass(frozen=True)
class Place:
    """A disk with a home on it, and a folder elsewhere with files to read."""

    shell: Shell
    elsewhere: Path
    run: str

    @property
    def home(self) -> Path:
        return self.shell.seen / "home"

    def words(self, name: str) -> list[str]:
        words = COMMANDS[name].format(disk=self.shell.disk, elsewhere=self.elsewhere, run=self.run).split()
        return words + MACHINE * (words[0] in ("predict", "train", "evaluate") or words[1] == "pretrain")

    def restore(self) -> None:
        """Restore the first state of the disk."""
        self.shell.empty()
        shutil.copytree(self.elsewhere / "home", self.home)
        for name in EXPORTS:
            path = next(Path(word) for word in self.words(name) if "/old-" in word)
            (self.shell.seen / path.name).write_text("what stood here before")

    def entries(self) -> tuple[int, int]:
        """Return the numbers of history entries and of finished runs."""
        with TemporaryDirectory() as copied:  # since SQLite resolves paths, and the real ones do not exist here
            for path in self.home.glob("weibo-tui.db*"):
                shutil.copy(path, copied)
            return self._entries(Path(copied))

    @staticmethod
    def _entries(folder: Path) -> tuple[int, int]:
        with closing(sqlite3.connect(folder / "weibo-tui.db")) as database:
            (analyses,) = database.execute("SELECT count(*) FROM analyses").fetchone()
            (files,) = database.execute("SELECT count(*) FROM labelled_files").fetchone()
            (runs,) = database.execute("SELECT count(*) FROM runs WHERE state = 'finished'").fetchone()
        return analyses + files, runs


def furnish(shell: Shell, stocked: Path, posts: Path, corpus: Path, elsewhere: Path) -> Place:
    """Create in `elsewhere` the files that the commands read, and a home to copy to the disk."""
    home = elsewhere / "home"
    shutil.copytree(stocked, home)
    (elsewhere / "posts.csv").write_bytes(posts.read_bytes())
    (elsewhere / "corpus.txt").write_text("".join(corpus.read_text("utf-8").splitlines(True)[:600]), "utf-8")
    made_up.write_posts(elsewhere / "few.csv", 120, seed=5)
    models.write_folder(elsewhere / "folder", models.reference(), tokens="tokenizer.json")
    with Workbench(home) as wb:
        models.add_base(wb, elsewhere, "deep", n_layer=3)
        base = wb.bases.open("tiny")
        shape: dict[str, Any] = {"bottleneck": 64, "activation": "relu"}
        adapter = models.adapter_for(base.backbone.config, labels=2, **shape)
        wb.adapters.save(adapter, models.card_for(adapter, base, "fitting"))
        wb.set_default_adapter("mood")
        wb.history.add(replace(histories.ANALYSIS, created_at=histories.at(second)) for second in range(40))
        drain(wb.adapters.export("mood", elsewhere / "mood.zip"))
        drain(wb.bases.export("tiny", elsewhere / "tiny.zip"))
        run = wb.runs.list()[-1].id
    return Place(shell, elsewhere, run)


def check_nothing_lost(place: Place, name: str, fault: Callable[[], dict[str, Any]]) -> CommandResult:
    """Run a command with a fault, and if it fails, again without. Check each time that no existing file is lost.

    `fault` causes the fault, or returns the options to run the command with. Returns the first result.
    """
    shell, words = place.shell, place.words(name)
    place.restore()
    before, entries = kept(shell.seen), place.entries()
    options = fault()
    result = shell.run(*words, **options)
    shell.free()
    if result.code:
        check_message(result, str(shell.disk))
        # The entry of a file may be stored first, and entries may be deleted before the database shrinks.
        assert place.entries() == entries or name in ("labeled file", "no history")
        _check_whole(before, kept(shell.seen))
        again = shell.run(*words)
        assert again.code == 0, again.err
    assert not leftovers(shell.seen)
    return result


def _check_whole(before: dict[str, str], after: dict[str, str]) -> None:
    databases = [path for path in before if path.endswith(".db")]
    resumed = [LABELLED] if f"{LABELLED}.partial" in after else []  # the same command resumes it
    for path in before.keys() - {*databases, *resumed}:
        assert after.get(path) == before[path], path
    new = [path for path in after.keys() - before.keys() if not path.startswith("home/runs/")]
    new = [path for path in new if path != "home/files" and not path.endswith(".rows.lock")]
    assert new in ([], [f"{LABELLED}.partial"])

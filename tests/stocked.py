"""A home with the base `tiny` and the adapter `mood`, trained once and kept in `data/stocked.tar.gz`.

`python tests/stocked.py` trains it again and replaces the archive: half a minute. Do that when a format changes.
"""

from __future__ import annotations

import sqlite3
import tarfile
import tempfile
from collections import deque
from contextlib import closing
from pathlib import Path
from typing import Any

from weibo_tui import ComputeOptions, PretrainingConfig, TrainingConfig, Workbench
from weibo_tui.engine.hyperparameters import Hyperparameters, PretrainingHyperparameters
from weibo_tui.registry import cards

DATA = Path(__file__).parent / "data"
ARCHIVE = DATA / "stocked.tar.gz"
# In place of the data folder and of the day of the training, which is long ago so that new runs are newer.
FOLDER, DAY = "/weibo-tui-test-data", "2024-01-01"


def train(folder: Path) -> Path:
    """Train the base and the adapter in the home `folder`."""
    machine = ComputeOptions("cpu", "float32", threads=1)
    recipe = PretrainingHyperparameters(tokens=400_000, learning_rate=3e-3)
    corpus = DATA / "corpus.txt"
    base = PretrainingConfig(corpus, "tiny", layers=2, width=64, heads=2, positions=128, recipe=recipe, machine=machine)
    hyper = Hyperparameters(epochs=6, batch_size=16, learning_rate=1e-2, emoticon_dropout=0.5)
    with Workbench(folder) as workbench:
        deque(workbench.iter_pretrain(base), maxlen=0)
        workbench.set_default_base("tiny")
        deque(
            workbench.iter_train(TrainingConfig((DATA / "posts.csv",), "mood", hyper=hyper, machine=machine)), maxlen=0
        )
        workbench.set_default_adapter("mood")
    return folder


def unpack(folder: Path) -> Path:
    """Unpack the archive into `folder`, with the paths of this machine."""
    extract(ARCHIVE, folder)
    _replace(folder, FOLDER, DATA.as_posix())
    (folder / "weibo-tui.db.lock").touch(mode=0o600)  # as in every home in use
    return folder


def extract(path: Path, folder: Path) -> None:
    """Extract an archive of the tests."""
    with tarfile.open(path) as archive:
        archive.extraction_filter = getattr(tarfile, "data_filter", None)  # Python 3.11.4 has it
        archive.extractall(folder)


def _pack(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "weibo-tui.db")) as database:
        (day,) = database.execute("SELECT substr(max(created_at), 1, 10) FROM runs").fetchone()
    for run in (folder / "runs").iterdir():
        run.rename(run.with_name(run.name.replace(day.replace("-", ""), DAY.replace("-", ""))))
    _replace(folder, day.replace("-", ""), DAY.replace("-", ""))
    _replace(folder, day, DAY)
    _replace(folder, DATA.as_posix(), FOLDER)
    with closing(sqlite3.connect(folder / "weibo-tui.db")) as database:
        database.execute("VACUUM")
    with tarfile.open(ARCHIVE, "w:gz") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.name.endswith((".lock", "-wal", "-shm")):
                archive.add(path, path.relative_to(folder).as_posix(), filter=_anonymous)


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = ""
    return member


def _replace(folder: Path, old: str, new: str) -> None:
    """Replace a text in the cards and in the database."""
    kinds: dict[str, type[Any]] = {"bases/tiny": cards.BaseCard, "adapters/mood": cards.AdapterCard}
    for name, kind in kinds.items():
        path = folder / name / "card.json"
        data = path.read_bytes().replace(old.encode(), new.encode())
        path.write_bytes(cards.write(cards.parse(data, kind)))  # with its checksum
    with closing(sqlite3.connect(folder / "weibo-tui.db")) as database, database:
        database.execute("PRAGMA foreign_keys = OFF")
        for table in ("runs", "events"):
            columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})") if row[2] == "TEXT"]
            changes = ", ".join(f"{column} = replace({column}, :old, :new)" for column in columns)
            database.execute(f"UPDATE {table} SET {changes}", {"old": old, "new": new})


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as home:
        _pack(train(Path(home)))

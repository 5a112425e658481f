"""DataFrames and lists where files are accepted. pandas is not imported to read a file."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard

from weibo_tui.datasets.containers import expand
from weibo_tui.datasets.reading import open_table
from weibo_tui.datasets.tables import Columns
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_list
from weibo_tui.storage.runs import Runs

if TYPE_CHECKING:
    import pandas as pd

    from weibo_tui.workbench.results import Predictions

FileName: TypeAlias = str | os.PathLike[str]
LabeledData: TypeAlias = "FileName | Iterable[FileName] | pd.DataFrame"
"""One labeled file, several, or a DataFrame with a column of posts and one of labels."""

NAME = "DataFrame.jsonl"


def is_frame(value: object) -> TypeGuard[pd.DataFrame]:
    """Return whether `value` is a DataFrame, without importing pandas."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, pandas.DataFrame)


def to_path(name: object) -> Path:
    """Return a file name as a path, `~` expanded. Raises UserInputError for other values."""
    try:
        return Path(name).expanduser()  # type: ignore[arg-type]
    except (TypeError, RuntimeError) as error:
        message = _("Not a file name: {type}. Give a str, a Path or a DataFrame.")
        raise UserInputError(message.format(type=type(name).__name__)) from error


@contextmanager
def labeled_files(data: LabeledData) -> Iterator[tuple[Path, ...]]:
    """Give the files of `data` during the block. A DataFrame is written to a temporary one."""
    if is_frame(data):
        with TemporaryDirectory(prefix="weibo-tui-") as folder:
            yield (_write_frame(data, Path(folder)),)
    elif isinstance(data, Iterable) and not isinstance(data, str | bytes | os.PathLike):
        yield tuple(expand(map(to_path, data)))
    else:
        yield tuple(expand([to_path(data)]))


@contextmanager
def labeled_table(data: FileName | pd.DataFrame) -> Iterator[Path]:
    """Give the file of a single table during the block, or its folder of Parquet parts."""
    if not is_frame(data) and (folder := to_path(data)).is_dir():
        yield folder
    else:
        with labeled_files(data) as (path, *_others):
            yield path


@contextmanager
def labeled_texts(texts: Iterable[str], labels: Iterable[object]) -> Iterator[tuple[Path, ...]]:
    """Give a temporary file of posts and labels during the block."""
    posts, values = list(texts), list(labels)
    if len(posts) != len(values):
        message = _("There are {texts} texts and {labels} labels. Give a label for each text.")
        raise UserInputError(message.format(texts=f"{len(posts):,}", labels=f"{len(values):,}"))
    with TemporaryDirectory(prefix="weibo-tui-") as folder:
        yield (_write_rows(Path(folder), ("text", "label"), zip(posts, values, strict=True)),)


def keep_data(runs: Runs, file: Path, part: str = "data") -> None:
    """Move the temporary `file` of a stopped training into the folder of its run, which can then be resumed.

    `part` is its field of `TrainingConfig`."""
    for run in runs.list():
        config = run.plan.get("plan", {})
        if config.get(part) == [str(file)]:
            kept = runs.folder(run.id) / (NAME if part == "data" else f"{part}-{NAME}")
            kept.write_bytes(file.read_bytes())
            runs.rename(run.id, run.name, {**run.plan, "plan": {**config, part: [str(kept)]}})


def check_texts(posts: Iterable[object]) -> Iterator[str]:
    """Yield the posts. A missing one (None, NaN) is an empty text. Raises UserInputError for other values."""
    for number, post in enumerate(posts, 1):
        if isinstance(post, str):
            yield post
        elif _plain(post) is None:
            yield ""
        else:
            message = _("Post {number} is of type {type}. Give texts.")
            raise UserInputError(message.format(number=f"{number:,}", type=type(post).__name__))


def index_of(posts: object) -> pd.Index[Any] | None:
    """Return the index of a Series, and None for other posts."""
    pandas = sys.modules.get("pandas")
    return posts.index if pandas is not None and isinstance(posts, pandas.Series) else None


def text_column(frame: pd.DataFrame, name: str | None) -> pd.Series[Any]:
    """Return the column of posts, which is found as in a file. Raises UserInputError where it is missing."""
    with TemporaryDirectory(prefix="weibo-tui-") as folder:
        column = open_table(_write_frame(frame.head(100), Path(folder)), Columns(name)).text_column
    return frame.iloc[:, list(map(str, frame.columns)).index(column)]


def add_predictions(frame: pd.DataFrame, predictions: Predictions, prefix: str = "") -> pd.DataFrame:
    """Return a copy of `frame` with the columns of a labeled file added, whose names begin with `prefix`."""
    import pandas as pd

    added = predictions.to_pandas().drop(columns="text").add_prefix(prefix)
    if existing := [str(name) for name in added if name in frame.columns]:
        message = _("{path} has columns named {columns} already. Rename them first.")
        raise UserInputError(message.format(path="DataFrame", columns=join_list(existing)))
    return pd.concat([frame, added], axis=1)


def _write_frame(frame: pd.DataFrame, folder: Path) -> Path:
    names = list(map(str, frame.columns))
    if duplicates := [name for name in names if names.count(name) > 1]:
        message = _("{path} has two columns named {name}. Give each column its own name.")
        raise UserInputError(message.format(path="DataFrame", name=repr(duplicates[0])))
    return _write_rows(folder, names, frame.itertuples(index=False, name=None))


def _write_rows(folder: Path, names: Sequence[str], rows: Iterable[Iterable[object]]) -> Path:
    """Write a file of JSON lines, whose values keep their types."""
    path = folder / NAME
    with path.open("w", encoding="ascii") as file:
        for row in rows:
            file.write(json.dumps(dict(zip(names, map(_plain, row), strict=True))) + "\n")
    return path


def _plain(value: Any) -> Any:
    """Return a cell as a JSON value. A missing one (NaN, NaT, NA) is None."""
    if hasattr(value, "item") and getattr(value, "ndim", 0) == 0:
        value = value.item()  # of NumPy
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None if math.isnan(value) else str(value)
    return None if type(value).__name__ in ("NAType", "NaTType") else str(value)

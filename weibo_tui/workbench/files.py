"""The methods of the workbench for labeled files that are opened: list, open, remove."""

from __future__ import annotations

import getpass
from collections.abc import Collection, Generator, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path

from weibo_tui.datasets.answers import SampledAnswers
from weibo_tui.datasets.labeled_rows import DETECTED, FileOptions
from weibo_tui.datasets.writing import format_of_suffix
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.part_folders import table_exists, table_sha256
from weibo_tui.progress import Progress
from weibo_tui.storage.entries import FILE_SOURCE, HistoryFilter, LabeledFile
from weibo_tui.storage.file_rows import FileRows
from weibo_tui.storage.row_filters import ALL_ROWS, FILE_ORDER, RowFilter, RowOrder
from weibo_tui.workbench import blocking, frames
from weibo_tui.workbench.comparison_result import ComparedPost, ComparisonResult
from weibo_tui.workbench.core import Events, WorkbenchCore
from weibo_tui.workbench.file_caches import FileCaches, FileState, ListedFile
from weibo_tui.workbench.file_export import ExportedFile
from weibo_tui.workbench.opened_file import OpenedFile

_MAX_LABELED = 1000  # entries of the history that are listed


class FileMethods(WorkbenchCore):
    """Base class of the workbench with these methods."""

    def __init__(self, home: str | PathLike[str] | None = None, starter: Path | None = None) -> None:
        super().__init__(home, starter)
        self._caches = FileCaches(self.paths.files)
        self._opened: dict[Path, OpenedFile] = {}

    def close(self) -> None:
        """Close the database and all opened files."""
        while self._opened:
            self._opened.popitem()[1].close()
        super().close()

    @property
    def annotator(self) -> str:
        """The name that answers are stored with: that of the settings, otherwise the login name."""
        if self.settings.annotator:
            return self.settings.annotator
        try:
            return getpass.getuser()
        except (OSError, KeyError, ImportError):  # a container may have no name for its user
            return "annotator"

    def list_files(self) -> list[ListedFile]:
        """Return the files that were opened, and the labeled ones of the history, newest first."""
        opened = sorted(self._caches.files(), key=lambda file: file.time)
        entries = self._labeled_files()
        files = {
            file.path: replace(
                file,
                answers=self.count_answers(file) or file.answers,
                adapter=file.adapter or _adapter_of(entries, file.path, file.counts),
            )
            for file in opened
        }
        for entry in entries:
            if entry.out not in files:
                state: FileState = "not opened" if table_exists(entry.out) else "removed"
                files[entry.out] = ListedFile(
                    entry.out, state, entry.rows, entry.counts, 0, entry.adapter, entry.created_at
                )
        return sorted(files.values(), key=lambda file: file.time, reverse=True)

    def count_answers(self, file: ListedFile) -> int:
        """Return the number of rows of a file with an answer in the log."""
        answers = self.answers.of(file.posts) if file.posts else {}
        return sum(answer.is_answered for answer in answers.values())

    def iter_open_file(
        self, path: Path, options: FileOptions = DETECTED
    ) -> Generator[Progress | OpenedFile, None, None]:
        """Open a table of posts with labels, or without.

        The last event is an `OpenedFile`. One that is opened for the first time is read with progress, and there is an
        `OpenedFile` at the beginning too, of which the first rows can be shown already.
        """
        steps = self._caches.open(path, options)
        while True:
            try:
                step = next(steps)
            except StopIteration as stop:
                yield self._keep(stop.value)
                return
            yield self._keep(step) if isinstance(step, FileRows) else step

    def opened_file(self, fingerprint: str) -> OpenedFile:
        """Return the opened file whose fingerprint begins like this, the last one of several."""
        for file in reversed(self._opened.values()):
            if file.info.fingerprint.startswith(fingerprint):
                return file
        raise UserInputError(_("File {name} is not open. Open it first.").format(name=fingerprint))

    def iter_sampled_answers(
        self, path: Path, options: FileOptions = DETECTED
    ) -> Generator[Progress, None, SampledAnswers | None]:
        """Return the answers to rows of a file that count in an estimate, None for a file without answers.

        One that has answers is opened if that is needed: its cache may have been removed, or the file was copied or
        has changed since."""
        annotated = self.answers.files()
        posts = {one.posts for one in annotated}
        is_annotated = any(one.path == path.absolute() for one in annotated)
        files = [file for file in self._caches.files() if is_annotated or file.posts in posts]
        ready = [file for file in files if file.path == path.absolute() and file.state == "ready"]
        if ready:
            opened = self._keep(FileRows(ready[0].cache))
        elif is_annotated or _has_fingerprint(path, {file.fingerprint for file in files}):
            opened = yield from self.iter_opened(path, options)
        else:
            return None
        return opened.sampled_answers() if opened.has_answers else None

    def find_file(self, name: str) -> ListedFile:
        """Return the file of the list with a path, or the start of a fingerprint."""
        path = frames.to_path(name).absolute()
        for file in self.list_files():
            if file.path == path or (len(name) >= 4 and file.fingerprint.startswith(name)):
                return file
        message = _("No file {name} in the list. Show the list with 'weibo-tui files list'.")
        in_app = _("No file {name} in the list.")
        raise UserInputError(message.format(name=name), in_app.format(name=name))

    def iter_export_file(
        self,
        file: OpenedFile | frames.FileName,
        out: Path,
        filter: RowFilter = ALL_ROWS,  # noqa: A002 - the usual word
        order: RowOrder = FILE_ORDER,
        overwrite: bool = False,
    ) -> Events:
        """Write the matching rows of a file with their labels: progress, then an `ExportedFile`.

        The file is an opened one, or a path, or the start of a fingerprint in the list."""
        path = file.info.path if isinstance(file, OpenedFile) else self.find_path(file)
        self.check_output(out, overwrite, [path])
        format_of_suffix(out)
        if not isinstance(file, OpenedFile):
            file = yield from self.iter_opened(path)
        yield from file.iter_export(out, filter, order, overwrite)

    def iter_opened(self, path: Path, options: FileOptions = DETECTED) -> Generator[Progress, None, OpenedFile]:
        """Open a file as `iter_open_file` does, with progress, and return it."""
        for step in self.iter_open_file(path, options):
            if isinstance(step, Progress):
                yield step
            else:
                file = step
        return file

    def iter_correct_compared(self, result: ComparisonResult, post: ComparedPost, label: str | None) -> Events:
        """Give a post of a comparison a human label, None to remove it, as `OpenedFile.correct` does.

        The file is opened if that is needed, with progress. Raise UserInputError where it has changed since."""
        file = yield from self.iter_opened(result.path, result.options)
        if post.row > file.info.rows or file.row(post.row).text != post.text:
            raise UserInputError(_("{path} has changed since. Compare again.").format(path=result.path))
        file.correct([post.row], label)

    def find_path(self, name: frames.FileName) -> Path:
        """Return the path of a file, given by it or by the start of a fingerprint in the list."""
        path = frames.to_path(name)
        return path if path.exists() else self.find_file(str(name)).path

    def remove_file(self, file: ListedFile, answers: bool = False) -> None:
        """Remove what is kept of an opened file, and with `answers` those too. The file itself stays.

        Raise UserInputError for a file that was not opened, or that is being read by another program."""
        caches = [other.cache for other in self._caches.files() if other.path == file.path]
        if file.state == "indexing":
            raise UserInputError(_("{path} is being read. Wait until that is done.").format(path=file.path))
        if not caches:
            raise UserInputError(_("Nothing is kept of {path}, because it was not opened.").format(path=file.path))
        for cache in caches:
            if (opened := self._opened.pop(cache, None)) is not None:
                opened.close()
            self._caches.remove(cache)
        if answers and file.posts:
            self.answers.remove(file.posts)

    def files(self) -> list[ListedFile]:
        """Return the files that were opened, and the labeled ones of the history, newest first."""
        with blocking.translate_errors():
            return self.list_files()

    def open_file(self, path: frames.FileName, options: FileOptions = DETECTED, *, progress: bool = True) -> OpenedFile:
        """Open a table of posts with labels, or without, to filter, sort and correct its rows.

        The first time, all rows are read into the home folder. `remove_file` deletes that again.

        >>> from weibo_tui import RowFilter, RowOrder
        >>> file = wb.open_file("posts.csv")
        >>> file.info.rows, file.info.roles["post"]
        (40, 'review')
        >>> selection = file.select(RowFilter(text="面"), RowOrder("text"))
        >>> row = file.rows(selection, 0, 1)[0]
        >>> "面" in row.text, row.human_source
        (True, 'file')
        >>> file.correct([row.number], "neutral")
        >>> file.row(row.number).human, file.undo() == [row.number]
        ('neutral', True)
        """

        def finish() -> Events:
            yield (yield from self.iter_opened(frames.to_path(path), options))

        return blocking.run(finish(), OpenedFile, progress)

    def export_file(
        self,
        file: OpenedFile | frames.FileName,
        out: frames.FileName,
        filter: RowFilter = ALL_ROWS,  # noqa: A002
        order: RowOrder = FILE_ORDER,
        overwrite: bool = False,
        *,
        progress: bool = True,
    ) -> ExportedFile:
        """Write the matching rows of a file with all their cells, and after these their labels.

        The columns `label` and `label_source` have the human label, or else the predicted one."""
        events = self.iter_export_file(file, frames.to_path(out), filter, order, overwrite)
        return blocking.run(events, ExportedFile, progress)

    def _labeled_files(self) -> list[LabeledFile]:
        """Return the labeled files of the history, newest first."""
        entries = self.history.page(_MAX_LABELED, filter=HistoryFilter(source=FILE_SOURCE))
        return [entry for entry in entries if isinstance(entry, LabeledFile)]

    def _keep(self, rows: FileRows) -> OpenedFile:
        """Return the opened file of a cache, the one of before where it is open already."""
        file = self._opened.pop(rows.path, None)
        if file is None or not file.is_in_place(rows):
            file = OpenedFile(rows, self.answers, self.annotator, lambda: self.settings.uncertain_below, self._adapter)
        else:
            rows.close()
            file.refresh()
        self._opened[rows.path] = file
        return file

    def _adapter(self, path: Path, counts: Mapping[str, int]) -> str:
        return _adapter_of(self._labeled_files(), path, counts)


def _adapter_of(entries: Sequence[LabeledFile], path: Path, counts: Mapping[str, int]) -> str:
    """Return the adapter that labeled a file, "" when none is known. `counts` tells apart a file that replaced it."""
    known = (entry.adapter for entry in entries if entry.out == path and _labels(entry.counts) == _labels(counts))
    return next(known, "")


def _labels(counts: Mapping[str, int]) -> dict[str, int]:
    return {label: number for label, number in counts.items() if number}


def _has_fingerprint(path: Path, fingerprints: Collection[str]) -> bool:
    return bool(fingerprints) and table_exists(path) and table_sha256(path) in fingerprints

"""The methods of the workbench for annotations: sessions, files, agreement, training and measuring."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from weibo_tui.datasets.annotation_formats import (
    AnnotationFormat,
    default_format,
    read_annotations,
    write_annotations,
)
from weibo_tui.storage.answers import PURPOSES, AnnotatedFile, Purpose
from weibo_tui.workbench import annotation_files, annotation_results, blocking
from weibo_tui.workbench.annotation import Annotation, Queue, Table, TeachBy
from weibo_tui.workbench.annotation_files import ImportedAnnotations
from weibo_tui.workbench.annotation_results import AnnotatorAgreement, SampleMeasurement, TrainingRows
from weibo_tui.workbench.core import Events
from weibo_tui.workbench.files import FileMethods
from weibo_tui.workbench.frames import FileName, to_path


class AnnotationMethods(FileMethods):
    """Base class of the workbench with these methods."""

    def annotate(
        self, table: Table, queue: Queue = "sample", annotator: str = "", teach_by: TeachBy = "random"
    ) -> Annotation:
        """Begin or continue to annotate an opened file: a random `sample`, or posts to `teach` a model with.

        The latter are random too, or `teach_by` is `uncertain`: then the model is unsure of half of them.

        >>> file = wb.open_file("posts.csv", progress=False)
        >>> session = wb.annotate(file, annotator="ada")
        >>> reveal = session.answer(session.next(), "positive", seconds=2.5)
        >>> session.progress().done
        1
        """
        return Annotation(table, self.answers, queue, annotator or self.annotator, teach_by)

    def annotated_files(self) -> list[AnnotatedFile]:
        """Return the files with answers, those that were answered last first."""
        return self.answers.files()

    def find_annotated_file(self, file: FileName) -> AnnotatedFile:
        """Return the annotated file at a path, or whose posts have a fingerprint that begins like this."""
        return annotation_files.find_annotated_file(self.answers, str(file))

    def export_annotations(
        self,
        file: FileName,
        out: FileName,
        format: AnnotationFormat | None = None,  # noqa: A002 - as the option
        purposes: Sequence[str] = PURPOSES,
        overwrite: bool = False,
    ) -> int:
        """Write the answers to a file as `jsonl`, `csv`, `doccano` or `label-studio` (default: by the suffix).

        Return their number."""
        path = to_path(out)
        found = self.find_annotated_file(file)
        self.check_output(path, overwrite, [found.path])
        records = annotation_files.export_records(self.answers, found, purposes)
        write_annotations(path, records, format or default_format(path), overwrite)
        return len(records)

    def iter_import_annotations(
        self,
        file: Path,
        source: Path,
        format: AnnotationFormat | None = None,  # noqa: A002
        purpose: Purpose = "correction",
        annotator: str = "",
        overwrite: bool = False,
    ) -> Events:
        """Add the answers in `source` to a file of posts: progress, then `ImportedAnnotations`.

        They are matched by row and text, otherwise by text. `purpose` is that of answers without one."""
        records = read_annotations(source, format or default_format(source))
        table = yield from self.iter_opened(file)
        name = annotator or self.annotator
        yield annotation_files.import_records(self.answers, table, records, name, purpose, overwrite)

    def import_annotations(
        self,
        file: FileName,
        source: FileName,
        format: AnnotationFormat | None = None,  # noqa: A002
        purpose: Purpose = "correction",
        annotator: str = "",
        overwrite: bool = False,
        *,
        progress: bool = True,
    ) -> ImportedAnnotations:
        """Add the answers in `source` to a file of posts. An answer that exists stays, unless `overwrite`."""
        events = self.iter_import_annotations(to_path(file), to_path(source), format, purpose, annotator, overwrite)
        return blocking.run(events, ImportedAnnotations, progress)

    def annotator_agreement(self, file: FileName) -> list[AnnotatorAgreement]:
        """Return the agreement of each annotator of a file with her hidden repeats, then of each two annotators."""
        return annotation_results.agreements(self.answers.entries(self.find_annotated_file(file).posts))

    def training_rows(self, file: FileName, out: FileName, overwrite: bool = False) -> TrainingRows:
        """Write the answers to a file that can be trained on as CSV: posts to teach with, and corrections."""
        path = to_path(out)
        found = self.find_annotated_file(file)
        self.check_output(path, overwrite, [found.path])
        return annotation_results.write_training_rows(self.answers, found.posts, path, overwrite)

    def iter_measure_on_sample(self, file: FileName, adapters: Sequence[str]) -> Events:
        """Evaluate adapters on the sample answers to a file: progress, then a `SampleMeasurement`."""
        posts = self.find_annotated_file(file).posts
        yield from annotation_results.measure_on_sample(self.models, self.answers, posts, adapters)

    def measure_on_sample(self, file: FileName, adapters: Sequence[str], *, progress: bool = True) -> SampleMeasurement:
        """Return the score cards of adapters, the oldest first, on the same sample answers to a file."""
        return blocking.run(self.iter_measure_on_sample(file, adapters), SampleMeasurement, progress)

"""Uses of an opened file: annotation, estimates, a report, wrong labels, and training data."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from textual.message_pump import MessagePump

from weibo_tui.app.base import BaseApp
from weibo_tui.app.dialogs import ChoiceDialog
from weibo_tui.app.files.annotate import AnnotateScreen
from weibo_tui.app.files.estimate import EstimateScreen
from weibo_tui.app.files.measure import MeasureScreen
from weibo_tui.app.files.report import ReportScreen, ReportView
from weibo_tui.app.forms.path_dialog import PathDialog
from weibo_tui.app.services.jobs import Job
from weibo_tui.datasets.tables import Columns
from weibo_tui.display_names import label_name
from weibo_tui.errors import UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_list, ngettext
from weibo_tui.workbench.annotation_results import TrainingRows
from weibo_tui.workbench.config import AuditConfig
from weibo_tui.workbench.label_errors import LabelErrorSearch
from weibo_tui.workbench.opened_file import FileInfo, OpenedFile

_MAX_REPORTS = 3
_PRESET = "few"  # people rarely label more than some hundred posts
_USEFUL = 100  # posts, with fewer of which the adapters that were measured were hardly better than chance


class FileUse:
    """Opens the screens of a file. The last reports are kept, because a large file takes a minute."""

    def __init__(self) -> None:
        self._reports: dict[str, ReportView] = {}

    async def annotate(self, app: BaseApp, file: OpenedFile, info: FileInfo) -> None:
        """Ask which posts to label, and open the screen for it."""
        queues = [
            ("sample", _("A random sample: for shares, reports and scores")),
            ("random", _("Posts for training: at random, kept apart from the sample")),
            ("uncertain", _("Posts for training: half of them those that the model is least sure of")),
        ]
        answer = await app.push_screen_wait(ChoiceDialog(_("Which posts do you want to label?"), queues))
        if answer == "sample":
            app.push_screen(AnnotateScreen(file, info, "sample"))
        elif answer is not None:
            app.push_screen(AnnotateScreen(file, info, "teach", "uncertain" if answer == "uncertain" else "random"))

    def estimate(self, app: BaseApp, file: OpenedFile, info: FileInfo) -> None:
        """Open the estimates."""
        app.push_screen(EstimateScreen(file, info))

    def report(self, app: BaseApp, file: OpenedFile, info: FileInfo) -> None:
        """Open the report, where it was left."""
        view = self._reports.pop(info.fingerprint, None) or ReportView()
        self._reports = dict([*self._reports.items(), (info.fingerprint, view)][-_MAX_REPORTS:])
        app.push_screen(ReportScreen(file, info, view))

    async def measure(self, app: BaseApp, file: OpenedFile, info: FileInfo) -> None:
        """Ask for an adapter, and compare it with the file's own on the sample answers."""
        created = {card.name: card.created_at for card in app.catalog.adapters}
        others = sorted(created.keys() - {info.adapter}, key=created.__getitem__, reverse=True)
        if not created:
            raise UserInputError(_("No adapter is installed. Train one first."))
        question = _("Measure on the sample, with {adapter}:").format(adapter=info.adapter)
        if info.adapter not in created:
            question = _("Measure on the sample:")
        choices = [(name, name) for name in others] or [(info.adapter, info.adapter)]
        answer = await app.push_screen_wait(ChoiceDialog(question, choices))
        if answer is not None:
            adapters = {answer, info.adapter} & created.keys()
            app.push_screen(MeasureScreen(file, info, sorted(adapters, key=created.__getitem__)))

    async def find_label_errors(self, app: BaseApp, info: FileInfo, owner: MessagePump) -> Job | None:
        """Ask how to look for wrong human labels in the file's own column, and start that. Return the job."""
        proposed = str(info.path.with_name(f"{info.path.stem}-label-errors.csv"))
        dialog = PathDialog(_("File to list the labels in that are probably wrong"), proposed, save=True)
        path: Path | None = await app.push_screen_wait(dialog)
        if path is None:
            return None
        answers = [
            ("linear", _("With a linear model: seconds")),
            ("adapter", _("With five small adapters on the default base: minutes")),
        ]
        model = await app.push_screen_wait(ChoiceDialog(_("How do you want to look for wrong labels?"), answers))
        if model is None:
            return None
        columns = Columns(text=info.roles["post"], label=info.roles["label"])
        search = LabelErrorSearch(AuditConfig((info.path,), columns), path, dialog.overwrite, model)
        job = Job("audit", info.path.name, lambda wb: wb.iter_label_errors(search), owner)
        return app.start_job(job, app.reports if model == "linear" else app.engine)

    async def train(self, app: BaseApp, info: FileInfo) -> None:
        """Write the answers that can be trained on to a file, and open the training form with it."""
        proposed = str(info.path.with_name(f"{info.path.stem}-training.csv"))
        dialog = PathDialog(_("File to write the labeled posts to"), proposed, save=True)
        path: Path | None = await app.push_screen_wait(dialog)
        if path is None:
            return
        overwrite = dialog.overwrite
        rows = await app.records.call(lambda wb: wb.training_rows(info.posts, path, overwrite))
        answers = [("train", _("Open the training form")), ("later", _("Not now"))]
        if await app.push_screen_wait(ChoiceDialog("\n".join(_training_notes(rows)), answers)) == "train":
            await app.open_training_form(data=path, preset=_PRESET)


def _training_notes(rows: TrainingRows) -> Iterator[str]:
    """Yield what was written, and what was left out."""
    counts = join_list(f"{label_name(label)} {number:,}" for label, number in rows.labels.items())
    yield _("Written to train on: {counts}.").format(counts=counts)
    if sum(rows.labels.values()) < _USEFUL:
        message = _("With fewer than {number} posts an adapter is hardly better than chance. Label more for training.")
        yield message.format(number=_USEFUL)
    if rows.barred:
        yield ngettext(
            "{number:,} post was left out, because its text is in a sample.",
            "{number:,} posts were left out, because their texts are in a sample.",
            rows.barred,
        ).format(number=rows.barred)

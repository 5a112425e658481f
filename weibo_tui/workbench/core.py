"""The workbench: the one object that the command line, the app and a notebook hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from weibo_tui.datasets.auditing import Audit, audit
from weibo_tui.storage.history import Analysis
from weibo_tui.workbench import evaluation, labelling, prediction, pretraining, training
from weibo_tui.workbench.home import Home
from weibo_tui.workbench.plans import (
    AuditPlan,
    EvaluationPlan,
    LabellingPlan,
    Machine,
    PretrainingPlan,
    TrainingPlan,
)


@dataclass(frozen=True, slots=True)
class Audited:
    """An audit is done."""

    audit: Audit


class Workbench(Home):
    """Everything a face needs. Use `Workbench.open`, as a context manager."""

    def predict(
        self,
        posts: Iterable[str],
        adapter: str = "",
        *,
        record: bool | None = None,
        source: str = "python",
        machine: Machine = Machine(),
        window: int = prediction.WINDOW,
    ) -> Iterator[Analysis]:
        """Judge posts, in order, `window` at a time. They are kept in the history unless `record`, or without it
        the setting, says no. A post with nothing to read gives an Analysis with an error and no label."""
        return prediction.predict(self, posts, adapter, record, source, machine, window)

    def audit(self, plan: AuditPlan) -> Iterator[object]:
        """Look at labelled files: an iterator of progress, `Audited` the last."""
        columns = plan.columns
        found = yield from audit(plan.data, columns.text, columns.label, columns.encoding, plan.labels)
        yield Audited(found)

    def train(self, plan: TrainingPlan) -> Iterator[object]:
        """Train an adapter: an iterator of events, `RunFinished` the last. Closing it stops with a checkpoint."""
        return training.train(self, plan)

    def pretrain(self, plan: PretrainingPlan) -> Iterator[object]:
        """Make a base from plain text: an iterator of events, `RunFinished` the last."""
        return pretraining.pretrain(self, plan)

    def resume(self, run_id: str) -> Iterator[object]:
        """Go on with an interrupted, stopped or failed run from its checkpoint, exactly."""
        run = self.runs.get(run_id)
        resume = training.resume if run.kind == training.KIND else pretraining.resume
        return resume(self, run)

    def evaluate(self, plan: EvaluationPlan) -> Iterator[object]:
        """Measure an adapter on labelled files: an iterator of events, `Scored` the last."""
        return evaluation.evaluate(self, plan)

    def label_file(self, plan: LabellingPlan) -> Iterator[object]:
        """Label a file: an iterator of events, `FileLabelled` the last. Goes on where a killed one was."""
        return labelling.label_file(self, plan)

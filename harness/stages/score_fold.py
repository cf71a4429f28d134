"""Scores, predictions and projection of a trained fold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from harness.core.scores import Scores
from harness.core.table import Table
from harness.core.walk import passes
from harness.evaluate.projection_2d import Projection
from harness.prepare.experiment import Experiment
from harness.record.fold_record import FoldRecord
from harness.record.predictions import RowOutputs
from harness.runtime.stop_signals import Stop
from harness.stages.fold_baselines import FoldBaselines, fit_baselines
from harness.stages.pretrain import compared


@dataclass(frozen=True)
class FoldScores:
    """The results of a fold, before they are written.

    scores   of each part, with baselines beside them
    outputs  of the test rows; None where they are not scored, or the model has no head
    picture  of the representation; None where the evaluator has none, or test rows are not scored
    fitted   the baselines that were fitted on the fold's rows
    """

    scores: list[tuple[str, Scores]]
    outputs: RowOutputs | None = None
    picture: Projection | None = None
    fitted: FoldBaselines = field(default_factory=FoldBaselines)

    def write(self, fold_record: FoldRecord, table: Table) -> None:
        """Writes them into the fold's record."""
        passes("record")
        for part, scores in [*self.scores, *self.fitted.scores]:
            fold_record.score(part, scores)
        fold_record.compare(self.fitted.intervals, self.fitted.notes)
        if self.outputs is not None:
            fold_record.predict(table, self.outputs)
        fold_record.project(self.picture)


def score_fold(experiment: Experiment, stop: Stop, parts: Sequence[str]) -> FoldScores:
    """Scores the best epoch's weights; without "test" among the parts, no test row is read."""
    of = partial(evaluate, parts=parts)
    scores = [*of(experiment), *compared(experiment, stop, of)]
    if "test" not in parts:
        return FoldScores(scores)
    baselines = fit_baselines(experiment, parts, experiment.cfg.get("baseline", "off"))
    return FoldScores(scores, test_outputs(experiment), projection(experiment), baselines)


def evaluate(experiment: Experiment, parts: Sequence[str]) -> list[tuple[str, Scores]]:
    """The scores of those of the parts that the fold has."""
    passes("evaluate")
    predictor = experiment.trainer.predictor()
    return [
        (part, experiment.evaluator.score(predictor, experiment.loaders, part, experiment.untrained))
        for part in _present(experiment)
        if part in parts
    ]


def test_outputs(experiment: Experiment) -> RowOutputs | None:
    """Returns the outputs of the test rows; None without test rows or without a head."""
    test = experiment.loaders.test
    outputs = None if test is None else experiment.trainer.predictor().gather(test).outputs
    if test is None or outputs is None:
        return None
    targets = None if test.targets is None else test.targets.cpu()
    return RowOutputs(test.rows.cpu(), targets, outputs.cpu())


def projection(experiment: Experiment) -> Projection | None:
    """Returns the projection of the representation, where the evaluator makes one."""
    look = getattr(experiment.evaluator, "project", None)
    parts = _present(experiment)
    if look is None or not parts:
        return None
    points: Projection | None = look(
        experiment.trainer.predictor(), experiment.loaders, parts[-1], experiment.untrained
    )
    return points


def _present(experiment: Experiment) -> list[str]:
    return [part for part, _ in experiment.fold.parts() if part in ("valid", "test")]

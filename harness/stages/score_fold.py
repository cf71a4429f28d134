"""Scores, predictions and projection of a trained fold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from harness.core.arrays import Loader
from harness.core.scores import Scores
from harness.core.table import Table
from harness.core.walk import passes
from harness.evaluate.projection_2d import Projection
from harness.prepare.experiment import Experiment
from harness.prepare.sealed_test import require_unsealed
from harness.record.fold_record import FoldRecord
from harness.record.predictions import RowOutputs
from harness.runtime.stop_signals import Stop
from harness.stages.calibrate import uncalibrated
from harness.stages.fold_baselines import FoldBaselines, fit_baselines
from harness.stages.fold_importance import FoldImportance, find_importance
from harness.stages.pretrain import compared


@dataclass(frozen=True)
class FoldScores:
    """The results of a fold, before they are written.

    scores   of each part, with baselines beside them
    outputs  of the test rows; None where they are not scored, or the model has no head
    picture  of the representation; None where the evaluator has none, or test rows are not scored
    fitted   the baselines that were fitted on the fold's rows
    valid    outputs of the validation rows; None where nobody asks for them
    columns  the importance of the columns; None where it is not computed
    """

    scores: list[tuple[str, Scores]]
    outputs: RowOutputs | None = None
    picture: Projection | None = None
    fitted: FoldBaselines = field(default_factory=FoldBaselines)
    valid: RowOutputs | None = None
    columns: FoldImportance = field(default_factory=FoldImportance)

    def write(self, fold_record: FoldRecord, table: Table) -> None:
        """Writes them into the fold's record."""
        passes("record")
        for part, scores in [*self.scores, *self.fitted.scores]:
            fold_record.score(part, scores)
        fold_record.compare(self.fitted.intervals, [*self.fitted.notes, *self.columns.notes])
        fold_record.importance = self.columns.importance
        if self.outputs is not None:
            fold_record.predict(table, self.outputs)
        if self.valid is not None:
            fold_record.keep_validation(table, self.valid)
        fold_record.project(self.picture)


def score_fold(
    experiment: Experiment,
    table: Table,
    stop: Stop,
    parts: Sequence[str],
    validation: bool = False,
    before: Sequence[RowOutputs] = (),
) -> FoldScores:
    """Scores the best epoch's weights; without "test" among the parts, no test row is read.

    Args:
        validation: whether the outputs of the validation rows are wanted.
        before: the outputs for the test rows of the networks of the same ensemble that came before.

    Raises:
        SealedRows: test rows were sealed since the run began.
    """
    if "test" in parts:
        require_unsealed(experiment.cfg, table, [experiment.fold])
    of = partial(evaluate, parts=parts)
    scores = [*of(experiment), *uncalibrated(experiment, of), *compared(experiment, stop, of)]
    valid = row_outputs(experiment, "valid") if validation else None
    if "test" not in parts:
        return FoldScores(scores, valid=valid)
    baselines = fit_baselines(experiment, parts, experiment.cfg.get("baseline", "off"), before)
    columns = find_importance(experiment, table)
    test = row_outputs(experiment, "test")
    return FoldScores(scores, test, projection(experiment), baselines, valid, columns)


def evaluate(experiment: Experiment, parts: Sequence[str]) -> list[tuple[str, Scores]]:
    """The scores of those of the parts that the fold has."""
    passes("evaluate")
    predictor = experiment.predictor()
    return [
        (part, experiment.evaluator.score(predictor, experiment.loaders, part, experiment.untrained))
        for part in _present(experiment)
        if part in parts
    ]


def row_outputs(experiment: Experiment, part: Literal["valid", "test"]) -> RowOutputs | None:
    """Returns the outputs of a part's rows; None without such rows or without a head."""
    loader: Loader | None = getattr(experiment.loaders, part)
    outputs = None if loader is None else experiment.predictor().gather(loader).outputs
    if loader is None or outputs is None:
        return None
    targets = None if loader.targets is None else loader.targets.cpu()
    return RowOutputs(loader.rows.cpu(), targets, outputs.cpu())


def projection(experiment: Experiment) -> Projection | None:
    """Returns the projection of the representation, where the evaluator makes one."""
    look = getattr(experiment.evaluator, "project", None)
    parts = _present(experiment)
    if look is None or not parts:
        return None
    points: Projection | None = look(
        experiment.predictor(), experiment.loaders, parts[-1], experiment.untrained
    )
    return points


def _present(experiment: Experiment) -> list[str]:
    return [part for part, _ in experiment.fold.parts() if part in ("valid", "test")]

"""Assess: what a trained fold comes to, in scores, predictions and a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from harness.core.scores import Scores
from harness.core.table import Table
from harness.core.walk import passes
from harness.evaluate.projection_2d import Projection
from harness.prepare.experiment import Experiment
from harness.record.fold_record import FoldRecord
from harness.record.predictions import Said
from harness.runtime.stop_signals import Stop
from harness.stages.pretrain import compared


@dataclass(frozen=True)
class FoldScores:
    """Nothing of it is written yet.

    scores   of each part, with baselines beside them
    said     of the test rows; None where they are left alone, or cannot be predicted
    picture  of the representation; None where the evaluator has none, or test rows are left alone
    """

    scores: list[tuple[str, Scores]]
    said: Said | None = None
    picture: Projection | None = None

    def write(self, fold_record: FoldRecord, table: Table) -> None:
        """Onto the page of the fold."""
        passes("record")
        for part, scores in self.scores:
            fold_record.score(part, scores)
        if self.said is not None:
            fold_record.predict(table, self.said)
        fold_record.project(self.picture)


def score_fold(experiment: Experiment, stop: Stop, parts: Sequence[str]) -> FoldScores:
    """Of the best epoch's weights; without "test" among the parts, no test row is looked at."""
    of = partial(evaluate, parts=parts)
    scores = [*of(experiment), *compared(experiment, stop, of)]
    if "test" not in parts:
        return FoldScores(scores)
    return FoldScores(scores, said(experiment), projection(experiment))


def evaluate(experiment: Experiment, parts: Sequence[str]) -> list[tuple[str, Scores]]:
    """The scores of those of the parts that the fold has."""
    passes("evaluate")
    predictor = experiment.trainer.predictor()
    return [
        (part, experiment.evaluator.score(predictor, experiment.loaders, part, experiment.untrained))
        for part in _present(experiment)
        if part in parts
    ]


def said(experiment: Experiment) -> Said | None:
    """What the network says of the test rows, where there are some and it predicts."""
    test = experiment.loaders.test
    outputs = None if test is None else experiment.trainer.predictor().gather(test).outputs
    if test is None or outputs is None:
        return None
    targets = None if test.targets is None else test.targets.cpu()
    return Said(test.rows.cpu(), targets, outputs.cpu())


def projection(experiment: Experiment) -> Projection | None:
    """What a picture of the representation shows, where the evaluator looks at one."""
    look = getattr(experiment.evaluator, "project", None)
    parts = _present(experiment)
    if look is None or not parts:
        return None
    found: Projection | None = look(
        experiment.trainer.predictor(), experiment.loaders, parts[-1], experiment.untrained
    )
    return found


def _present(experiment: Experiment) -> list[str]:
    return [part for part, _ in experiment.fold.parts() if part in ("valid", "test")]

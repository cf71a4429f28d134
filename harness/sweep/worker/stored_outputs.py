"""The outputs for validation rows that a trial has stored, and scores of them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from harness.core.errors import UserError
from harness.core.protocol import Evaluator
from harness.core.steady_score import plain_name
from harness.core.task import Task
from harness.evaluate.resampled_scores import Pool, ResampledScores
from harness.evaluate.selection_bias import score_spread
from harness.prepare.evaluation import with_user_metrics
from harness.prepare.parts import Parts
from harness.record.run_record import RESULT
from harness.runs.run_result import Result
from harness.runs.stored_run import StoredRun
from harness.runs.validation_rows import FILE, ValidationRows, read_validation
from harness.sweep.study.noise_stop import FEWEST_RUNS

_RUNS_APART = 1_000_000
"""Added to the fold of each further repeat of a trial."""


def outputs_of(home: Path) -> ValidationRows | None:
    """Of several repeats, all of them as further folds; None where one is missing.

    Args:
        home: the folder of the trial.
    """
    runs = [read_validation(run / FILE) for run in runs_of(home)]
    present = [run for run in runs if run is not None]
    if not present or len(present) < len(runs):
        return None
    if len(present) == 1:
        return present[0]
    fold = [run.fold + _RUNS_APART * place for place, run in enumerate(present)]
    joined = {
        name: np.concatenate([getattr(run, name) for run in present])
        for name in ("row", "group", "target", "output")
    }
    return ValidationRows(present[0].task, np.concatenate(fold), **joined)


def runs_of(home: Path) -> list[Path]:
    """The folders of a trial's runs."""
    return (
        [home] if (home / RESULT).exists() else sorted(path.parent for path in home.glob(f"seed-*/{RESULT}"))
    )


def pool_of(home: Path, task: Task) -> Pool | None:
    """What computes scores of predictions in a trial; None where its evaluation cannot."""
    cfg = StoredRun(runs_of(home)[0]).config
    evaluator: Evaluator = with_user_metrics(Parts(cfg).evaluate, cfg, task)
    pool: Pool | None = getattr(evaluator, "pool", None)
    return pool


def score_error(home: Path, results: Sequence[Result], name: str) -> float | None:
    """The standard error of a trial's score: of its folds and repeats, or of its validation rows.

    Args:
        home: the folder of the trial.
        results: of its runs.
        name: of the score.

    Returns:
        None where there are fewer than three folds or repeats, and no stored outputs.
    """
    values = [value for result in results for value in result.scores[name]["folds"] if value is not None]
    if len(values) >= FEWEST_RUNS:
        return float(statistics.stdev(values)) / math.sqrt(len(values))
    part, _, plain = name.partition("/")
    if part != "valid":
        return None
    try:
        rows = outputs_of(home)
        pool = None if rows is None else pool_of(home, rows.task)
        if rows is None or pool is None:
            return None
        scores = ResampledScores(rows.task, rows.fold, rows.target, [rows.output], pool, plain_name(plain))
    except (KeyError, UserError):
        return None
    return score_spread(scores, rows.group)

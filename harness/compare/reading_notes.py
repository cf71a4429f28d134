"""Notes: what a reader of a leaderboard must know of its figures, a sentence each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from harness.compare.leaderboard import Board, data
from harness.compare.paired_tests import CORRECTED, MCNEMAR, WILCOXON, Paired
from harness.core.scores import direction
from harness.runs.stored_run import EVALUATED

_TESTS = {
    CORRECTED: (
        "corrected resampled t-test over the common folds (Nadeau and Bengio 2003), which allows for the "
        "training rows that folds share; effect: Cohen's d_z of the folds' differences"
    ),
    MCNEMAR: (
        "McNemar's exact test of which test rows are predicted right; effect: (c - b) / (b + c), "
        "c rows right by this run alone, b by the best alone"
    ),
    WILCOXON: (
        "Wilcoxon's signed-rank test of the absolute errors on the test rows; effect: rank-biserial "
        "correlation, positive where this run's errors are larger"
    ),
}


def notes(board: Board) -> Iterator[str]:
    """Of the ranking, the intervals, the tests and what could not be tested."""
    better = "higher" if direction(board.score) == "maximize" else "lower"
    yield f"ranked by {board.score}, {better} is better"
    if any(row.score.over_folds for row in board.rows):
        yield "intervals over folds are too narrow, for folds share training rows"
    sets = dict.fromkeys(data(run) for run in board.runs)
    if len(sets) > 1:
        yield f"the runs saw {len(sets)} data sets ({', '.join(sets)}): their scores are not of the same rows"
    evaluations = [run.label for run in board.runs if EVALUATED in run.tags]
    if evaluations:
        several = "are evaluations" if len(evaluations) > 1 else "is an evaluation"
        yield (
            f"{', '.join(evaluations)} {several} of a run, perhaps on rows that it has learned: "
            "its own page says which"
        )
    yield from _tests(board)


def _tests(board: Board) -> Iterator[str]:
    tested = [row for row in board.rows if isinstance(row.tested, Paired)]
    kinds = Counter(row.tested.test for row in tested if isinstance(row.tested, Paired))
    for kind in kinds:
        of = f" ({kinds[kind]} lines)" if len(kinds) > 1 else ""
        yield f"p{of}: {_TESTS[kind]}"
    if kinds.keys() - {CORRECTED} and any(len(row.runs) > 1 for row in board.rows):
        yield "of several seeds, the test of predictions takes the lowest that both lines have"
    if tested:
        yield (
            f"p is two-sided, against the first line, and corrected for {len(tested)} "
            f"{'test' if len(tested) == 1 else 'tests'} (Holm); the best was picked by the same scores, "
            "which makes it look better than it is"
        )
    reasons = Counter(row.tested for row in board.rows if isinstance(row.tested, str) and row.tested)
    for reason, count in reasons.items():
        yield f"no test of {count} {'line' if count == 1 else 'lines'}: {reason}"
    if any(isinstance(row.tested, Paired) and row.p != row.p for row in board.rows):
        yield "p is undefined where the difference is the same in every fold"

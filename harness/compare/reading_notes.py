"""Remarks that a reader needs to interpret a leaderboard."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from harness.compare.leaderboard import Leaderboard, data
from harness.compare.paired_tests import CORRECTED, MCNEMAR, WILCOXON, PairedTest
from harness.core.name_list import listed
from harness.runs.look_optimism import look_sentence
from harness.runs.stored_run import EVALUATED

_TESTS = {
    CORRECTED: (
        "corrected resampled t-test over the common folds (Nadeau and Bengio 2003), which allows for the "
        "training rows that folds share; effect: Cohen's d_z of the differences between folds"
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


def notes(board: Leaderboard) -> Iterator[str]:
    """On the ranking, the intervals, the tests, and the lines that could not be tested."""
    better = "higher" if board.better == "maximize" else "lower"
    yield f"ranked by {board.score}, {better} is better"
    if any(row.score.over_folds for row in board.rows):
        yield "intervals over folds are too narrow, because folds share training rows"
    sets = dict.fromkeys(data(run) for run in board.runs)
    if len(sets) > 1:
        yield f"the data differs between the runs ({listed(sets, most=10)}): their scores are of other rows"
    evaluations = [run.label for run in board.runs if EVALUATED in run.tags]
    if evaluations:
        several = "are evaluations" if len(evaluations) > 1 else "is an evaluation"
        yield (
            f"{listed(evaluations, most=10)} {several} of a run, perhaps on rows that it was trained on: "
            "its own page lists them"
        )
    yield from _looks(board)
    yield from _tests(board)


def _looks(board: Leaderboard) -> Iterator[str]:
    """On sealed test rows, and on how often the others were looked at."""
    facts = [run.result.test_rows for run in board.runs if run.result is not None and run.result.test_rows]
    seals = dict.fromkeys(str(fact["sealed"]) for fact in facts if fact["sealed"] is not None)
    if seals:
        yield f"runs without test scores ended while their test rows were sealed: {listed(seals, most=10)}"
    looked = max((fact for fact in facts if fact["look"]), key=lambda fact: int(fact["look"]), default=None)
    if looked is not None:
        yield f"one of these scores was {look_sentence(looked)}"


def _tests(board: Leaderboard) -> Iterator[str]:
    tested = [row for row in board.rows if isinstance(row.tested, PairedTest)]
    kinds = Counter(row.tested.test for row in tested if isinstance(row.tested, PairedTest))
    for kind in kinds:
        of = f" ({kinds[kind]} lines)" if len(kinds) > 1 else ""
        yield f"p{of}: {_TESTS[kind]}"
    if kinds.keys() - {CORRECTED} and any(len(row.runs) > 1 for row in board.rows):
        yield "with several seeds, predictions of the lowest seed that both lines have are tested"
    if tested:
        yield (
            f"p is two-sided, against the first line, and corrected for {len(tested)} "
            f"{'test' if len(tested) == 1 else 'tests'} (Holm); the best was picked by the same scores, "
            "so its score is optimistic"
        )
    reasons = Counter(row.tested for row in board.rows if isinstance(row.tested, str) and row.tested)
    for reason, count in reasons.items():
        yield f"no test of {count} {'line' if count == 1 else 'lines'}: {reason}"
    if any(isinstance(row.tested, PairedTest) and row.p != row.p for row in board.rows):
        yield "p is undefined where the difference is the same in every fold"

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from harness.sweep.study.noise_stop import remaining_gain
from harness.sweep.study.snapshot import Objective, Row, Snapshot

ACCURACY = Objective("valid/accuracy", "maximize")


def sweep(*values: float, error: float | None = 0.01) -> Snapshot:
    rows = [Row(number, "complete", {}, (value,), score_error=error) for number, value in enumerate(values)]
    return Snapshot((ACCURACY,), tuple(rows), 50)


VALUES = (0.5, 0.6, 0.7, 0.8, 0.88, 0.9, 0.91, 0.85, 0.4, 0.86, 0.3, 0.2)


def test_the_gain_grows_with_the_logarithm_of_the_trials_by_the_mean_excess_of_the_best_third() -> None:
    gain = remaining_gain(sweep(*VALUES), 38)
    assert gain is not None
    excess = (0.91 + 0.9 + 0.88 + 0.86) / 4 - 0.85
    assert gain.gain == pytest.approx(excess * math.log(50 / 12))
    assert (gain.trials, gain.error, gain.is_noise) == (38, 0.01, False)
    assert gain.sentence == (
        f"the 38 trials that are left would improve valid/accuracy by {gain.gain:.4f}; its error is 0.0100"
    )
    assert gain.as_dict() == {"trials": 38, "gain": gain.gain, "error": 0.01, "noise": False}


@pytest.mark.parametrize(("factor", "noise"), [(0.39, True), (0.41, False)])
def test_a_gain_below_two_fifths_of_the_error_is_noise(factor: float, noise: bool) -> None:
    gain = remaining_gain(sweep(*VALUES), 38)
    assert gain is not None
    assert replace(gain, gain=factor * gain.error).is_noise is noise


def test_lower_scores_are_better_where_the_objective_says_so_and_running_trials_count_as_begun() -> None:
    now = sweep(*(1 - value for value in VALUES))
    running = Row(12, "running")
    lower = Snapshot((Objective("valid/loss", "minimize"),), (*now.rows, running), 50)
    gain = remaining_gain(lower, 37)
    excess = (0.91 + 0.9 + 0.88 + 0.86) / 4 - 0.85
    assert gain is not None
    assert gain.gain == pytest.approx(excess * math.log(50 / 13))


def test_pruned_trials_count_as_worse() -> None:
    now = sweep(*VALUES)
    pruned = [replace(row, state="pruned", values=None) if row.values < (0.8,) else row for row in now.rows]  # type: ignore[operator]
    assert remaining_gain(replace(now, rows=tuple(pruned)), 38) == remaining_gain(now, 38)


def test_nothing_is_said_before_ten_trials_without_an_error_and_at_the_end() -> None:
    assert remaining_gain(sweep(*VALUES[:9]), 38) is None
    assert remaining_gain(sweep(*VALUES, error=None), 38) is None
    assert remaining_gain(sweep(*VALUES), 0) is None
    assert remaining_gain(sweep(*VALUES[:4]), 9) is None

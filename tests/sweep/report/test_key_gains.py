from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.evaluate.selection_bias import difference_interval
from harness.sweep.report.key_gains import key_gains
from harness.sweep.study.snapshot import Objective, Row, Snapshot
from tests.sweep.report.test_price_selection import write_trial

POINTS = ({"lr": 0.1, "norm": None}, {"lr": 0.2, "norm": None}, {"lr": 0.2, "norm": "batch"}, {"lr": 0.2})


def path(*right: int) -> Snapshot:
    rows = [
        Row(number, "complete", POINTS[number], (count / 60,), folder=str(number))
        for number, count in enumerate(right)
    ]
    return Snapshot((Objective("valid/accuracy", "maximize"),), tuple(rows), len(rows))


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def trials(*right: int) -> Path:
        for number, count in enumerate(right):
            write_trial(tmp_path / str(number), count, 10)
        return tmp_path

    return trials


def test_the_key_that_does_all_is_told_from_those_that_do_nothing(write: Callable[..., Path]) -> None:
    whole, rate, norm, gone = key_gains(write(40, 57, 57, 56), path(40, 57, 57, 56))
    assert whole.text == "from the default to the best, valid/accuracy goes from 0.6667 to 0.9333:"
    assert (whole.kind, whole.key, rate.kind, rate.key, norm.key) == ("path", None, "gain", "lr", "norm")
    start, _, interval = rate.text.partition(" [")
    assert start == "lr 0.1 -> 0.2 brings +0.2833"
    low, high = (float(end) for end in interval.rstrip("]").split(", "))
    assert 0.15 < low < 0.2833 < high < 0.42
    assert norm.text == "norm null -> batch changes nothing"
    assert gone.text.startswith("norm batch -> none brings -0.01667 [-0.05, +0], ")
    assert gone.text.endswith("which may be chance")


def test_without_predictions_there_are_gains_and_no_intervals(tmp_path: Path) -> None:
    (tmp_path / "0").mkdir()
    _, rate = key_gains(tmp_path, path(40, 57))
    assert rate.text == "lr 0.1 -> 0.2 brings +0.2833"


def test_a_path_with_a_hole_explains_nothing(tmp_path: Path) -> None:
    now = path(40, 57, 57)
    failed = replace(now.rows[1], state="failed", values=None)
    assert key_gains(tmp_path, replace(now, rows=(now.rows[0], failed, now.rows[2]))) == []


class Means:
    """Scores that are the mean of the rows, of two models of which one is better by .5 in every row."""

    quick = True
    rows = 40
    values = np.stack([np.arange(40.0), np.arange(40.0) + 0.5])

    def __call__(self, model: int, counts: np.ndarray) -> np.ndarray:
        return np.asarray(counts @ self.values[model] / counts.sum(axis=1))


def test_a_difference_is_that_of_the_same_rows() -> None:
    alone, paired = Means(), difference_interval(Means(), np.arange(40), (0, 1))  # type: ignore[arg-type]
    assert paired == (pytest.approx(0.5), pytest.approx(0.5))
    assert difference_interval(alone, np.zeros(40), (0, 1)) is None  # type: ignore[arg-type]

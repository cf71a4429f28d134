from __future__ import annotations

import math
from pathlib import Path

import pytest

from harness.runs.run_result import Result, summarise
from harness.runs.validation_rows import FILE
from harness.sweep.worker.stored_outputs import score_error
from tests.sweep.report.test_price_selection import write_trial

NAME = "valid/accuracy"


def result(*folds: float) -> Result:
    return Result(status="finished", scores={NAME: summarise(folds)})


def test_the_error_is_that_of_the_folds_and_repeats(tmp_path: Path) -> None:
    assert score_error(tmp_path, [result(0.7, 0.8, 0.9)], NAME) == pytest.approx(0.1 / math.sqrt(3))
    repeats = [result(0.7, 0.8), result(0.8, 0.9)]
    assert score_error(tmp_path, repeats, NAME) == pytest.approx(math.sqrt(0.02 / 3) / 2)


def test_the_error_of_one_fold_is_that_of_its_rows_drawn_anew(tmp_path: Path) -> None:
    write_trial(tmp_path / "0", 48, 10)
    rows = score_error(tmp_path / "0", [result(0.8)], NAME)
    assert rows == pytest.approx(math.sqrt(0.8 * 0.2 / 60), rel=0.2)
    write_trial(tmp_path / "1", 48, 10, group=5)
    groups = score_error(tmp_path / "1", [result(0.8)], NAME)
    assert groups is not None
    assert groups != rows
    (tmp_path / "0" / FILE).unlink()
    assert score_error(tmp_path / "0", [result(0.8)], NAME) is None

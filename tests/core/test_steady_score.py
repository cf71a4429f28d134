"""harness/core/steady_score.py: the mean over the epochs around the best one."""

from __future__ import annotations

import math

import pytest

from harness.core.scores import direction
from harness.core.steady_score import is_steady, plain_name, steady_name, steady_scores, steady_sentence

ERRORS = [9.0, 8.0, 7.0, 6.0, 5.0, 7.0, 1.0, 7.0, 6.5, 6.0] * 2
"""Twenty epochs, of which a tenth are two on each side; the seventh is lucky."""

HISTORY = [{"epoch": epoch, "valid/rmse": value} for epoch, value in enumerate(ERRORS, start=1)]
NAME = "valid/rmse_steady"


def steady(best: int, history: list[dict[str, float]] = HISTORY) -> float:
    return steady_scores(["valid/rmse", NAME], history, best)[NAME]


def test_two_epochs_on_each_side_count_of_twenty() -> None:
    assert steady(7) == pytest.approx((5 + 7 + 1 + 7 + 6.5) / 5)
    assert steady(1) == pytest.approx((9 + 8 + 7) / 3)
    assert steady(20) == pytest.approx((7 + 6.5 + 6) / 3)


def test_one_epoch_on_each_side_counts_of_few() -> None:
    assert steady(2, HISTORY[:4]) == 8
    assert steady(1, HISTORY[:1]) == 9


def test_epochs_without_the_score_are_left_out() -> None:
    damaged = [*HISTORY[:5], {"epoch": 6, "valid/rmse": math.nan}, *HISTORY[6:7], {"epoch": 8}, *HISTORY[8:]]
    assert steady(7, damaged) == pytest.approx((5 + 1 + 6.5) / 3)
    assert math.isnan(steady(0, []))


def test_names_of_steady_scores_are_those_of_scores_with_a_mark() -> None:
    assert steady_name("valid/rmse") == NAME
    assert (plain_name(NAME), plain_name("valid/rmse")) == ("valid/rmse", "valid/rmse")
    assert (is_steady(NAME), is_steady("valid/rmse")) == (True, False)
    assert "valid/rmse over the best epoch" in steady_sentence(NAME)
    assert steady_scores(["valid/rmse"], HISTORY, 7) == {}


def test_a_steady_score_has_the_direction_of_its_score() -> None:
    assert direction(NAME) == "minimize"
    assert direction("valid/accuracy_steady") == "maximize"
    assert direction("valid/own_steady", {"own": "minimize"}) == "minimize"

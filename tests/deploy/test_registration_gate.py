from __future__ import annotations

import math

import pytest

from harness.core.errors import UserError
from harness.deploy import registration_gate
from harness.deploy.registration_gate import Condition
from harness.runs.run_result import Result, summarise

SCORES = {"test/accuracy": 0.9561, "test/rmse": 54.3, "test/auroc": math.nan, "valid/accuracy": 0.95}


@pytest.mark.parametrize(
    ("word", "condition"),
    [
        ("test/accuracy>=0.97", Condition("test/accuracy", ">=", 0.97)),
        (" test/rmse < 6e1 ", Condition("test/rmse", "<", 60.0)),
        ("test/r2 > -1", Condition("test/r2", ">", -1.0)),
        ("test/ece<=.05", Condition("test/ece", "<=", 0.05)),
    ],
)
def test_a_condition_is_read_as_it_is_written(word: str, condition: Condition) -> None:
    assert registration_gate.parse(word) == condition


@pytest.mark.parametrize(
    "word", ["test/accuracy", ">=0.9", "test/accuracy>=", "test/accuracy==1", "a>=nan", "a>=inf", "0.5<a<0.9"]
)
def test_what_is_no_condition_is_refused(word: str) -> None:
    with pytest.raises(UserError, match="--if needs a score, one of >= <= > < and a number") as error:
        registration_gate.parse(word)
    assert repr(word) in str(error.value)


@pytest.mark.parametrize(
    ("word", "passed", "line"),
    [
        ("test/accuracy>=0.9561", True, "test/accuracy is 0.9561, and must be >= 0.9561"),
        ("test/accuracy>0.9561", False, "test/accuracy is 0.9561, but must be > 0.9561"),
        ("test/accuracy>=0.95610001", False, "test/accuracy is 0.9561, but must be >= 0.95610001"),
        ("test/rmse<=54.3", True, "test/rmse is 54.3, and must be <= 54.3"),
        ("test/rmse<54", False, "test/rmse is 54.3, but must be < 54"),
    ],
)
def test_a_verdict_shows_both_numbers(word: str, passed: bool, line: str) -> None:
    assert registration_gate.parse(word).judge(SCORES) == (passed, line)


@pytest.mark.parametrize("sign", [">=", "<=", ">", "<"])
def test_an_undefined_score_passes_no_gate(sign: str) -> None:
    assert not registration_gate.parse(f"test/auroc{sign}0").judge(SCORES).passed


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_an_undefined_score_is_never_better_and_is_never_beaten(
    direction: registration_gate.Direction,
) -> None:
    for ours, theirs in ((math.nan, 0.5), (0.5, math.nan), (math.nan, math.nan)):
        assert not registration_gate.better("test/x", ours, theirs, direction, "v").passed


def test_an_unknown_score_is_refused_with_its_near_miss() -> None:
    with pytest.raises(UserError, match="test/acuracy is no score of the run; did you mean test/accuracy"):
        registration_gate.parse("test/acuracy>=0").judge(SCORES)


def test_better_is_strict_and_knows_the_direction() -> None:
    assert registration_gate.better("test/accuracy", 0.96, 0.95, "maximize", "v1") == (
        True,
        "test/accuracy is 0.96, higher than the 0.95 of v1",
    )
    assert registration_gate.better("test/rmse", 54.0, 54.0, "minimize", "v1") == (
        False,
        "test/rmse is 54, not lower than the 54 of v1",
    )
    assert registration_gate.better("test/rmse", 53.0, 54.0, "minimize", "v1").passed
    assert not registration_gate.better("test/accuracy", 0.95, 0.96, "maximize", "v1").passed


def test_two_numbers_are_shown_with_enough_digits_to_differ() -> None:
    assert registration_gate.apart(0.97, 0.9700001) == ("0.97", "0.9700001")
    assert registration_gate.apart(0.1 + 0.2, 0.3) == ("0.30000000000000004", "0.3")
    assert registration_gate.apart(2.0, 2.0) == ("2", "2")


def test_the_scores_of_folds_are_their_mean_or_those_of_one() -> None:
    result = Result(
        status="finished",
        scores={"test/accuracy": summarise([0.5, 1.0]), "test/auroc": summarise([math.nan, 0.7])},
    )
    assert registration_gate.scores_of(result) == {"test/accuracy": 0.75, "test/auroc": 0.7}
    assert registration_gate.scores_of(result, 1) == {"test/accuracy": 1.0, "test/auroc": 0.7}
    assert math.isnan(registration_gate.scores_of(result, 0)["test/auroc"])
    read = Result(status="finished", scores={"a": {"mean": None, "folds": [None]}})
    assert math.isnan(registration_gate.scores_of(read)["a"])


def test_what_was_monitored_decides_on_test_rows() -> None:
    assert registration_gate.counterpart(SCORES, "valid/accuracy", None) == "test/accuracy"
    assert registration_gate.counterpart(SCORES, "valid/accuracy", "test/rmse") == "test/rmse"
    with pytest.raises(
        UserError, match="no test/loss, by which it would be compared; name another score with --by"
    ):
        registration_gate.counterpart(SCORES, "valid/loss", None)
    with pytest.raises(UserError, match="test/rmsa is no score of the run; did you mean test/rmse"):
        registration_gate.counterpart(SCORES, "valid/accuracy", "test/rmsa")

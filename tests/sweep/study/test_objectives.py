from __future__ import annotations

from typing import Any

import pytest

from harness.core.errors import UserError
from harness.runs.run_result import Result, summarise
from harness.sweep.study.objectives import UndefinedScore, read_objectives, values
from harness.sweep.study.snapshot import Objective


def refusal(value: Any) -> str:
    with pytest.raises(UserError) as caught:
        read_objectives(value, "valid/accuracy")
    return str(caught.value)


def result(**scores: list[float]) -> Result:
    named = {name.replace("_", "/", 1): summarise(folds) for name, folds in scores.items()}
    return Result(status="finished", scores=named)


def test_without_objectives_the_monitored_score_is_improved() -> None:
    assert read_objectives(None, "valid/accuracy") == (Objective("valid/accuracy", "maximize"),)
    assert read_objectives(None, "valid/rmse") == (Objective("valid/rmse", "minimize"),)


def test_the_direction_follows_from_the_name_unless_it_is_given() -> None:
    assert read_objectives("valid/loss", "valid/accuracy") == (Objective("valid/loss", "minimize"),)
    assert read_objectives(["valid/accuracy", "model/parameters"], "valid/loss") == (
        Objective("valid/accuracy", "maximize"),
        Objective("model/parameters", "minimize"),
    )
    given = {"valid/accuracy": "minimize", "train/loss": "maximize"}
    assert read_objectives(given, "valid/loss") == (
        Objective("valid/accuracy", "minimize"),
        Objective("train/loss", "maximize"),
    )


def test_a_sweep_never_looks_at_test_rows() -> None:
    assert refusal("test/accuracy") == (
        "sweep.objectives must leave the test part alone, so that no choice rests on test rows, got "
        "test/accuracy; use valid/accuracy."
    )


@pytest.mark.parametrize("name", ["accuracy", "value/accuracy", "accuracy/"])
def test_a_score_of_no_part_is_refused(name: str) -> None:
    sentence = refusal(name)
    assert sentence.startswith(
        f"sweep.objectives must be a score valid/…, train/…, model/… or time/…, got {name}; "
        "did you mean valid/"
    )


def test_no_objective_at_all_and_one_given_twice_are_refused() -> None:
    assert refusal([]) == (
        "sweep.objectives must name a score or more, got none; leave it out, and it is trainer.monitor."
    )
    assert refusal(["valid/loss", "valid/loss"]) == "sweep.objectives names valid/loss twice; name it once."


def test_a_direction_that_does_not_exist_is_refused() -> None:
    assert refusal({"valid/loss": "minimise"}) == (
        "sweep.objectives.valid/loss must be minimize or maximize, got minimise."
    )


def test_the_value_of_a_trial_is_the_mean_over_folds_and_runs() -> None:
    objectives = read_objectives(["valid/accuracy", "valid/loss"], "valid/loss")
    one = result(valid_accuracy=[0.5, 0.7], valid_loss=[1.0, 2.0])
    other = result(valid_accuracy=[0.8, 1.0], valid_loss=[2.0, 4.0])
    assert values(objectives, [one]) == pytest.approx((0.6, 1.5))
    assert values(objectives, [one, other]) == pytest.approx((0.75, 2.25))


def test_a_missing_score_is_reported_with_near_names_but_no_test_score() -> None:
    scored = result(valid_accuracy=[0.5], test_acuracy=[0.5])
    with pytest.raises(UserError) as caught:
        values(read_objectives("valid/acuracy", "valid/loss"), [scored])
    assert str(caught.value) == (
        "sweep.objectives: the trial has no score valid/acuracy; did you mean valid/accuracy?"
    )


@pytest.mark.parametrize(
    ("score", "shown"), [(float("nan"), "nan"), (float("inf"), "inf"), (None, "undefined")]
)
def test_a_score_that_is_no_number_is_undefined(score: float | None, shown: str) -> None:
    scored = Result(status="finished", scores={"valid/loss": {"mean": score, "folds": [score]}})
    with pytest.raises(
        UndefinedScore, match=rf"^valid/loss is {shown}, and sweep\.objectives needs a number\.$"
    ):
        values(read_objectives("valid/loss", "valid/loss"), [scored])

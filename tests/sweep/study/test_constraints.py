from __future__ import annotations

import math

import optuna
import pytest
from optuna.trial import TrialState

from harness.core.errors import UserError
from harness.runs.run_result import Result, summarise
from harness.sweep.study.constraints import Constraint, read_constraints, violations
from harness.sweep.study.objectives import UndefinedScore


def refusal(*texts: str) -> str:
    with pytest.raises(UserError) as caught:
        read_constraints(texts)
    return str(caught.value)


def test_a_constraint_is_a_score_a_comparison_and_a_number() -> None:
    assert read_constraints(
        ["model/parameters <= 100000", "valid/accuracy>=0.9", " time/epoch_seconds < 1e1 "]
    ) == [
        Constraint("model/parameters", "<=", 100000.0),
        Constraint("valid/accuracy", ">=", 0.9),
        Constraint("time/epoch_seconds", "<", 10.0),
    ]
    assert read_constraints(["model/parameters<=100000"])[0].text == "model/parameters <= 100000"


@pytest.mark.parametrize(
    ("text", "score", "violation"),
    [
        ("model/parameters <= 1000", 1500, 0.5),
        ("model/parameters <= 1000", 1000, 0.0),
        ("model/parameters <= 1000", 500, -0.5),
        ("valid/accuracy >= 0.8", 0.6, 0.25),
        ("valid/accuracy >= 0.8", 1.0, -0.25),
        ("valid/r2 > 0", 0.5, -0.5),
        ("valid/r2 >= -2", -3.0, 0.5),
    ],
)
def test_a_violation_is_a_share_of_the_bound_and_at_most_0_where_it_holds(
    text: str, score: float, violation: float
) -> None:
    (constraint,) = read_constraints([text])
    assert constraint.violation(score) == pytest.approx(violation)


def test_what_must_be_below_a_bound_may_not_equal_it() -> None:
    below, above = read_constraints(["model/parameters < 10", "valid/accuracy > 0.5"])
    assert min(below.violation(10), above.violation(0.5)) > 0
    assert max(below.violation(9), above.violation(0.6)) < 0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "model/parameters",
        "model/parameters = 3",
        "model/parameters <= many",
        "model/parameters <= nan",
        "1 <= model/parameters <= 3",
    ],
)
def test_what_is_no_comparison_is_refused(text: str) -> None:
    assert refusal(text) == (
        "sweep.constraints must hold comparisons such as 'model/parameters <= 100000' (with <=, <, >= or >), "
        f"got {text!r}."
    )


def test_constraints_keep_to_the_scores_that_a_sweep_may_look_at() -> None:
    assert refusal("test/accuracy >= 0.9") == (
        "sweep.constraints must leave the test part alone, so that no choice rests on test rows, got "
        "test/accuracy; use valid/accuracy."
    )
    assert refusal("parameters <= 3").startswith("sweep.constraints must be a score valid/…, train/…,")


def test_a_constraint_given_twice_is_refused() -> None:
    assert refusal("model/parameters <= 10", "model/parameters<=1e1") == (
        "sweep.constraints holds model/parameters <= 10 twice; give it once."
    )


def test_violations_are_those_of_the_mean_over_folds_and_runs() -> None:
    constraints = read_constraints(["valid/loss <= 2"])
    runs = [
        Result(status="finished", scores={"valid/loss": summarise(folds)}) for folds in ([1.0, 3.0], [4.0])
    ]
    assert violations(constraints, runs) == {"valid/loss <= 2": pytest.approx(0.5)}


def test_a_score_that_is_missing_or_undefined_is_an_error() -> None:
    constraints = read_constraints(["valid/loss <= 2"])
    with pytest.raises(UserError, match=r"^sweep\.constraints: the trial has no score valid/loss\.$"):
        violations(constraints, [Result(status="finished")])
    undefined = Result(status="finished", scores={"valid/loss": summarise([math.nan])})
    with pytest.raises(UndefinedScore, match=r"^valid/loss is nan, and sweep\.constraints needs a number\.$"):
        violations(constraints, [undefined])


def test_optuna_takes_the_best_among_trials_that_keep_every_constraint() -> None:
    study = optuna.create_study(direction="maximize")
    (constraint,) = read_constraints(["model/parameters <= 100"])
    for score, parameters in ((0.9, 300), (0.8, 100), (0.7, 10)):
        claimed = study.ask()
        # As a worker does: another process took the trial up, and tells of it by its number.
        optuna.trial.Trial(study, claimed._trial_id).set_constraint(
            constraint.text, constraint.violation(parameters)
        )
        study.tell(claimed.number, score)
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 3
    assert (study.best_trial.number, study.best_value) == (1, 0.8)
    assert study.trials[0].constraints == {"model/parameters <= 100": 2.0}

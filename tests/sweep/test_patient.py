from __future__ import annotations

from collections.abc import Sequence

import optuna
import pytest

from harness.sweep.patient import Patient


def stopped_at(values: Sequence[float], pruner: Patient, direction: str = "maximize") -> int | None:
    """The step after which a lone trial with these scores is stopped."""
    trial = optuna.create_study(direction=direction, pruner=pruner).ask()
    for step, value in enumerate(values, start=1):
        trial.report(value, step)
        if trial.should_prune():
            return step
    return None


def test_it_waits_for_as_many_steps_without_a_better_score() -> None:
    assert stopped_at([0.1, 0.2, 0.3, 0.3, 0.3, 0.3, 0.4], Patient(None, 3, 0.0)) == 6
    assert stopped_at([0.1, 0.2, 0.3, 0.3, 0.3, 0.4, 0.4], Patient(None, 3, 0.0)) is None
    assert stopped_at([3.0, 2.0, 2.0, 2.0], Patient(None, 2, 0.0), "minimize") == 4


def test_a_gain_must_be_larger_than_the_least_that_counts() -> None:
    slow = [0.50, 0.52, 0.54, 0.56, 0.58]
    assert stopped_at(slow, Patient(None, 2, 0.0)) is None
    assert stopped_at(slow, Patient(None, 2, 0.05)) == 3


def test_without_its_companions_verdict_nothing_is_stopped() -> None:
    flat = [0.5] * 6
    assert stopped_at(flat, Patient(optuna.pruners.ThresholdPruner(lower=0.4), 2, 0.0)) is None
    assert stopped_at(flat, Patient(optuna.pruners.ThresholdPruner(lower=0.6), 2, 0.0)) == 3


def test_optunas_own_patience_never_ends_for_a_score_that_cannot_become_worse() -> None:
    with pytest.warns(optuna.exceptions.ExperimentalWarning):
        theirs = optuna.pruners.PatientPruner(None, 2)
    trial = optuna.create_study(direction="maximize", pruner=theirs).ask()
    for step in range(1, 50):
        trial.report(0.5, step)
        assert not trial.should_prune()


def test_values_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^patience must be at least 1, got 0$"):
        Patient(None, 0, 0.0)
    with pytest.raises(ValueError, match=r"^min_delta must be at least 0, got -0\.1$"):
        Patient(None, 1, -0.1)

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics
from torch.nn.functional import mse_loss

from harness.core.errors import UserError
from harness.core.scores import direction
from harness.core.task import Task
from harness.evaluate.regression import Regression, errors

NUMBER = Task("regression")
TWO = Task("regression", columns=("kg", "cm"))


def never() -> None:
    raise AssertionError("no untrained model is needed")


def column(values: list[float]) -> torch.Tensor:
    return torch.tensor(values)[:, None]


@given(st.integers(0, 10**6), st.integers(2, 50), st.floats(-1e4, 1e4))
@settings(max_examples=40, deadline=None)
def test_errors_equal_scikit_learn(seed: int, rows: int, offset: float) -> None:
    generator = np.random.default_rng(seed)
    truth, predicted = offset + generator.normal(size=(2, rows))
    found = {
        name: value.item() for name, value in errors(torch.tensor(predicted), torch.tensor(truth)).items()
    }
    assert found == {
        "rmse": pytest.approx(metrics.root_mean_squared_error(truth, predicted), rel=1e-9),
        "mae": pytest.approx(metrics.mean_absolute_error(truth, predicted), rel=1e-9),
        "r2": pytest.approx(metrics.r2_score(truth, predicted), rel=1e-6),
    }


def test_scores_of_a_hand_counted_part(make_loaders, echo) -> None:
    train = (column([0.0, 0.0, 0.0]), torch.tensor([1.0, 3.0, math.nan]))
    test = (column([1.0, 2.0, 5.0, 9.0]), torch.tensor([1.0, 4.0, 4.0, math.nan]))
    scores = Regression().score(echo(NUMBER, mse_loss), make_loaders(NUMBER, train, test=test), "test", never)
    assert scores.values == {
        "loss": pytest.approx(5 / 3),
        "rmse": pytest.approx(math.sqrt(5 / 3)),
        "mae": 1.0,
        "r2": pytest.approx(1 - 5 / 6),
        "rmse_baseline_mean": pytest.approx(math.sqrt(3.0)),
        "mae_baseline_mean": pytest.approx(5 / 3),
    }
    assert scores.confusion is None
    assert scores.notes == ()


@pytest.mark.parametrize("seed", range(5))
def test_errors_of_several_targets_are_the_uniform_average_of_scikit_learn(seed: int) -> None:
    generator = np.random.default_rng(seed)
    truth, predicted = np.array([1.0, 100.0, 0.01]) * generator.normal(size=(2, 30, 3))
    found = errors(torch.tensor(predicted), torch.tensor(truth))
    average = {"multioutput": "uniform_average"}
    assert {name: value.item() for name, value in found.items()} == {
        "rmse": pytest.approx(metrics.root_mean_squared_error(truth, predicted, **average)),
        "mae": pytest.approx(metrics.mean_absolute_error(truth, predicted, **average)),
        "r2": pytest.approx(metrics.r2_score(truth, predicted, **average)),
    }


def test_scores_of_several_targets_by_hand(make_loaders, echo) -> None:
    gap = math.nan
    train = (torch.zeros(3, 2), torch.tensor([[1.0, 10.0], [3.0, 30.0], [5.0, gap]]))
    test = (
        torch.tensor([[1.0, 20.0], [2.0, 20.0], [9.0, 9.0]]),
        torch.tensor([[1.0, 10], [4, 30], [gap, 1]]),
    )
    scores = Regression().score(echo(TWO, mse_loss), make_loaders(TWO, train, test=test), "test", never)
    assert scores.values == {
        "loss": pytest.approx((0 + 4 + 100 + 100) / 4),
        "rmse": pytest.approx((math.sqrt(2) + 10) / 2),
        "mae": pytest.approx((1 + 10) / 2),
        "r2": pytest.approx((1 - 4 / 4.5 + 0) / 2),
        # the mean of the rows of which both are known, 2 and 20
        "rmse_baseline_mean": pytest.approx((math.sqrt(2.5) + 10) / 2),
        "mae_baseline_mean": pytest.approx((1.5 + 10) / 2),
    }


def test_pooled_scores_leave_out_rows_with_an_unknown_target() -> None:
    truth = torch.tensor([[1.0, 10], [4, 30], [math.nan, 1]])
    predicted = torch.tensor([[1.0, 20], [2, 20], [9, 9]], dtype=torch.float64)
    found = Regression().pool(predicted, truth)
    assert found == {"rmse": pytest.approx((math.sqrt(2) + 10) / 2), "mae": 5.5, "r2": pytest.approx(1 / 18)}


@pytest.mark.parametrize(
    ("targets", "note", "r2"),
    [
        ([[1, 5], [2, 5]], "every row of the test part has the same cm: r2 leaves it out", 1 - 2 / 0.5),
        ([[1, 5], [1, 5]], "every row of the test part has the same kg and cm: r2 is undefined", math.nan),
    ],
)
def test_of_several_targets_those_that_do_not_vary_are_named(
    make_loaders, echo, targets: list[list[float]], note: str, r2: float
) -> None:
    part = (torch.tensor([[2.0, 5.0], [1.0, 5.0]]), torch.tensor(targets).float())
    scores = Regression().score(echo(TWO), make_loaders(TWO, part, test=part), "test", never)
    assert scores.notes == (note,)
    assert scores.values["r2"] == pytest.approx(r2, nan_ok=True)


def test_judge_gives_the_named_scores_of_the_valid_part(make_loaders, echo) -> None:
    part = (column([1.0, 2.0]), torch.tensor([1.0, 4.0]))
    loaders = make_loaders(NUMBER, part, valid=part)
    validated = Regression().validate(echo(NUMBER, mse_loss), loaders)
    assert tuple(validated) == Regression.names
    assert validated["rmse"] == pytest.approx(math.sqrt(2.0))
    assert Regression().validate(echo(NUMBER), make_loaders(NUMBER, part)) == {}


@pytest.mark.parametrize(
    ("targets", "note"),
    [
        ([math.nan, math.nan], "no row of the test part carries a target: its scores are undefined"),
        ([0.1, 0.1], "every target of the test part is 0.1: r2 is undefined"),
    ],
)
def test_undefined_scores_are_reported(make_loaders, echo, targets: list[float], note: str) -> None:
    part = (column([1.0, 2.0]), torch.tensor(targets))
    scores = Regression().score(echo(NUMBER), make_loaders(NUMBER, part, test=part), "test", never)
    assert scores.notes == (note,)
    assert math.isnan(scores.values["r2"])


def test_a_class_as_target_is_refused(make_loaders, echo) -> None:
    task = Task("binary", ("no", "yes"))
    part = (column([1.0]), torch.tensor([1]))
    with pytest.raises(
        UserError, match="needs a number as target, and this target is a class; use evaluate=classification"
    ):
        Regression().validate(echo(task), make_loaders(task, part, valid=part))


def test_the_name_of_a_score_gives_its_direction() -> None:
    lower = {
        name for name in (*Regression.names, "rmse_baseline_mean") if direction(f"test/{name}") == "minimize"
    }
    assert lower == {"loss", "rmse", "mae", "rmse_baseline_mean"}

"""harness/evaluate/permutation_importance.py, and harness/record/importance_files.py"""

from __future__ import annotations

import math
from collections.abc import Collection

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from harness.core.errors import UnknownName
from harness.core.table import Table
from harness.evaluate.permutation_importance import Curve, Importance, PermutationImportance, TooLong
from harness.evaluate.regression import Regression
from harness.record.importance_files import mean_curve, rank

ROWS = 40


def table() -> Table:
    random = np.random.default_rng(3)
    frame = pd.DataFrame(
        {
            "self": random.normal(size=ROWS),
            "idle": random.normal(size=ROWS),
            "kind": np.where(random.random(ROWS) < 0.5, "a", "b"),
            "when": pd.date_range("2020-01-01", periods=ROWS),
        }
    )
    frame["y"] = 2 * frame["self"] + 10 * (frame["kind"] == "b")
    return Table(frame, ("self", "idle", "kind", "when"), ("y",), aim="regression")


def exact(rows: Table) -> Tensor:
    """The function from which the targets come."""
    frame = rows.frame
    assert str(frame["when"].dtype).startswith("datetime64")
    return torch.tensor((2 * frame["self"] + 10 * (frame["kind"] == "b")).to_numpy())


def found(settings: PermutationImportance, rows: Table) -> Importance:
    return settings(rows, torch.tensor(rows.frame["y"].to_numpy()), exact, Regression().pool, 1)


def test_the_score_grows_worse_as_a_naive_loop_says() -> None:
    rows = table()
    importance = found(PermutationImportance(repeats=3), rows)
    assert (importance.score, importance.rows) == ("rmse", ROWS)
    assert importance.worse["idle"] == importance.worse["when"] == [0.0] * 3
    random, column = np.random.default_rng(0), rows.frame["self"].to_numpy()
    for value in importance.worse["self"]:
        gaps = 2 * (column[random.permutation(ROWS)] - column)
        assert value == pytest.approx(math.sqrt(np.square(gaps).mean()))
    assert min(importance.worse["kind"]) > 1
    assert Importance.restored(importance.plain()) == importance


def test_a_partial_dependence_is_the_mean_over_rows_with_that_value() -> None:
    rows = table()
    curves = found(PermutationImportance(repeats=1, points=5), rows).curves
    rest = float(10 * (rows.frame["kind"] == "b").mean())
    line = curves["self"]
    assert line.numeric
    assert [mean for [mean] in line.means] == pytest.approx([2 * float(v) + rest for v in line.values])
    kinds = dict(zip(curves["kind"].values, curves["kind"].means, strict=True))
    middle = 2 * float(rows.frame["self"].mean())
    assert kinds == {"a": pytest.approx([middle]), "b": pytest.approx([middle + 10])}
    assert not curves["kind"].numeric
    assert "idle" in curves  # one of twice three columns


def test_all_columns_are_predicted_in_three_calls_and_one_score_is_computed() -> None:
    rows = table()
    predicted: list[int] = []
    asked: list[Collection[str] | None] = []

    def predict(changed: Table) -> Tensor:
        predicted.append(len(changed))
        return exact(changed)

    def measure(
        outputs: Tensor, targets: Tensor, *, names: Collection[str] | None = None
    ) -> dict[str, float]:
        asked.append(names)
        return Regression().pool(outputs, targets, names=names)

    targets = torch.tensor(rows.frame["y"].to_numpy())
    importance = PermutationImportance(repeats=3, points=5)(rows, targets, predict, measure, 1)
    assert importance == found(PermutationImportance(repeats=3, points=5), rows)
    assert predicted == [ROWS, 4 * 3 * ROWS, (3 * 5 + 2) * ROWS]
    assert asked == [None, *[["rmse"]] * 12]


def test_a_score_that_is_better_high_falls() -> None:
    importance = found(PermutationImportance(score="r2", repeats=2), table())
    assert min(importance.worse["kind"]) > 0.5


def test_features_in_an_array() -> None:
    values = np.arange(12.0).reshape(6, 2)
    frame = pd.DataFrame({"y": values[:, 1]})
    rows = Table(frame, (), ("y",), aim="regression", array=values)

    def predict(changed: Table) -> Tensor:
        assert changed.array is not None
        return torch.tensor(changed.array[:, 1])

    pool = Regression().pool
    importance = PermutationImportance()(rows, torch.tensor(values[:, 1]), predict, pool, 1)
    assert importance.worse["feature 0"] == [0.0] * 5
    assert min(importance.worse["feature 1"]) > 0
    assert values[0, 1] == 1  # the source keeps its values


def test_the_work_is_bounded() -> None:
    rows = table()
    assert found(PermutationImportance(rows=10), rows).rows == 10
    assert found(PermutationImportance(repeats=1, cells=16 * 30), rows).rows == 30
    with pytest.raises(TooLong, match=r"4 columns would take long; a larger evaluate\.importance\.cells"):
        found(PermutationImportance(repeats=1, cells=100), rows)


def test_wrong_settings() -> None:
    with pytest.raises(ValueError, match="repeats must be 1 or more, got 0"):
        PermutationImportance(repeats=0)
    with pytest.raises(UnknownName) as refused:
        PermutationImportance(score="rsme").score_of(table().task, ["rmse", "r2"])
    assert (refused.value.key, refused.value.known) == ("evaluate.importance.score", ("rmse", "r2"))


def test_an_evaluation_without_the_usual_score_has_no_importance_unless_a_score_is_named() -> None:
    assert PermutationImportance().score_of(table().task, ["own"]) is None
    assert PermutationImportance(score="own").score_of(table().task, ["own"]) == "own"


def test_over_folds_the_permutations_count_alike() -> None:
    folds = [
        Importance("rmse", 9, {"a": [1.0, 3.0], "b": [5.0, 5.0]}),
        Importance("rmse", 9, {"a": [2.0, 2.0], "b": [6.0, 4.0]}),
    ]
    ranked = rank(folds)
    assert list(ranked["column"]) == ["b", "a"]
    assert list(ranked["mean"]) == [5.0, 2.0]
    assert ranked["std"][1] == pytest.approx(math.sqrt(2 / 3))
    assert (ranked["lowest"][1], ranked["highest"][1], ranked["permutations"][1]) == (1, 3, 4)


def test_curves_of_folds_are_read_at_the_same_values() -> None:
    folds = [
        Importance("rmse", 9, {}, {"a": Curve(["0", "1", "4"], True, [""], [[0.0], [2.0], [8.0]])}),
        Importance("rmse", 9, {}, {"a": Curve(["1", "3"], True, [""], [[4.0], [6.0]])}),
        Importance("rmse", 9, {}),
    ]
    curve = mean_curve("a", folds)
    assert (list(curve["value"]), list(curve["prediction"])) == (["1"], [3.0])
    words = [
        Importance("rmse", 9, {}, {"k": Curve(["x", "y"], False, [""], [[1.0], [2.0]])}),
        Importance("rmse", 9, {}, {"k": Curve(["y"], False, [""], [[4.0]])}),
    ]
    assert list(mean_curve("k", words)["prediction"]) == [1.0, 3.0]

"""harness/prepare/range_notes.py"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from harness.core.fold import Fold
from harness.core.table import Table
from harness.prepare.range_notes import range_notes


def table(**cells: float) -> Table:
    frame = pd.DataFrame({"size": np.arange(12.0), "age": np.arange(12.0), "sort": "a", "y": 0})
    for name, value in cells.items():
        frame.loc[10, name] = value
    return Table(frame, ("size", "age", "sort"), target=("y",))


FOLDS = [
    Fold(0, np.arange(0, 8), np.arange(8, 9), np.arange(9, 12)),
    Fold(1, np.arange(4, 12), np.arange(3, 4), np.arange(0, 3)),
]


REMEDIES = {
    False: "correct the value, or bound it with data/transform/numeric=bounded",
    True: "the prediction stays bounded, but correct the value if it is wrong",
}


@pytest.mark.parametrize("bounded", [False, True])
@pytest.mark.parametrize("value", [14.1, 160_000.0, -7.1])
def test_a_test_value_a_whole_range_away_is_named(value: float, bounded: bool) -> None:
    assert range_notes(table(size=value), FOLDS, bounded) == [
        "in column 'size', 1 test row is far beyond the training range 0 … 7, "
        f"such as {value:g} in row 10; {REMEDIES[bounded]}"
    ]


@pytest.mark.parametrize("value", [13.9, -6.9, np.nan, np.inf])
def test_a_value_nearer_than_that_or_missing_is_not(value: float) -> None:
    assert range_notes(table(size=value), FOLDS[:1], False) == []


def test_a_value_that_was_learned_is_not() -> None:
    assert range_notes(table(size=160_000.0), FOLDS[1:], False) == []


@pytest.mark.parametrize(
    ("numeric", "bounded"), [("standard", False), ("bounded", True), ("robust", True), ("quantile", True)]
)
def test_a_run_says_so(run_cli, here, numeric: str, bounded: bool) -> None:
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"size": random.normal(160, 30, 80)})
    frame["price"] = frame["size"] + random.normal(0, 30, 80)
    frame.loc[7, "size"] = 160_000
    frame.to_csv("houses.csv", index=False)
    answer = run_cli(
        "check",
        "data/extract=csv",
        "data.extract.path=houses.csv",
        "data.extract.target=price",
        "split=kfold",
        f"data/transform/numeric={numeric}",
    )
    assert answer.status == 0, answer.err
    said = " ".join((answer.out + answer.err).split())
    assert "in column 'size', 1 test row is far beyond the training range" in said
    assert REMEDIES[bounded] in said

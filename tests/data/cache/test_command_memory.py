"""What the runs of one command share: folds, fitted transforms and their arrays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from harness.core.arrays import Arrays
from harness.core.table import Table
from harness.data.cache.cache import Cache
from harness.data.cache.command_scope import command

TABLE = Table(pd.DataFrame({"x": [0.0, 1.0, 2.0, 3.0], "y": ["a", "b", "a", "b"]}), ("x",), ("y",))
ROWS = np.arange(3)


class Counted:
    """Counts how often it is fitted."""

    def __init__(self, draws: bool = False) -> None:
        self.times, self.draws = 0, draws

    def __call__(self) -> tuple[Any, Arrays]:
        self.times += 1
        if self.draws:
            torch.rand(1)
        return object(), Arrays(torch.zeros(4, 1), None, TABLE.task)


@pytest.fixture(autouse=True)
def _sweep() -> Iterator[None]:
    with command(many=True):
        yield


def test_the_same_rows_and_transform_are_fitted_once_for_all_runs() -> None:
    make = Counted()
    first = Cache(None).fitted({"_target_": "a.B"}, TABLE, ROWS, None, make)
    second = Cache(None).fitted({"_target_": "a.B"}, replace(TABLE), ROWS, None, make)
    assert (make.times, first[1] is second[1], first[0] is second[0]) == (1, True, True)


@pytest.mark.parametrize(
    ("node", "table", "rows", "seed"),
    [
        ({"_target_": "a.B", "x": 1}, TABLE, ROWS, None),
        ({"_target_": "a.B"}, TABLE.with_frame(TABLE.frame.assign(x=[9.0, 1, 2, 3])), ROWS, None),
        ({"_target_": "a.B"}, TABLE, np.arange(2), None),
        ({"_target_": "a.B"}, TABLE, ROWS, 1),
    ],
)
def test_anything_that_differs_is_fitted_anew(
    node: dict[str, Any], table: Table, rows: np.ndarray, seed: int | None
) -> None:
    make = Counted()
    Cache(None).fitted({"_target_": "a.B"}, TABLE, ROWS, None, make)
    Cache(None).fitted(node, table, rows, seed, make)
    assert make.times == 2


def test_a_transform_that_draws_random_numbers_is_fitted_anew() -> None:
    make = Counted(draws=True)
    for _ in range(2):
        Cache(None).fitted({"_target_": "a.B"}, TABLE, ROWS, None, make)
    assert make.times == 2


def test_arrays_that_do_not_fit_into_the_memory_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.data.cache.command_scope._MOST_BYTES", 4 * 4 * 2)
    make = Counted()
    for seed in (1, 2, 3, 1, 3):  # two fit
        Cache(None).fitted({"_target_": "a.B"}, TABLE, ROWS, seed, make)
    assert make.times == 4


def test_folds_are_made_once_for_a_split_and_a_table() -> None:
    made: list[int] = []

    def divide() -> list[Any]:
        made.append(1)
        return []

    for node, seed, table in (
        ({"_target_": "a.B"}, 0, TABLE),
        ({"_target_": "a.B"}, 0, replace(TABLE)),
        ({"_target_": "a.B", "folds": 2}, 0, TABLE),
        ({"_target_": "a.B"}, 1, TABLE),
        ({"_target_": "a.B"}, 0, replace(TABLE, group="x")),
    ):
        Cache(None).folds(node, seed, table, divide)
    assert len(made) == 4

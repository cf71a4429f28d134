"""harness/data/transform/category_codes.py, and columns of codes in the tabular transform"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from harness.core.table import Table
from harness.data.transform.category_codes import CategoryCodes
from harness.data.transform.column_encodings import encodings
from harness.data.transform.number_scaling import Quantiles, RobustScale, SmoothClip, TrainingRange
from harness.data.transform.tabular import Tabular

ENCODER = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=2, sparse_output=False)
CATEGORICAL = [SimpleImputer(strategy="most_frequent"), ENCODER]
TOWNS = ["d", "d", "d", "a", "a", "b", "b", "c", "c", "once", None, None]
FRAME = pd.DataFrame(
    {
        "town": TOWNS,
        "size": np.linspace(-3.0, 90.0, 12),
        "colour": ["red", "blue"] * 6,
        "day": pd.to_datetime(["2020-01-01", "2021-05-06"] * 6),
    }
)


def tabular(frame: pd.DataFrame = FRAME, rows: Sequence[int] = range(12), **change: Any) -> Tabular:
    settings: dict[str, Any] = {
        "numeric": [SimpleImputer(strategy="median"), StandardScaler()],
        "categorical": CATEGORICAL,
        "dates": ["elapsed"],
        "cyclic": True,
        "one_hot_up_to": 3,
    }
    transform = Tabular(**(settings | change))
    transform.fit(table(frame), np.asarray(rows), table(frame).task)
    return transform


def table(frame: pd.DataFrame = FRAME) -> Table:
    return Table(frame, tuple(frame), name="towns")


def test_codes_follow_the_frequency_and_0_is_rare_missing_or_unknown() -> None:
    rows = np.array([[town if town else np.nan] for town in TOWNS], dtype=object)
    codes = CategoryCodes(min_frequency=2).fit(rows)
    assert codes.transform(rows)[:, 0].tolist() == [1, 1, 1, 2, 2, 3, 3, 4, 4, 0, 0, 0]
    assert codes.transform(np.array([["new"], ["b"]], dtype=object))[:, 0].tolist() == [0, 3]
    assert codes.counts_ == [5]
    every = CategoryCodes(min_frequency=1).fit(rows)
    assert (every.counts_, every.transform(rows)[9, 0]) == ([6], 5)


def test_a_column_with_more_values_becomes_codes_behind_all_other_features() -> None:
    arrays = tabular()(table())
    assert arrays.codes == (5,)
    assert arrays.take(np.arange(12))[:, -1].tolist() == [1, 1, 1, 2, 2, 3, 3, 4, 4, 0, 0, 0]
    assert arrays.shape == (1 + 1 + 2 + 1,)  # size, day, two colours, town


@pytest.mark.parametrize("limit", [None, 4])  # four towns are no more than four; `once` is too rare to count
def test_features_are_those_of_before_to_the_last_bit_where_no_column_has_more(limit: int | None) -> None:
    assert tabular(one_hot_up_to=limit)(table()).codes == ()
    frame = FRAME.drop(columns="town")
    before = Tabular(numeric=[SimpleImputer(strategy="median"), StandardScaler()], categorical=CATEGORICAL,
                     dates=["elapsed"], cyclic=True)  # fmt: skip
    before.fit(table(frame), np.arange(12), table(frame).task)
    own = tabular(frame, one_hot_up_to=limit)(table(frame)).inputs
    assert np.array_equal(np.asarray(own), np.asarray(before(table(frame)).inputs))
    assert np.array_equal(np.asarray(own), np.asarray(tabular()(table()).inputs)[:, :-1])


@pytest.mark.parametrize(
    "numeric",
    [[RobustScale(), SmoothClip(limit=3.0)], [Quantiles(most=5, rows_per_quantile=2)], [TrainingRange()], []],
)
def test_what_becomes_of_the_numbers_leaves_codes_alone(numeric: list[Any]) -> None:
    frame = FRAME.assign(size=range(12))
    made = np.asarray(tabular(frame, numeric=numeric)(table(frame)).inputs)
    assert np.array_equal(made[:, -1], np.asarray(tabular()(table()).inputs)[:, -1])


def test_codes_are_learned_from_the_training_rows_alone() -> None:
    transform = tabular(FRAME.assign(town=list("aabbccddeeff")), rows=range(8))
    assert transform.chains.code_counts == (5,)
    made = transform(table(FRAME.assign(town=list("aabbccddeeff"))))
    assert np.asarray(made.inputs)[:, -1].tolist() == [1, 1, 2, 2, 3, 3, 4, 4, 0, 0, 0, 0]


def test_the_state_carries_codes_and_names_what_training_did_not_have() -> None:
    transform, fresh = tabular(), Tabular(
        numeric=[SimpleImputer(strategy="median"), StandardScaler()], categorical=CATEGORICAL,
        dates=["elapsed"], cyclic=True, one_hot_up_to=3,
    )  # fmt: skip
    fresh.restore(transform.state())
    new = FRAME.assign(town=["a", "once", "new", None, *["b"] * 8], colour="green")
    assert fresh(table(new)).codes == (5,)
    assert np.array_equal(np.asarray(fresh(table(new)).inputs), np.asarray(transform(table(new)).inputs))
    assert np.asarray(fresh(table(new)).inputs)[:4, -1].tolist() == [2, 0, 0, 0]
    assert fresh.chains.unseen(new) == {"colour": ["green"], "town": ["new"]}
    assert encodings(fresh.chains)["town"] == ("CategoryCodes", 1)


def test_a_state_without_codes_does_not_fit_a_configuration_with_them() -> None:
    state = tabular(one_hot_up_to=None).state()
    with pytest.raises(ValueError, match="its parts are not those of the configuration"):
        tabular().restore(state)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"one_hot_up_to": 1}, "one_hot_up_to must be at least 2, or null, got 1"),
        ({"min_frequency": 0}, "min_frequency must be at least 1, got 0"),
        ({"min_frequency": 0, "one_hot_up_to": None}, "min_frequency must be at least 1, got 0"),
    ],
)
def test_settings_out_of_range_are_refused(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        tabular(**change)

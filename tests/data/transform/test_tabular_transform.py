from datetime import date

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler, TargetEncoder

from harness.core.errors import UserError
from harness.core.table import Table
from harness.data.transform.stored_estimators import UntrustedState
from harness.data.transform.tabular import Tabular


class Doubler(TransformerMixin, BaseEstimator):
    """A part of the user's own."""

    def fit(self, values, targets=None):
        self.fitted_ = True
        return self

    def transform(self, values):
        return 2 * values


def tabular(numeric=None, categorical=None, dates=None, cyclic=False) -> Tabular:
    if numeric is None:
        numeric = [SimpleImputer(strategy="median"), StandardScaler()]
    if categorical is None:
        encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
        categorical = [SimpleImputer(strategy="most_frequent"), encoder]
    return Tabular(
        numeric=numeric,
        categorical=categorical,
        dates=["elapsed", "year", "month", "day_of_week", "hour"] if dates is None else dates,
        cyclic=cyclic,
    )


def table(columns) -> Table:
    frame = pd.DataFrame(columns)
    return Table(frame, tuple(frame.columns), name="visits")


def transformed(columns, rows, transform=None) -> np.ndarray:
    source, transform = table(columns), transform or tabular()
    transform.fit(source, np.asarray(rows), source.task)
    return transform(source).inputs.numpy()


def test_numbers_and_categories_are_what_scikit_learn_makes_of_them():
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.normal(5, 3, (20, 3)), columns=["a", "b", "c"])
    frame.loc[3, "b"] = np.nan
    frame.insert(1, "colour", random.choice(["red", "green", "blue"], 20).astype(object))
    rows = np.arange(12)
    oracle = ColumnTransformer(
        [
            ("n", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), ["a", "b", "c"]),
            ("c", OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["colour"]),
        ]
    ).fit(frame.iloc[rows])
    assert np.array_equal(transformed(frame, rows), oracle.transform(frame).astype(np.float32))


def test_a_missing_number_becomes_the_median_of_the_training_rows():
    found = transformed({"x": [1.0, 2.0, 9.0, np.nan, 100.0]}, [0, 1, 2])
    assert found[3] == found[1]


def test_an_infinite_number_counts_as_missing():
    found = transformed({"x": [1.0, 2.0, 9.0, np.inf, -np.inf]}, [0, 1, 2, 3])
    assert found[3] == found[4] == found[1]


def test_a_missing_category_becomes_the_most_frequent_one():
    found = transformed({"x": ["a", "b", "b", None]}, [0, 1, 2])
    assert found.tolist() == [[1, 0], [0, 1], [0, 1], [0, 1]]


def test_a_category_first_met_in_the_test_rows_is_all_zeros():
    found = transformed({"x": ["a", "b", "c", "d"]}, [0, 1])
    assert found.tolist() == [[1, 0], [0, 1], [0, 0], [0, 0]]


@pytest.mark.parametrize(
    "column",
    [
        [True, False, True],
        pd.Categorical(["u", "v", "u"]),
        np.array(["u", "v", "u"], dtype=object),
        pd.array(["u", "v", "u"], dtype="string"),
        pd.array([True, False, None], dtype="boolean"),
        np.array([1, "v", 1], dtype=object),
    ],
    ids=["bool", "category", "object", "string", "boolean", "mixed"],
)
def test_text_booleans_and_categories_are_one_hot(column):
    found = transformed({"x": column}, [0, 1])
    assert found.sum(axis=1).tolist() == [1, 1, 1]
    assert found.shape == (3, 2)


def test_a_constant_column_is_0():
    assert transformed({"x": [4, 4, 4]}, [0, 1]).tolist() == [[0], [0], [0]]


def test_a_column_without_a_value_in_the_training_rows_is_left_out():
    columns = {"x": [1.0, 2.0, 3.0], "n": [np.nan, np.inf, 5.0], "c": [None, None, "a"]}
    assert transformed(columns, [0, 1]).shape == (3, 1)


@pytest.mark.parametrize(
    ("column", "parts", "key", "rule"),
    [
        (
            [np.nan, np.nan, 3.0],
            {},
            "data.extract.features",
            "no feature of visits has a value",
        ),
        ([None, b"\x89PNG"], {}, "data.transform", "column 'x' of visits holds bytes, and"),
        (pd.to_timedelta([1, 2], unit="D"), {}, "data.transform", "column 'x' of visits holds timedelta64"),
        (
            [1.0, 2.0, np.nan],
            {"numeric": [StandardScaler()]},
            "data.transform",
            "or infinite in row 2 of visits",
        ),
        (
            [1.0] * 900 + [np.nan],
            {"numeric": []},
            "data.transform",
            "missing or infinite in row 900 of visits",
        ),
        (
            ["a", "b"],
            {"categorical": [TargetEncoder()]},
            "data.transform",
            "TargetEncoder, which learns from",
        ),
    ],
)
def test_columns_that_cannot_be_transformed_are_refused(column, parts, key, rule):
    with pytest.raises(UserError) as caught:
        transformed({"x": column}, [0, 1], tabular(**parts))
    assert rule in caught.value.rule
    assert caught.value.key == key


@pytest.mark.parametrize(
    ("trained", "new", "rule"),
    [
        ([1.0, 2.0], ["many", "few"], "numbers, and holds text"),
        (pd.to_datetime(["2024-01-01"]), ["soon"], "dates, and holds 'soon'"),
        (pd.to_datetime(["2024-01-01"]), [17], "dates, and holds 17"),
        (pd.to_datetime(["2024-01-01"]), ["2024-01-01", "soon"], "dates, and holds 'soon'"),
    ],
)
def test_a_value_of_another_kind_than_in_training_is_refused(trained, new, rule):
    transform, rows = tabular(), table({"x": trained})
    transform.fit(rows, np.arange(len(trained)), rows.task)
    with pytest.raises(UserError, match=f"^column 'x' must hold {rule}; correct it, or leave"):
        transform(table({"x": new}))


def test_numbers_in_a_column_that_held_text_are_unseen_categories():
    transform, rows = tabular(), table({"x": ["a", "b"]})
    transform.fit(rows, np.arange(2), rows.task)
    assert transform(table({"x": [1.5, 2.5]})).inputs.tolist() == [[0, 0], [0, 0]]


def test_without_numeric_parts_the_numbers_stay():
    found = transformed({"x": [1.5, 2.5]}, [0, 1], tabular(numeric=[], categorical=[]))
    assert found.tolist() == [[1.5], [2.5]]


def test_parts_that_give_sparse_matrices_are_understood():
    found = transformed({"x": ["a", "b"]}, [0, 1], tabular(categorical=[OneHotEncoder()]))
    assert found.tolist() == [[1, 0], [0, 1]]


def test_the_parts_of_the_yaml_are_cloned():
    part = StandardScaler()
    transformed({"x": [1.5, 2.5]}, [0, 1], tabular(numeric=[part]))
    assert not hasattr(part, "mean_")


def test_a_part_of_the_users_own_is_restored_where_the_yaml_names_it():
    fitted, rows = tabular(numeric=[Doubler()]), table({"x": [1.5, 2.5]})
    fitted.fit(rows, np.arange(2), rows.task)
    fresh = tabular(numeric=[Doubler()])
    fresh.restore(fitted.state())
    assert torch.equal(fresh(rows).inputs, torch.tensor([[3.0], [5.0]]))


def test_a_saved_type_that_the_yaml_does_not_name_is_not_trusted():
    fitted, rows = tabular(numeric=[Doubler()]), table({"x": [1.5, 2.5]})
    fitted.fit(rows, np.arange(2), rows.task)
    with pytest.raises(UntrustedState) as error:
        tabular().restore(fitted.state())
    assert error.value.what.endswith("Doubler")


def test_the_parts_of_a_date_are_numbers():
    columns = {"x": pd.to_datetime(["2024-12-30 06:00", "2025-03-01 18:30", "2024-12-29 00:00"])}
    found = transformed(columns, [0, 1], tabular(numeric=[]))
    assert found.tolist() == [
        [0, 2024, 12, 0, 6],
        [pytest.approx(61 + 12.5 / 24), 2025, 3, 5, 18],
        [-1.25, 2024, 12, 6, 0],
    ]


def test_dates_stand_behind_the_numbers():
    days = pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-03"])
    columns = {"a": [1.0, 2.0, 3.0], "x": days, "b": [4.0, 5.0, 6.0], "c": list("pqp")}
    found = transformed(columns, [0, 1, 2], tabular(numeric=[], dates=["elapsed", "year"]))
    assert found[:, :4].tolist() == [[1, 4, 0, 2024], [2, 5, 1, 2024], [3, 6, 2, 2024]]
    assert found.shape == (3, 6)


def test_months_weekdays_and_hours_go_round_in_a_circle():
    columns = {"x": pd.to_datetime(["2024-12-30 06:00", "2024-03-01 18:00"])}
    found = transformed(
        columns, [0, 1], tabular(numeric=[], dates=["month", "day_of_week", "hour"], cyclic=True)
    )
    angles = 2 * np.pi * np.array([[12 / 12, 0 / 7, 6 / 24], [3 / 12, 4 / 7, 18 / 24]])
    expected = np.stack([np.sin(angles), np.cos(angles)], axis=2).reshape(2, 6)
    assert np.allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(
    "column",
    [
        pd.Series(pd.to_datetime(["2024-01-01", None, "2024-01-03"])).dt.tz_localize("Europe/Berlin"),
        np.array([date(2024, 1, 1), None, date(2024, 1, 3)], dtype=object),
    ],
    ids=["time zone", "Python's dates"],
)
def test_a_missing_date_is_imputed_by_the_numeric_parts(column):
    found = transformed({"x": column}, [0, 1, 2], tabular(numeric=[SimpleImputer()], dates=["elapsed"]))
    assert found.tolist() == [[0], [1], [2]]


def test_without_parts_of_dates_they_are_left_out():
    columns = {"x": pd.to_datetime(["2024-01-01", "2024-01-02"]), "y": [1.0, 2.0]}
    assert transformed(columns, [0, 1], tabular(numeric=[], dates=[])).tolist() == [[1], [2]]


def test_dates_written_as_text_are_read_where_the_training_held_dates():
    transform, rows = tabular(numeric=[], dates=["elapsed"]), table({"x": pd.to_datetime(["2024-01-01"])})
    transform.fit(rows, np.arange(1), rows.task)
    assert transform(table({"x": ["2024-01-08"]})).inputs.tolist() == [[7]]


def test_dates_survive_the_saved_state():
    fitted, rows = tabular(numeric=[], dates=["elapsed"]), table({"x": pd.to_datetime(["2024-01-01"])})
    fitted.fit(rows, np.arange(1), rows.task)
    fresh = tabular(numeric=[], dates=["elapsed"])
    fresh.restore(fitted.state())
    assert fresh(table({"x": pd.to_datetime(["2024-01-05"])})).inputs.tolist() == [[4]]


def test_rare_categories_are_one_and_so_is_an_unseen_one():
    encoder = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=2, sparse_output=False)
    found = transformed({"x": list("aabbcde")}, range(6), tabular(categorical=[encoder]))
    assert found.tolist() == [[1, 0, 0]] * 2 + [[0, 1, 0]] * 2 + [[0, 0, 1]] * 3


def test_features_are_the_same_whatever_number_of_rows_is_worked_on_at_once(monkeypatch):
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"a": random.normal(size=700), "c": random.choice(list("xyz"), 700)})
    frame.loc[::7, "a"] = np.nan
    whole = transformed(frame, range(400))
    monkeypatch.setattr("harness.data.transform.sklearn_chains._CELLS_AT_ONCE", 40)
    monkeypatch.setattr("harness.data.transform.sklearn_chains._CELLS_TO_FIT", 1)
    assert np.array_equal(transformed(frame, range(400)), whole)


def test_an_encoder_with_targets_learns_from_the_labelled_training_rows():
    frame = pd.DataFrame({"x": list("aabbab"), "y": [1.5, 2.5, 7.0, None, 100.0, 100.0]})
    source = Table(frame, ("x",), target=("y",), aim="regression", name="visits")
    transform = tabular(categorical=[TargetEncoder(smooth=0.0, target_type="continuous")])
    transform.fit(source, np.arange(4), source.task)
    assert transform(source).inputs[:, 0].tolist() == [2, 2, 7, 7, 2, 7]


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int16])
def test_an_array_and_the_same_numbers_in_columns_give_equal_features(dtype):
    array = (np.random.default_rng(0).normal(size=(30, 4)) * 50).astype(dtype)
    source = Table(pd.DataFrame({"y": range(30)}), (), array=array)
    transform = tabular()
    transform.fit(source, np.arange(0, 30, 2), source.task)
    columns = pd.DataFrame(array, columns=list("abcd"))
    assert np.array_equal(transform(source).inputs.numpy(), transformed(columns, np.arange(0, 30, 2)))


def test_a_feature_of_an_array_without_a_value_in_the_training_rows_is_left_out():
    array = np.array([[1.0, np.nan, np.inf], [3.0, np.nan, 2.0], [5.0, 7.0, 8.0]])
    source, transform = (
        Table(pd.DataFrame({"y": range(3)}), (), array=array),
        tabular(numeric=[SimpleImputer()]),
    )
    transform.fit(source, np.arange(2), source.task)
    assert transform(source).inputs.tolist() == [[1, 2], [3, 2], [5, 8]]


def test_an_array_of_images_is_refused():
    source = Table(pd.DataFrame({"y": [1]}), (), array=np.zeros((1, 3, 4, 4)), name="photos")
    with pytest.raises(
        UserError, match=r"takes rows of features, and photos gives arrays of shape \(3, 4, 4\)"
    ):
        tabular().fit(source, np.arange(1), source.task)


@pytest.mark.parametrize("cyclic", [False, True])
def test_of_the_time_column_only_its_own_parts_are_features(cyclic: bool) -> None:
    days = pd.to_datetime(["2026-01-31 06:00", "2026-05-01 18:00", "2027-05-01 18:00"])
    rows = Table(
        pd.DataFrame({"when": days, "born": days}), ("when", "born"), time="when", time_parts=("hour",)
    )
    transform = tabular(numeric=[], dates=["year"], cyclic=cyclic)
    transform.fit(rows, np.arange(2), rows.task)
    again = tabular(numeric=[], dates=["year"], cyclic=cyclic)
    again.restore(transform.state())
    hours = [[1, 0], [-1, 0], [-1, 0]] if cyclic else [[6], [18], [18]]
    wanted = np.column_stack([hours, [2026, 2026, 2027]])
    for made in (transform, again):
        np.testing.assert_allclose(made(rows).inputs, wanted, atol=1e-6)

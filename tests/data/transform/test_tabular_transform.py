import numpy as np
import pandas as pd
import pytest
import skops.io
import torch
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from harness.data.transform.tabular import Tabular
from harness.errors import UserError
from harness.table import Table


class Doubler(TransformerMixin, BaseEstimator):
    """A part of the user's own."""

    def fit(self, values, targets=None):
        self.fitted_ = True
        return self

    def transform(self, values):
        return 2 * values


def tabular(numeric=None, categorical=None) -> Tabular:
    if numeric is None:
        numeric = [SimpleImputer(strategy="median"), StandardScaler()]
    if categorical is None:
        encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
        categorical = [SimpleImputer(strategy="most_frequent"), encoder]
    return Tabular(numeric=numeric, categorical=categorical)


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


def test_no_column_with_a_value_is_refused():
    words = r"no feature of visits has a value in the training rows; name others with data.extract.features="
    with pytest.raises(UserError, match=words):
        transformed({"x": [np.nan, np.nan, 3.0]}, [0, 1])


def test_a_column_of_dates_is_refused():
    words = (
        r"column 'x' of visits holds datetime64.*, and data/transform=tabular takes numbers, text, booleans"
    )
    with pytest.raises(UserError, match=words):
        transformed({"x": pd.to_datetime(["2026-01-01", "2026-01-02"])}, [0, 1])


def test_parts_that_leave_a_gap_are_refused():
    words = r"leaves a value that is missing or infinite in row 2 of visits; put an imputer first"
    with pytest.raises(UserError, match=words):
        transformed({"x": [1.0, 2.0, np.nan]}, [0, 1], tabular(numeric=[StandardScaler()]))


def test_text_in_a_column_that_held_numbers_is_refused():
    transform, rows = tabular(), table({"x": [1.0, 2.0]})
    transform.fit(rows, np.arange(2), rows.task)
    with pytest.raises(UserError, match="column 'x' must hold numbers, and holds text"):
        transform(table({"x": ["many", "few"]}))


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
    with pytest.raises(
        UserError, match=r"the saved transform holds .*Doubler, which is not trusted; load only"
    ):
        tabular().restore(fitted.state())


def test_the_state_of_the_yamls_parts_asks_for_no_trust_but_in_numpys_dtype():
    fitted, rows = tabular(), table({"x": [1.5, 2.5], "c": ["a", "b"]})
    fitted.fit(rows, np.arange(2), rows.task)
    assert skops.io.get_untrusted_types(data=fitted.state()["transformer"]) == ["numpy.dtype"]

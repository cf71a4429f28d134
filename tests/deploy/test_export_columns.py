from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import (
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)

from harness.core.errors import UserError
from harness.core.table import Table
from harness.core.task import Task
from harness.data.transform.sequence import Sequence
from harness.data.transform.tabular import Tabular
from harness.deploy.export.sequence_input import Sequences
from harness.deploy.export.sklearn_as_tensors import Opaque, read
from harness.deploy.export.tabular_input import Rows

NONE = Task("none")
FRAME = pd.DataFrame(
    {
        "age": [40.0, np.nan, 60.0, 80.0, 50.0, 61.0],
        "cents": [1.7e9, 1.7e9 + 1, 1.7e9 + 2, 1.7e9 + 5, np.inf, 1.7e9],
        "ward": ["a", "bb", "a", None, "bb", "rare"],
        "sex": ["f", "m", "f", "f", "m", "f"],
        "day": pd.to_datetime(["2020-01-01", "2020-02-03", None, "2021-05-06", "2020-01-02", "2020-01-03"]),
    }
)
NUMERIC = [SimpleImputer(strategy="median"), StandardScaler()]
CATEGORICAL = [
    SimpleImputer(strategy="most_frequent"),
    OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=2, sparse_output=False),
]


def prepared(transform: Any, columns: Any, frame: pd.DataFrame = FRAME) -> tuple[np.ndarray, np.ndarray]:
    """What the graph makes of rows, and what the transform makes of them."""
    rows = Rows(columns, {})
    given = rows.feed(Table(frame, tuple(frame)))
    made = rows(*(torch.from_numpy(values) for values in given.values())).numpy()
    return made, transform(Table(frame, tuple(frame))).inputs.numpy()


def fitted(frame: pd.DataFrame = FRAME, **change: Any) -> Tabular:
    made = {"numeric": NUMERIC, "categorical": CATEGORICAL, "dates": [], "cyclic": True, **change}
    transform = Tabular(**made)
    transform.fit(Table(frame, tuple(frame)), np.arange(len(frame)), NONE)
    return transform


@pytest.mark.parametrize("cyclic", [True, False])
def test_the_steps_as_plain_numbers_equal_scikit_learn(cyclic: bool) -> None:
    dates = ["elapsed", "year", "month", "day_of_week", "hour"]
    transform = fitted(dates=dates, cyclic=cyclic)
    made, wanted = prepared(transform, read(transform.chains, cyclic))
    np.testing.assert_array_equal(made, wanted)
    assert made.shape == (6, 2 + (8 if cyclic else 5) + 3 + 2)


@pytest.mark.parametrize("scaler", [RobustScaler(), MinMaxScaler(), StandardScaler(with_mean=False)])
def test_other_scalers_are_a_shift_and_a_division(scaler: Any) -> None:
    transform = fitted(numeric=[SimpleImputer(), scaler])
    made, wanted = prepared(transform, read(transform.chains, True))
    np.testing.assert_allclose(made, wanted, rtol=1e-6, atol=1e-6)


def test_an_ordinal_code_is_looked_up_too() -> None:
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    transform = fitted(categorical=[SimpleImputer(strategy="most_frequent"), encoder])
    columns = read(transform.chains, True)
    made, wanted = prepared(transform, columns, FRAME.assign(ward=["a", "zz", "bb", None, "rare", "a"]))
    np.testing.assert_array_equal(made, wanted)
    ward = columns.categories[0]
    assert ward.codes == {"a": 0, "bb": 1, "rare": 2}
    assert (ward.missing, ward.unknown) == (0, 3)  # the imputer's "a", and a code behind the others
    assert ward.features[:, 0].tolist() == [0.0, 1.0, 2.0, -1.0]


def test_a_target_encoding_is_looked_up_too() -> None:
    task = Task("multiclass", ("x", "y", "z"))
    frame = FRAME[["ward", "sex"]].assign(y=["x", "y", "z", "x", "y", "z"])
    transform = Tabular(numeric=[], categorical=[TargetEncoder()], dates=[], cyclic=True)
    transform.fit(Table(frame, ("ward", "sex"), target=("y",)), np.arange(6), task)
    made, wanted = prepared(transform, read(transform.chains, True), frame[["ward", "sex"]])
    assert made.shape == (6, 6)
    np.testing.assert_array_equal(made, wanted)


def test_rare_categories_share_a_code() -> None:
    ward = read(fitted().chains, True).categories[0]
    assert ward.codes == {"a": 0, "bb": 1, "rare": 2}
    assert (ward.missing, ward.unknown) == (0, 2)
    assert ward.features.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]


def test_a_category_that_the_encoder_refuses_is_refused() -> None:
    refusing = OneHotEncoder(handle_unknown="error", sparse_output=False)
    transform = fitted(categorical=[SimpleImputer(strategy="most_frequent"), refusing])
    columns = read(transform.chains, True)
    assert columns.categories[0].unknown is None
    frame = FRAME.assign(ward=["a", "a", "bbb", "a", "a", "a"])
    with pytest.raises(
        UserError,
        match=r"column 'ward' must hold a category of the training rows, and holds 'bbb' in row 2; did",
    ):
        Rows(columns, {}).feed(Table(frame, tuple(frame)))


def test_a_part_that_mixes_columns_is_named() -> None:
    with pytest.raises(Opaque, match="PCA"):
        read(fitted(numeric=[SimpleImputer(), PCA()]).chains, True)
    with pytest.raises(Opaque, match="SimpleImputer"):
        read(fitted(numeric=[SimpleImputer(add_indicator=True)]).chains, True)


@pytest.mark.parametrize("pad", ["front", "back"])
def test_events_are_padded_and_masked_as_in_training(pad: Any) -> None:
    events = FRAME.assign(id=[7, 7, 7, 7, 3, 3], time=[4, 3, 2, 1, 1, 2])
    features = ("age", "cents", "ward", "sex")
    table = Table(events, features, id="id", time="time", kind="sequence")
    transform = Sequence(
        length=3,
        step=None,
        target="constant",
        pad=pad,
        mask=True,
        numeric=NUMERIC,
        categorical=CATEGORICAL,
        dates=[],
        cyclic=True,
    )
    table = transform.arrange(table, lambda size: True)
    transform.fit(table, np.arange(2), NONE)
    columns = read(transform.chains, True)
    inputs = Sequences(columns, {}, 3, pad, True, {"joined_by": "id"})
    given = inputs.feed(table)
    assert given["events"].tolist()[0] == ([False, True, True] if pad == "front" else [True, True, False])
    made = inputs(*(torch.from_numpy(values) for values in given.values())).numpy()
    np.testing.assert_array_equal(made, transform(table).take(np.arange(2)).numpy())
    assert [fact["shape"] for fact in inputs.facts] == [["batch", 3, 2], ["batch", 3, 2], ["batch", 3]]

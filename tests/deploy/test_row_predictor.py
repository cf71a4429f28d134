from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from harness.bundle.row_predictor import RowPredictor, typed
from harness.core.errors import UserError
from harness.core.table import Table
from harness.core.task import Task

CLASSES = Task("multiclass", ("dead", "ill", "well"))


def direct(predictor: Any, transform: Any, rows: pd.DataFrame) -> Any:
    return predictor(transform(Table(rows, ("age", "dose", "ward"))).inputs)


def test_classes_get_a_name_and_a_probability_each(make: Any, rows: pd.DataFrame) -> None:
    folder, predictor, transform = make(CLASSES)
    found = RowPredictor(folder)(rows)
    logits = direct(predictor, transform, rows).outputs
    expected = logits.softmax(dim=1).double().numpy()
    assert list(found.columns) == ["prediction", "probability_dead", "probability_ill", "probability_well"]
    np.testing.assert_array_equal(found.iloc[:, 1:].to_numpy(), expected)
    assert list(found["prediction"]) == [CLASSES.classes[i] for i in logits.argmax(dim=1)]


def test_two_classes_share_one_logit(make: Any, rows: pd.DataFrame) -> None:
    folder, predictor, transform = make(Task("binary", ("no", "yes")))
    found = RowPredictor(folder)(rows)
    yes = direct(predictor, transform, rows).outputs.sigmoid().double().numpy()
    np.testing.assert_array_equal(found["probability_yes"], yes)
    np.testing.assert_allclose(found["probability_no"], 1 - yes, atol=1e-7)
    assert list(found["prediction"]) == ["yes" if chance > 0.5 else "no" for chance in yes]


def test_a_regression_gives_numbers(make: Any, rows: pd.DataFrame) -> None:
    folder, predictor, transform = make(Task("regression"))
    found = RowPredictor(folder)(rows)
    expected = direct(predictor, transform, rows).outputs.double().numpy()
    assert list(found.columns) == ["prediction"]
    np.testing.assert_array_equal(found["prediction"], expected)


def test_a_regression_on_several_columns_gives_a_number_for_each(make: Any, rows: pd.DataFrame) -> None:
    folder, predictor, transform = make(Task("regression", columns=("weight", "pulse")))
    found = RowPredictor(folder)(rows)
    expected = direct(predictor, transform, rows).outputs.double().numpy()
    assert list(found.columns) == ["prediction_weight", "prediction_pulse"]
    np.testing.assert_array_equal(found.to_numpy(), expected)


def test_labels_are_0_or_1_with_a_probability_each(make: Any, rows: pd.DataFrame) -> None:
    folder, predictor, transform = make(Task("multilabel", ("hot", "wet")))
    found = RowPredictor(folder)(rows)
    chances = direct(predictor, transform, rows).outputs.sigmoid().double().numpy()
    assert list(found.columns) == ["prediction_hot", "prediction_wet", "probability_hot", "probability_wet"]
    np.testing.assert_array_equal(found.iloc[:, 2:].to_numpy(), chances)
    np.testing.assert_array_equal(found.iloc[:, :2].to_numpy(), chances > 0.5)
    assert [str(dtype) for dtype in found.dtypes] == ["int64", "int64", "float64", "float64"]


def test_without_a_head_the_representation_is_given(make: Any, rows: pd.DataFrame) -> None:
    folder, predictor, transform = make(CLASSES, head=False)
    found = RowPredictor(folder)(rows)
    expected = direct(predictor, transform, rows).representation.double().numpy()
    assert list(found.columns) == [f"representation_{i}" for i in range(5)]
    np.testing.assert_array_equal(found.to_numpy(), expected)


def test_autocast_is_as_it_was(make: Any, rows: pd.DataFrame) -> None:
    folder, predictor, transform = make(Task("regression"), autocast=torch.bfloat16)
    expected = direct(predictor, transform, rows).outputs.double().numpy()
    np.testing.assert_array_equal(RowPredictor(folder)(rows)["prediction"], expected)


def test_rows_keep_their_index_and_other_columns_are_ignored(make: Any, rows: pd.DataFrame) -> None:
    folder, _, _ = make(CLASSES)
    predict = RowPredictor(folder)
    whole = predict(rows)
    some = rows.iloc[[4, 1]][["ward", "outcome", "dose", "age"]]
    pd.testing.assert_frame_equal(predict(some), whole.iloc[[4, 1]])
    none = predict(rows.iloc[:0])
    assert (len(none), list(none.columns)) == (0, list(whole.columns))


def test_many_rows_are_predicted_in_parts(make: Any, rows: pd.DataFrame) -> None:
    folder, _, _ = make(CLASSES)
    predict = RowPredictor(folder)
    many = pd.concat([rows] * 400, ignore_index=True)
    found = predict(many)
    assert len(found) == 2400
    assert list(found["prediction"]) == list(predict(rows)["prediction"]) * 400


def test_columns_take_the_type_that_they_had_in_training(make: Any, rows: pd.DataFrame) -> None:
    folder, _, _ = make(CLASSES)
    predict = RowPredictor(folder)
    read = rows.assign(age=rows["age"].astype(float), dose=[0, 1, 2, 3, 4, 5], ward=[1, 22, 333, 1, 22, 333])
    meant = rows.assign(dose=[0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
    pd.testing.assert_frame_equal(predict(read), predict(meant))


def test_texts_stay_missing_where_they_are_and_dates_have_one_clock() -> None:
    assert typed(pd.Series([1.5, None]), "str").isna().tolist() == [False, True]
    assert typed(pd.Series(["a", None], dtype=object), "str").isna().tolist() == [False, True]
    texts = pd.Series(["2026-01-31T08:00+01:00", "2026-01-31T08:00+03:00"], name="seen")
    moments = typed(texts, "datetime64[us, UTC]")
    assert [moment.hour for moment in moments] == [7, 5]
    with pytest.raises(
        UserError, match=r"'seen' was datetime64.us. in training, and row 0 holds '2026-01-31T08"
    ):
        typed(texts, "datetime64[us]")  # no offset, so no clock to compare with


def test_a_fraction_in_a_column_of_whole_numbers_is_not_cut_off(make: Any, rows: pd.DataFrame) -> None:
    folder, predictor, transform = make(Task("regression"))
    halves = rows.assign(age=rows["age"] + 0.5)
    expected = direct(predictor, transform, halves).outputs.double().numpy()
    np.testing.assert_array_equal(RowPredictor(folder)(halves)["prediction"], expected)


def test_rows_without_any_column_are_refused(make: Any, rows: pd.DataFrame) -> None:
    folder, _, _ = make(CLASSES)
    with pytest.raises(UserError, match="needs the 3 columns"):
        RowPredictor(folder)(pd.DataFrame(index=rows.index))


def test_a_missing_column_is_named(make: Any, rows: pd.DataFrame) -> None:
    folder, _, _ = make(CLASSES)
    with pytest.raises(
        UserError, match="needs the 3 columns that it was trained on, and 1 is missing: 'dose'; give"
    ):
        RowPredictor(folder)(rows.drop(columns="dose"))


def test_a_column_that_cannot_be_its_type_is_named(make: Any, rows: pd.DataFrame) -> None:
    folder, _, _ = make(CLASSES)
    with pytest.raises(
        UserError, match="column 'dose' was float64 in training, and row 0 holds 'much'; correct it"
    ):
        RowPredictor(folder)(rows.assign(dose="much"))


@pytest.mark.parametrize("value", [np.inf, -1e40])
def test_an_infinite_value_is_treated_as_in_training(
    make: Any, rows: pd.DataFrame, config: dict[str, Any], value: float
) -> None:
    held = rows.astype({"dose": float})
    held.loc[1, "dose"] = value
    config["data"]["extract"] = {"infinite": "error"}
    folder, _, _ = make(Task("regression"))
    with pytest.raises(
        UserError, match=r"column 'dose' of rows holds .* in row 1; correct it, or leave it em"
    ):
        RowPredictor(folder)(held)
    config["data"]["extract"] = {"infinite": "missing"}
    folder, _, _ = make(Task("regression"))
    missing = held.assign(dose=held["dose"].mask(held.index == 1))
    pd.testing.assert_frame_equal(RowPredictor(folder)(held), RowPredictor(folder)(missing))

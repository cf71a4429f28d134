import pandas as pd
import pytest

from harness.data.extract.roles import Roles
from harness.errors import UserError

DEFAULT = {"target": None, "group": None, "id": None, "features": None, "drop": [], "task": "auto"}


def assign(frame=None, *, kind="table", shape=None, **changes):
    if frame is None:
        frame = pd.DataFrame({"age": [1, 2], "dose": [3, 4], "who": ["a", "b"], "ill": ["y", "n"]})
    return Roles(**(DEFAULT | changes), kind=kind, shape=shape).assign(frame, "visits", "visits.csv")


def test_the_features_are_all_columns_without_another_role_in_order():
    table = assign(target="ill", group="who")
    assert table.features == ("age", "dose")
    assert (table.target, table.group, table.id) == (("ill",), "who", None)
    assert (table.name, table.source, table.aim, table.kind) == ("visits", "visits.csv", "auto", "table")


def test_the_id_and_dropped_columns_are_no_features():
    table = assign(target="ill", id="who", drop=["dose"])
    assert table.features == ("age",)
    assert "dose" not in table.frame
    assert "who" in table.frame


def test_features_that_are_named_are_taken_in_that_order():
    assert assign(target="ill", features=["dose", "age"]).features == ("dose", "age")


def test_the_rows_are_numbered_from_0():
    frame = pd.DataFrame({"x": [5, 6]}, index=[7, 9])
    assert assign(frame).frame.index.tolist() == [0, 1]


def test_the_task_reaches_the_table():
    table = assign(pd.DataFrame({"x": [1, 2], "y": [3, 4]}), target="y", task="regression")
    assert table.task.kind == "regression"


def test_pixel_columns_have_the_shape_of_an_image_and_a_table_has_none():
    frame = pd.DataFrame([[0.0] * 12])
    assert assign(frame, kind="image", shape=[3, 2, 2]).shape == (3, 2, 2)
    assert assign(frame, kind="table", shape=[3, 2, 2]).shape is None


@pytest.mark.parametrize("shape", [None, [8, 8], [0, 8, 8]])
def test_an_image_without_a_shape_is_refused(shape):
    with pytest.raises(ValueError, match=r"shape must be \[channels, height, width\] where kind=image, got"):
        assign(kind="image", shape=shape)


def test_a_shape_that_the_columns_do_not_fill_is_refused():
    words = r"data.extract.shape=\[1, 8, 8\] asks for 64 pixel columns, and visits has 4 features; mend"
    with pytest.raises(UserError, match=words):
        assign(kind="image", shape=[1, 8, 8])


def test_a_target_that_is_not_there_is_answered_with_the_columns():
    with pytest.raises(UserError, match=r"data.extract.target names the column 'il', .* did you mean ill\?"):
        assign(target="il")


def test_dropping_a_column_that_is_not_there_is_refused():
    words = r"data.extract.drop names the column 'doze', which visits does not have; did you mean dose\?"
    with pytest.raises(UserError, match=words):
        assign(drop=["doze"])


def test_dropping_a_column_with_a_role_is_refused():
    words = "data.extract.drop and data.extract.group both name the column 'who'; take it out of one."
    with pytest.raises(UserError, match=words):
        assign(group="who", drop=["who"])


def test_the_target_among_the_features_is_refused():
    words = "data.extract.features names the target 'ill', which a model must not see; take it out."
    with pytest.raises(UserError, match=words):
        assign(target="ill", features=["age", "ill"])


def test_a_table_without_a_feature_is_refused():
    words = r"visits has no column left as a feature; name some with data.extract.features="
    with pytest.raises(UserError, match=words):
        assign(pd.DataFrame({"y": [0, 1]}), target="y")

import numpy as np
import pandas as pd
import pytest

from harness.core.errors import UserError
from harness.data.extract.column_roles import Roles

DEFAULT = {
    "target": None,
    "group": None,
    "id": None,
    "time": None,
    "features": None,
    "keep": [],
    "drop": [],
    "task": "auto",
    "kind": "table",
    "shape": None,
    "infinite": "error",
}


def assign(frame=None, array=None, **changes):
    if frame is None:
        frame = pd.DataFrame({"age": [1, 2], "dose": [3, 4], "who": ["a", "b"], "ill": ["y", "n"]})
    return Roles(**(DEFAULT | changes)).assign(frame, "visits", "visits.csv", array)


def refuse(words, *arguments, **changes):
    with pytest.raises(UserError, match=words) as found:
        assign(*arguments, **changes)
    assert str(found.value).count(". ") == 0


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


@pytest.mark.parametrize("shape", [[8, 8], [0, 8, 8]])
def test_a_malformed_shape_is_refused(shape):
    with pytest.raises(ValueError, match=r"shape must be \[channels, height, width\], got"):
        assign(kind="image", shape=shape)


def test_an_image_is_one_feature_or_pixel_columns_with_a_shape():
    assert assign(kind="image", features=["who"]).shape is None
    refuse(
        r"an image is one feature, or pixel columns with a shape, and visits has 4 features; set "
        r"data.extract.shape=\[channels, height, width\], or name the one with data.extract.features.",
        kind="image",
    )


def test_a_column_that_is_kept_is_no_feature_but_stays_in_the_frame():
    table = assign(target="ill", id="who", keep=["dose"])
    assert "dose" not in table.features
    assert "dose" in table.frame.columns


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"kind": "image", "shape": [1, 8, 8]},
            r"data.extract.shape=\[1, 8, 8\] asks for 64 pixel columns, and visits has 4 features; correct",
        ),
        ({"target": "il"}, r"data.extract.target names the column 'il', .* did you mean ill\?"),
        (
            {"target": "ill", "features": ["dose"], "keep": ["dose"]},
            r"features and data\.extract\.keep both name the column 'dose'; take",
        ),
        ({"drop": ["doze"]}, r"data.extract.drop names the column 'doze', .*; did you mean dose\?"),
        (
            {"group": "who", "drop": ["who"]},
            "data.extract.drop and data.extract.group both name the column 'who'; take it out of one.",
        ),
        (
            {"target": "ill", "features": ["age", "ill"]},
            "data.extract.features names the target 'ill', which a model must not see; take it out.",
        ),
    ],
)
def test_roles_that_contradict_each_other_or_name_no_column_are_refused(changes, message):
    refuse(message, **changes)


def test_a_table_without_a_feature_is_refused():
    words = r"visits has no column left as a feature; name some with data.extract.features="
    with pytest.raises(UserError, match=words):
        assign(pd.DataFrame({"y": [0, 1], "who": [1, 2]}), target="y", group="who")
    words = r"visits has no column left as a feature; it has no other column than its target; add some"
    with pytest.raises(UserError, match=words):
        assign(pd.DataFrame({"y": [0, 1]}), target="y")


def test_several_columns_are_the_target_and_no_features():
    table = assign(target=["age", "dose"], group="who")
    assert table.target == ("age", "dose")
    assert table.features == ("ill",)


def test_a_target_that_is_named_twice_is_refused():
    refuse("data.extract.target names the column 'age' twice; take one out.", target=["age", "age"])


def test_the_rows_of_the_frame_are_not_copied():
    frame = pd.DataFrame({"x": np.arange(3.0), "y": [1, 2, 1]})
    assert np.shares_memory(assign(frame, target="y").frame["x"].to_numpy(), frame["x"].to_numpy())


def test_an_array_is_the_features_and_the_frame_need_not_have_a_column():
    array = np.zeros((2, 3, 4, 4))
    table = assign(pd.DataFrame(index=range(2)), array, kind="image")
    assert (table.features, len(table), table.shape) == ((), 2, None)
    assert table.array is array


def test_an_array_of_another_length_is_a_fault():
    with pytest.raises(ValueError, match="the array of visits has 3 rows, and its frame 2"):
        assign(None, np.zeros((3, 2)))


def test_features_and_shape_do_not_choose_within_an_array():
    refuse(
        "data.extract.features chooses among columns, and the features of visits are one array; leave",
        None,
        np.zeros((2, 2)),
        features=["age"],
    )
    refuse(
        r"data.extract.shape=\[1, 4, 4\] is not that of the samples of visits, \[3, 4, 4\]; leave it out",
        None,
        np.zeros((2, 3, 4, 4)),
        kind="image",
        shape=[1, 4, 4],
    )


def test_a_sequence_without_an_id_is_refused():
    refuse(
        "data.extract.kind=sequence joins the rows of visits that share an id, and none is named; name its "
        "column with data.extract.id=COLUMN.",
        kind="sequence",
    )


DATED = pd.DataFrame({"when": pd.to_datetime(["2026-01-01", "2026-02-01"]), "x": [1, 2], "y": [0, 1]})


@pytest.mark.parametrize(
    ("changes", "features", "parts"),
    [
        ({"time_features": ()}, ("x", "y"), ()),
        ({}, ("when", "x", "y"), ("month", "hour")),
        ({"target": "y"}, ("when", "x"), ("month", "hour")),
        ({"features": ["x"]}, ("x",), ()),
        ({"features": ["when", "x"]}, ("when", "x"), ()),
        ({"keep": ["when"]}, ("x", "y"), ()),
        ({"time": "x"}, ("when", "y"), ()),  # a number has no month
        ({"kind": "sequence", "id": "x"}, ("y",), ()),
    ],
)
def test_a_time_column_of_dates_is_a_feature_of_a_table(changes, features, parts):
    table = assign(DATED, **({"time": "when", "time_features": ["month", "hour"]} | changes))
    assert (table.features, table.time_parts) == (features, parts)


def test_the_parts_of_the_time_are_in_the_digest():
    digests = {assign(DATED, time="when", time_features=parts).digest for parts in ([], ["month"], ["hour"])}
    assert len(digests) == 3


def test_a_time_column_that_is_dropped_is_answered_with_the_setting():
    with pytest.raises(UserError, match="time_features"):
        assign(DATED, time="when", drop=["when"])

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.core.errors import UserError
from harness.core.table import MOST_CLASSES, Table
from harness.core.task import Task


def table(**columns: Any) -> Table:
    """A table named `ward` with the target `y` if there is such a column."""
    frame = pd.DataFrame(columns)
    target = ("y",) if "y" in columns else ()
    return Table(frame, tuple(c for c in columns if c != "y"), target, name="ward")


def aimed(values: Any, aim: Any) -> Task:
    return Table(pd.DataFrame({"a": 0, "y": values}), ("a",), ("y",), aim=aim).task


@pytest.mark.parametrize(
    ("values", "task"),
    [
        (["b", "a", "c", "a"], Task("multiclass", ("a", "b", "c"))),
        ([10, 2, 2], Task("binary", ("2", "10"))),
        ([1.0, 2.0, np.nan], Task("binary", ("1", "2"))),
        ([True, False], Task("binary", ("False", "True"))),
        ([0.5, 1.5], Task("regression")),
        (list(range(MOST_CLASSES)), Task("multiclass", tuple(map(str, range(MOST_CLASSES))))),
        (list(range(MOST_CLASSES + 1)), Task("regression")),
        (pd.Categorical(["x", "w", "x"]), Task("binary", ("w", "x"))),
    ],
)
def test_the_task_is_read_off_the_target(values: Any, task: Task) -> None:
    assert table(a=range(len(values)), y=values).task == task


def test_an_explicit_aim_is_not_second_guessed() -> None:
    assert aimed([1, 2, 3], "regression") == Task("regression")
    assert aimed([0.5, 1.5], "classification") == Task("binary", ("0.5", "1.5"))
    assert aimed(range(30), "classification").kind == "multiclass"


@pytest.mark.parametrize(
    ("values", "positive", "classes"),
    [
        (["no", "yes"], None, ("no", "yes")),
        (["bad", "good"], "bad", ("good", "bad")),
        (["bad", "good"], "Bad", ("good", "bad")),
        (["a", "A"], "a", ("A", "a")),
        ([0, 1], 0, ("1", "0")),
        ([0, 1, np.nan], 0.0, ("1", "0")),
        ([1.0, 0.0], "0", ("1", "0")),
        ([True, False], False, ("True", "False")),
        (["true", "false"], False, ("true", "false")),
    ],
)
def test_the_positive_class_is_the_second(values: Any, positive: Any, classes: tuple[str, str]) -> None:
    task = Table(pd.DataFrame({"a": 0, "y": values}), ("a",), ("y",), positive=positive).task
    assert (task.classes, task.positive) == (classes, classes[1])


@pytest.mark.parametrize(
    ("values", "positive", "words"),
    [
        (["bad", "good"], "god", "positive=god names no class of the target 'y' of ward; did you mean good?"),
        (["a", "b", "c"], "a", "names one of two classes, and the target of ward has 3 classes"),
        ([0.5, 1.5], "a", "names one of two classes, and the target of ward is no class"),
    ],
)
def test_a_positive_class_that_is_none_is_refused(values: Any, positive: str, words: str) -> None:
    wrong = Table(pd.DataFrame({"a": 0, "y": values}), ("a",), ("y",), name="ward", positive=positive)
    with pytest.raises(UserError, match=re.escape(words)) as refused:
        wrong.task  # noqa: B018
    assert refused.value.key == "data.extract.positive"


def test_without_a_target_there_is_no_task_and_no_row_is_labelled() -> None:
    bare = table(a=[1, 2])
    assert bare.task == Task("none")
    assert bare.labelled.tolist() == [False, False]
    with pytest.raises(
        UserError, match=r"^data set ward has no target column, .*data\.extract\.target=COLUMN\.$"
    ):
        _ = bare.labels


def test_a_missing_target_is_an_unlabelled_row() -> None:
    assert table(a=[1, 2, 3], y=["u", None, "v"]).labelled.tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("values", "found"),
    [(["u", "u"], "only the value 'u'"), ([1, 1], "only the value '1'"), ([None, None], "no value at all")],
)
def test_a_target_of_one_value_is_refused(values: Any, found: str) -> None:
    words = (
        f"^a target needs two or more distinct values, and column 'y' of ward has {found}; choose another "
    )
    with pytest.raises(UserError, match=words):
        _ = table(a=[1, 2], y=values).task


def test_a_text_cannot_be_regressed_on() -> None:
    with pytest.raises(UserError, match=r"^data\.extract\.task=regression needs a number .* holds 'u'; use "):
        aimed(["u", "v"], "regression")


def test_the_groups_are_a_column_or_refused() -> None:
    frame = pd.DataFrame({"a": [1, 2], "g": ["p", "q"]})
    assert Table(frame, ("a",), group="g").groups.tolist() == ["p", "q"]
    with pytest.raises(
        UserError, match=r"^this split keeps groups together, and data set table has no group "
    ):
        _ = Table(frame, ("a",)).groups


@pytest.mark.parametrize("role", ["target", "group", "id", "features"])
def test_a_role_names_a_column_that_is_there(role: str) -> None:
    roles: dict[str, Any] = {
        "features": ("age",),
        role: ("agee",) if role in ("target", "features") else "agee",
    }
    with pytest.raises(
        UserError, match=rf"^data\.extract\.{role} names the column 'agee', .*did you mean age\?$"
    ):
        Table(pd.DataFrame({"age": [1]}), **roles)


def test_an_empty_table_is_refused() -> None:
    with pytest.raises(UserError, match=r"^data set ward has no rows; "):
        table(a=[])


def test_the_digest_depends_on_values_columns_and_roles_only() -> None:
    frame = pd.DataFrame({"a": [1, 2], "y": ["u", "v"]})
    digest = Table(frame, ("a",), ("y",)).digest
    assert len(digest) == 16
    assert int(digest, 16) >= 0
    assert Table(frame.copy(), ("a",), ("y",), name="other", source="there").digest == digest
    changed = [
        Table(frame.replace({2: 3}), ("a",), ("y",)),
        Table(frame.rename(columns={"a": "b"}), ("b",), ("y",)),
        Table(frame, ("a",), ()),
        Table(frame, ("a",), ("y",), id="a"),
        Table(frame.iloc[::-1], ("a",), ("y",)),
        Table(frame, ("a",), ("y",), positive="u"),
    ]
    assert len({digest, *(other.digest for other in changed)}) == 7


def test_the_length_is_that_of_the_rows() -> None:
    assert len(table(a=[1, 2, 3])) == 3


def test_chosen_rows_are_numbered_from_zero_and_keep_the_task_of_the_whole_table() -> None:
    whole = table(x=[0, 1, 2, 3], y=["a", "b", None, "c"])
    part = whole.with_rows(np.array([0, 2]))
    assert part.frame["x"].tolist() == [0, 2]
    assert part.frame.index.tolist() == [0, 1]
    assert part.task == whole.task
    assert part.labelled.tolist() == [True, False]


def test_chosen_rows_come_with_or_without_the_array_of_features() -> None:
    whole = Table(pd.DataFrame({"y": ["a", "b", "a"]}), (), ("y",), array=np.arange(6).reshape(3, 2))
    rows = np.array([2, 0])
    assert np.array_equal(whole.with_rows(rows).array, [[4, 5], [0, 1]])
    assert whole.with_rows(rows, arrays=False).array is None
    assert whole.with_rows(rows, arrays=False).frame["y"].tolist() == ["a", "a"]


def test_a_hidden_target_is_missing_and_leaves_task_and_original_as_they_were() -> None:
    whole = table(x=[0, 1, 2, 3], y=["a", "b", None, "c"])
    hidden = whole.with_hidden_target(np.array([1, 2]))
    assert hidden.labelled.tolist() == [True, False, False, True]
    assert whole.labelled.tolist() == [True, True, False, True]
    assert hidden.task == whole.task
    assert hidden.digest not in (whole.digest, whole.with_hidden_target(np.array([0])).digest)
    assert whole.with_hidden_target(np.array([2])) is whole


def test_a_frame_without_columns_has_the_digest_of_its_number_of_rows() -> None:
    array = np.zeros((4, 1, 2, 2), dtype=np.uint8)
    digest = Table(pd.DataFrame(index=range(4)), (), kind="image", array=array).digest
    assert digest == "373f58530a5bb108"  # caches and runs hold it, whatever pandas made it
    assert Table(pd.DataFrame(index=range(3)), (), kind="image", array=array[:3]).digest != digest


def test_a_task_or_digest_that_is_known_is_not_computed_again() -> None:
    whole = table(x=[0, 1], y=["a", "b"])
    digest, task = whole.digest, Task("multiclass", ("a", "b", "c"))
    assert whole.with_task(task).task == task
    assert whole.with_task(task).digest == digest
    assert whole.task.kind == "binary"
    assert whole.with_digest("0123").digest == "0123"


def test_other_values_have_another_digest() -> None:
    whole = table(x=[0, 1], y=["a", "b"])
    assert whole.digest != whole.with_frame(whole.frame.assign(x=[0, 2])).digest


def test_decoded_files_take_the_place_of_the_column_that_names_them() -> None:
    files = Table(pd.DataFrame({"file": ["a.png", "b.png"]}), ("file",), kind="image")
    decoded = files.with_array(np.zeros((2, 1, 4, 4), dtype=np.uint8))
    assert (decoded.features, decoded.files) == ((), "file")
    assert decoded.array is not None
    assert not decoded.names_files
    assert files.names_files

import numpy as np
import pandas as pd
import pytest
import torch

from harness.core.errors import UserError
from harness.core.table import Table
from harness.core.task import Task
from harness.data.transform.target_tensor import encode, pack, unpack


def table(target, aim="auto") -> Table:
    return Table(pd.DataFrame({"x": range(len(target)), "y": target}), ("x",), target=("y",), aim=aim)


@pytest.mark.parametrize(
    ("target", "codes"),
    [
        (["b", "a", None, "b"], [1, 0, -1, 1]),
        ([3, 1, 2, 1], [2, 0, 1, 0]),
        ([3.0, np.nan, 7.0, 3.0], [0, -1, 1, 0]),
        ([True, False, True], [1, 0, 1]),
        ([10, 9, 2], [2, 1, 0]),
        (pd.Categorical(["low", "high", None]), [1, 0, -1]),
    ],
    ids=str,
)
def test_classes_become_codes_in_the_order_of_the_task(target, codes):
    found = encode(table(target), table(target).task)
    assert found.dtype == torch.int64
    assert found.tolist() == codes


def test_classes_that_are_fractions_keep_their_names():
    halves = table([0.5, 1.0, 0.5], aim="classification")
    assert encode(halves, halves.task).tolist() == [0, 1, 0]


def test_new_rows_may_spell_a_whole_number_as_a_fraction_or_a_text():
    task = Task("multiclass", ("1", "2", "10"))
    for target in ([1.0, None, 10.0], ["1", None, "10"]):
        assert encode(table(target), task).tolist() == [0, -1, 2]


def test_new_rows_may_lack_some_classes():
    assert encode(table(["c", "c"]), Task("multiclass", ("a", "b", "c"))).tolist() == [2, 2]


def test_numbers_stay_in_their_unit_and_missing_ones_are_nan():
    found = encode(table([1_764_399_123.5, None, -3]), Task("regression"))
    assert found.dtype == torch.float64
    assert found[[0, 2]].tolist() == [1_764_399_123.5, -3]
    assert found[1].isnan()


def test_a_table_or_a_task_without_target_has_none():
    assert encode(Table(pd.DataFrame({"x": [1]}), ("x",)), Task("binary", ("a", "b"))) is None
    assert encode(table(["a", "b"]), Task("none")) is None


def test_a_class_that_the_task_does_not_know_is_refused():
    words = r"the target 'y' holds the class 'bat', which the model was not trained on; did you mean cat\?"
    with pytest.raises(UserError, match=words):
        encode(table(["cat", "bat"]), Task("binary", ("cat", "dog")))


def test_text_where_a_number_is_predicted_is_refused():
    with pytest.raises(
        UserError, match="the target 'y' must be a number in every row, and holds text; correct"
    ):
        encode(table([1.5, "many"]), Task("regression"))


def test_an_infinite_target_is_refused():
    with pytest.raises(
        UserError, match="the target 'y' is infinite in row 1; correct the column, or leave the cell"
    ):
        encode(table([1.5, np.inf]), Task("regression"))


def test_a_target_whose_squared_error_is_infinite_is_refused():
    with pytest.raises(UserError, match=r"must be at most 1e.150 in magnitude, .* and is -1e.200 in row 1"):
        encode(table([1.5, -1e200]), Task("regression"))


def several(**targets) -> Table:
    frame = pd.DataFrame({"x": range(3)} | targets)
    return Table(frame, ("x",), target=tuple(targets), name="visits")


def test_several_labels_are_a_column_of_zeros_and_ones_each():
    labels = several(a=[0, 1, None], b=[1, 0, 1])
    found = encode(labels, labels.task)
    assert labels.task.kind == "multilabel"
    assert found.dtype == torch.float32
    assert torch.equal(found.isnan(), torch.tensor([[False] * 2, [False] * 2, [True, False]]))
    assert found.nan_to_num(9).tolist() == [[0, 1], [1, 0], [9, 1]]


def test_several_numbers_keep_their_units_in_the_order_of_the_task():
    task = Task("regression", columns=("b", "a"))
    found = encode(several(a=[1.5, 2.5, 3.5], b=[10, 20, None]), task)
    assert found.nan_to_num(9).tolist() == [[10, 1.5], [20, 2.5], [9, 3.5]]


def test_a_label_that_is_neither_0_nor_1_is_refused():
    words = r"the target 'b' must be 0 or 1 as one label of several, and is 2 in row 1; correct"
    with pytest.raises(UserError, match=words):
        encode(several(a=[0, 1, 1], b=[0, 2, None]), Task("multilabel", ("a", "b")))


def test_a_lacking_target_of_several_is_named():
    words = r"visits lacks the target 'bb', one of 2 that the model predicts; did you mean b\?"
    with pytest.raises(UserError, match=words):
        encode(several(a=[0, 1, 1], b=[0, 1, 1]), Task("multilabel", ("a", "bb")))


@pytest.mark.parametrize(
    "task",
    [
        Task("none"),
        Task("regression"),
        Task("binary", ("a", "b")),
        Task("multilabel", ("a", "b")),
        Task("regression", columns=("a", "b")),
    ],
    ids=str,
)
def test_a_task_is_restored_from_its_packed_form(task):
    assert unpack(pack(task)) == task

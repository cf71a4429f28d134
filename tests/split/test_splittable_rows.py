import numpy as np
import pandas as pd
import pytest

from harness.core.errors import UserError
from harness.core.table import Table
from harness.split.splittable_rows import (
    classes,
    divide,
    require_class_size,
    require_classes,
    strata,
)


def table(target) -> Table:
    return Table(pd.DataFrame({"x": range(len(target)), "y": target}), ("x",), target=("y",))


def test_labelled_rows_are_split_and_the_others_set_apart():
    rows, unlabelled = divide(table([1, None, 0, None, 1]))
    assert rows.tolist() == [0, 2, 4]
    assert unlabelled.tolist() == [1, 3]


def test_without_a_target_every_row_is_split():
    rows, unlabelled = divide(Table(pd.DataFrame({"x": [1, 2, 3]}), ("x",)))
    assert rows.tolist() == [0, 1, 2]
    assert unlabelled.tolist() == []


def test_classes_are_numbered_in_the_order_in_which_they_appear():
    found = table([None, 2, 0, 2, None])
    codes, names = classes(found, divide(found)[0])
    assert codes.tolist() == [0, 1, 0]
    assert names == ["2", "0"]


def test_the_strata_of_a_number_or_without_stratify_are_all_the_same():
    rows = np.arange(4)
    assert strata(table(["a", "b", "a", "c"]), rows, True).tolist() == [0, 1, 0, 2]
    assert strata(table(["a", "b", "a", "c"]), rows, False).tolist() == [0] * 4
    assert strata(table([0.5, 1.5, 2.5, 3.5]), rows, True).tolist() == [0] * 4


def test_a_number_or_several_targets_are_no_classes():
    with pytest.raises(
        UserError, match=r"split=this needs one class for each row, .* is a number; use split=that"
    ):
        require_classes(table([0.5, 1.5]), "this", "that")
    frame = pd.DataFrame({"x": [1, 2], "a": [0, 1], "b": [1, 0]})
    with pytest.raises(UserError, match=r"the targets of table are several, a and b; use split=that."):
        require_classes(Table(frame, ("x",), target=("a", "b")), "this", "that")


def test_a_class_smaller_than_the_folds_is_refused():
    found = table(["a", "b", "a"])
    words = "split.folds=2 needs as many rows of each class, and class 'b' of table has 1; lower split.folds"
    with pytest.raises(UserError, match=words):
        require_class_size(found, *classes(found, np.arange(3)), 2)

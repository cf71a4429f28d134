import numpy as np
import pandas as pd
import pytest

from harness.core.errors import UserError
from harness.core.fold import Fold
from harness.core.table import Table
from harness.split.group_rows import group_codes, require_groups, without_held_out_groups


def visits(who) -> Table:
    return Table(pd.DataFrame({"x": range(len(who)), "who": who}), ("x",), group="who", name="visits")


def test_groups_are_numbered_in_the_order_of_their_names():
    assert group_codes(visits(["b", "a", "c", "a"])).tolist() == [1, 0, 2, 0]


def test_of_names_of_several_types_the_numbers_come_first():
    assert group_codes(visits(["b", 7, "b", 1])).tolist() == [2, 1, 2, 0]


def test_a_row_without_a_group_is_refused():
    with pytest.raises(UserError, match=r"a group in every row, and column 'who' of visits is empty in 1 of"):
        group_codes(visits(["b", None]))


def test_fewer_groups_than_folds_are_refused():
    words = "split.folds=3 needs as many groups, and column 'who' of visits has 2; lower split.folds."
    with pytest.raises(UserError, match=words):
        require_groups(visits(["a", "b"]), np.array([0, 1, 1]), 3)


def test_unlabelled_rows_of_groups_that_validate_or_test_are_left_out():
    fold = Fold(2, np.array([0]), np.array([1]), np.array([2]), np.array([3, 4, 5, 6]))
    kept = without_held_out_groups(fold, np.array([0, 1, 2, 2, 0, 1, 9]))
    assert kept.unlabelled.tolist() == [4, 6]
    assert kept.number == 2

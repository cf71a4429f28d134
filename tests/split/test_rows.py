import pandas as pd

from harness.split.rows import classes, divide
from harness.table import Table


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

"""Tables that a split cannot divide, each refused in one sentence with its remedy."""

import numpy as np
import pandas as pd
import pytest

from harness.config.instantiate import build
from harness.core.errors import UserError
from harness.core.table import Table
from harness.split import fold_rounds
from harness.testing.split_suite import node_of

RARE = ["a"] * 20 + ["rare"] * 3
CLASSES = ["a", "b"] * 9
NO_TARGET = r"has no target column, .* data.extract.target=COLUMN"
NO_GROUP = r"has no group column; name it with data.extract.group=COLUMN"
ONE_GROUP = r"split.valid=0.15 of the 1 groups .* all; set split.valid=0, or give more groups\.$"


def numbers(count: int) -> np.ndarray:
    return np.arange(count) + 0.5


def visits(target, who=None) -> Table:
    """The features `x`, the target `y`, and the groups `who` if there are any."""
    columns = {"y": target} if who is None else {"y": target, "who": who}
    frame = pd.DataFrame({"x": range(len(target)), **columns})
    return Table(frame, ("x",), target=("y",), group=None if who is None else "who", name="visits")


def refuse(choice: str, settings: dict, table: Table, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        build(node_of([f"split={choice}"], **settings), "split")(table)


@pytest.mark.parametrize(
    ("choice", "settings", "target", "sentence"),
    [
        ("kfold", {}, numbers(4), r"^split.folds=5 needs as many rows to split, and there are 4; lower"),
        ("kfold", {"folds": 2}, numbers(2), r"split.valid=0.15 of 1 rows leaves none to train on"),
        ("repeated_kfold", {}, numbers(4), r"split.folds=5 needs as many rows to split, and there are 4"),
        ("repeated_kfold", {}, RARE, "class 'rare' of visits has 3; lower .*, or use split.stratify=false"),
        ("stratified_kfold", {}, numbers(30), "the target 'y' of visits is a number; use split=kfold"),
        ("stratified_kfold", {}, RARE, r"^split.folds=5 needs as .* class 'rare' of visits has 3; lower"),
        ("stratified_kfold", {}, [0] * 10 + [1] * 4 + [None] * 5, "class '1' of visits has 4"),
        ("ratio", {}, ["a"] * 9 + ["b"], r"class 'b' of visits has one; set split.stratify=false"),
        ("ratio", {}, [1, 1, 1, 7, None], "class '7' of visits"),
        ("ratio", {"test": 0.5, "valid": 0.9}, ["a", "b"] * 3, "valid=0.9 of 3 rows leaves none to train on"),
    ],
)
def test_rows_that_cannot_be_divided_are_refused(choice, settings, target, sentence):
    refuse(choice, settings, visits(target), sentence)


@pytest.mark.parametrize(
    ("choice", "settings", "target", "who", "sentence"),
    [
        ("group_kfold", {}, numbers(15), [0, 1, 2] * 5, "folds=5 .* column 'who' of visits has 3; lower"),
        ("group_kfold", {"folds": 2}, numbers(10), [0, 1] * 5, ONE_GROUP),
        ("group_kfold", {"folds": 2}, numbers(4), ["a", None, "b", None], "'who' of visits is empty in 2 of"),
        ("leave_one_group_out", {}, numbers(9), ["a"] * 9, "two or more groups, .* has 1; .*group=COLUMN"),
        ("leave_one_group_out", {}, numbers(18), ["a", "b"] * 9, ONE_GROUP),
        ("stratified_group_kfold", {}, CLASSES, [0, 1, 2] * 6, "folds=5 .* 'who' of visits has 3; lower"),
        ("stratified_group_kfold", {"folds": 4}, RARE, range(23), "'rare' .*, or use split=group_kfold"),
        ("stratified_group_kfold", {}, numbers(20), range(20), "is a number; use split=group_kfold"),
        (
            "stratified_group_kfold",
            {"folds": 4},
            np.repeat(list("abcdefgh"), 4),
            np.repeat(range(8), 4),
            r"split.valid=0.15 finds no group to spare, as each .* one of a class; set split.valid=0",
        ),
    ],
)
def test_groups_that_cannot_be_divided_are_refused(choice, settings, target, who, sentence):
    refuse(choice, settings, visits(target, who), sentence)


@pytest.mark.parametrize(
    ("choice", "settings", "sentence"),
    [
        ("group_kfold", {}, NO_GROUP),
        ("leave_one_group_out", {}, NO_GROUP),
        ("ratio", {"grouped": True}, NO_GROUP),
        ("stratified_kfold", {}, NO_TARGET),
    ],
)
def test_a_table_without_the_column_is_refused(choice, settings, sentence):
    refuse(choice, settings, Table(pd.DataFrame({"x": range(30)}), ("x",)), sentence)


def test_several_targets_have_no_classes():
    frame = pd.DataFrame({"x": range(30), "sick": [0, 1] * 15, "old": [0, 1, 1] * 10})
    table = Table(frame, ("x",), target=("sick", "old"), name="visits")
    refuse(
        "stratified_kfold", {}, table, "needs one class for each row, and the targets .* are several, sick"
    )


def test_one_row_cannot_be_split():
    table = Table(pd.DataFrame({"x": [1]}), ("x",), name="visits")
    refuse("leave_one_out", {}, table, "needs two or more rows to split, and visits has 1; give more rows")


@pytest.mark.parametrize(
    ("choice", "who", "other"),
    [("leave_one_out", None, "kfold"), ("leave_one_group_out", list("abcdef") * 2, "group_kfold")],
)
def test_more_folds_than_can_be_listed_are_refused_unless_one_is_chosen(choice, who, other, monkeypatch):
    monkeypatch.setattr(fold_rounds, "MOST_FOLDS", 5)
    table = visits(numbers(6) if who is None else numbers(12), who)
    sentence = rf"there can be 5 folds at most, .* makes 6; use split={other}, or one .* split.fold=NUMBER\.$"
    refuse(choice, {}, table, sentence)
    (alone,) = build(node_of([f"split={choice}", "split.valid=0"], fold=3), "split")(table)
    assert alone.test.tolist() == ([3] if who is None else [3, 9])

import numpy as np
import pandas as pd
import pytest

from harness.core.fold import Fold
from harness.core.table import Table
from harness.leakage.unseen_classes import find_unseen_classes
from harness.split.stratified_kfold import StratifiedKFold


def fold(number, train, test) -> Fold:
    return Fold(number, np.array(train), np.empty(0, dtype=np.int64), np.array(test))


NOW = {"grouped": False, "timed": False, "split": "kfold"}
LABELS = Table(
    pd.DataFrame({"x": range(6), "y": ["a", "a", "b", "c", "b", None], "key": list("uvwxyz")}),
    ("x",),
    target=("y",),
)


def test_a_class_that_training_never_saw_is_named_with_its_rows():
    found = find_unseen_classes(LABELS, [fold(0, [0, 1], [2, 3, 4])], **NOW)
    assert (found.check, found.severity) == ("classes", "warning")
    assert found.sentence == (
        "no training row has the classes 'b' and 'c' of 3 test rows (row 2, row 3 and row 4), so "
        "each of these rows counts as wrong; add rows of such a class, or remove the rows of classes "
        "that are so rare."
    )


def test_the_folds_in_which_it_happens_are_counted():
    found = find_unseen_classes(LABELS, [fold(0, [0, 2, 3], [1, 4]), fold(1, [0, 1, 2, 4], [3])], **NOW)
    assert found.sentence.startswith(
        "no training row in 1 of 2 folds has the class 'c' of 1 test row (row 3), so"
    )


def test_an_unlabelled_test_row_has_no_class_to_be_unseen():
    found = find_unseen_classes(LABELS, [fold(0, [0, 2, 3], [1, 4, 5])], **NOW)
    assert (found.severity, found.sentence) == (
        "fine",
        "The training rows contain every class of the test rows.",
    )


@pytest.mark.parametrize(
    ("rows", "now", "advice"),
    [
        (5, {}, "use split=stratified_kfold."),
        (3, {}, "use split=stratified_kfold split.folds=3."),
        (5, {"grouped": True, "split": "group_kfold"}, "use split=stratified_group_kfold."),
        (1, {}, "remove the rows of classes that are so rare."),
        (5, {"split": "stratified_group_kfold", "grouped": True}, "remove the rows of classes that"),
        (5, {"split": "time_series", "timed": True}, "remove the rows of classes that"),
    ],
)
def test_a_stratified_split_is_advised_only_where_it_is_possible_and_new(rows, now, advice):
    labels = ["a"] * 9 + ["b"] * rows
    table = Table(pd.DataFrame({"x": range(len(labels)), "y": labels}), ("x",), target=("y",))
    found = find_unseen_classes(table, [fold(0, range(9), range(9, len(labels)))], **{**NOW, **now})
    assert advice in found.sentence


def test_the_advised_split_is_not_refused():
    labels = ["a"] * 9 + ["b"] * 3
    table = Table(pd.DataFrame({"x": range(12), "y": labels}), ("x",), target=("y",))
    folds = StratifiedKFold(folds=3, fold=None, valid=0, shuffle=True, seed=0)(table)
    assert find_unseen_classes(table, folds, **{**NOW, "split": "stratified_kfold"}).severity == "fine"

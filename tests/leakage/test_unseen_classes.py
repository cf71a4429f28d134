import numpy as np
import pandas as pd

from harness.core.fold import Fold
from harness.core.table import Table
from harness.leakage.unseen_classes import find_unseen_classes


def fold(number, train, test) -> Fold:
    return Fold(number, np.array(train), np.empty(0, dtype=np.int64), np.array(test))


LABELS = Table(
    pd.DataFrame({"x": range(6), "y": ["a", "a", "b", "c", "b", None], "key": list("uvwxyz")}),
    ("x",),
    target=("y",),
)


def test_a_class_that_training_never_saw_is_named_with_its_rows():
    found = find_unseen_classes(LABELS, [fold(0, [0, 1], [2, 3, 4])])
    assert (found.check, found.severity) == ("classes", "warning")
    assert found.sentence == (
        "no training row has the classes 'b' and 'c' of 3 test rows (row 2, row 3 and row 4), so "
        "each of these rows counts as wrong; add rows of such a class, or use split=stratified_kfold."
    )


def test_the_folds_in_which_it_happens_are_counted():
    found = find_unseen_classes(LABELS, [fold(0, [0, 2, 3], [1, 4]), fold(1, [0, 1, 2, 4], [3])])
    assert found.sentence.startswith(
        "no training row in 1 of 2 folds has the class 'c' of 1 test row (row 3), so"
    )


def test_an_unlabelled_test_row_has_no_class_to_be_unseen():
    found = find_unseen_classes(LABELS, [fold(0, [0, 2, 3], [1, 4, 5])])
    assert (found.severity, found.sentence) == (
        "fine",
        "The training rows contain every class of the test rows.",
    )

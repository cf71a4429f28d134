import numpy as np
import pandas as pd
from sklearn import model_selection

from harness.config.compose import compose_exactly
from harness.config.instantiate import build
from harness.core.table import Table
from harness.split.leave_one_out import LeaveOneOut

DEFAULT = {"fold": None, "valid": 0.15, "stratify": True, "seed": 0}


def leave_one_out(**changes) -> LeaveOneOut:
    return LeaveOneOut(**(DEFAULT | changes))


def visits(target) -> Table:
    return Table(pd.DataFrame({"x": range(len(target)), "y": target}), ("x",), target=("y",), name="visits")


def test_wine_has_178_folds_of_one_test_row_each():
    wine = build(compose_exactly(["data/extract=wine"]).data.extract, "data.extract")()
    folds = leave_one_out()(wine)
    assert [fold.test.tolist() for fold in folds] == [[row] for row in range(178)]
    assert {len(fold.valid) for fold in folds} == {round(0.15 * 177)}


def test_the_test_parts_are_those_of_scikit_learn():
    theirs = model_selection.LeaveOneOut().split(np.zeros(9))
    for fold, (_, test) in zip(leave_one_out()(visits(np.arange(9) + 0.5)), theirs, strict=True):
        assert np.array_equal(fold.test, test)


def test_unlabelled_rows_test_in_no_fold():
    folds = leave_one_out(valid=0.0)(visits(["a", None, "b", "a"]))
    assert [fold.test.tolist() for fold in folds] == [[0], [2], [3]]
    assert [fold.unlabelled.tolist() for fold in folds] == [[1]] * 3


def test_the_valid_part_has_the_classes_in_proportion():
    target = np.repeat(["a", "b"], [30, 10])
    for fold in leave_one_out(valid=0.5)(visits(target)):
        rest = np.append(fold.train, fold.valid)
        share = (target[rest] == "a").sum() * len(fold.valid) / len(rest)
        assert abs((target[fold.valid] == "a").sum() - share) < 1


def test_without_stratify_the_classes_do_not_matter():
    target = ["a", "b"] * 10
    one, other = leave_one_out(stratify=False)(visits(target)), leave_one_out()(visits(np.arange(20) + 0.5))
    assert [fold.valid.tolist() for fold in one] == [fold.valid.tolist() for fold in other]

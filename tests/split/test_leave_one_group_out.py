import numpy as np
import pandas as pd
from sklearn import model_selection

from harness.config.compose import compose_exactly
from harness.config.instantiate import build
from harness.core.table import Table
from harness.split.leave_one_group_out import LeaveOneGroupOut

DEFAULT = {"fold": None, "valid": 0.15, "seed": 0}


def leave_one_group_out(**changes) -> LeaveOneGroupOut:
    return LeaveOneGroupOut(**(DEFAULT | changes))


def visits(who, target=None) -> Table:
    target = np.arange(len(who)) + 0.5 if target is None else target
    frame = pd.DataFrame({"x": range(len(who)), "y": target, "who": who})
    return Table(frame, ("x",), target=("y",), group="who", name="visits")


def test_digits_are_tested_writer_by_writer():
    digits = build(compose_exactly(["data/extract=digits"]).data.extract, "data.extract")()
    folds = leave_one_group_out()(digits)
    assert [set(digits.groups[fold.test]) for fold in folds] == [{writer} for writer in range(14)]
    assert {len(set(digits.groups[fold.valid])) for fold in folds} == {2}


def test_the_test_parts_are_those_of_scikit_learn():
    who = np.random.default_rng(0).choice(["c", "a", "d", "b"], 40)
    theirs = model_selection.LeaveOneGroupOut().split(who, groups=who)
    for fold, (_, test) in zip(leave_one_group_out()(visits(who)), theirs, strict=True):
        assert np.array_equal(fold.test, test)


def test_a_group_without_a_label_tests_in_no_fold_and_is_unlabelled_in_all():
    folds = leave_one_group_out(valid=0.0)(visits(["a", "b", "c", "c"], [1.5, 2.5, None, None]))
    assert [fold.test.tolist() for fold in folds] == [[0], [1]]
    assert [fold.unlabelled.tolist() for fold in folds] == [[2, 3], [2, 3]]


def test_an_unlabelled_row_of_the_group_that_tests_is_left_out():
    folds = leave_one_group_out(valid=0.0)(visits(["a", "b", "a", "b"], [1.5, 2.5, None, None]))
    assert [fold.unlabelled.tolist() for fold in folds] == [[3], [2]]

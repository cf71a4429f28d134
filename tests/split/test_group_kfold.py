import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import model_selection

from harness.config.compose import compose_exactly
from harness.config.instantiate import build
from harness.core.table import Table
from harness.split.group_kfold import GroupKFold

DEFAULT = {"folds": 5, "fold": None, "valid": 0.15, "shuffle": False, "seed": 0}


def grouped(**changes) -> GroupKFold:
    return GroupKFold(**(DEFAULT | changes))


def table(groups, labelled=None) -> Table:
    target = np.arange(len(groups)) + 0.5
    if labelled is not None:
        target[~np.asarray(labelled)] = np.nan
    frame = pd.DataFrame({"x": range(len(groups)), "y": target, "who": groups})
    return Table(frame, ("x",), target=("y",), group="who", name="visits")


@settings(max_examples=25, deadline=None)
@given(
    groups=st.lists(st.integers(0, 11), min_size=30, max_size=60).filter(lambda ids: len(set(ids)) > 7),
    unlabelled=st.sets(st.integers(0, 29), max_size=5),
    seed=st.integers(0, 99),
    shuffle=st.booleans(),
)
def test_no_group_is_in_two_parts(groups, unlabelled, seed, shuffle):
    groups = np.array(groups)
    labelled = [row not in unlabelled for row in range(len(groups))]
    labels = np.flatnonzero(labelled)
    if len(set(groups[labels])) < 7:
        return
    for fold in grouped(seed=seed, shuffle=shuffle)(table(groups, labelled)):
        train, valid, test = (set(groups[rows]) for rows in (fold.train, fold.valid, fold.test))
        assert not train & (valid | test)
        assert not valid & test
        assert not set(groups[fold.unlabelled]) & (valid | test)


def test_without_shuffle_the_test_parts_are_those_of_scikit_learn():
    groups = np.random.default_rng(0).integers(0, 9, 70)
    theirs = model_selection.GroupKFold(4).split(groups, groups=groups)
    for fold, (_, test) in zip(grouped(folds=4)(table(groups)), theirs, strict=True):
        assert np.array_equal(fold.test, test)


def test_digits_are_tested_by_writer():
    digits = build(compose_exactly(["data/extract=digits"]).data.extract, "data.extract")()
    folds = grouped()(digits)
    writers = [set(digits.groups[fold.test]) for fold in folds]
    assert sorted(writer for part in writers for writer in part) == list(range(14))
    assert [len(fold.test) for fold in folds] == [267, 388, 386, 382, 374]
    assert [len(set(digits.groups[fold.valid])) for fold in folds] == [2] * 5


def test_an_unlabelled_row_of_a_group_that_tests_or_validates_is_left_out():
    groups = np.repeat(list("abcdef"), 3)
    labelled = np.tile([True, True, False], 6)
    for fold in grouped(folds=3)(table(groups, labelled)):
        assert set(groups[fold.unlabelled]) == set(groups[fold.train])


def test_a_row_that_no_fold_splits_may_be_the_only_one_of_its_group():
    folds = grouped(folds=2, valid=0.0)(table(["a", "b", "c"], [True, True, False]))
    assert [fold.unlabelled.tolist() for fold in folds] == [[2], [2]]


def test_one_fold_alone_is_the_same_as_among_all():
    groups = list(range(12)) * 3
    (alone,) = grouped(fold=4)(table(groups))
    assert alone.number == 4
    assert np.array_equal(alone.valid, grouped()(table(groups))[4].valid)

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import model_selection

from harness.core.errors import UserError
from harness.core.table import Table
from harness.split.stratified_kfold import StratifiedKFold

DEFAULT = {"folds": 5, "fold": None, "valid": 0.15, "shuffle": True, "seed": 0}


def stratified(**changes) -> StratifiedKFold:
    return StratifiedKFold(**(DEFAULT | changes))


def table(target, aim="auto") -> Table:
    frame = pd.DataFrame({"x": range(len(target)), "y": target})
    return Table(frame, ("x",), target=("y",), name="visits", aim=aim)


def test_the_test_parts_are_those_of_scikit_learn():
    target = np.random.default_rng(0).choice(["a", "b", "c"], 60)
    theirs = model_selection.StratifiedKFold(4, shuffle=True, random_state=7).split(target, target)
    for fold, (_, test) in zip(stratified(folds=4, seed=7)(table(target)), theirs, strict=True):
        assert np.array_equal(fold.test, test)


@settings(max_examples=25, deadline=None)
@given(
    counts=st.lists(st.integers(5, 30), min_size=2, max_size=4),
    seed=st.integers(0, 99),
    shuffle=st.booleans(),
)
def test_every_part_has_the_classes_in_proportion_within_one_row(counts, seed, shuffle):
    target = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    for fold in stratified(seed=seed, shuffle=shuffle)(table(target)):
        assert np.abs(_counts(target[fold.test], counts) - np.array(counts) / 5).max() < 1
        rest = _counts(target[np.concatenate([fold.train, fold.valid])], counts)
        assert np.abs(_counts(target[fold.valid], counts) - rest * len(fold.valid) / rest.sum()).max() <= 1


def _counts(codes: np.ndarray, counts: list[int]) -> np.ndarray:
    return np.bincount(codes, minlength=len(counts))


def test_without_shuffle_the_rows_of_each_class_are_dealt_in_order():
    first, _ = stratified(folds=2, shuffle=False, valid=0.5)(table(["a"] * 4 + ["b"] * 4))
    assert first.test.tolist() == [0, 1, 4, 5]
    assert (first.train.tolist(), first.valid.tolist()) == ([2, 6], [3, 7])


def test_a_number_as_target_is_refused():
    with pytest.raises(
        UserError,
        match="needs one class for each row, and the target 'y' of visits is a number; use split=kfold",
    ):
        stratified()(table(np.linspace(0, 1, 30)))


def test_several_targets_are_refused():
    frame = pd.DataFrame({"x": range(30), "sick": [0, 1] * 15, "old": [0, 1, 1] * 10})
    words = "needs one class for each row, and the targets of visits are several, sick, old"
    with pytest.raises(UserError, match=words):
        stratified()(Table(frame, ("x",), target=("sick", "old"), name="visits"))


def test_a_table_without_target_is_refused():
    with pytest.raises(UserError, match=r"has no target column, .* data.extract.target=COLUMN"):
        stratified()(Table(pd.DataFrame({"x": range(30)}), ("x",)))


def test_a_class_with_fewer_rows_than_folds_is_refused():
    words = (
        "split.folds=5 needs as many rows of each class, and class 'rare' of visits has 3; lower split.folds"
    )
    with pytest.raises(UserError, match=words):
        stratified()(table(["a"] * 20 + ["rare"] * 3))


def test_the_labelled_rows_alone_count_for_a_class():
    with pytest.raises(UserError, match="class '1' of visits has 4"):
        stratified()(table([0] * 10 + [1] * 4 + [None] * 5))


def test_one_fold_alone_is_the_same_as_among_all():
    target = ["a", "b"] * 20
    (alone,) = stratified(fold=2)(table(target))
    assert alone.number == 2
    assert np.array_equal(alone.valid, stratified()(table(target))[2].valid)

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import model_selection

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


def test_one_fold_alone_is_the_same_as_among_all():
    target = ["a", "b"] * 20
    (alone,) = stratified(fold=2)(table(target))
    assert alone.number == 2
    assert np.array_equal(alone.valid, stratified()(table(target))[2].valid)

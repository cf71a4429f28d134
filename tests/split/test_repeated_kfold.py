import numpy as np
import pandas as pd
import pytest
from sklearn import model_selection

from harness.core.table import Table
from harness.split.repeated_kfold import RepeatedKFold

DEFAULT = {"folds": 5, "repeats": 3, "fold": None, "valid": 0.15, "stratify": True, "seed": 0}


def repeated(**changes) -> RepeatedKFold:
    return RepeatedKFold(**(DEFAULT | changes))


def visits(target) -> Table:
    return Table(pd.DataFrame({"x": range(len(target)), "y": target}), ("x",), target=("y",), name="visits")


def test_the_test_parts_of_classes_are_those_of_scikit_learn():
    target = np.random.default_rng(0).choice(["a", "b", "c"], 60)
    deal = model_selection.RepeatedStratifiedKFold(n_splits=4, n_repeats=3, random_state=7)
    ours = repeated(folds=4, seed=7)(visits(target))
    for fold, (_, test) in zip(ours, deal.split(target, target), strict=True):
        assert np.array_equal(fold.test, test)


@pytest.mark.parametrize("target", [np.arange(30) + 0.5, ["a", "b"] * 15], ids=["number", "class"])
def test_without_strata_the_test_parts_are_those_of_scikit_learn(target):
    deal = model_selection.RepeatedKFold(n_splits=4, n_repeats=3, random_state=7)
    ours = repeated(folds=4, seed=7, stratify=False)(visits(target))
    for fold, (_, test) in zip(ours, deal.split(np.zeros(30)), strict=True):
        assert np.array_equal(fold.test, test)


def test_a_number_is_split_by_row_and_a_class_within_one_row_of_its_share():
    assert len(repeated()(visits(np.arange(30) + 0.5))) == 15
    target = np.repeat([0, 1], [20, 10])
    for fold in repeated(valid=0.25)(visits(target)):
        assert np.bincount(target[fold.test]).tolist() == [4, 2]
        assert np.bincount(target[fold.valid]).tolist() == [4, 2]


def test_no_two_repeats_deal_alike():
    folds = repeated()(visits(np.arange(40) + 0.5))
    assert len({tuple(fold.test) for fold in folds}) == 15


def test_the_folds_of_all_repeats_can_be_chosen_from():
    with pytest.raises(ValueError, match=r"fold must be between 0 and 14 \(there are 15 folds\), got 15"):
        repeated(fold=15)


def test_no_repeat_at_all_is_refused():
    with pytest.raises(ValueError, match="repeats must be 1 or more, got 0"):
        repeated(repeats=0)

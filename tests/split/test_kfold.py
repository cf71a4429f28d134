import numpy as np
import pandas as pd
from sklearn import model_selection

from harness.core.table import Table
from harness.split.kfold import KFold

DEFAULT = {"folds": 5, "fold": None, "valid": 0.15, "shuffle": True, "seed": 0}


def kfold(**changes) -> KFold:
    return KFold(**(DEFAULT | changes))


def table(rows: int) -> Table:
    return Table(pd.DataFrame({"x": range(rows), "y": np.arange(rows) + 0.5}), ("x",), target=("y",))


def test_the_test_parts_are_those_of_scikit_learn():
    theirs = model_selection.KFold(4, shuffle=True, random_state=7).split(np.zeros(37))
    for fold, (_, test) in zip(kfold(folds=4, seed=7)(table(37)), theirs, strict=True):
        assert np.array_equal(fold.test, test)


def test_without_shuffle_the_folds_are_contiguous_and_the_last_training_rows_validate():
    first, second = kfold(folds=2, shuffle=False, valid=0.4)(table(10))
    assert (first.train.tolist(), first.valid.tolist()) == ([5, 6, 7], [8, 9])
    assert first.test.tolist() == [0, 1, 2, 3, 4]
    assert (second.train.tolist(), second.valid.tolist()) == ([0, 1, 2], [3, 4])
    assert second.test.tolist() == [5, 6, 7, 8, 9]


def test_one_fold_alone_is_the_same_as_among_all_and_keeps_its_number():
    (alone,) = kfold(fold=3)(table(50))
    among = kfold()(table(50))[3]
    assert alone.number == 3
    for name in ("train", "valid", "test"):
        assert np.array_equal(getattr(alone, name), getattr(among, name))


def test_six_rows_are_enough_for_five_folds():
    folds = kfold()(table(6))
    assert [len(fold.valid) for fold in folds] == [1] * 5
    assert sorted(len(fold.test) for fold in folds) == [1, 1, 1, 1, 2]

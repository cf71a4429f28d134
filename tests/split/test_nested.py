import numpy as np
import pandas as pd
import pytest

from harness.core.errors import UserError
from harness.core.fold import Fold
from harness.core.table import Table
from harness.split.group_kfold import GroupKFold
from harness.split.kfold import KFold
from harness.split.leave_one_group_out import LeaveOneGroupOut
from harness.split.nested import Nested
from harness.split.ratio import Ratio
from harness.split.stratified_kfold import StratifiedKFold

KFOLD = {"fold": None, "valid": 0.15, "shuffle": True, "seed": 0}


def nested(outer, inner, fold=None) -> Nested:
    return Nested(outer=outer, inner=inner, fold=fold)


def visits(rows: int, missing: int = 0) -> Table:
    target = np.array(["a", "b"], dtype=object)[np.arange(rows) % 2]
    target[rows - missing :] = None
    frame = pd.DataFrame({"x": range(rows), "y": target, "who": np.arange(rows) // 4})
    return Table(frame, ("x",), target=("y",), group="who", name="visits")


def test_the_inner_test_parts_validate_the_rows_that_the_outer_fold_leaves():
    table = visits(40)
    outer = KFold(folds=4, **KFOLD)
    folds = nested(outer, KFold(folds=3, **KFOLD))(table)
    assert [fold.number for fold in folds] == list(range(12))
    assert [fold.outer for fold in folds] == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3
    for around in outer(table):
        own = [fold for fold in folds if fold.outer == around.number]
        rest = np.setdiff1d(np.arange(40), around.test)
        assert sorted(np.concatenate([fold.valid for fold in own])) == rest.tolist()
        for fold in own:
            assert np.array_equal(fold.test, around.test)
            assert np.array_equal(np.union1d(fold.train, fold.valid), rest)


def test_the_inner_split_is_that_of_a_table_of_the_other_rows():
    table = visits(40)
    fold = nested(KFold(folds=4, **KFOLD), StratifiedKFold(folds=3, **KFOLD))(table)[7]
    rest = np.setdiff1d(np.arange(40), fold.test)
    alone = Table(table.frame.iloc[rest].reset_index(drop=True), ("x",), target=("y",))
    assert np.array_equal(fold.valid, rest[StratifiedKFold(folds=3, **KFOLD)(alone)[1].test])


def test_a_grouped_nest_promises_and_keeps_groups_whole():
    folds = nested(LeaveOneGroupOut(fold=None, valid=0.0, seed=0), GroupKFold(folds=3, **KFOLD))
    assert folds.grouped
    assert not folds.timed
    table = visits(40, missing=6)
    for fold in folds(table):
        held_out = set(table.groups[fold.valid]) | set(table.groups[fold.test])
        assert not held_out & (set(table.groups[fold.train]) | set(table.groups[fold.unlabelled]))
    assert not nested(KFold(folds=4, **KFOLD), GroupKFold(folds=3, **KFOLD)).grouped


def test_unlabelled_rows_stay_unlabelled():
    for fold in nested(KFold(folds=4, **KFOLD), KFold(folds=3, **KFOLD))(visits(40, missing=6)):
        assert fold.unlabelled.tolist() == [34, 35, 36, 37, 38, 39]


def test_a_class_that_is_in_one_outer_fold_alone_is_no_hindrance():
    table = visits(40)
    table.frame.loc[0, "y"] = "rare"
    assert len(nested(KFold(folds=4, **KFOLD), KFold(folds=3, **KFOLD))(table)) == 12


def test_a_split_of_the_users_own_is_nested_as_it_is():
    def halves(table: Table) -> list[Fold]:
        rows, none = np.arange(len(table)), np.empty(0, dtype=np.int64)
        return [Fold(0, rows[::2], none, rows[1::2])]

    (fold,) = nested(halves, halves)(visits(8))
    assert (fold.train.tolist(), fold.valid.tolist(), fold.test.tolist()) == ([0, 4], [2, 6], [1, 3, 5, 7])


def test_what_the_outer_split_refuses_names_its_keys():
    inner = Ratio(test=0.5, valid=0.0, stratify=True, grouped=False, shuffle=True, seed=0)
    words = "split.outer.folds=50 needs as many rows to split, and there are 40; lower split.outer.folds."
    with pytest.raises(UserError, match=words):
        nested(KFold(folds=50, **KFOLD), inner)(visits(40))


def test_what_the_inner_split_refuses_names_its_keys_and_of_the_outer_fold():
    words = (
        r"split.inner.folds=16 needs as many rows of each class, and class 'a' of visits has 15; lower "
        r"split.inner.folds, or use split@split.inner=kfold \(of the 30 rows that outer fold 0 leaves\)\."
    )
    with pytest.raises(UserError, match=words):
        nested(StratifiedKFold(folds=4, **KFOLD), StratifiedKFold(folds=16, **KFOLD))(visits(40))


def test_a_fold_below_0_is_refused():
    with pytest.raises(ValueError, match="fold must be 0 or more, got -1"):
        nested(KFold(folds=4, **KFOLD), KFold(folds=4, **KFOLD), fold=-1)

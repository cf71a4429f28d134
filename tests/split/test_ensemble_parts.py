"""How the rows of a fold are dealt to the networks of its ensemble."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from harness.core.errors import UserError
from harness.core.fold import Fold, count_folds, first_folds, networks_of
from harness.core.table import Table
from harness.split.ensemble_parts import deal_groups, deal_rows, with_networks
from harness.split.group_kfold import GroupKFold
from harness.split.kfold import KFold
from harness.split.stratified_kfold import StratifiedKFold

KFOLD = {"fold": None, "valid": 0.15, "shuffle": True, "seed": 0}


def visits(rows: int, missing: int = 0) -> Table:
    target = np.array(["a", "b", "b"], dtype=object)[np.arange(rows) % 3]
    target[rows - missing :] = None
    frame = pd.DataFrame({"x": range(rows), "y": target, "who": np.arange(rows) // 4})
    return Table(frame, ("x",), target=("y",), group="who", name="visits")


def dealt(table: Table, folds: list[Fold], networks: int, **changes: object) -> list[Fold]:
    return with_networks(table, folds, networks, **{"grouped": False, "shuffle": True, "seed": 0, **changes})


def test_each_row_of_a_fold_validates_for_one_network_and_trains_the_others() -> None:
    table = visits(61, missing=4)
    plain = StratifiedKFold(folds=3, **KFOLD)(table)
    folds = dealt(table, plain, 4)
    assert [fold.number for fold in folds] == list(range(12))
    assert [fold.outer for fold in folds] == [0] * 4 + [1] * 4 + [2] * 4
    assert (count_folds(folds), networks_of(folds), count_folds(plain), networks_of(plain)) == (3, 4, 3, None)
    for around in plain:
        own = [fold for fold in folds if fold.outer == around.number]
        rest = np.union1d(around.train, around.valid)
        assert sorted(np.concatenate([fold.valid for fold in own])) == rest.tolist()
        for fold in own:
            assert np.array_equal(fold.test, around.test)
            assert np.array_equal(fold.unlabelled, around.unlabelled)
            assert np.array_equal(np.union1d(fold.train, fold.valid), rest)
            assert not np.intersect1d(fold.train, fold.valid).size
            assert fold.network is not None
            assert fold.network.fold is around


def test_every_part_has_the_classes_in_proportion_within_one_row() -> None:
    table = visits(120)
    labels = table.labels.to_numpy()
    folds = dealt(table, KFold(folds=2, **KFOLD)(table)[:1], 7)
    counts = pd.DataFrame([pd.Series(labels[fold.valid]).value_counts() for fold in folds])
    assert (counts.max() - counts.min()).max() <= 1
    assert {len(fold.valid) for fold in folds} == {8, 9}


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("sizes", [(9, 2, 1), (3, 3), (1, 1, 1, 1), (5,), (2, 40)])
def test_no_part_stays_empty_and_small_classes_are_spread(sizes: tuple[int, ...], shuffle: bool) -> None:
    strata = np.repeat(np.arange(len(sizes)), sizes)
    parts = deal_rows(strata, 4, np.random.RandomState(3) if shuffle else None)
    assert set(parts) == {0, 1, 2, 3}
    for code, size in enumerate(sizes):
        assert np.bincount(parts[strata == code], minlength=4).max() == -(-size // 4)


def test_without_a_shuffle_the_parts_are_blocks_of_each_class() -> None:
    strata = np.array([0, 1] * 8)
    parts = deal_rows(strata, 4, None)
    assert parts[strata == 0].tolist() == parts[strata == 1].tolist() == [0, 0, 1, 1, 2, 2, 3, 3]


def test_a_fold_alone_is_dealt_as_among_all() -> None:
    table = visits(60)
    among = dealt(table, KFold(folds=3, **KFOLD)(table), 4)[8:]
    alone = dealt(table, KFold(folds=3, **{**KFOLD, "fold": 2})(table), 4)
    assert [fold.number for fold in alone] == [0, 1, 2, 3]
    assert [fold.label for fold in alone] == [f"fold 2 network {i}" for i in range(4)]
    for one, other in zip(among, alone, strict=True):
        assert np.array_equal(one.train, other.train)
        assert np.array_equal(one.valid, other.valid)
    other_seed = dealt(table, KFold(folds=3, **{**KFOLD, "fold": 2})(table), 4, seed=1)
    assert not np.array_equal(alone[0].valid, other_seed[0].valid)


def test_whole_groups_validate_where_the_split_keeps_groups() -> None:
    table = visits(120, missing=10)
    groups = table.groups
    plain = GroupKFold(folds=3, fold=None, valid=0.15, shuffle=True, seed=0)(table)
    for fold in dealt(table, plain, 4, grouped=True):
        held_out = np.concatenate([fold.valid, fold.test])
        assert not np.intersect1d(groups[fold.train], groups[held_out]).size
        assert not np.intersect1d(groups[fold.unlabelled], groups[held_out]).size
        assert len(fold.valid) > 0


def test_groups_are_dealt_so_that_rows_and_classes_are_even() -> None:
    groups = np.repeat(np.arange(24), np.tile([2, 4, 6], 8))
    strata = (np.arange(len(groups)) % 3 == 0).astype(np.int64)
    parts = deal_groups(groups, strata, 4, np.random.RandomState(0))
    assert all(len(set(parts[groups == group])) == 1 for group in range(24))
    rows, rare = np.bincount(parts), np.bincount(parts[strata == 1])
    assert (rows.max() - rows.min(), rare.max() - rare.min()) <= (2, 2)
    assert rare.max() - rare.min() <= 2


@pytest.mark.parametrize(
    ("networks", "grouped", "message"),
    [
        (
            41,
            False,
            r"split\.ensemble=41 needs as many rows to train and validate by, and fold 0 has 40",
        ),
        (
            11,
            True,
            r"split\.ensemble=11 needs as many groups to train and validate by, and fold 0 has 10",
        ),
        (2600, False, r"split\.ensemble=2600 makes 5200 trainings of 2 folds, and 5000 are the most"),
    ],
)
def test_too_many_networks_are_refused(networks: int, grouped: bool, message: str) -> None:
    table = visits(80)
    groups = table.groups
    fold = Fold(0, np.flatnonzero(groups < 10), np.empty(0, np.int64), np.flatnonzero(groups >= 10))
    with pytest.raises(UserError, match=message):
        dealt(table, [fold, fold], networks, grouped=grouped)


def test_the_first_folds_have_all_of_their_networks() -> None:
    table = visits(60)
    folds = dealt(table, KFold(folds=3, **KFOLD)(table), 4)
    assert [fold.number for fold in first_folds(folds, 2)] == list(range(8))
    assert first_folds(folds, None) == folds
    plain = KFold(folds=3, **KFOLD)(table)
    assert first_folds(plain, 1) == plain[:1]

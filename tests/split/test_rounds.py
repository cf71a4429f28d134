import numpy as np
import pytest

from harness.errors import UserError
from harness.split.rounds import Rounds


def rounds(folds=5, fold=None, valid=0.15, shuffle=True, seed=0) -> Rounds:
    return Rounds(folds, fold, valid, shuffle, seed)


@pytest.mark.parametrize("folds", [1, 0, -3])
def test_fewer_than_two_folds_are_refused(folds):
    with pytest.raises(ValueError, match=f"folds must be 2 or more, got {folds}"):
        rounds(folds=folds)


@pytest.mark.parametrize("fold", [-1, 5])
def test_a_fold_out_of_range_is_refused(fold):
    with pytest.raises(ValueError, match=rf"fold must be between 0 and 4 \(there are 5 folds\), got {fold}"):
        rounds(fold=fold)


def test_more_folds_than_rows_are_refused():
    words = "split.folds=5 needs as many rows to split, and there are 4; lower split.folds."
    with pytest.raises(UserError, match=words):
        rounds().require_rows(4)


def test_the_folds_of_a_split_draw_different_numbers():
    assert rounds().rng(0).randint(2**31) != rounds().rng(1).randint(2**31)


def test_dealing_translates_positions_to_rows_of_the_table():
    rows, tests = np.array([10, 20, 30, 40]), [np.array([3, 0]), np.array([1, 2])]
    first, second = rounds(folds=2).deal(rows, np.array([5]), tests, lambda rest, number: rest == number + 1)
    assert (first.train.tolist(), first.valid.tolist(), first.test.tolist()) == ([30], [20], [10, 40])
    assert (second.train.tolist(), second.valid.tolist(), second.test.tolist()) == ([10, 40], [], [20, 30])
    assert first.unlabelled.tolist() == [5]

import numpy as np
import pytest

from harness.core.errors import UserError
from harness.split.fold_rounds import LeaveOut, Rounds, require_fold


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


def test_folds_of_repeats_are_numbered_through():
    assert Rounds(5, 14, 0.15, True, 0, repeats=3).count == 15
    with pytest.raises(ValueError, match="repeats must be 1 or more, got 0"):
        Rounds(5, None, 0.15, True, 0, repeats=0)


def test_only_the_chosen_fold_is_cut():
    tests, cuts = [np.array([0]), np.array([1]), np.array([2])], []

    def cut(rest, number):
        cuts.append(number)
        return rest < 0

    (fold,) = rounds(folds=3, fold=1).deal(np.arange(3), np.array([]), tests, cut)
    assert (fold.number, cuts) == (1, [1])


def test_leaving_out_has_as_many_rounds_as_units():
    found = LeaveOut(None, 0.2, 7).rounds(12, "kfold")
    assert (found.folds, found.valid, found.seed, found.shuffle) == (12, 0.2, 7, False)


def test_more_folds_than_can_be_listed_are_refused_unless_one_is_chosen():
    with pytest.raises(
        UserError, match=r"5000 folds at most, and this split makes 5001; use split=kfold, or one"
    ):
        LeaveOut(None, 0.2, 0).rounds(5001, "kfold")
    assert LeaveOut(5000, 0.2, 0).rounds(5001, "kfold").fold == 5000


def test_a_fold_that_the_rows_do_not_make_is_refused():
    with pytest.raises(UserError, match=r"split.fold must be between 0 and 2 \(there are 3 folds\), got 3."):
        require_fold(3, 3)
    require_fold(2, 3)
    require_fold(None, 3)

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from harness.core.errors import UserError
from harness.core.fold import Fold
from harness.core.table import Table
from harness.split.hide_labels import hide


def visits(target) -> Table:
    return Table(pd.DataFrame({"x": range(len(target)), "y": target}), ("x",), target=("y",), name="visits")


def whole(rows: int, number: int = 0) -> Fold:
    """The last two rows test, the two before validate, the others train."""
    everyone = np.arange(rows)
    return Fold(number, everyone[:-4], everyone[-4:-2], everyone[-2:])


@settings(max_examples=40, deadline=None)
@given(
    counts=st.lists(st.integers(1, 30), min_size=2, max_size=5),
    size=st.integers(1, 60),
    seed=st.integers(0, 99),
)
def test_classes_keep_their_exact_share_rounded_down_or_up_and_at_least_one(counts, size, seed):
    assume(len(counts) <= size <= sum(counts))
    target = np.append(np.repeat(np.arange(len(counts)), counts), [0, 1, 0, 1])
    fold = hide(visits(target.astype(str)), whole(len(target)), size, seed)
    kept = np.bincount(target[fold.train], minlength=len(counts))
    shares = size * np.array(counts) / sum(counts)
    assert len(fold.train) == size
    assert (kept >= 1).all()
    if (shares >= 1).all():
        assert (np.abs(kept - shares) < 1).all()


def test_hidden_rows_are_unlabelled_and_the_other_parts_are_as_they_were():
    fold = Fold(3, np.arange(2, 20), np.array([0]), np.array([1]), np.array([20, 21]), outer=1)
    hidden = hide(visits(["a", "b"] * 10 + [None, None]), fold, 6, 0)
    assert len(hidden.train) == 6
    assert sorted(np.append(hidden.train, hidden.unlabelled)) == list(range(2, 22))
    assert {20, 21} <= set(hidden.unlabelled)
    assert (np.diff(hidden.unlabelled) > 0).all()
    assert (hidden.valid.tolist(), hidden.test.tolist()) == ([0], [1])
    assert (hidden.number, hidden.outer) == (3, 1)


def test_a_fraction_is_of_the_training_rows():
    assert len(hide(visits(["a", "b"] * 52), whole(104), 0.25, 0).train) == 25


def test_a_rare_class_keeps_one_row_and_the_others_share_the_rest():
    target = np.array(["a"] * 97 + ["b", "c", "d"] + ["a", "b", "a", "b"])
    fold = hide(visits(target), whole(104), 5, 0)
    assert sorted(target[fold.train]) == ["a", "a", "b", "c", "d"]


def test_every_label_may_be_kept():
    fold = whole(24)
    assert np.array_equal(hide(visits(["a", "b"] * 12), fold, 20, 0).train, fold.train)


def test_a_number_is_labelled_evenly_over_its_ranks():
    target = np.random.default_rng(0).permutation(104).astype(float) + 0.5
    fold = hide(visits(target), whole(104), 20, 0)
    ranks = np.argsort(np.argsort(target[:100]))
    assert np.bincount(ranks[fold.train] // 10).tolist() == [2] * 10


def test_of_several_targets_rows_are_drawn_at_random():
    frame = pd.DataFrame({"x": range(24), "sick": [0, 1] * 12, "old": [0, 1, 1] * 8})
    assert len(hide(Table(frame, ("x",), target=("sick", "old")), whole(24), 7, 0).train) == 7


def test_the_same_seed_and_fold_give_the_same_rows_and_others_do_not():
    table = visits(["a", "b"] * 52)
    first = hide(table, whole(104), 10, 0).train
    assert np.array_equal(first, hide(table, whole(104), 10, 0).train)
    assert not np.array_equal(first, hide(table, whole(104), 10, 1).train)
    assert not np.array_equal(first, hide(table, whole(104, number=1), 10, 0).train)


def test_of_equal_classes_fewer_labels_are_some_of_the_more():
    table = visits(["a", "b"] * 52)
    few, many = (hide(table, whole(104), labelled, 0).train for labelled in (10, 40))
    assert set(few) < set(many)


@pytest.mark.parametrize(
    ("labelled", "sentence"),
    [
        *[
            (labelled, f"must be a number of rows, 1 or more, or a fraction between 0 and 1, got {labelled}.")
            for labelled in (0, -3, 0.0, 1.5, float("nan"), float("inf"), True)
        ],
        (21, "is more than the 20 labelled rows that fold 2 trains on; lower it, or leave it out"),
        (0.05, "of 20 training rows keeps 1, and each of the 2 classes .* give split.labelled=2 or more."),
    ],
)
def test_a_number_of_labels_that_cannot_be_kept_is_refused(labelled, sentence):
    with pytest.raises(UserError, match=sentence):
        hide(visits(["a", "b"] * 12), whole(24, number=2), labelled, 0)


def test_a_whole_float_is_a_number_of_rows():
    assert len(hide(visits(["a", "b"] * 12), whole(24), 4.0, 0).train) == 4


def test_a_table_without_target_has_no_labels_to_hide():
    with pytest.raises(
        UserError, match=r"split.labelled=4 hides labels, and data set table has none; .*target=COL"
    ):
        hide(Table(pd.DataFrame({"x": range(24)}), ("x",)), whole(24), 4, 0)

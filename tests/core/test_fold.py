"""The parts of a fold."""

import numpy as np

from harness.core.fold import Fold


def fold(unlabelled: list[int]) -> Fold:
    rows = [np.array(part, dtype=np.int64) for part in ([1, 4], [2], [0, 3], unlabelled)]
    return Fold(0, *rows)


def test_only_parts_that_have_rows_are_named() -> None:
    assert [name for name, _ in fold([]).parts()] == ["train", "valid", "test"]
    assert [name for name, _ in fold([5]).parts()] == ["train", "valid", "test", "unlabelled"]


def test_a_trainer_without_labels_trains_on_the_unlabelled_rows_as_well() -> None:
    together = fold([5, 6]).with_unlabelled_in_training()
    assert together.train.tolist() == [1, 4, 5, 6]
    assert together.unlabelled.tolist() == []
    assert together.test.tolist() == [0, 3]


def test_a_fold_of_labelled_rows_stays_the_same() -> None:
    whole = fold([])
    assert whole.with_unlabelled_in_training() is whole

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from harness.core.fold import Fold
from harness.core.table import Table
from harness.leakage.duplicate_rows import find_duplicates


def fold(number, train, valid, test) -> Fold:
    return Fold(number, *(np.array(part, dtype=np.int64) for part in (train, valid, test)))


values = np.random.default_rng(0).normal(size=(104, 2))
values[[100, 101, 103]] = values[[1, 50, 102]]
EXACT = Table(
    pd.DataFrame(
        {"a": values[:, 0], "b": values[:, 1], "key": [f"r{row}" for row in range(104)], "y": [0, 1] * 52}
    ),
    ("a", "b"),
)


def test_a_test_row_that_repeats_a_training_or_validation_row_is_named_with_it():
    found = find_duplicates(EXACT, [fold(0, range(2, 99), [0, 1], [100, 101, 102])], grouped=False)
    assert (found.check, found.severity) == ("duplicates", "warning")
    assert found.sentence == (
        "2 of 3 test rows have the same features as training rows (row 100 as row 1 and row 101 as row 50), "
        "and none would by chance; a model that memorises rows knows 66.7 % of the test rows; remove the "
        "copies, name a column that copies share with data.extract.group=COLUMN and use split=group_kfold, "
        "or set split.guard=off if they are true repetitions."
    )


@pytest.mark.parametrize(
    ("more", "grouped", "advice"),
    [
        (
            {"group": "key"},
            False,
            "; remove the copies, use split=group_kfold if copies have the same 'key', or ",
        ),
        ({"group": "key"}, True, "; remove the copies, or set split.guard=off"),
        (
            {},
            False,
            "; remove the copies, name a column that copies share with data.extract.group=COLUMN and",
        ),
        (
            {"target": ("y",)},
            False,
            "; a model that memorises rows can gain up to 0.67 in accuracy by them; ",
        ),
    ],
)
def test_the_advice_is_none_that_is_followed_already(more, grouped, advice):
    found = find_duplicates(
        replace(EXACT, **more), [fold(0, range(2, 99), [0, 1], [100, 101, 102])], grouped=grouped
    )
    assert advice in found.sentence


def test_rows_are_named_by_their_id_where_there_is_one():
    found = find_duplicates(replace(EXACT, id="key"), [fold(0, range(99), [], [100])], grouped=False)
    assert found.sentence.startswith(
        "1 of 1 test rows has the same features as training rows (key 'r100' as key 'r1'), and"
    )


def test_folds_are_counted_and_three_pairs_named():
    rows = range(5, 99)
    folds = [fold(0, [*rows, 1], [], [100, 0]), fold(1, [*rows, 100, 102], [], [1, 101, 103])]
    found = find_duplicates(EXACT, [*folds, fold(2, rows, [], [4])], grouped=False)
    assert found.sentence.startswith(
        "4 of 6 test rows in 2 of 3 folds have the same features as training rows (row 100 as row 1, row 1 "
        "as row 100 and row 101 as row 50, …), and none"
    )


def test_copies_in_one_part_are_none_of_its_business():
    found = find_duplicates(EXACT, [fold(0, [1, 100], [2], [3, 4])], grouped=False)
    assert (found.severity, found.sentence) == ("fine", "None of 2 test rows is a copy of a training row.")


def test_a_copy_with_another_time_is_a_copy() -> None:
    frame = EXACT.frame.assign(when=pd.date_range("2026-01-01", periods=104, freq="D"))
    timed = replace(EXACT, frame=frame, features=("when", "a", "b"), time="when")
    folds = [fold(0, range(2, 99), [0, 1], [100, 101, 102])]
    assert find_duplicates(timed, folds, grouped=False) == find_duplicates(EXACT, folds, grouped=False)

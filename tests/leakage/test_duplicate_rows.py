import numpy as np
import pandas as pd

from harness.core.fold import Fold
from harness.core.table import Table
from harness.leakage.duplicate_rows import find_duplicates


def fold(number, train, valid, test) -> Fold:
    return Fold(number, *(np.array(part, dtype=np.int64) for part in (train, valid, test)))


def table(values, **more) -> Table:
    frame = pd.DataFrame(
        {"a": values, "b": np.arange(len(values)) * 0.0, "key": list("stuvwxyz")[: len(values)]}
    )
    return Table(frame, ("a", "b"), **more)


def test_a_test_row_that_repeats_a_training_or_validation_row_is_named_with_it():
    found = find_duplicates(table([1.0, 2.0, 3.0, 2.0, 1.0, 9.0]), [fold(0, [0, 2], [1], [3, 4, 5])])
    assert (found.check, found.severity) == ("duplicates", "warning")
    assert found.sentence == (
        "2 of 3 test rows have the same features as training rows (row 3 as row 1 and row 4 as row "
        "0), so a "
        "model that memorises rows gets a better score; remove the copies, or name a column that copies "
        "share with "
        "data.extract.group=COLUMN and use split=group_kfold, or set split.guard=off if they "
        "are true repetitions."
    )


def test_rows_are_named_by_their_id_where_there_is_one():
    found = find_duplicates(table([1.0, 2.0, 1.0], id="key"), [fold(0, [0], [1], [2])])
    assert found.sentence.startswith(
        "1 of 1 test rows has the same features as training rows (key 'u' as key 's'), so"
    )


def test_folds_are_counted_and_three_pairs_named():
    folds = [fold(0, [0, 1, 4], [], [2, 3]), fold(1, [2, 3, 4], [], [0, 1]), fold(2, [0, 1, 2, 3], [], [4])]
    found = find_duplicates(table([1.0, 2.0, 1.0, 2.0, 5.0]), folds)
    assert found.sentence.startswith(
        "4 of 5 test rows in 2 of 3 folds have the same features as training rows (row 2 as row 0, "
        "row 3 as row 1 "
        "and row 0 as row 2, …), so"
    )


def test_copies_in_one_part_are_none_of_its_business():
    found = find_duplicates(table([1.0, 1.0, 2.0, 3.0, 3.0]), [fold(0, [0, 1], [2], [3, 4])])
    assert (found.severity, found.sentence) == ("fine", "None of 2 test rows is a copy of a training row.")

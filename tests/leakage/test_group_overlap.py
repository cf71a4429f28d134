import re

import numpy as np
import pandas as pd
import pytest
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

from harness.core.fold import Fold
from harness.core.table import Table
from harness.leakage import nearest_neighbour
from harness.leakage.group_overlap import find_group_overlap

NONE = np.empty(0, dtype=np.int64)
RNG = np.random.default_rng(0)
COUNT = 300
WHO = RNG.permutation(np.repeat(np.arange(15), 20))
CENTRE = RNG.normal(size=(15, 4))
CLASS = (np.arange(15) % 2)[WHO]
INPUTS = CENTRE[WHO] + 0.05 * RNG.normal(size=(COUNT, 4))


def table(y=CLASS, group=WHO, **more) -> Table:
    frame = pd.DataFrame({f"x{k}": INPUTS[:, k] for k in range(4)} | {"y": y, "who": group})
    return Table(frame, ("x0", "x1", "x2", "x3"), target=("y",), group="who", **more)


def dealt(folds=5, count=COUNT) -> list[Fold]:
    parts = np.array_split(np.random.default_rng(0).permutation(count), folds)
    rows = np.arange(count)
    return [Fold(k, np.setdiff1d(rows, part), NONE, np.sort(part)) for k, part in enumerate(parts)]


def whole(folds=5) -> list[Fold]:
    rows = np.arange(COUNT)
    return [Fold(k, rows[WHO % folds != k], NONE, rows[WHO % folds == k]) for k in range(folds)]


def fold(train, valid, test, unlabelled=()) -> Fold:
    return Fold(0, *(np.array(part, dtype=np.int64) for part in (train, valid, test, unlabelled)))


SMALL = Table(
    pd.DataFrame({"x": range(6), "who": ["a", "a", "b", "b", "c", None]}), ("x",), group="who", id="x"
)


@pytest.mark.parametrize(
    "divided",
    [
        fold([0], [2, 3], [1, 4]),
        fold([0], [1], [2, 3]),
        fold([2, 3], [0], [1]),
        fold([2, 3], [], [1], [0]),
        fold([2, 3], [1], [4], [0]),
    ],
)
def test_a_group_in_two_parts_breaks_the_promise_of_a_grouped_split(divided):
    found = find_group_overlap(SMALL, [fold([0, 1], [2, 3], [4]), divided], grouped=True, split="mine")
    assert (found.check, found.severity) == ("groups", "error")
    assert found.sentence == (
        "split=mine promises to keep groups whole, and 1 of 3 values of 'who' are in two parts in 1 "
        "of 2 folds "
        "('a'); correct the split, or use split=group_kfold."
    )


def test_whole_groups_keep_the_promise_and_unlabelled_rows_may_join_training():
    found = find_group_overlap(SMALL, [fold([0], [2], [4], [1])], grouped=True, split="mine")
    assert (found.severity, found.sentence) == ("fine", "No 'who' is in two parts of a fold (3 of them).")


def test_folds_by_row_report_the_effect_of_folds_by_group():
    found = find_group_overlap(table(), dealt(), grouped=False, split="kfold")
    assert (found.check, found.severity) == ("groups", "warning")
    pattern = (
        r"300 of 300 test rows in 5 of 5 folds share 'who' with training rows \('\d+', '\d+', '\d+' "
        r"and 12 more\), "
        r"and a nearest neighbour is right on (\S+) of the test rows in these folds, and on (\S+) in "
        r"folds by "
        r"'who'; use split=group_kfold to estimate the score on a new 'who'\."
    )
    here, there = re.fullmatch(pattern, found.sentence).groups()
    assert here == "1.000"
    assert float(there) < 0.8


def test_of_a_number_the_share_of_its_variance_is_reported():
    target = CENTRE[WHO][:, 0] ** 2 + RNG.normal(size=15)[WHO]
    found = find_group_overlap(table(target), dealt(), grouped=False, split="kfold")
    here, there = re.search(
        r"has r2 (\S+) on the test rows in these folds, and (\S+) in folds", found.sentence
    ).groups()
    assert float(here) > 0.99
    assert float(there) < 0.5


def test_leave_one_out_and_one_fold_are_reported_the_same_way():
    for folds in (dealt(COUNT), dealt(5)[:1]):
        found = find_group_overlap(table(), folds, grouped=False, split="x")
        assert (
            "a nearest neighbour is right on 1.000 of the test rows in these folds, and on 0."
            in found.sentence
        )


def test_folds_that_happen_to_keep_groups_whole_are_fine():
    found = find_group_overlap(table(), whole(), grouped=False, split="predefined")
    assert (found.severity, found.sentence) == ("fine", "No test row shares 'who' with a training row.")


@pytest.mark.parametrize(
    "bare",
    [
        Table(SMALL.frame, ("x",), group="who"),
        Table(SMALL.frame.assign(y=list("uvuvuv"), t=list("qrstuv")), ("t",), target=("y",), group="who"),
        Table(SMALL.frame.assign(y=[0, 1] * 3, z=[1, 0] * 3), ("x",), target=("y", "z"), group="who"),
    ],
)
def test_without_numbers_or_a_single_target_no_figure_is_given(bare):
    found = find_group_overlap(bare, [fold([0, 2, 5], [], [1, 3, 4])], grouped=False, split="ratio")
    assert found.sentence == (
        "2 of 3 test rows share 'who' with training rows ('a' and 'b'); use split=group_kfold to "
        "estimate the score on a new "
        "'who'."
    )


def test_rows_without_a_group_share_none():
    bare = Table(SMALL.frame.assign(who=None), ("x",), group="who")
    assert (
        find_group_overlap(bare, [fold([0, 1], [], [2, 3])], grouped=False, split="ratio").severity == "fine"
    )


@pytest.mark.parametrize("scaled", [True, False])
def test_the_nearest_neighbour_is_that_of_scikit_learn(scaled):
    parts = [(fold.train, fold.test) for fold in dealt()]
    inputs = (RNG.normal(size=(COUNT, 4)) * [1, 10, 100, 1] + [0, 0, 0, 1000]).astype(np.float32)
    labels, numbers = RNG.integers(0, 2, COUNT), RNG.normal(size=COUNT)
    guesses, values = np.empty(COUNT), np.empty(COUNT)
    for train, test in parts:
        mean, deviation = inputs[train].mean(axis=0), inputs[train].std(axis=0) if scaled else 1
        ours, theirs = ((inputs[rows] - mean) / deviation for rows in (train, test))
        guesses[test] = KNeighborsClassifier(1).fit(ours, labels[train]).predict(theirs)
        values[test] = KNeighborsRegressor(1).fit(ours, numbers[train]).predict(theirs)
    accuracy = nearest_neighbour.score(inputs, labels, parts, classes=True, scaled=scaled)
    assert accuracy == pytest.approx((guesses == labels).mean())
    r2 = nearest_neighbour.score(inputs, numbers, parts, classes=False, scaled=scaled)
    assert r2 == pytest.approx(1 - ((values - numbers) ** 2).sum() / ((numbers - numbers.mean()) ** 2).sum())


def test_test_rows_do_not_move_the_scale():
    inputs = np.array([[0, 0], [1, 10], [0.9, 0], [1e6, 1e6]], dtype=np.float32)
    parts = [(np.array([0, 1]), np.array([2, 3]))]
    assert nearest_neighbour.score(inputs, np.array([0, 1, 0, 1]), parts, classes=True, scaled=True) == 1.0


def test_a_missing_feature_is_the_mean_and_a_part_without_rows_is_left_out():
    inputs = np.array([[0.0], [1.0], [np.nan], [0.9]], dtype=np.float32)
    parts = [(np.array([0, 1, 2]), np.array([3])), (NONE, np.array([0])), (np.array([0]), NONE)]
    assert nearest_neighbour.score(inputs, np.array([0, 1, 2, 1]), parts, classes=True, scaled=True) == 1.0
    assert np.isnan(nearest_neighbour.score(inputs, np.arange(4), parts[1:], classes=True, scaled=True))


def test_groups_are_dealt_whole_the_largest_to_the_smallest_fold():
    numbers = np.repeat([0, 1, 2, 3], [5, 4, 3, 2])
    parts = nearest_neighbour.group_folds(numbers, 2)
    assert [sorted(set(numbers[test])) for _, test in parts] == [[0, 3], [1, 2]]
    for train, test in parts:
        assert sorted([*train, *test]) == list(range(14))


def test_the_folds_at_hand_are_taken_as_they_are_up_to_ten():
    folds = dealt(5)
    rows = np.arange(0, COUNT, 3)
    for fold, (train, test) in zip(folds, nearest_neighbour.given_folds(folds, rows, COUNT), strict=True):
        assert rows[train].tolist() == sorted(set(rows) & set(fold.train))
        assert rows[test].tolist() == sorted(set(rows) & set(fold.test))


def test_more_folds_are_gathered_to_ten_and_repeats_left_out():
    rows = np.arange(40)
    ones = [
        Fold(k, np.setdiff1d(rows, [k, (k + 1) % 40]), np.array([(k + 1) % 40]), np.array([k])) for k in rows
    ]
    parts = nearest_neighbour.given_folds([*ones, *ones], rows, 40)
    assert [test.tolist() for _, test in parts] == [[k, k + 10, k + 20, k + 30] for k in range(10)]
    for train, test in parts:
        assert sorted([*train, *test]) == list(range(40))


def test_the_sample_is_the_same_each_time_and_from_the_rows_of_the_folds():
    folds = [Fold(0, np.arange(0, 3000), NONE, np.arange(3000, 4000))]
    known = np.arange(5000) % 2 == 0
    assert nearest_neighbour.sample(folds, known).tolist() == list(range(0, 4000, 2))
    many = nearest_neighbour.sample([Fold(0, np.arange(9000), NONE, NONE)], np.ones(9000, dtype=bool))
    assert len(set(many.tolist())) == 2000
    assert np.array_equal(
        many, nearest_neighbour.sample([Fold(0, np.arange(9000), NONE, NONE)], np.ones(9000, dtype=bool))
    )


def test_numbers_come_from_columns_or_the_array_thinned_where_there_are_many():
    rows = np.array([1, 3])
    mixed = Table(SMALL.frame.assign(b=[True, False] * 3, t="q"), ("x", "t", "b"))
    assert nearest_neighbour.numbers(mixed, rows).tolist() == [[1, 0], [3, 0]]
    array = RNG.integers(0, 9, (6, 3, 50, 50)).astype(np.uint8)
    thinned = nearest_neighbour.numbers(Table(SMALL.frame, (), kind="image", array=array), rows)
    assert thinned.tolist() == array.reshape(6, -1)[rows, ::2].tolist()

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from harness.config.compose import compose_exactly
from harness.config.instantiate import build
from harness.core.table import Table
from harness.split.ratio import Ratio

DEFAULT = {"test": 0.2, "valid": 0.15, "stratify": True, "grouped": False, "shuffle": True, "seed": 0}


def ratio(**changes) -> Ratio:
    return Ratio(**(DEFAULT | changes))


def table(target) -> Table:
    return Table(pd.DataFrame({"x": range(len(target)), "y": target}), ("x",), target=("y",), name="visits")


def test_the_valid_part_is_a_fraction_of_what_the_test_part_leaves():
    (fold,) = ratio(test=0.2, valid=0.25)(table(["a", "b"] * 50))
    assert (len(fold.train), len(fold.valid), len(fold.test)) == (60, 20, 20)
    assert fold.number == 0


def test_digits_are_divided_with_the_classes_in_proportion():
    digits = build(compose_exactly(["data/extract=digits"]).data.extract, "data.extract")()
    (fold,) = ratio()(digits)
    assert (len(fold.train), len(fold.valid), len(fold.test)) == (1222, 216, 359)
    everyone = np.bincount(digits.labels) / 1797
    for _, rows in fold.parts():
        assert np.abs(np.bincount(digits.labels.iloc[rows]) - everyone * len(rows)).max() <= 1


def test_without_stratify_the_classes_do_not_matter():
    one, other = ratio(stratify=False)(table(["a"] * 10 + ["b"] * 10)), ratio()(table(np.arange(20) + 0.5))
    assert np.array_equal(one[0].test, other[0].test)


def test_a_regression_is_split_by_row():
    (fold,) = ratio()(table(np.linspace(0, 1, 30)))
    assert (len(fold.train), len(fold.valid), len(fold.test)) == (20, 4, 6)


def test_a_table_without_target_splits_every_row_and_has_no_unlabelled_ones():
    (fold,) = ratio()(Table(pd.DataFrame({"x": range(10)}), ("x",)))
    assert sorted(np.concatenate([fold.train, fold.valid, fold.test])) == list(range(10))
    assert len(fold.unlabelled) == 0


def test_rows_without_a_target_are_the_unlabelled_ones():
    (fold,) = ratio()(table(["a", None, "b", "a", "b", np.nan, "a", "b"]))
    assert fold.unlabelled.tolist() == [1, 5]


def test_six_rows_are_enough():
    (fold,) = ratio()(table(["a", "b"] * 3))
    assert (len(fold.train), len(fold.valid), len(fold.test)) == (4, 1, 1)


def test_without_shuffle_the_last_rows_test_and_those_before_validate():
    (fold,) = ratio(shuffle=False, stratify=False, valid=0.25)(table(["a", "b"] * 5))
    assert fold.train.tolist() == [0, 1, 2, 3, 4, 5]
    assert fold.valid.tolist() == [6, 7]
    assert fold.test.tolist() == [8, 9]


def test_no_test_fraction_leaves_the_test_part_empty():
    (fold,) = ratio(test=0.0)(table(["a", "b"] * 10))
    assert len(fold.test) == 0
    assert len(fold.train) + len(fold.valid) == 20


def test_the_test_rows_do_not_depend_on_the_valid_fraction():
    target = ["a", "b", "c"] * 20
    one, other = ratio(valid=0.0)(table(target))[0], ratio(valid=0.4)(table(target))[0]
    assert np.array_equal(one.test, other.test)


def test_a_class_of_one_row_can_be_split_without_stratification():
    (fold,) = ratio(stratify=False)(table(["a"] * 9 + ["rare"]))
    assert len(fold.test) == 2


@pytest.mark.parametrize("test", [-0.2, 1.0, 1.5])
def test_a_test_fraction_outside_0_to_1_is_refused(test):
    with pytest.raises(ValueError, match=f"test must be 0 or more and less than 1, got {test}"):
        ratio(test=test)


def grouped_table(target, who) -> Table:
    frame = pd.DataFrame({"x": range(len(who)), "y": target, "who": who})
    return Table(frame, ("x",), target=("y",), group="who", name="visits")


def test_grouped_parts_are_fractions_of_the_groups():
    who = np.repeat(np.arange(20), np.arange(1, 21))
    (fold,) = ratio(grouped=True, valid=0.25)(grouped_table(np.arange(210) + 0.5, who))
    assert [len(set(who[rows])) for rows in (fold.train, fold.valid, fold.test)] == [12, 4, 4]
    assert not set(who[fold.train]) & set(who[fold.valid]) | set(who[fold.train]) & set(who[fold.test])


def test_grouped_and_stratified_parts_are_whole_groups_with_the_classes_in_proportion():
    who, target = np.repeat(np.arange(40), 5), np.tile(["a", "a", "a", "b", "b"], 40)
    (fold,) = ratio(grouped=True, valid=0.25)(grouped_table(target, who))
    for rows, groups in ((fold.train, 24), (fold.valid, 8), (fold.test, 8)):
        assert len(set(who[rows])) == groups
        assert (target[rows] == "b").mean() == 0.4


def test_a_grouped_split_leaves_out_unlabelled_rows_of_groups_that_test_or_validate():
    who = np.repeat(np.arange(20), 3)
    (fold,) = ratio(grouped=True)(grouped_table(["a", "b", None] * 20, who))
    assert set(who[fold.unlabelled]) == set(who[fold.train])


def test_without_shuffle_the_groups_that_appear_last_test():
    who = np.repeat(list("jihgfedcba"), 2)
    (fold,) = ratio(grouped=True, stratify=False, shuffle=False, valid=0.0)(
        grouped_table(["a", "b"] * 10, who)
    )
    assert set(who[fold.test]) == {"a", "b"}


def test_several_targets_are_split_by_row():
    frame = pd.DataFrame({"x": range(20), "sick": [0, 1] * 10, "old": [0, 1, 1, 0] * 5})
    (fold,) = ratio()(Table(frame, ("x",), target=("sick", "old")))
    assert np.array_equal(fold.test, ratio()(table(np.arange(20) + 0.5))[0].test)


@pytest.mark.slow
def test_a_default_run_does_not_wait_for_scikit_learn():
    script = (
        "import sys; from harness.split.ratio import Ratio; "
        "Ratio(test=0.2, valid=0.1, stratify=True, grouped=True, shuffle=True, seed=0); "
        "print('sklearn' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"

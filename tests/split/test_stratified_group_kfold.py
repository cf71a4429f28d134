import numpy as np
import pandas as pd
import pytest
from sklearn import model_selection

from harness.core.table import Table
from harness.split.stratified_group_kfold import StratifiedGroupKFold

DEFAULT = {"folds": 4, "fold": None, "valid": 0.15, "shuffle": True, "seed": 0}


def stratified(**changes) -> StratifiedGroupKFold:
    return StratifiedGroupKFold(**(DEFAULT | changes))


def visits(target, who) -> Table:
    frame = pd.DataFrame({"x": range(len(target)), "y": target, "who": who})
    return Table(frame, ("x",), target=("y",), group="who", name="visits")


@pytest.mark.parametrize("shuffle", [False, True])
def test_the_test_parts_are_those_of_scikit_learn(shuffle):
    random = np.random.default_rng(0)
    target, who = random.choice(["a", "b", "c"], 120), random.integers(0, 20, 120)
    deal = model_selection.StratifiedGroupKFold(4, shuffle=shuffle, random_state=7 if shuffle else None)
    # Codes in the order of appearance, as ours: with names in another order, ties fall otherwise.
    theirs = deal.split(who, pd.factorize(target)[0], who)
    for fold, (_, test) in zip(stratified(shuffle=shuffle, seed=7)(visits(target, who)), theirs, strict=True):
        assert np.array_equal(fold.test, test)


def test_groups_that_are_alike_give_every_part_the_same_proportions():
    who, target = np.repeat(np.arange(16), 5), np.tile(["a", "a", "a", "b", "b"], 16)
    for fold in stratified(valid=0.25)(visits(target, who)):
        for rows, groups in ((fold.test, 4), (fold.valid, 3), (fold.train, 9)):
            assert len(set(who[rows])) == groups
            assert (target[rows] == "b").mean() == 0.4


def test_an_unlabelled_row_of_a_group_that_tests_or_validates_is_left_out():
    who = np.repeat(np.arange(16), 3)
    for fold in stratified()(visits(["a", "b", None] * 16, who)):
        assert set(who[fold.unlabelled]) == set(who[fold.train])

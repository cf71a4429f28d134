import numpy as np
import pandas as pd
import pytest

from harness.core.errors import UserError
from harness.core.table import Table
from harness.split.predefined import Predefined

WORDS = {"train": "train", "valid": "valid", "test": "test"}
DEFAULT = {
    "column": "part",
    "words": WORDS,
    "fold": None,
    "valid": 0.0,
    "stratify": True,
    "grouped": False,
    "seed": 0,
}


def predefined(**changes) -> Predefined:
    return Predefined(**(DEFAULT | changes))


def visits(part, target=None, **columns) -> Table:
    target = ["a", "b"] * (len(part) // 2) + ["a"] * (len(part) % 2) if target is None else target
    frame = pd.DataFrame({"x": range(len(part)), "y": target, "part": part, **columns})
    group = "who" if "who" in columns else None
    return Table(frame, ("x",), target=("y",), group=group, name="visits")


def test_the_column_gives_the_part_of_each_row():
    (fold,) = predefined()(visits(["train", "test", "valid", "train", "test"]))
    assert (fold.train.tolist(), fold.valid.tolist(), fold.test.tolist()) == ([0, 3], [2], [1, 4])


def test_other_words_and_numbers_may_stand_for_the_parts():
    words = {"train": ["dev", "learn"], "test": [2]}
    (fold,) = predefined(words=words)(visits(["dev", "2", "learn", "dev"]))
    assert (fold.train.tolist(), fold.test.tolist()) == ([0, 2, 3], [1])
    (fold,) = predefined(words={"train": 0, "test": 1})(visits([0, 1, 0, 1]))
    assert (fold.train.tolist(), fold.test.tolist()) == ([0, 2], [1, 3])


@pytest.mark.parametrize("number", [[1, 0, 2, 1], [1.0, 0.0, 2.0, 1.0], ["1", "0", "2", "1"]])
def test_of_numbers_fold_k_tests_on_the_rows_of_number_k(number):
    folds = predefined()(visits(number))
    assert [fold.test.tolist() for fold in folds] == [[1], [0, 3], [2]]
    assert [fold.train.tolist() for fold in folds] == [[0, 2, 3], [1, 2], [0, 1, 3]]


def test_where_no_row_validates_a_fraction_of_the_training_rows_does():
    target = np.repeat(["a", "b"], [30, 10])
    (fold,) = predefined(valid=0.25)(visits(["train"] * 20 + ["test"] * 8 + ["train"] * 12, target))
    assert (len(fold.train), len(fold.valid), len(fold.test)) == (24, 8, 8)
    assert (
        sorted(target[fold.valid]) == ["a"] * 5 + ["b"] * 3
        or sorted(target[fold.valid]) == ["a"] * 6 + ["b"] * 2
    )


def test_where_rows_validate_no_other_does():
    (fold,) = predefined(valid=0.5)(visits(["train", "valid", "train", "train"]))
    assert fold.valid.tolist() == [1]


def test_grouped_the_fraction_is_of_groups():
    who = np.repeat(np.arange(10), 3)
    (fold,) = predefined(valid=0.25, grouped=True)(visits(["train"] * 24 + ["test"] * 6, who=who))
    assert len(set(who[fold.valid])) == 2
    assert not set(who[fold.valid]) & set(who[fold.train])


def test_grouped_an_unlabelled_row_of_a_group_that_tests_is_left_out():
    table = visits(["train", "train", "test", None, None], ["a", "b", "a", None, None], who=[0, 1, 2, 2, 0])
    assert predefined(grouped=True)(table)[0].unlabelled.tolist() == [4]


def test_an_unlabelled_row_is_kept_unless_it_tests_or_validates():
    table = visits(["train", "train", "test", "test", None, "train"], ["a", "b", "a", None, None, None])
    assert predefined()(table)[0].unlabelled.tolist() == [4, 5]
    folds = predefined()(visits([0, 1, 0, 1, None], ["a", "b", "b", None, None]))
    assert [fold.unlabelled.tolist() for fold in folds] == [[3, 4], [4]]


NO_TRAIN = {"train": [], "test": ["test"], "valid": ["valid"]}


@pytest.mark.parametrize(
    ("settings", "values", "rule", "remedy"),
    [
        (
            {"column": None},
            ["train", "test"],
            "needs the column that names the parts",
            "give split.column=part",
        ),
        (
            {"column": None},
            [0, 1],
            "needs the column that names the parts",
            "give split.column=COLUMN",
        ),
        ({"column": "parts"}, ["train", "test"], "visits does not have", "did you mean part?"),
        ({"column": "x"}, ["train", "test"], "is a feature of visits", "set 'data.extract.keep=[x]'"),
        ({"column": "y"}, ["train", "test"], "is the target of visits", "take it out of data.extract.target"),
        (
            {},
            ["train", "trian", "test"],
            "holds 'trian', which names no part",
            "did you mean train? Other words go",
        ),
        ({}, ["train", None, "test"], "and is empty in 1 of visits", "fill it in, or drop those rows"),
        ({}, [1, 2, 1], "without a gap, and that of visits holds 1 and 2", "renumber them"),
        ({}, [0, 2, 2], "without a gap, and that of visits holds 0 and 2", "renumber them"),
        ({}, [0, 0, 0], "without a gap, and that of visits holds 0", "renumber them"),
        ({}, ["test", "valid", "test"], "no labelled row to train on", "of split.words.train: train"),
        ({"words": NO_TRAIN}, ["test", "valid", "test"], "no labelled row to train on", "there are none"),
    ],
)
def test_columns_that_cannot_name_the_parts_are_refused(settings, values, rule, remedy):
    with pytest.raises(UserError) as caught:
        predefined(**settings)(visits(values))
    assert rule in caught.value.rule
    assert remedy in caught.value.remedy
    assert caught.value.key == "split.column"


def test_a_fold_number_that_only_unlabelled_rows_have_tests_nothing_and_is_none():
    folds = predefined()(visits([0, 1, 2], ["a", "b", None]))
    assert [fold.test.tolist() for fold in folds] == [[0], [1]]


def test_words_for_no_part_or_for_two_are_refused():
    with pytest.raises(ValueError, match="words must be given for train, valid and test, got 'dev'"):
        predefined(words={"dev": ["dev"]})
    with pytest.raises(ValueError, match="words must stand for one part each, got '1' for train and test"):
        predefined(words={"train": [1], "test": ["1"]})


def test_the_only_training_row_cannot_validate():
    with pytest.raises(UserError, match=r"split.valid=0.15 of 1 rows leaves none to train on"):
        predefined(valid=0.15)(visits(["train", "test"]))

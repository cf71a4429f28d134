"""`split=predefined` without `split.column`."""

import pandas as pd
import pytest
from omegaconf import OmegaConf

from harness.config.choice_files import choice
from harness.config.part_column import choose_part_column
from harness.core.table import Table

USUAL = {"train": "train", "valid": "valid", "test": "test"}


def chosen(columns, column=None, words=None, features=("x",)):
    split = {**choice("split", "predefined"), "column": column, "words": words or USUAL}
    cfg = OmegaConf.create({"split": split})
    made = choose_part_column(cfg, Table(pd.DataFrame({"x": range(3), **columns}), features))
    return made, cfg.split.column, OmegaConf.to_container(cfg.split.words)


PART = ["train", "test", "train"]
OTHER = ["Train", "val", "dev"]
NAMED = {"train": ["Train"], "valid": ["dev", "val"], "test": []}


def test_the_only_column_that_names_parts_is_chosen():
    assert chosen({"part": PART, "city": ["a", "b", "c"]}) == ({"split.column": "part"}, "part", USUAL)
    assert chosen({"part": PART, "seen": PART}, features=("x", "seen"))[1] == "part"


@pytest.mark.parametrize(
    ("columns", "features"),
    [({"part": PART, "more": PART}, ("x",)), ({"part": PART}, ("x", "part")), ({"n": [0, 1, 2]}, ("x",))],
)
def test_nothing_is_chosen_where_several_or_none_could_be_meant(columns, features):
    assert chosen(columns, features=features) == ({}, None, USUAL)


def test_other_usual_words_are_known_unless_words_were_given():
    made, column, words = chosen({"part": OTHER})
    assert (column, words) == ("part", NAMED)
    assert made["split.words"] == "{train: Train, valid: dev or val}"
    assert chosen({"part": OTHER}, column="part")[2] == NAMED
    mine = {"train": "Train", "valid": "val", "test": "dev"}
    assert chosen({"part": OTHER}, column="part", words=mine) == ({}, "part", mine)


def test_another_split_is_left_alone():
    cfg = OmegaConf.create({"split": {"_target_": "mine.Split", "column": None}})
    assert choose_part_column(cfg, Table(pd.DataFrame({"part": PART}), ())) == {}
    assert cfg.split.column is None

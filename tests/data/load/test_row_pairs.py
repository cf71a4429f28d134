"""Columns with ids become row positions, among the training rows alone."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.core.errors import UserError
from harness.core.table import Table
from harness.data.load.row_pairs import find_pairs

TRAIN = np.array([0, 1, 2, 3])


def table(**changes: Any) -> Table:
    """Six rows; rows 4 and 5 do not train. Row 2 names no partner, row 1 one that does not train."""
    columns: dict[str, Any] = {
        "key": ["a", "b", "c", "d", "e", "f"],
        "like": ["b", "e", None, "a", "f", "a"],
        "unlike": ["c", "d", "a", "c", "a", "b"],
        "size": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
        "kind": ["x", "y"] * 3,
    }
    roles = {"features": ("size",), "id": "key", "target": ("kind",), "name": "pets"}
    wrong = {name: changes.pop(name) for name in list(changes) if name in roles}
    return Table(pd.DataFrame(columns | changes), **(roles | wrong))


def test_a_partner_is_the_row_whose_id_the_column_holds() -> None:
    pairs, note = find_pairs(table(), ("like",), TRAIN)
    assert pairs.tolist() == [[1], [-1], [-1], [0], [-1], [-1]]
    assert note == (
        "2 of 4 training rows learn as anchors: 1 name no positive, and 1 one that is no training row"
    )


def test_negatives_stand_beside_positives() -> None:
    pairs, note = find_pairs(table(), ("like", "unlike"), TRAIN)
    assert pairs.tolist() == [[1, 2], [-1, 3], [-1, 0], [0, 2], [-1, -1], [-1, -1]]
    assert note.startswith("2 of 4 training rows learn as anchors: 1 name no positive and a negative")


def test_no_row_that_validates_or_tests_is_learned_from() -> None:
    rng = np.random.default_rng(0)
    keys = [f"k{number}" for number in range(60)]
    frame = pd.DataFrame({"key": keys, "like": rng.permutation(keys), "size": np.arange(60.0)})
    train = np.sort(rng.permutation(60)[:30])
    pairs, _ = find_pairs(Table(frame, ("size",), id="key"), ("like",), train)
    linked = np.flatnonzero(pairs[:, 0] >= 0)
    assert 0 < len(linked) < 30
    assert set(linked) <= set(train)
    assert set(pairs[linked, 0].tolist()) <= set(train)
    for row in linked:
        assert frame["key"][int(pairs[row, 0])] == frame["like"][row]


def test_whole_numbers_with_gaps_name_rows_too() -> None:
    numbers = table(key=[10, 20, 30, 40, 50, 60], like=[20, np.nan, 10, np.nan, np.nan, np.nan])
    assert find_pairs(numbers, ("like",), TRAIN)[0][:, 0].tolist() == [1, -1, 0, -1, -1, -1]


def test_rows_without_an_id_are_no_partners() -> None:
    some = table(key=["a", None, "c", None, "e", "f"], like=["c", "a", None, None, None, None])
    assert find_pairs(some, ("like",), TRAIN)[0][:, 0].tolist() == [2, 0, -1, -1, -1, -1]


@pytest.mark.parametrize(
    ("changes", "columns", "words"),
    [
        (
            {"id": None},
            ("like",),
            "trainer.method.positive=like names rows by their id, and pets has no id column; name it with "
            "data.extract.id=COLUMN.",
        ),
        (
            {},
            ("likes",),
            "trainer.method.positive=likes names a column that pets does not have; did you mean like",
        ),
        (
            {},
            ("like", "unlik"),
            "trainer.method.negative=unlik names a column that pets does not have; did you mean unlike",
        ),
        (
            {"features": ("like", "size")},
            ("like",),
            "trainer.method.positive=like must be a column that the model does not see, and it is a feature "
            "of pets; set 'data.extract.keep=[like]'.",
        ),
        (
            {},
            ("kind",),
            "trainer.method.positive=kind must be a column that is not predicted, and it is a target of "
            "pets; take it out of data.extract.target.",
        ),
        (
            {"like": ["b", "zoe", None, "a", "yul", "a"]},
            ("like",),
            "trainer.method.positive=like must hold ids of rows, and 2 of its values in pets are none, the "
            "first 'zoe' in row 1; correct them, or leave those cells empty.",
        ),
        (
            {"like": ["e", None, None, "f", "a", "a"]},
            ("like",),
            "trainer.method.positive=like must name a training row for some training row of pets, and none "
            "of 4 has a positive in its part; fill the column, or let data.extract.group keep together what "
            "belongs together.",
        ),
        (
            {"like": ["e", None, None, "f", "a", "a"]},
            ("like", "unlike"),
            "none of 4 has a positive and a negative in its part; fill the columns, or",
        ),
    ],
)
def test_what_names_no_row_is_refused(changes: dict[str, Any], columns: tuple[str, ...], words: str) -> None:
    with pytest.raises(UserError, match=re.escape(words)):
        find_pairs(table(**changes), columns, TRAIN)

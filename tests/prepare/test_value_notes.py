from __future__ import annotations

import pandas as pd
import pytest
from omegaconf import OmegaConf

from harness.core.table import Table
from harness.prepare.value_notes import header_note, value_notes


def table(group: list[object], target: list[object], aim: str = "auto") -> Table:
    frame = pd.DataFrame({"x": range(len(group)), "who": group, "ill": target})
    return Table(frame, ("x",), target=("ill",), group="who", aim=aim)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("group", "target", "words"),
    [
        (
            ["P1", "p1", " P1", "P2"],
            ["a", "b", "a", "b"],
            ["'who' has groups that", "' P1', 'P1' and 'p1' (3 rows)"],
        ),
        (["a", "A", "b ", "b"], [0, 1, 0, 1], ["'who' has groups", "such as 'A' and 'a' (4 rows)"]),
        (
            ["a", "b", "c", "d"],
            ["yes", "yes ", "no", None],
            ["'ill' has classes", "'yes' and 'yes ' (2 rows)"],
        ),
        (["a", "b", "c", "d"], ["y z", "y  z", "no", "no"], ["'y  z' and 'y z'", "write them in one way"]),
    ],
)
def test_names_that_differ_by_blanks_or_capitals_are_reported(group, target, words):
    (note,) = value_notes(table(group, target))
    assert all(word in note for word in words), note


@pytest.mark.parametrize(
    ("group", "target", "aim"),
    [
        ([1, 2, 3, 4], [0, 1, 0, 1], "auto"),
        (["a", "b", None, "d"], [True, False, True, None], "auto"),
        (["a", "b", "c", "d"], [0.5, 1.5, 2.5, 3.5], "regression"),
        ([1, 2, 3, 4] * 10, list(range(20)) * 2, "classification"),
    ],
)
def test_other_values_are_not(group, target, aim):
    assert value_notes(table(group, target, aim)) == []


def test_many_numbers_as_classes_are_answered_with_regression():
    (note,) = value_notes(table(list("ab") * 15, [row * 0.5 for row in range(30)], "classification"))
    assert "30 distinct numbers" in note
    assert note.endswith("set data.extract.task=regression")


def test_classes_of_one_row_that_are_numbers_are_answered_with_regression(here, refusal):
    pd.DataFrame({"x": range(40), "y": [row * 0.5 for row in range(40)]}).to_csv("x.csv", index=False)
    words = ("data/extract=csv", "data.extract.path=x.csv", "data.extract.target=y")
    sentence = refusal("check", *words, "data.extract.task=classification")
    assert sentence.startswith("a stratified split needs two or more rows of each class")
    assert sentence.endswith("to predict the number, set data.extract.task=regression.")


def test_numbers_that_are_predicted_as_such_have_no_note():
    assert value_notes(table(list("ab") * 15, [row * 0.5 for row in range(30)])) == []


@pytest.mark.parametrize(
    ("names", "extract", "noted"),
    [
        (("0.5", "1.25"), {"header": True}, True),
        (("3", "1"), {"header": True}, True),
        (("0.5", "1.25"), {"header": True, "names": ["0.5", "1.25"]}, False),
        (("0.5", "1.25"), {"header": False}, False),
        (("0.5", "1.25"), {}, False),  # no text file
        (("0", "1"), {"header": True}, False),  # positions
        (("1", "2", "3"), {"header": True}, False),
        (("0.5", "width"), {"header": True}, False),
        (("0.5", "7"), {"header": True}, False),  # no column has such a value
    ],
)
def test_a_first_row_that_was_read_as_names_is_reported(
    names: tuple[str, ...], extract: dict[str, object], noted: bool
) -> None:
    frame = pd.DataFrame({**{name: [0.0, 1.0, 4.0] for name in names}, "ill": ["a", "b", "a"]})
    cfg = OmegaConf.create({"data": {"extract": extract}})
    note = header_note(cfg, Table(frame, names, target=("ill",)))
    assert (note is not None) is noted
    assert note is None or f"the column names '{names[0]}' and '{names[1]}' look like values; if " in note

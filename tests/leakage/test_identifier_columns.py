import numpy as np
import pandas as pd
import pytest

from harness.core.table import Table
from harness.leakage.identifier_columns import find_identifiers, has_id_name

rng = np.random.default_rng(0)
COUNT = 200
GROUP = rng.integers(0, 10, COUNT)
TEXT = "a different text in nearly every row"
WHOLE = "a different whole number in nearly every row"


def table(**features) -> Table:
    return Table(pd.DataFrame({"g": GROUP, **features}), tuple(features), group="g")


NAMING = {
    "a text per row": ("note", [f"n{row}" for row in range(COUNT)], TEXT),
    "a category per row": ("note", pd.Categorical([f"n{row}" for row in range(COUNT)]), TEXT),
    "a count of the rows": ("number", np.arange(COUNT), WHOLE),
    "the same out of order": ("number", rng.permutation(COUNT) + 5000, WHOLE),
    "rising with gaps": ("number", np.cumsum(rng.integers(1, 9, COUNT)), WHOLE),
    "numbers named so": ("visit_id", rng.choice(10**6, COUNT, replace=False), WHOLE),
    "a name alone": ("patient", rng.integers(0, 30, COUNT), "named like an identifier"),
    "whole floats named so": (
        "mrn",
        np.where(np.arange(COUNT) == 3, np.nan, rng.integers(0, 30, COUNT)),
        "named like an identifier",
    ),
    "the group again": ("room", np.array(list("klmnopqrst"))[GROUP], "another name of the group 'g'"),
    "part of a group": ("ward", GROUP * 3 + rng.integers(0, 3, COUNT), "each value belongs to one 'g'"),
    "a number of the group": ("height", np.linspace(1.5, 1.9, 10)[GROUP], "another name of the group 'g'"),
}
HONEST = {
    "floats that all differ": ("x", rng.normal(size=COUNT)),
    "floats that rise": ("x", np.arange(COUNT) + 0.5),
    "whole floats that rise": ("x", np.arange(COUNT) * 1.0),
    "numbers that all differ": ("x", rng.choice(10**6, COUNT, replace=False)),
    "few texts": ("x", rng.choice(["a", "b"], COUNT)),
    "a flag named so": ("patient", rng.integers(0, 2, COUNT)),
    "a measure named so": ("patient", rng.normal(size=COUNT)),
    "something of a patient": ("patient_age", rng.integers(0, 90, COUNT)),
    "booleans": ("x", rng.random(COUNT) < 0.5),
    "dates": ("x", pd.date_range("2026-01-01", periods=COUNT)),
    "nothing": ("x", np.full(COUNT, np.nan)),
    "no text": ("x", np.array([None] * COUNT)),
}


@pytest.mark.parametrize("case", NAMING)
def test_a_column_that_names_rows_or_groups_is_found(case):
    name, values, why = NAMING[case]
    found = find_identifiers(table(honest=rng.normal(size=COUNT), **{name: values}))
    assert (found.check, found.severity) == ("identifiers", "warning")
    assert found.sentence == (
        f"feature {name!r} ({why}) may be memorised by the model, which does not generalise to new rows; "
        f"name its role with data.extract.id=COLUMN, or remove it with "
        f"'data.extract.drop=[{name}]'."
    )


@pytest.mark.parametrize("case", HONEST)
def test_a_column_that_measures_something_is_not(case):
    name, values = HONEST[case]
    found = find_identifiers(table(**{name: values}))
    assert (found.severity, found.sentence) == (
        "fine",
        "None of 1 features identifies rows or groups.",
    )


@pytest.mark.parametrize(
    ("roles", "remedy"),
    [
        ({}, "; name its role with data.extract.id=COLUMN or data.extract.group=COLUMN, or remove it with"),
        ({"id": "k"}, "; name its role with data.extract.group=COLUMN, or remove it with"),
        ({"id": "k", "group": "g"}, "; remove it with 'data.extract.drop=[note]'."),
    ],
)
def test_the_remedy_names_only_roles_that_are_free(roles, remedy):
    frame = table(note=[f"n{row}" for row in range(COUNT)], k=GROUP).frame
    assert remedy in find_identifiers(Table(frame, ("note",), **roles)).sentence


@pytest.mark.parametrize(
    ("rows", "distinct", "found"),
    [(12, 12, True), (9, 9, False), (18, 12, False), (40, 24, True), (40, 15, False)],
)
def test_text_of_mostly_distinct_values_is_an_identifier(rows, distinct, found):
    values = [f"n{row % distinct}" for row in range(rows)]
    severity = find_identifiers(Table(pd.DataFrame({"x": values}), ("x",))).severity
    assert severity == ("warning" if found else "fine")


def test_a_setting_of_very_many_columns_is_cut():
    columns = {f"n{number}": [f"{number}-{row}" for row in range(20)] for number in range(30)}
    found = find_identifiers(Table(pd.DataFrame(columns), tuple(columns)))
    assert found.sentence.endswith(",n18,n19]' and 10 more.")


def test_the_remedy_names_every_column():
    columns = {f"note{number}": [f"{number}-{row}" for row in range(COUNT)] for number in range(5)}
    found = find_identifiers(table(**columns))
    assert found.sentence.startswith(
        f"features 'note0' ({TEXT}), 'note1' ({TEXT}), 'note2' ({TEXT}) and 2 more may"
    )
    assert found.sentence.endswith("'data.extract.drop=[note0,note1,note2,note3,note4]'.")


def test_the_id_and_the_group_are_no_features():
    frame = pd.DataFrame({"k": rng.normal(size=COUNT), "g": GROUP})
    found = find_identifiers(Table(frame, ("k", "g"), id="k", group="g"))
    assert found.sentence.startswith("features 'k' (the id itself) and 'g' (the group itself) may be")
    assert found.sentence.endswith("; remove them from data.extract.features.")  # `drop` would be refused


def test_a_column_of_many_rows_that_repeats_each_value_twice_within_a_group_is_found():
    group = np.repeat(np.arange(3000), 10)
    frame = pd.DataFrame({"g": group, "x": np.arange(len(group)) // 2 + 0.5})
    found = find_identifiers(Table(frame, ("x",), group="g"))
    assert "feature 'x' (each value belongs to one 'g')" in found.sentence


def test_one_group_is_found_by_nothing():
    frame = pd.DataFrame({"g": ["a"] * 60, "x": [0.5, 1.5, 2.5] * 20})
    assert find_identifiers(Table(frame, ("x",), group="g")).severity == "fine"


@pytest.mark.parametrize(
    "name", ["id", "ID", "patient_id", "visitId", "PatientID", "uuid", "id_visit", "MRN", "subject"]
)
def test_names_of_identifiers(name):
    assert has_id_name(name)


@pytest.mark.parametrize(
    "name", ["width", "patient_age", "idle", "valid", "mean radius", "users_online", "x1", "7"]
)
def test_names_that_are_no_identifiers(name):
    assert not has_id_name(name)

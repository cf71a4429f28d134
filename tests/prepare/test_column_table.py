from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from harness.core.table import Table
from harness.data.transform.tabular import Tabular
from harness.prepare.column_table import TITLES, column_table, printed

ROWS = 40


def table() -> Table:
    frame = pd.DataFrame(
        {
            "name": [f"v{row}" for row in range(ROWS)],
            "when": pd.Timestamp("2026-01-01") + pd.to_timedelta(np.arange(ROWS), "D"),
            "rooms": [row % 5 if row % 10 else np.nan for row in range(ROWS)],
            " kind": list("abcd" * 10),
            "empty": np.full(ROWS, np.nan),
            "rent": np.arange(ROWS) * 0.5,
            "part": ["train", "test"] * 20,
        }
    )
    return Table(frame, ("when", "rooms", " kind", "empty"), target=("rent",), id="name", time="when")


def fitted(numeric: list[object], categorical: list[object]) -> Tabular:
    made = Tabular(numeric=numeric, categorical=categorical, dates=["elapsed", "month"], cyclic=True)
    rows = table()
    made.fit(rows, np.arange(ROWS), rows.task)
    return made


def test_each_column_has_its_role_type_values_and_features():
    transform = fitted([SimpleImputer(), StandardScaler()], [OneHotEncoder(sparse_output=False)])
    lines = {line[0]: line[1:] for line in column_table(table(), transform)}
    scaled = "SimpleImputer, StandardScaler"
    assert lines == {
        "name": ["id", "text", "0", "40", "", "", ""],
        "when": ["time, feature", "date", "0", "40", "2026-01-01 to 2026-02-09", scaled, "3"],
        "rooms": ["feature", "whole number", "4", "5", "0 to 4", scaled, "1"],
        "' kind'": ["feature", "text", "0", "4", "a, b, c, …", "OneHotEncoder", "4"],
        "empty": ["feature", "empty", "40", "0", "", "left out", "0"],
        "rent": ["target", "number", "0", "40", "0 to 19.5", "", ""],
        "part": ["kept", "text", "0", "2", "train, test", "", ""],
    }


@pytest.mark.parametrize(
    ("numeric", "encoding", "features"),
    [([], "unchanged", "1"), ([SimpleImputer(), PCA(2)], "SimpleImputer, PCA", "")],
)
def test_parts_that_mix_columns_give_no_count(numeric, encoding, features):
    lines = {line[0]: line for line in column_table(table(), fitted(numeric, []))}
    assert lines["rooms"][-2:] == [encoding, features]


def test_the_features_of_all_columns_are_the_width_of_the_rows():
    transform = fitted([SimpleImputer(), StandardScaler()], [OneHotEncoder(sparse_output=False)])
    counts = [int(line[-1]) for line in column_table(table(), transform) if line[-1]]
    assert sum(counts) == transform(table()).inputs.shape[1]


def test_it_is_printed_in_aligned_columns():
    lines = printed(column_table(table(), fitted([SimpleImputer()], [OneHotEncoder(sparse_output=False)])))
    starts = {line.find(cell) for line, cell in zip(lines[:3], ("role", "id", "time, feature"), strict=True)}
    assert (lines[0].split(), len(lines), len(starts)) == (list(TITLES), 8, 1)


def test_a_narrow_screen_leaves_out_and_names_the_least_important_columns():
    lines = column_table(table(), fitted([SimpleImputer()], [OneHotEncoder(sparse_output=False)]))
    whole = printed(lines)
    assert printed(lines, max(map(len, whole))) == whole
    *rows, remark = printed(lines, 45)
    assert max(map(len, rows)) <= 45
    assert rows[0].split() == ["column", "role", "type", "missing"]
    assert remark == "too narrow for: distinct, values, encoding and features; --json has all columns"
    assert printed(lines, 1)[0].split() == ["column", "role", "type"]


def test_a_wide_table_is_cut_but_for_the_columns_that_are_no_features():
    wide = pd.DataFrame({**{f"x{k}": [0.0, 1.0] for k in range(60)}, "who": ["a", "b"], "y": [0, 1]})
    rows = Table(wide, tuple(wide.columns[:60]), target=("y",), group="who")
    lines = column_table(rows, fitted([SimpleImputer()], []))
    assert [line[:2] for line in lines[:3]] == [["who", "group"], ["y", "target"], ["x0", "feature"]]
    assert (len(lines), lines[-1][0]) == (51, "and 12 more")


def test_images_have_no_columns():
    pixels = Table(pd.DataFrame({"a": [0, 1], "b": [1, 0]}), ("a", "b"), kind="image", shape=(1, 1, 2))
    assert column_table(pixels, fitted([], [])) == []
    assert printed([]) == []


def test_the_features_of_the_time_are_its_own_parts() -> None:
    rows = replace(table(), time_parts=("month",))
    transform = Tabular(numeric=[], categorical=[], dates=["elapsed", "month"], cyclic=True)
    transform.fit(replace(rows, features=("when", "rooms")), np.arange(ROWS), rows.task)
    lines = {line[0]: line for line in column_table(rows, transform)}
    assert lines["when"][-2:] == ["unchanged", "2"]

import datetime
import decimal
import logging

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harness.core.errors import UserError


def refuse(make, words, **changes):
    with pytest.raises(UserError, match=words) as found:
        make("parquet", **changes)()
    assert str(found.value).count(". ") == 0
    assert "\n" not in str(found.value)


@pytest.fixture
def visits(tmp_path):
    folder = tmp_path / "visits"
    folder.mkdir()
    first = pd.DataFrame({"x": [1.5, 2.5], "g": ["b", "a"], "spare": [0, 1], "y": [0, 1]})
    first.to_parquet(folder / "1.parquet")
    first.assign(x=[3.5, None]).to_parquet(folder / "2.parquet")
    return folder


def test_a_file_is_a_table(make, visits):
    table = make("parquet", path=str(visits / "1.parquet"), target="y", group="g")()
    assert table.features == ("x", "spare")
    assert table.frame["x"].tolist() == [1.5, 2.5]
    assert table.groups.tolist() == ["b", "a"]
    assert (table.name, table.source) == ("1", str(visits / "1.parquet"))


@pytest.mark.parametrize("path", ["", "/*.parquet", "/**"])
def test_a_folder_and_a_pattern_are_all_their_files_in_order(make, visits, path):
    table = make("parquet", path=f"{visits}{path}", target="y")()
    assert np.array_equal(table.frame["x"], [1.5, 2.5, 3.5, np.nan], equal_nan=True)
    assert table.name == "visits"
    assert list(table.frame.index) == [0, 1, 2, 3]


def test_the_column_that_folders_name_is_not_read_with_a_warning(make, visits, caplog):
    for year in ("2025", "2026"):
        folder = visits / f"year={year}"
        folder.mkdir()
        (visits / f"{int(year) - 2024}.parquet").rename(folder / "part.parquet")
    with caplog.at_level(logging.WARNING, logger="harness"):
        table = make("parquet", path=str(visits), target="y")()
    assert (table.name, table.features) == ("visits", ("x", "g", "spare"))
    assert [
        message.startswith("The files of data.extract.path lie in folders year=…")
        for message in caplog.messages
    ] == [True]


def test_only_the_columns_with_a_role_are_read_where_features_are_named(make, visits):
    table = make("parquet", path=str(visits), features=["x"], target="y")()
    assert list(table.frame.columns) == ["x", "y"]


def test_a_dropped_column_is_not_read_but_must_be_there(make, visits):
    table = make("parquet", path=str(visits), drop=["spare"], target="y")()
    assert list(table.frame.columns) == ["x", "g", "y"]
    words = r"data.extract.drop names the column 'spar', .* did you mean spare\?"
    refuse(make, words, path=str(visits), drop=["spar"])
    words = "data.extract.drop and data.extract.group both name the column 'g'"
    refuse(make, words, path=str(visits), drop=["g"], group="g")


def test_a_feature_that_is_not_there_is_answered_with_the_columns(make, visits):
    words = (
        r"data.extract.features names the column 'X', which visits does not have; there are g, spare, x and y"
    )
    refuse(make, words, path=str(visits), features=["X"])


def test_the_same_rows_are_the_same_table_from_text(make, tmp_path):
    frame = pd.DataFrame({"x": [0.1, np.nan, 3.0], "n": [1, 2, 3], "w": ["a", None, "c"], "g": [7, 7, 10]})
    frame["flag"], frame["y"] = [True, False, True], [0, 1, 1]
    frame.to_parquet(tmp_path / "a.parquet")
    frame.to_csv(tmp_path / "a.csv", index=False)
    roles = {"target": "y", "group": "g"}
    one = make("parquet", path=str(tmp_path / "a.parquet"), **roles)()
    two = make("csv", path=str(tmp_path / "a.csv"), **roles)()
    frame = one.frame.where(one.frame.notna(), np.nan)  # pandas 2 has None for a missing text of this file
    pd.testing.assert_frame_equal(frame, two.frame, check_dtype=True)
    assert one.digest == two.digest


def test_decimals_become_floats_and_dates_dates(make, tmp_path):
    table = pa.table(
        {
            "price": pa.array([decimal.Decimal("1.25"), None]),
            "day": pa.array([datetime.date(2026, 1, 31), None]),
            "colour": pa.array(["red", "red"]).dictionary_encode(),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    frame = make("parquet", path=str(tmp_path / "a.parquet"))().frame
    assert np.array_equal(frame["price"], [1.25, np.nan], equal_nan=True)
    assert frame["day"].dt.day.tolist()[0] == 31
    assert frame["colour"].astype(str).tolist() == ["red", "red"]


def test_an_index_that_pandas_stored_is_a_column_and_no_index(make, tmp_path):
    pd.DataFrame({"x": [1, 2]}, index=pd.Index(["p", "q"], name="who")).to_parquet(tmp_path / "a.parquet")
    frame = make("parquet", path=str(tmp_path / "a.parquet"), id="who")().frame
    assert frame["who"].tolist() == ["p", "q"]


def test_files_of_other_columns_or_types_are_refused(make, visits):
    words = "the files of data.extract.path must have the same columns, and "
    odd = visits / "3.parquet"
    pd.DataFrame({"x": ["a"], "g": ["b"], "spare": [0], "y": [1]}).to_parquet(odd)
    refuse(
        make, words + "'x' is double in .*1.parquet and .*string in .*3.parquet; correct it", path=str(visits)
    )
    pd.DataFrame({"x": [1.0], "g": ["b"], "y": [1]}).to_parquet(odd)
    refuse(make, words + "'spare' is int64 in .* and not there in .*3.parquet", path=str(visits))
    assert len(make("parquet", path=str(visits), drop=["spare"])()) == 5
    pd.DataFrame({"x": [1.0], "g": ["b"], "spare": [0], "y": [1], "z": [0]}).to_parquet(odd)
    refuse(make, words + ".*1.parquet lacks 'z', which .*3.parquet has", path=str(visits))


def test_a_column_of_lists_is_refused_unless_it_is_left_out(make, tmp_path):
    pd.DataFrame({"x": [1], "many": [[1, 2]]}).to_parquet(tmp_path / "a.parquet")
    refuse(
        make,
        "a cell must hold one value, and column 'many' of .*a.parquet holds list<.*; flatten it, or leave it "
        r"out with 'data.extract.drop=\[many\]'.",
        path=str(tmp_path / "a.parquet"),
    )


def test_two_columns_of_one_name_are_refused(make, tmp_path):
    pq.write_table(pa.table([pa.array([1]), pa.array([2])], names=["a", "a"]), tmp_path / "a.parquet")
    refuse(make, "has two columns named 'a'; rename one in the file.", path=str(tmp_path / "a.parquet"))


def test_a_file_of_another_format_is_refused(make, tmp_path):
    (tmp_path / "a.parquet").write_text("x,y\n1,2\n")
    words = "a.parquet cannot be read as Parquet: .*; name files in that format."
    refuse(make, words, path=str(tmp_path / "a.parquet"))


def test_no_path_and_a_folder_without_a_file_are_refused(make, tmp_path):
    refuse(make, "data.extract.path needs the file to read; give data.extract.path=FILE.parquet.")
    refuse(make, r"\*\*/\*.parquet matches no file", path=str(tmp_path))


def test_the_fingerprint_is_that_of_the_files(make, visits):
    extractor = make("parquet", path=str(visits))
    before = extractor.fingerprint()
    assert before == extractor.fingerprint()
    pd.DataFrame({"x": [1.0]}).to_parquet(visits / "3.parquet")
    assert extractor.fingerprint() != before

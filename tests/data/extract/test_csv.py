import bz2
import gzip
import lzma
import zipfile

import numpy as np
import pandas as pd
import pytest

from harness.core.errors import UserError
from harness.data.extract.csv import Csv

DEFAULT = {
    "separator": ",",
    "decimal": ".",
    "encoding": "utf-8",
    "missing": ["", "NA"],
    "types": {},
    "dates": [],
    "date_format": None,
    "source_column": None,
    "name": None,
    "kind": "table",
    "shape": None,
    "target": None,
    "group": None,
    "id": None,
    "time": None,
    "features": None,
    "keep": [],
    "drop": [],
    "task": "auto",
    "infinite": "error",
}


def extract(path, **changes):
    given = path if path is None or isinstance(path, list) else str(path)
    return Csv(**(DEFAULT | {"path": given} | changes))()


def refuse(path, words, **changes):
    with pytest.raises(UserError, match=words) as found:
        extract(path, **changes)
    assert str(found.value).count(". ") == 0
    assert "\n" not in str(found.value)


@pytest.fixture
def write(tmp_path):
    """Writes a text and gives its path."""

    def written(text, name="a.csv"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return written


@pytest.fixture
def visits(tmp_path):
    path = tmp_path / "visits.csv"
    path.write_text("patient,age,mood,ill\n007,31,None,yes\n010,NA,good,no\n007,45,,\n")
    return path


def test_numbers_become_numbers_and_text_stays_text(visits):
    table = extract(visits, target="ill", group="patient")
    assert table.features == ("age", "mood")
    assert np.array_equal(table.frame["age"], [31, np.nan, 45], equal_nan=True)
    assert table.groups.tolist() == ["007", "010", "007"]
    assert table.frame["mood"].isna().tolist() == [False, False, True]
    assert table.frame["mood"].tolist()[:2] == ["None", "good"]


def test_a_row_without_a_target_is_unlabelled(visits):
    assert extract(visits, target="ill").labelled.tolist() == [True, True, False]


def test_the_name_is_that_of_the_file_unless_given(visits):
    table = extract(visits)
    assert (table.name, table.source) == ("visits", str(visits))
    assert extract(visits, name="ward 7").name == "ward 7"


def test_a_relative_path_means_the_current_folder(visits, monkeypatch):
    monkeypatch.chdir(visits.parent)
    assert len(extract("visits.csv")) == 3


def test_an_id_keeps_its_leading_zeros(write):
    path = write("id,x\n007,1\n010,2\n")
    assert extract(path, id="id").frame["id"].tolist() == ["007", "010"]


@pytest.mark.parametrize(
    ("separator", "text"), [(";", "a;b\n1;2\n"), ("\t", "a\tb\n1\t2\n"), (r"\s+", "a  b\n1 2\n")]
)
def test_another_separator_is_understood(tmp_path, separator, text):
    path = tmp_path / "a.csv"
    path.write_text(text)
    assert extract(path, separator=separator).frame.iloc[0].to_dict() == {"a": 1, "b": 2}


def test_pixel_columns_make_images(tmp_path):
    path = tmp_path / "pixels.csv"
    pd.DataFrame(np.arange(24).reshape(2, 12)).assign(y=["a", "b"]).to_csv(path, index=False)
    table = extract(path, kind="image", shape=[3, 2, 2], target="y")
    assert (table.kind, table.shape, len(table.features)) == ("image", (3, 2, 2), 12)


def test_text_far_down_makes_a_column_of_numbers_text_from_its_first_row(write):
    """pandas reads block by block, and would leave the first as numbers."""
    path = write("x,y\n" + "07,1\n" * 300_000 + "odd,1\n" * 300_001)
    table = extract(path, target=None)
    assert table.frame["x"].iloc[[0, 299_999, 300_000]].tolist() == ["07", "07", "odd"]


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("visit.csv", {}, r"data.extract.path=/.*/visit.csv does not exist; .* did you mean visits.csv\?"),
        ("away/a.csv", {}, "away/a.csv does not exist, nor does its folder; relative paths start at /"),
        ("", {}, "is a folder, and a file is needed; there are empty.csv, header.csv and visits.csv."),
        ("empty.csv", {}, "empty.csv is empty; name a file with a line of column names."),
        ("header.csv", {}, "data set header has no rows"),
        ("visits.csv", {"target": "sick"}, "target names .* 'sick', .* there are age, ill, mood and patient"),
        ("visits.csv", {"group": "patiens"}, r"group names .* 'patiens', .* did you mean patient\?"),
        ("visits.csv", {"types": {"agee": "int"}}, r"types names the column 'agee', .* did you mean age\?"),
        ("visits.csv", {"dates": ["moon"]}, r"dates names the column 'moon', .* did you mean mood\?"),
    ],
)
def test_a_file_or_column_that_is_missing_or_empty_is_refused(visits, name, changes, message):
    visits.with_name("empty.csv").touch()
    visits.with_name("header.csv").write_text("a,b\n")
    refuse(visits.parent / name, message, **changes)


def test_no_path_is_refused():
    refuse(None, r"data.extract.path needs the file to read; give data.extract.path=FILE.csv.")


def test_an_empty_separator_is_refused():
    with pytest.raises(ValueError, match="separator must be one character or more, got ''"):
        extract("a.csv", separator="")


def test_a_file_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "latin.csv"
    path.write_bytes("größe\n1\n".encode("latin-1"))
    refuse(
        path,
        "latin.csv is not text in UTF-8; save it as comma-separated UTF-8 text, or set "
        "data.extract.encoding.",
    )
    assert extract(path, encoding="latin-1").features == ("größe",)


def test_another_encoding_and_decimal_are_understood(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes("Größe;Maß\n1,5;ä\n-2,25;ö\n".encode("utf-16"))
    frame = extract(path, separator=";", decimal=",", encoding="utf-16").frame
    assert frame["Größe"].tolist() == [1.5, -2.25]
    assert frame["Maß"].tolist() == ["ä", "ö"]


@pytest.mark.parametrize(
    ("name", "pack"),
    [("a.csv.gz", gzip.compress), ("a.csv.bz2", bz2.compress), ("a.csv.xz", lzma.compress)],
)
def test_a_compressed_file_is_unpacked(tmp_path, name, pack):
    path = tmp_path / name
    path.write_bytes(pack(b"a,b\n1,2\n"))
    table = extract(path)
    assert (table.name, table.frame.iloc[0].to_dict()) == ("a", {"a": 1, "b": 2})
    path.write_bytes(pack(b"a,b\n1,2\n3\n"))
    refuse(path, f"line 3 of .*{name} has 1 cell, and the first line names 2 columns")


def test_an_archive_of_one_file_is_unpacked(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("inner.csv", "a,b\n1,2\n3,x\n4,5\n5,6")
    refuse(path, "column 'b' holds numbers, and line 3 of .*a.zip the text 'x'")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("more.csv", "a,b\n1,2\n")
    refuse(path, "a.zip cannot be read as a table: .*[Mm]ultiple files .*; correct the file, or set")


def test_a_damaged_archive_is_refused(tmp_path):
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n1,2\n" * 50)[:-20])
    refuse(path, "a.csv.gz cannot be read as a table: .*; correct the file")


def test_a_compression_that_needs_a_package_is_refused_with_its_name(tmp_path, monkeypatch):
    def absent(*arguments, **keywords):
        raise ImportError("`Import zstandard` failed.")

    monkeypatch.setattr(pd, "read_csv", absent)
    (tmp_path / "a.csv.zst").write_bytes(b"x")
    refuse(tmp_path / "a.csv.zst", "a.csv.zst cannot be unpacked: `Import zstandard` failed.")


@pytest.fixture
def months(write):
    write("x,y\n3,b\n", "visits-02.csv")
    write("y,x\na,1\na,2\n", "visits-01.csv")
    return write("x,y\n9,c\n", "other.csv").parent


def test_many_files_are_one_table_in_the_order_of_their_names(months):
    table = extract(months / "visits-*.csv", target="y")
    assert table.frame["x"].tolist() == [1, 2, 3]
    assert table.labels.tolist() == ["a", "a", "b"]
    assert (table.name, table.source) == ("visits", str(months / "visits-*.csv"))
    assert list(table.frame.index) == [0, 1, 2]


def test_a_list_of_files_is_one_table(months):
    listed = [str(months / "other.csv"), str(months / "visits-02.csv")]
    table = extract(listed, target="y")
    assert table.frame["x"].tolist() == [9, 3]
    assert table.source == ", ".join(listed)


def test_a_column_may_name_the_file_of_each_row(months):
    table = extract(months / "**" / "visits*.csv", source_column="month", group="month", target="y")
    assert table.groups.tolist() == ["visits-01.csv", "visits-01.csv", "visits-02.csv"]
    refuse(
        months / "visits*.csv",
        "data.extract.source_column=x is a column of .*visits-01.csv already; choose another name.",
        source_column="x",
    )


def test_files_of_other_columns_are_refused(months, write):
    write("x,z\n1,2\n", "visits-03.csv")
    refuse(
        months / "visits-*.csv",
        "the files of data.extract.path must have the same columns, and .*visits-03.csv lacks 'y', which "
        ".*visits-01.csv has; correct it",
    )
    write("x,y,z\n1,2,3\n", "visits-03.csv")
    refuse(months / "visits-*.csv", "visits-01.csv lacks 'z', which .*visits-03.csv has")


def test_a_column_that_is_text_in_one_file_is_text_in_all(write):
    write("x,y\n007,a\n", "a1.csv")
    path = write("x,y\nK7,a\nK8,b\n", "a2.csv")
    assert extract(path.with_name("a*.csv")).frame["x"].tolist() == ["007", "K7", "K8"]


def test_the_place_of_an_odd_value_is_reported_across_files(write):
    write("x,y\n1,1\n2,1\n3,1\n", "a1.csv")
    path = write('x,y\n"4",1\n\nodd,2\n', "a2.csv")
    refuse(path.with_name("a*.csv"), "column 'x' holds numbers, and line 4 of .*a2.csv the text 'odd'")


def test_numbers_with_some_text_between_are_refused_with_the_line(write):
    text = 'x,note\n1,a\n2,"two\nlines"\n,b\nodd,c\n4,d\n'
    path = write(text)
    refuse(
        path,
        "column 'x' holds numbers, and line 6 of .*a.csv the text 'odd'; correct it, count it as missing "
        r"with 'data.extract.missing=.*odd\]', or keep it as text with 'data.extract.texts=\[x\]'.",
    )
    found = extract(path, missing=["", "odd"]).frame["x"]
    assert np.array_equal(found, [1, 2, np.nan, np.nan, 4], equal_nan=True)
    found = extract(path, types={"x": "text"}).frame["x"]
    assert found.tolist()[:2] + found.tolist()[3:] == ["1", "2", "odd", "4"]
    assert "x" not in extract(path, drop=["x"]).frame


def test_codes_of_which_fewer_than_half_are_numbers_are_text(write):
    assert extract(write("x\n1\nA\nB2\n")).frame["x"].tolist() == ["1", "A", "B2"]


def test_columns_have_the_types_that_they_are_given(write):
    path = write("i,f,t,b,c,d\n1,1,01,yes,3,2026-01-31\n,2,,No,4,\n3,,7,1,3,2026-02-01T08:30:00\n")
    kinds = {"i": "int", "f": "float", "t": "text", "b": "boolean", "c": "category", "d": "date"}
    frame = extract(path, types=kinds).frame
    assert np.array_equal(frame["i"], [1, np.nan, 3], equal_nan=True)
    assert frame["f"].dtype == np.float64
    assert frame["t"].tolist()[::2] == ["01", "7"]
    assert frame["b"].tolist() == [True, False, True]
    assert frame["b"].dtype == bool
    assert frame["c"].cat.categories.tolist() == ["3", "4"]
    assert frame["d"].tolist()[::2] == [pd.Timestamp("2026-01-31"), pd.Timestamp("2026-02-01 08:30")]
    assert frame["d"].isna().tolist() == [False, True, False]


def test_dates_may_be_written_in_another_form(write):
    path = write("d,x\n31.01.2026,1\n01.02.2026,2\n")
    found = extract(path, dates=["d"], date_format="%d.%m.%Y", time="d").frame["d"]
    assert found.dt.month.tolist() == [1, 2]


def test_dates_with_offsets_are_one_clock(write):
    path = write("d,x\n2026-03-29T01:00:00+01:00,1\n2026-03-29T03:00:00+02:00,2\n")
    found = extract(path, dates=["d"]).frame["d"]
    assert found.tolist() == [
        pd.Timestamp("2026-03-29 00:00", tz="UTC"),
        pd.Timestamp("2026-03-29 01:00", tz="UTC"),
    ]


@pytest.mark.parametrize(
    ("kind", "cell", "words"),
    [
        (
            "int",
            "2.5",
            "whole numbers, and line 3 of .*a.csv holds '2.5'; .* change data.extract.types.",
        ),
        ("int", "inf", "whole numbers, and line 3 of .*a.csv holds 'inf'"),
        ("int", "two", "whole numbers, and line 3 of .*a.csv holds 'two'"),
        ("float", "two", "numbers, and line 3 of .*a.csv holds 'two'"),
        ("int", "True", "whole numbers, and line 3 of .*a.csv holds 'True'"),
        ("boolean", "2", "true and false, yes and no, or 1 and 0, and line 3 of .*a.csv holds '2'"),
        (
            "date",
            "31.1.26",
            "dates written as in ISO 8601, and .* holds '31.1.26'; .* data.extract.date_format.",
        ),
    ],
)
def test_a_value_of_another_type_is_refused_with_its_line(write, kind, cell, words):
    first = "2026-01-01" if kind == "date" else "1"
    refuse(write(f"x,y\n{first},1\n{cell},1\n"), f"column 'x' must hold {words}", types={"x": kind})


def test_a_column_of_true_and_false_is_no_number(write):
    refuse(write("x,y\nTrue,1\nFalse,2\n"), "must hold whole numbers, and line 2", types={"x": "int"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7,10,9", [7, 10, 9]),
        ("07,10,9", ["07", "10", "9"]),
        ("1.0,2,3", ["1.0", "2", "3"]),
        ("-1,a,3", ["-1", "a", "3"]),
        ("-1,2,3", [-1, 2, 3]),
    ],
)
def test_a_group_of_whole_numbers_is_the_same_as_from_a_database(write, text, expected):
    path = write("g,x\n" + "".join(f"{cell},{i}\n" for i, cell in enumerate(text.split(","))))
    assert extract(path, group="g").groups.tolist() == expected
    assert extract(path, group="g", types={"g": "text"}).groups.tolist() == text.split(",")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "a,b\n1,2\n1,2,3\n",
            "line 3 of .*a.csv has 3 cells, and the first line names 2 columns; correct the line",
        ),
        ("a,b\n1,2,3\n4,5,6\n", "line 2 of .*a.csv has 3 cells, and the first line names 2 columns"),
        (
            "# mine\na,b\n1,2\n",
            r"line 2 .*; leave out lines that begin with # by 'data.extract.comm.*=\"#\"'",
        ),
        ("a,b\n1,2\n3\n4,5\n", "line 3 of .*a.csv has 1 cell, and the first line names 2 columns"),
        ('a,b\n"1\n2",2\n\n3\n4,5\n', "line 5 of .*a.csv has 1 cell, and"),
        ('a,b\n"x\ny",2\n1,2,3\n', "line 4 of .*a.csv has 3 cells"),
        (
            'a,b\n1,2\n3,"4\n5,6\n',
            "the quote that opens on line 3 of .*a.csv is never closed; correct the line",
        ),
    ],
)
def test_a_malformed_line_is_refused_with_its_number(write, text, words):
    refuse(write(text), words)


def test_a_cell_may_be_long_and_hold_lines_where_the_last_are_looked_at(write):
    long = "so it went\n" * 20_000
    found = extract(write(f'a,b\n1,\n2,"{long}"\n')).frame["b"]
    assert found.isna().tolist() == [True, False]
    assert found[1] == long


def test_columns_may_have_odd_names(write):
    frame = extract(write("NA,,None\n1,2,3\n"), types={"NA": "float"}).frame
    assert list(frame.columns) == ["NA", "Unnamed: 1", "None"]


def test_a_mark_of_the_byte_order_is_no_part_of_a_name(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes("\ufeffa,b\n1,2\n3\n".encode())
    refuse(path, "line 3 of .*a.csv has 1 cell, and")
    path.write_bytes("\ufeffa,b\n1,2\n".encode())
    assert extract(path, types={"a": "float"}).features == ("a", "b")


def test_a_last_cell_may_be_missing(write):
    for text in ("a,b\n1,2\n3,\n\n4,5\n", 'a,b\n"u,v",2\nw,\n"x",5\n'):
        assert extract(write(text)).frame["b"].isna().tolist() == [False, True, False]


def test_a_short_line_between_other_separators_is_refused(write):
    refuse(write("a  b\n1 2\n\n3\n"), "line 4 of .*a.csv has 1 cell, and", separator=r"\s+")


def test_two_columns_of_one_name_are_refused(write):
    refuse(write("a,b,a\n1,2,3\n"), "a.csv has two columns named 'a'; rename one in the file.")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"decimal": ",."}, "decimal must be one character, got ',.'"),
        (
            {"encoding": "utf8000"},
            "encoding must be one that Python knows, such as utf-8 or latin-1, got 'utf8000'",
        ),
        (
            {"types": {"d": "int"}, "dates": ["d"]},
            "dates must not name a column to which types gives another, got 'd'",
        ),
    ],
)
def test_arguments_that_make_no_sense_are_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        extract("a.csv", **changes)


def test_the_fingerprint_changes_with_any_of_the_files(months, write):
    def fingerprint():
        return Csv(**(DEFAULT | {"path": str(months / "visits-*.csv")})).fingerprint()

    before = fingerprint()
    assert before == fingerprint()
    write("x,y\n4,b\n", "visits-02.csv")
    assert fingerprint() != before

import re

import numpy as np
import pandas as pd
import pytest

from harness.data.extract.csv import Csv
from harness.errors import UserError

DEFAULT = {
    "separator": ",",
    "missing": ["", "NA"],
    "name": None,
    "kind": "table",
    "shape": None,
    "target": None,
    "group": None,
    "id": None,
    "features": None,
    "drop": [],
    "task": "auto",
}


def extract(path, **changes):
    return Csv(**(DEFAULT | {"path": None if path is None else str(path)} | changes))()


def refuse(path, words, **changes):
    with pytest.raises(UserError, match=words) as found:
        extract(path, **changes)
    assert str(found.value).count(". ") == 0
    assert "\n" not in str(found.value)


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


def test_an_id_keeps_its_leading_zeros(visits):
    assert extract(visits, id="patient").frame["patient"].tolist() == ["007", "010", "007"]


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


def test_one_odd_cell_far_down_makes_a_column_text_throughout(tmp_path):
    path = tmp_path / "long.csv"
    path.write_text("x\n" + "1\n" * 300_000 + "odd\n")
    assert set(extract(path).frame["x"]) == {"1", "odd"}


def test_no_path_is_refused():
    refuse(None, r"data.extract.path needs the file to read; give data.extract.path=FILE.csv.")


def test_an_empty_separator_is_refused():
    with pytest.raises(ValueError, match="separator must be one character or more, got ''"):
        extract("a.csv", separator="")


def test_a_missing_file_is_answered_with_the_near_ones(visits):
    path = visits.with_name("visit.csv")
    refuse(path, rf"data.extract.path={re.escape(str(path))} does not exist; .* did you mean visits.csv\?")


def test_a_missing_folder_is_named(tmp_path):
    refuse(
        tmp_path / "away" / "a.csv",
        "away/a.csv does not exist, nor does its folder; relative paths start at /",
    )


def test_a_folder_is_refused_with_the_files_in_it(visits):
    refuse(visits.parent, r"is a folder, and a file is needed; there are visits.csv.")


def test_an_empty_file_is_refused(tmp_path):
    path = tmp_path / "empty.csv"
    path.touch()
    refuse(path, r"empty.csv is empty; name a file with a line of column names.")


def test_a_file_with_a_header_alone_is_refused(tmp_path):
    path = tmp_path / "header.csv"
    path.write_text("a,b\n")
    refuse(path, "data set header has no rows")


def test_a_column_that_is_not_there_is_answered_with_the_columns(visits):
    refuse(
        visits,
        r"data.extract.target names the column 'sick', .* there are age, ill, mood, patient",
        target="sick",
    )


def test_a_group_or_id_that_is_not_there_is_refused(visits):
    refuse(
        visits, r"data.extract.group names the column 'patiens', .* did you mean patient\?", group="patiens"
    )


def test_a_ragged_file_is_refused(tmp_path):
    path = tmp_path / "ragged.csv"
    path.write_text("a,b\n1,2\n1,2,3\n")
    words = (
        r"cannot be read as a table: .*Expected 2 fields in line 3, saw 3; mend the file, or set data.extract"
    )
    refuse(path, words)


def test_a_file_with_more_cells_than_names_is_refused(tmp_path):
    path = tmp_path / "unnamed.csv"
    path.write_text("a,b\n1,2,3\n4,5,6\n")
    refuse(path, r"has more cells in a row than column names in its first line; add the missing names.")


def test_a_file_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "latin.csv"
    path.write_bytes("größe\n1\n".encode("latin-1"))
    refuse(path, r"latin.csv is not text in UTF-8; save it as comma-separated UTF-8 text.")

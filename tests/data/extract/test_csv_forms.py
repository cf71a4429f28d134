"""Text files as people write them: without a header, with comments, other separators, numbers and dates."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.config.compose import compose
from harness.config.instantiate import build
from harness.core.errors import UserError


@pytest.fixture
def read(make: Callable[..., Any], tmp_path: Path) -> Callable[..., pd.DataFrame]:
    """The frame of a text."""

    def frame(text: str, **changes: Any) -> pd.DataFrame:
        path = tmp_path / "a.csv"
        path.write_text(text, encoding="utf-8")
        return make("csv", path=str(path), **changes)().frame

    return frame


@pytest.mark.parametrize(
    ("text", "changes", "expected"),
    [
        ("1,x\n2,y\n", {"header": False}, {"column_1": [1, 2], "column_2": ["x", "y"]}),
        ("1,x\n2,y\n", {"header": False, "names": ["a", "b c"]}, {"a": [1, 2], "b c": ["x", "y"]}),
        ("p,q\n1,x\n2,y\n", {"names": ["a", "b"]}, {"a": [1, 2], "b": ["x", "y"]}),
        ("made by\nus\na,b\n1,2\n", {"skip_rows": 2}, {"a": [1], "b": [2]}),
        ("#made\na,b\n#half\n1,#7\n\n2,x\n", {"comment": "#"}, {"a": [1, 2], "b": ["#7", "x"]}),
        ("a , b\n 1, x y \n2 ,NA \n3, y\n", {}, {"a": [1, 2, 3], "b": ["x y", None, "y"]}),
        ('a, b\n1, "x, y"\n2, " z "\n', {}, {"a": [1, 2], "b": ["x, y", "z"]}),
        ("a,b\n1,x\n?,NA\n3,y\n", {"missing": ["?"]}, {"a": [1, None, 3], "b": ["x", None, "y"]}),
        ("a,b\n1,x\n2,NA\n", {"usual_missing": [""]}, {"a": [1, 2], "b": ["x", "NA"]}),
        ("a\tb\n1\t2\n", {"separator": "\\t"}, {"a": [1], "b": [2]}),
        ('a,b\n"$1,250.00",1\n$7,2\n', {"strip": ["$"], "thousands": ","}, {"a": [1250, 7], "b": [1, 2]}),
        ("a;b\n1.250,5;1\n7;2\n", {"separator": ";", "thousands": ".", "decimal": ","}, {"a": [1250.5, 7]}),
        ("a,b\n12 kg,5 %\n-3.5kg,0\n", {"strip": ["kg", "%"]}, {"a": [12, -3.5], "b": [5, 0]}),
        ("a,b\n0x1F,1\n0xff,2\n", {"types": {"a": "int"}}, {"a": [31, 255], "b": [1, 2]}),
        ("a,b\n12 kg,1\n13 kg,2\n", {"texts": ["a"]}, {"a": ["12 kg", "13 kg"], "b": [1, 2]}),
        ("a,b\n 1,True\n2, \n", {}, {"a": [1, 2], "b": [True, None]}),
    ],
)
def test_a_file_is_read_as_it_is_written(read, text, changes, expected):
    frame = read(text, **changes)
    for name, values in expected.items():
        found = [None if pd.isna(value) else value for value in frame[name]]
        assert found == values


@pytest.mark.parametrize("cell", ["2026-01-31", "2026-01-31T08:30", "2026-01-31 08:30:59.25+02:00"])
def test_iso_dates_become_dates(read, cell):
    frame = read(f"d,y\n{cell},1\nNA,2\n2025-06-01,3\n")
    assert pd.api.types.is_datetime64_any_dtype(frame["d"])
    assert frame["d"].isna().tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({"texts": ["d"]}, ["2026-01-31", "2025-06-01"]),
        ({"target": "d", "task": "classification"}, ["2026-01-31", "2025-06-01"]),
        ({"keep": ["d"]}, ["2026-01-31", "2025-06-01"]),
        ({"recognise": False}, ["2026-01-31", "2025-06-01"]),
    ],
)
def test_texts_and_targets_are_no_dates(read, changes, kept):
    assert read("d,y\n2026-01-31,1\n2025-06-01,3\n", **changes)["d"].tolist() == kept


PRICE = '"$1,250.00"\n"$7.50"\n"$1,000.00"'


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        (PRICE, [1250, 7.5, 1000]),
        ('"100,6"\n"7,25"\n3', [100.6, 7.25, 3]),
        ('"1.250,5"\n"7,25"\n"1.000,0"', [1250.5, 7.25, 1000]),
        ("12 kg\n3.5 kg\n-7 kg", [12, 3.5, -7]),
        ("5 %\n7.5 %\n0 %", [5, 7.5, 0]),
        ("EUR 5\nEUR 7\nEUR 12.50", [5, 7, 12.5]),
        ("0x1F\n0xff\n0x0", [31, 255, 0]),
        ("1 250\n12\n1 000 000", [1250, 12, 1000000]),
        ("1'250.5\n12\n1'000", [1250.5, 12, 1000]),
    ],
)
@pytest.mark.parametrize("name", ["x", "first name"])
def test_numbers_in_disguise_are_answered_with_settings_that_read_them(tmp_path, cells, numbers, name):
    path = tmp_path / "a.csv"
    lines = [f"{name},y", *(f"{cell},{place}" for place, cell in enumerate(cells.split("\n")))]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    words = ["data/extract=csv", f"data.extract.path={path}", "data.extract.target=y"]
    with pytest.raises(UserError) as refused:
        build(compose(words).data.extract, "data.extract")()
    assert refused.value.key == "data.extract"
    remedy = refused.value.remedy
    settings = remedy[len("read them with ") : remedy.index(", or keep")]
    read = build(compose([*words, *shlex.split(settings)]).data.extract, "data.extract")()
    assert read.frame[name].tolist() == numbers
    kept = remedy[remedy.index("as text with ") + len("as text with ") :]
    text = build(compose([*words, *shlex.split(kept)]).data.extract, "data.extract")()
    assert text.frame[name].tolist() == [cell.strip('"') for cell in cells.split("\n")]


@pytest.mark.parametrize(
    "cells", ["a1\nb2", "12 kg\n3 lb", "#7\n#8", "5A\n7", "v1.2\nv1.3", "1st\n2nd", "A 1\nB 2", "1,2,3\n1,2"]
)
def test_names_with_numbers_in_them_are_text(read, cells):
    quoted = [f'"{cell}"' for cell in cells.split("\n")]
    assert read("x,y\n" + "".join(f"{cell},1\n" for cell in quoted))["x"].tolist()[0] == cells.split("\n")[0]


@pytest.mark.parametrize(
    ("cells", "formats", "day"),
    [
        ("31.12.2025\n01.02.2026", ["%d.%m.%Y"], "2025-12-31"),
        ("12/31/2025\n01/02/2026", ["%m/%d/%Y"], "2025-12-31"),
        ("02/01/2026\n01/02/2026", ["%d/%m/%Y", "%m/%d/%Y"], "2026-01-02"),
        ("2025/12/31\n2026/02/01", ["%Y/%m/%d"], "2025-12-31"),
        ("31.12.2025 14:30\n01.02.2026 00:00", ["%d.%m.%Y %H:%M"], "2025-12-31 14:30"),
    ],
)
def test_dates_in_another_order_are_answered_with_their_format(read, make, tmp_path, cells, formats, day):
    text = "d,y\n" + "".join(f"{cell},1\n" for cell in cells.split("\n"))
    with pytest.raises(UserError) as refused:
        read(text)
    remedy = refused.value.remedy
    assert "'data.extract.dates=[d]'" in remedy
    found = [
        word[len("data.extract.date_format=") :].strip('",')
        for word in shlex.split(remedy)
        if "date_format" in word
    ]
    assert found == formats
    frame = read(text, dates=["d"], date_format=formats[0])
    assert frame["d"][0] == pd.Timestamp(day)


@pytest.mark.parametrize(
    ("text", "separator", "setting"),
    [
        ("a;b;c\n1;2;3\n", ",", "data.extract.separator=';'"),
        ("a\tb\n1\t2\n", ",", r"data.extract.separator='\t'"),
        ("a|b\n1|2\n", ",", "data.extract.separator='|'"),
        ("a,b\n1,2\n", ";", "data.extract.separator=','"),
    ],
)
def test_another_separator_in_the_first_line_is_answered_with_its_setting(read, text, separator, setting):
    with pytest.raises(UserError) as refused:
        read(text, separator=separator)
    assert setting in refused.value.remedy
    (word,) = shlex.split(setting)
    given = compose(["data/extract=csv", "data.extract.path=a.csv", word]).data.extract.separator
    assert (
        read(text, separator=given).shape[1]
        == text.splitlines()[0].count({"\\t": "\t"}.get(given, given)) + 1
    )


@pytest.mark.parametrize(
    ("text", "changes", "words"),
    [
        ("1,2\n", {"header": False, "names": ["a"]}, "it has 1, and .* has 2 columns"),
        ("a, a\n1,2\n", {}, "two columns named 'a'"),
        ("1,2\n3\n", {"header": False}, "line 2 of .* has 1 cell, and the first line has 2 cells"),
        ("#x\na,b\n1,2\n#y\n3\n", {"comment": "#"}, "line 5 of .* has 1 cell"),
        ("x\na,b\n1,2\nodd,2\n3,4\n5,6\n", {"skip_rows": 1}, "line 4 of .* the text 'odd'"),
        ("a,b\n1,2\n", {"texts": ["c"]}, "data.extract.texts names the column 'c'.* are a and b.$"),
        ("5,b\n1,2\n", {"texts": ["c"]}, "are 5 and b. If the first line .* set data.extract.header=false.$"),
        ("5,b\n1,2\n", {"group": "c"}, "are 5 and b. If the first line .* set data.extract.header=false.$"),
        ("a,b\n1,2\n", {"thousands": "."}, "thousands must be one character other than the decimal mark"),
        ("a,b\n1,2\n", {"skip_rows": -1}, "skip_rows must be 0 or more, got -1"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(read, text, changes, words):
    with pytest.raises(UserError, match=words):
        read(text, **changes)


def test_a_stored_configuration_of_an_earlier_version_reads_as_before(make, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a ,d,y\n x,2026-01-31,5 %\ny,2026-02-01,6 %\n")
    node = make("csv", path=str(path))
    new = ["header", "names", "skip_rows", "comment", "usual_missing", "thousands", "strip", "texts"]
    given = {"separator": ",", "encoding": "utf-8", "missing": [""], "decimal": ".", "date_format": None}
    old = type(node.format).of(given)
    assert (old.dialect.trim, old.recognise, old.missing) == (False, False, ("",))
    assert set(new) <= set(type(node).__init__.__kwdefaults__)
    frame = make("csv", path=str(path), trim=False, recognise=False)().frame
    assert frame["a "].tolist() == [" x", "y"]
    assert np.array_equal(frame["d"], ["2026-01-31", "2026-02-01"])

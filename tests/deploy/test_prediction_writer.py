from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from harness.deploy.prediction_writer import open_sink


def test_texts_with_commas_quotes_and_line_ends_come_back(tmp_path: Path) -> None:
    import csv

    table = pa.table({"a": ["x,y", 'q"', "two\nlines", "", None], "b": [0.1, 1 / 3, 1e-7, None, 2.0]})
    with open_sink(tmp_path / "out.csv") as sink:
        sink.write(table.slice(0, 2))
        sink.write(table.slice(2))
    with (tmp_path / "out.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [
            *(["a", "b"], ["x,y", "0.1"], ['q"', "0.3333333333333333"], ["two\nlines", "1e-07"]),
            *(["", ""], ["", "2.0"]),
        ]


@pytest.mark.parametrize("name", ["out.csv", "out.csv.gz", "out.parquet"])
def test_nothing_is_left_of_a_file_that_was_not_finished(name: str, tmp_path: Path) -> None:
    def stop() -> None:
        with open_sink(tmp_path / name) as sink:
            sink.write(pa.table({"a": [1]}))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        stop()
    assert list(tmp_path.iterdir()) == []

"""The server as it is typed, asked over HTTP."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from harness.bundle.row_predictor import RowPredictor

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def bundle(finished: Callable[..., Path]) -> Path:
    return finished("data/extract=breast_cancer") / "model"


@pytest.fixture(scope="module")
def rows(bundle: Path) -> pd.DataFrame:
    return pd.read_json(bundle / "example.json", orient="table")


@pytest.fixture(scope="module")
def served(bundle: Path, serving: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Two workers, so that there are processes besides the first."""
    folder = tmp_path_factory.mktemp("serve")
    shutil.copytree(bundle.parents[2], folder / "outputs")
    with serving.running(
        [sys.executable, "-m", "harness", "serve", "made", "--workers", "2", "--max-body", "2"], folder
    ) as found:
        yield found


def test_raw_rows_are_answered_with_the_bits_of_the_run(
    served: Any, bundle: Path, rows: pd.DataFrame
) -> None:
    status, answer = served.about(rows)
    assert status == 200
    predicted = RowPredictor(bundle)(rows)
    assert answer == {"predictions": predicted.to_dict(orient="records")}


def test_gaps_and_further_columns_are_taken_as_by_the_run(
    served: Any, bundle: Path, rows: pd.DataFrame
) -> None:
    gaps = rows.assign(note="x", **{"mean radius": None})
    status, answer = served.about(gaps)
    assert status == 200
    assert answer["predictions"] == RowPredictor(bundle)(gaps).to_dict(orient="records")


def test_a_missing_column_is_one_sentence_with_status_400(served: Any, rows: pd.DataFrame) -> None:
    status, answer = served.about(rows.drop(columns="mean radius"))
    assert status == 400
    assert answer["error_code"] == "BAD_REQUEST"
    assert "'mean radius'" in answer["message"]
    assert "\n" not in answer["message"]
    assert "stack_trace" not in answer


def test_a_retyped_column_is_one_sentence_with_status_400(served: Any, rows: pd.DataFrame) -> None:
    status, answer = served.about(rows.assign(**{"mean area": "wide"}))
    assert status == 400
    assert "'mean area'" in answer["message"]
    assert "float64" in answer["message"]
    assert "\n" not in answer["message"]
    assert "stack_trace" not in answer


def test_every_content_type_and_format_gives_the_bits_of_the_run(
    served: Any, bundle: Path, rows: pd.DataFrame
) -> None:
    expected = {"predictions": RowPredictor(bundle)(rows).to_dict(orient="records")}
    records = json.loads(rows.to_json(orient="records", double_precision=15))
    lists = [list(row.values()) for row in records]
    parquet = io.BytesIO()
    rows.to_parquet(parquet)
    requests = [
        ("application/json", {"dataframe_records": records}),
        ("application/json", {"instances": records}),
        ("application/json", {"instances": lists}),
        ("application/json", {"inputs": dict(zip(rows, zip(*lists, strict=True), strict=True))}),
        ("text/csv", rows.to_csv(index=False)),
        ("Text/CSV; charset=UTF-8", "\ufeff" + rows.to_csv(index=False)),
        ("application/vnd.apache.parquet", parquet.getvalue()),
    ]
    for content_type, body in requests:
        assert served.send(body, content_type) == (200, expected), content_type


ONE = {"mean radius": 1.0}
BIG = '{"dataframe_records": [{"mean radius": %s}]}'
CSV = "mean radius,mean area\n1,2\n"
BAD = {
    "no known column": ({"dataframe_records": [{"a": 1}]}, 400, "no column of the model ('a')"),
    "an empty row": ({"dataframe_records": [{}]}, 400, "no column of the model (none)"),
    "too few values": (
        {"dataframe_split": {"columns": ["a", "b"], "data": [[1]]}},
        400,
        "1 value for 2 columns",
    ),
    "one row is short": ({"instances": [[1.0] * 30, [1.0]]}, 400, "row 1 has 1 value for 30 columns"),
    "no columns": ({"dataframe_split": {"data": [[1]]}}, 400, "columns and data"),
    "columns of no names": ({"dataframe_split": {"columns": [["a"]], "data": [[1]]}}, 400, "list of names"),
    "rows of no lists": ({"instances": [1, 2]}, 400, "list of lists"),
    "inputs of two lengths": ({"inputs": {"a": [1], "b": [1, 2]}}, 400, "one length"),
    "two formats": ({"instances": [[1]], "inputs": [[1]]}, 400, "one of dataframe_split"),
    "a list": ([1], 400, "one of dataframe_split"),
    "a chat": ({"messages": [{"role": "user", "content": "x"}]}, 400, "one of dataframe_split"),
    "doubled columns": (
        {"dataframe_split": {"columns": ["a", "a"], "data": [[1, 2]]}},
        400,
        "two columns named 'a'",
    ),
    "a doubled key": ('{"dataframe_records": [{"a": 1, "a": 2}]}', 400, "two entries named 'a'"),
    "deep lists": ("[" * 100_000, 400, "nested too deeply"),
    "deep objects": ('{"a":' * 100_000, 400, "nested too deeply"),
    "a huge float": (BIG % "1e999", 400, "holds inf in row 0"),
    "a float64": (BIG % "1e300", 400, "holds 1e+300 in row 0"),
    "a huge integer": (BIG % ("1" * 5000), 400, "beyond the range of 64-bit integers"),
    "a large integer": (BIG % 2**70, 400, "beyond the range of 64-bit integers"),
    "infinity": (BIG % "-Infinity", 400, "-Infinity is no number"),
    "an object as a cell": ({"dataframe_split": {"columns": ["a"], "data": {"a": 1}}}, 400, "list of lists"),
    "nothing": ("", 400, "no JSON"),
    "half": ("{", 400, "no JSON"),
    "bytes": (b"\xff", 400, "UTF-8"),
}
BAD_TYPES = {
    "a doubled header": ("text/csv", "a,a\n1,2\n", 400, "two columns named 'a'"),
    "a short line": (
        "text/csv",
        f"{CSV}1\n",
        400,
        "line 3 of the body has 1 cell, and the first",
    ),
    "a long line": ("text/csv", f"{CSV}1,2,3\n", 400, "line 3 of the body has 3 cells"),
    "an open quote": ("text/csv", f'{CSV}"1,2\n', 400, "line 3 of the body has 1 cell"),
    "an empty text": ("text/csv", "", 400, "the body is empty; give one with a line of column names"),
    "no known header": ("text/csv", "a,b\n1,2\n", 400, "no column of the model ('a' and 'b')"),
    "a huge number": ("text/csv", "mean radius\n1e999\n", 400, "holds inf in row 0"),
    "no parquet": ("application/vnd.apache.parquet", b"PAR1xx", 400, "no Parquet file"),
    "no content type": (None, CSV, 400, "no Content-Type; it must be application/json, text/csv or"),
    "a picture": ("image/png", CSV, 415, "content type must be"),
    "another encoding": ("text/csv; charset=latin-1", CSV, 415, "only charset=utf-8"),
}


@pytest.mark.parametrize("name", [*BAD, *BAD_TYPES])
def test_a_bad_request_is_one_sentence_without_a_stack(served: Any, name: str) -> None:
    content_type, body, status, words = BAD_TYPES.get(name) or ("application/json", *BAD[name])
    found, answer = served.send(body, content_type)
    assert found == status
    assert set(answer) == {"error_code", "message"}
    assert words in answer["message"]
    assert "\n" not in answer["message"]
    if words.startswith(("no column", "two columns", "1 value", "row 1", "line", "the body")):
        assert "the model expects 30 columns: 'mean radius', " in answer["message"]
        assert answer["message"].endswith("and 20 more.")


@pytest.mark.parametrize("kind", ["length", "chunks"])
def test_a_body_that_is_too_large_is_413(served: Any, rows: pd.DataFrame, kind: str) -> None:
    body = b" " * (3 * 2**20)
    status, answer = served.send(body if kind == "length" else iter([body[: 2**20]] * 3))
    assert status == 413
    assert "larger than 2 MB" in answer["message"]
    assert "--max-body" in answer["message"]
    assert served.about(rows)[0] == 200


def test_what_holds_no_rows_is_refused_with_status_400(served: Any) -> None:
    assert served.ask({"something": 1})[0] == 400


def test_sigterm_ends_the_server_and_its_workers(served: Any) -> None:
    group = os.getpgid(served.process.pid)
    served.process.send_signal(signal.SIGTERM)
    served.process.wait(30)
    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    raise AssertionError("a worker outlived the server")

"""The server as it is typed, asked over HTTP."""

from __future__ import annotations

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
        [sys.executable, "-m", "harness", "serve", "made", "--workers", "2"], folder
    ) as found:
        yield found


def test_raw_rows_are_answered_with_the_bits_of_the_run(
    served: Any, bundle: Path, rows: pd.DataFrame
) -> None:
    status, answer = served.about(rows)
    assert status == 200
    said = RowPredictor(bundle)(rows)
    assert answer == {"predictions": said.to_dict(orient="records")}


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

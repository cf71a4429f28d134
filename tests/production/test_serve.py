"""The server as it is typed, asked over HTTP."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pytest

from harness.production.rows import RowPredictor


class Served(NamedTuple):
    """A server, the model behind it, and some of its raw rows."""

    process: subprocess.Popen[str]
    url: str
    bundle: Path
    rows: pd.DataFrame

    def ask(self, content: Any) -> tuple[int, Any]:
        """Status and answer."""
        request = urllib.request.Request(
            f"{self.url}/invocations", json.dumps(content).encode(), {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                return reply.status, json.loads(reply.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())

    def about(self, rows: pd.DataFrame) -> tuple[int, Any]:
        return self.ask({"dataframe_split": json.loads(rows.to_json(orient="split", double_precision=15))})


@pytest.fixture(scope="module")
def served(finished: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Two workers, so that there are processes besides the first."""
    folder = tmp_path_factory.mktemp("serve")
    made = finished("data/extract=breast_cancer")
    shutil.copytree(made.parents[1], folder / "outputs")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "harness", "serve", "made", "--port", str(port), "--workers", "2"]
    log = (folder / "log").open("w")
    process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, text=True, start_new_session=True)
    bundle = made / "model"
    found = Served(
        process, f"http://127.0.0.1:{port}", bundle, pd.read_json(bundle / "example.json", orient="table")
    )
    try:
        _await_ping(found)
        yield found
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        log.close()


def _await_ping(served: Served) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until and served.process.poll() is None:
        try:
            urllib.request.urlopen(f"{served.url}/ping", timeout=5).close()
            return
        except OSError:
            time.sleep(0.2)
    raise AssertionError("the server did not come up")


def test_raw_rows_are_answered_with_the_bits_of_the_run(served: Served) -> None:
    status, answer = served.about(served.rows)
    assert status == 200
    said = RowPredictor(served.bundle)(served.rows)
    assert answer == {"predictions": said.to_dict(orient="records")}


def test_gaps_and_further_columns_are_taken_as_by_the_run(served: Served) -> None:
    rows = served.rows.assign(note="x", **{"mean radius": None})
    status, answer = served.about(rows)
    assert status == 200
    assert answer["predictions"] == RowPredictor(served.bundle)(rows).to_dict(orient="records")


def test_a_missing_column_is_one_sentence_with_status_400(served: Served) -> None:
    status, answer = served.about(served.rows.drop(columns="mean radius"))
    assert status == 400
    assert answer["error_code"] == "BAD_REQUEST"
    assert "'mean radius'" in answer["message"]
    assert "\n" not in answer["message"]
    assert "stack_trace" not in answer


def test_a_retyped_column_is_one_sentence_with_status_400(served: Served) -> None:
    status, answer = served.about(served.rows.assign(**{"mean area": "wide"}))
    assert status == 400
    assert "'mean area'" in answer["message"]
    assert "float64" in answer["message"]
    assert "\n" not in answer["message"]
    assert "stack_trace" not in answer


def test_what_holds_no_rows_is_refused_with_status_400(served: Served) -> None:
    assert served.ask({"something": 1})[0] == 400


def test_sigterm_ends_the_server_and_its_workers(served: Served) -> None:
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

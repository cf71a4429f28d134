from __future__ import annotations

import json
import os
import shlex
import shutil
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

# MLflow uses parts of SQLAlchemy that are deprecated.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_the_server_takes_over_and_a_line_to_ask_it_is_printed(
    run_cli: Any, here: Path, finished: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(finished("data/extract=breast_cancer").parents[1], here / "outputs")
    called: list[tuple[str, list[str], dict[str, str]]] = []
    monkeypatch.setattr(os, "execve", lambda *words: called.append(words))
    port = free_port()
    answer = run_cli("serve", "made", "--port", str(port), "--workers", "2")
    assert (answer.status, answer.err) == (0, "")
    address, curl = answer.out.splitlines()
    assert address == f"http://127.0.0.1:{port}  (Ctrl-C ends it)"
    words = shlex.split(curl)
    assert words[:2] == ["curl", f"http://127.0.0.1:{port}/invocations"]
    split = json.loads(words[-1])["dataframe_split"]
    assert len(split["columns"]) == len(split["data"][0]) == 30
    assert len(split["data"]) == 1
    ((program, command, environment),) = called
    assert program == sys.executable
    assert command[1:4] == ["-P", "-m", "uvicorn"]
    assert ["--host", "127.0.0.1", "--port", str(port), "--workers", "2"] == command[-6:]
    assert environment["MLFLOW_DISABLE_TELEMETRY"] == "true"
    (kept,) = (here / "outputs" / "cache" / "serve").iterdir()
    assert (kept / "MLmodel").exists()
    assert run_cli("serve", "made", "--port", str(port)).status == 0
    assert list((here / "outputs" / "cache" / "serve").iterdir()) == [kept], "it is written once"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--port", "0"], "--port must be from 1 to 65535, got 0"),
        (["--port", "x"], "argument --port: invalid int value: 'x'"),
        (["--workers", "0"], "--workers must be at least 1, got 0"),
        (["--max-body", "0"], "--max-body must be more than 0 MB, got 0"),
        (["--host", "256.1.1.1"], "no server can listen on 256.1.1.1 port"),
    ],
)
def test_an_address_that_cannot_be_used_is_reported_first(
    run_cli: Any, here: Path, words: list[str], sentence: str
) -> None:
    answer = run_cli("serve", "made", *words)
    assert answer.status == 2
    assert sentence in answer.err
    assert not (here / "outputs").exists()


def test_a_port_that_is_taken_is_reported_first(run_cli: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        answer = run_cli("serve", "made", "--port", str(port))
    assert answer.status == 2
    assert (
        f"no server can listen on 127.0.0.1 port {port} (address already in use); choose another"
        in answer.err
    )


def test_a_run_that_is_not_there_is_refused(run_cli: Any, here: Path) -> None:
    answer = run_cli("serve", "nothing", "--port", str(free_port()))
    assert answer.status == 2
    assert "nothing is no run below outputs" in answer.err
    assert not (here / "outputs").exists()

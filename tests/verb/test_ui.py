from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest


def test_mlflow_takes_over_with_the_store_of_the_output_folder(
    knock: Any, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "elsewhere").mkdir()
    (here / "elsewhere" / "mlflow.db").touch()
    called = []
    monkeypatch.setattr(os, "execv", lambda *words: called.append(words))
    monkeypatch.delenv("MLFLOW_DISABLE_TELEMETRY", raising=False)
    answer = knock("ui", "--outputs", "elsewhere", "--port", "5001")
    assert answer == (0, "http://127.0.0.1:5001  (Ctrl-C ends it)\n", "")
    ((program, words),) = called
    assert program == sys.executable
    store = f"sqlite:///{here}/elsewhere/mlflow.db"
    assert words[1:] == [
        "-m",
        "mlflow",
        "ui",
        "--backend-store-uri",
        store,
        "--host",
        "127.0.0.1",
        "--port",
        "5001",
    ]
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"

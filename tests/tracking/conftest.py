from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.tracking import mlflow as tracking_mlflow
from harness.tracking import mlflow_store


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """MLflow uses parts of SQLAlchemy and others that are deprecated; its warnings are not ours."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("ignore::DeprecationWarning"))


@pytest.fixture(scope="session")
def blank_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh sqlite store, to be copied: making one takes a second or two."""
    mlflow_store.prepare()
    path = tmp_path_factory.mktemp("blank") / "mlflow.db"
    mlflow_store.create(path, "unused")
    return path


@pytest.fixture
def outputs(tmp_path: Path, blank_store: Path) -> Path:
    """An outputs folder with an empty store in it."""
    folder = tmp_path / "outputs"
    folder.mkdir()
    shutil.copy(blank_store, folder / "mlflow.db")
    return folder


@pytest.fixture
def uri(outputs: Path) -> str:
    return f"sqlite:///{outputs}/mlflow.db"


@pytest.fixture
def client(uri: str) -> Any:
    from mlflow.tracking import MlflowClient

    return MlflowClient(uri)


@pytest.fixture
def folder(outputs: Path) -> Iterator[Path]:
    """A run's folder; removed at the end, so that the uploader gives up what it could not send.

    It is renamed first: the uploader may just be writing a file into it, and a folder with a new file cannot
    be removed.
    """
    path = outputs / "runs" / "a"
    path.mkdir(parents=True)
    yield path
    shutil.rmtree(path.rename(outputs / "removed"), ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def _no_uploader_left() -> Iterator[None]:
    """The uploader of this process serves every test, as it serves every run of a multirun."""
    yield
    tracking_mlflow.dismiss(20)


class Server:
    """A real tracking server on the loopback, over sqlite, that can be killed and brought back."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.folder = folder
        self.uri = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def launch(self) -> None:
        """Returns before it answers."""
        command = [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--port", str(self.port)]
        command += ["--backend-store-uri", f"sqlite:///{self.folder}/mlflow.db"]
        command += ["--artifacts-destination", str(self.folder / "artifacts")]
        quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        self._process = subprocess.Popen(
            command,
            env={**os.environ, **quiet},
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def await_answer(self) -> None:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                urllib.request.urlopen(f"{self.uri}/health", timeout=5).close()
                return
            except OSError:
                time.sleep(0.1)
        raise AssertionError("the server did not come up")

    def kill(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


@pytest.fixture
def server(tmp_path: Path, blank_store: Path) -> Iterator[Server]:
    folder = tmp_path / "server"
    folder.mkdir()
    shutil.copy(blank_store, folder / "mlflow.db")
    server = Server(folder)
    server.launch()
    yield server
    server.kill()


def await_(condition: Any, seconds: float = 30.0) -> None:
    """Until the condition holds; for what another process does."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.05)


@pytest.fixture
def eventually() -> Any:
    return await_

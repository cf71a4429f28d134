"""A tracking server that takes a request and fails before it has answered."""

from __future__ import annotations

import http.client
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from harness.runs.journal import Journal
from harness.runs.tracking_state import State
from harness.tracking import mlflow_model
from harness.tracking.journal_upload import JournalUpload

pytestmark = [
    pytest.mark.slow,
    # MLflow's client leaves the sockets of failed requests to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


class LossyProxy(ThreadingHTTPServer):
    """Forwards all requests; the first answer to each method and path is lost, after the server has acted."""

    daemon_threads = True

    def __init__(self, server: str, answer: int | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = urlsplit(server).netloc
        self.answer = answer
        self.seen: Counter[tuple[str, str]] = Counter()
        self.uri = f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: LossyProxy

    def _forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with closing(http.client.HTTPConnection(self.server.target, timeout=30)) as connection:
            connection.request(self.command, self.path, body, dict(self.headers))
            answer = connection.getresponse()
            content = answer.read()
        key = (self.command, self.path.partition("?")[0])
        self.server.seen[key] += 1
        if self.command != "GET" and self.server.seen[key] == 1:
            if self.server.answer is not None:
                self.send_error(self.server.answer)
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def __getattr__(self, name: str) -> Any:
        """`do_GET`, `do_POST` and so on."""
        if name.startswith("do_"):
            return self._forward
        raise AttributeError(name)

    def log_message(self, format: str, *values: Any) -> None:
        """Prints nothing."""


@pytest.fixture(params=[None, 503], ids=["closed", "503"])
def proxy(server: Any, request: pytest.FixtureRequest) -> Iterator[LossyProxy]:
    server.await_answer()
    with LossyProxy(server.uri, request.param) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        yield proxy
        proxy.shutdown()


def test_what_was_sent_twice_is_there_once(
    proxy: LossyProxy, server: Any, folder: Path, outputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mlflow_model, "log", lambda *given: None)
    journal = Journal(folder)
    part = {"name": "d", "digest": "ab", "source": "s", "context": "train", "rows": 2}
    journal.start("", "a", params={"lr": 0.1}, tags={"t": 1}, inputs=[part])
    journal.start("fold-0", "fold 0", parent="")
    for step in range(3):
        journal.metrics("fold-0", step, {"loss": 1 / (step + 1)})
    (folder / "plot.txt").write_text("plot")
    journal.artifact("", "plot.txt")
    (folder / "model").mkdir()
    journal.model("", "model")
    journal.end("fold-0", "finished")
    journal.end("", "finished")
    failures = 0
    while not State.load(folder) or not State.load(folder).sent(folder):  # type: ignore[union-attr]
        try:
            JournalUpload(folder, proxy.uri, "digits", outputs).advance(60)
        except Exception:
            failures += 1
            assert failures < 20
    assert failures > 1
    from mlflow.tracking import MlflowClient

    client = MlflowClient(server.uri)
    experiment = client.get_experiment_by_name("digits").experiment_id
    runs = {run.info.run_name: run for run in client.search_runs([experiment])}
    assert len(client.search_runs([experiment])) == 2
    assert runs["fold 0"].data.tags["mlflow.parentRunId"] == runs["a"].info.run_id
    history = client.get_metric_history(runs["fold 0"].info.run_id, "loss")
    assert [(point.step, point.value) for point in history] == [(step, 1 / (step + 1)) for step in range(3)]
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    assert len(runs["a"].inputs.dataset_inputs) == 1
    assert [model.name for model in client.search_logged_models([experiment])] == ["model"]
    assert [entry.path for entry in client.list_artifacts(runs["a"].info.run_id)] == ["plot.txt"]

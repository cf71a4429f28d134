"""MLflow's client, redirected to another host, does not take the credentials along."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from harness.tracking.mlflow_store import Store

pytestmark = pytest.mark.slow


@pytest.fixture
def servers() -> Iterator[tuple[Any, Any]]:
    """The one that redirects everything, and the one to which it does; `headers` are those that came."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.server.headers.append(str(self.headers))  # type: ignore[attr-defined]
            self.send_response(307 if self.server is first else 404)
            self.send_header("Location", f"http://127.0.0.1:{second.server_port}{self.path}")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: Any) -> None:
            """Keeps the tests' output clean."""

    first, second = (ThreadingHTTPServer(("127.0.0.1", 0), Handler) for _ in range(2))
    for server in (first, second):
        server.headers = []  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield first, second
    for server in (first, second):
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("kind", ["token", "login", "address"])
def test_a_redirect_to_another_host_carries_no_credentials(
    servers: tuple[Any, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    first, second = servers
    place = f"127.0.0.1:{first.server_port}"
    if kind == "token":
        monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "Zq7-token")
    elif kind == "login":
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "me")
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "Zq7-password")
    else:
        place = f"me:Zq7-password@{place}"
    with pytest.raises(Exception, match="404"):
        Store(f"http://{place}", "harness", tmp_path)
    assert any("Authorization" in text for text in first.headers)
    assert second.headers
    assert not any("Authorization" in text or "Zq7" in text for text in second.headers)

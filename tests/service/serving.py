"""A scoring server as it is typed: started on a free port of the loopback, asked over HTTP, and killed."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd


class Served(NamedTuple):
    """A server that is up."""

    process: subprocess.Popen[str]
    url: str

    def ask(self, content: Any) -> tuple[int, Any]:
        """Status and answer."""
        return self.send(json.dumps(content))

    def send(self, body: Any, content_type: str | None = "application/json") -> tuple[int, Any]:
        """Status and answer to a text, bytes, chunks of bytes, or anything else as JSON."""
        if isinstance(body, dict | list):
            body = json.dumps(body)
        if isinstance(body, str):
            body = body.encode()
        headers = {} if content_type is None else {"Content-Type": content_type}
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=60)
        try:
            connection.request("POST", "/invocations", body, headers)
            reply = connection.getresponse()
            return reply.status, json.loads(reply.read())
        finally:
            connection.close()

    def about(self, rows: pd.DataFrame) -> tuple[int, Any]:
        return self.ask({"dataframe_split": json.loads(rows.to_json(orient="split", double_precision=15))})


@contextmanager
def running(
    command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None
) -> Iterator[Served]:
    """The command, with `--port` behind it, in a session of its own; what it says goes to `<folder>/log`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [*command, "--port", str(port)],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
            text=True,
            start_new_session=True,
        )
        try:
            _await_ping(process, f"http://127.0.0.1:{port}", folder / "log")
            yield Served(process, f"http://127.0.0.1:{port}")
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _await_ping(process: subprocess.Popen[str], url: str, log: Path) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until and process.poll() is None:
        try:
            urllib.request.urlopen(f"{url}/ping", timeout=5).close()
            return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"the server did not come up:\n{log.read_text()}")

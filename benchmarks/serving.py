"""Serving: what an answer of `python -m harness serve` costs beside the shortest server of the same model.

The other side is `bare/serving.py`: FastAPI and uvicorn around `RowPredictor`, which does no more than read
the rows from JSON and write the answer. Both are asked by the same client, over connections that stay
open, for the same raw row of a small table model.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.measure import ONE_THREAD, Comparison, take_turns

HERE = Path(__file__).parent
ROUNDS = 7
REQUESTS, CLIENTS = 400, 4
_UP_WITHIN = 180  # seconds


def main(rounds: int = ROUNDS) -> list[Comparison]:
    """Two comparisons: wall milliseconds per request under load, and the 99th percentile of the waits."""
    with TemporaryDirectory() as name, ExitStack() as stack:
        bundle = train(Path(name))
        body = question(bundle)
        serve = ["-m", "harness", "serve", str(bundle.parent), "--port"]
        bare = [str(HERE / "bare" / "serving.py"), str(bundle)]
        ports = {
            "serve": stack.enter_context(running(Path(name), serve)),
            "bare FastAPI": stack.enter_context(running(Path(name), bare)),
        }
        work = {who: partial(load, port, body, REQUESTS) for who, port in ports.items()}
        costs = take_turns(work, rounds)
    rates = {who: 1000 / statistics.median(cost["each"] for cost in found) for who, found in costs.items()}
    notes = [
        f"{CLIENTS} clients, {REQUESTS} requests of one row, one worker, one thread. Requests/s: "
        + ", ".join(f"{who} {rate:.0f}" for who, rate in rates.items())
        + "."
    ]
    each = {who: [cost["each"] for cost in found] for who, found in costs.items()}
    slowest = {who: [cost["p99"] for cost in found] for who, found in costs.items()}
    return [
        Comparison("a row over HTTP, under load", "ms per request", "bare FastAPI", 1.5, each, notes),
        Comparison("a row over HTTP, latency", "ms, 99th percentile", "bare FastAPI", 1.5, slowest, notes),
    ]


def train(folder: Path) -> Path:
    """The bundle of a small model of a table."""
    words = ["data/extract=breast_cancer", "trainer.epochs=1", "trainer.device=cpu", "tracking=none"]
    subprocess.run(
        [sys.executable, "-m", "harness", *words, "report=false"],
        cwd=folder,
        env={**os.environ, **ONE_THREAD},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    (bundle,) = (folder / "outputs" / "runs").glob("*/model")
    return bundle


def question(bundle: Path) -> bytes:
    """One raw row as the scoring server takes it."""
    row = json.loads((bundle / "example.json").read_text())["data"][0]
    return json.dumps({"dataframe_split": {"columns": list(row), "data": [list(row.values())]}}).encode()


@contextmanager
def running(folder: Path, words: list[str]) -> Iterator[int]:
    """A server, whose port is its last word; it is given once the server answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    process = subprocess.Popen(
        [sys.executable, *words, str(port)],
        cwd=folder,
        env={**os.environ, **ONE_THREAD},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + _UP_WITHIN
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError(f"{' '.join(words)} did not come up") from None
                time.sleep(0.2)
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def load(port: int, body: bytes, requests: int) -> dict[str, float]:
    """`each`, wall milliseconds per request, and `p99`, milliseconds until the answer of 99 in 100."""
    began = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as pool:
        parts = list(pool.map(lambda _: ask(port, body, requests // CLIENTS), range(CLIENTS)))
    each = (time.perf_counter() - began) * 1000 / sum(map(len, parts))
    waits = sorted(wait for part in parts for wait in part)
    return {"each": each, "p99": waits[min(len(waits) - 1, int(0.99 * len(waits)))]}


def ask(port: int, body: bytes, requests: int) -> list[float]:
    """How long each answer took, in milliseconds, over one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    waits = []
    for _ in range(requests):
        began = time.perf_counter()
        connection.request("POST", "/invocations", body, {"Content-Type": "application/json"})
        reply = connection.getresponse()
        answer = reply.read()
        waits.append((time.perf_counter() - began) * 1000)
        if reply.status != 200:
            raise RuntimeError(f"status {reply.status}: {answer[:200]!r}")
    connection.close()
    return waits

"""`python -m harness ui`: MLflow's own pages on the store of the output folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from harness.errors import UserError
from harness.verb.parser import Parser


def main(words: list[str]) -> None:
    """Becomes MLflow's server; returns only where there is nothing to show.

    Raises:
        UserError: no run has been tracked in that folder.
    """
    parser = Parser("ui", "Open MLflow on the runs.")
    parser.add_argument("--outputs", default="outputs", help="where the runs are (default: %(default)s)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", default="5000", help="port to listen on (default: %(default)s)")
    options = parser.parse_args(words)
    store = Path(options.outputs).resolve() / "mlflow.db"
    if not store.exists():
        raise UserError(f"there is no MLflow store at {store}; run an experiment first: python -m harness.")
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    print(f"http://{options.host}:{options.port}  (Ctrl-C ends it)", flush=True)
    words = ["--backend-store-uri", f"sqlite:///{store}", "--host", options.host, "--port", options.port]
    os.execv(sys.executable, [sys.executable, "-m", "mlflow", "ui", *words])

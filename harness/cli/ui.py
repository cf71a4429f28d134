"""`python -m harness ui [RUN | SWEEP | EXPERIMENT]`: MLflow's pages on the runs, or Optuna's on a sweep."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from harness.cli.verb_outcome import Outcome
from harness.cli.verb_parser import Parser
from harness.core.errors import UserError

_LARGEST_PORT = 65535


def main(words: list[str]) -> Outcome:
    """Prints the pages, then becomes MLflow's server; if the store is a server already, only prints them.

    Raises:
        UserError: no such run, nothing has been tracked, or the port is taken.
    """
    parser = Parser("ui", "Open MLflow on the runs.")
    parser.add_argument(
        "what", nargs="?", help="a run, a sweep (its trials side by side) or an experiment; all if left out"
    )
    parser.add_argument("--open", action="store_true", help="open the browser at the first page")
    parser.add_argument("--outputs", default="outputs", help="where the runs are (default: %(default)s)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument(
        "--port", default=5000, type=int, help="port to listen on, 0: any (default: %(default)s)"
    )
    parser.add_argument(
        "--study", action="store_true", help="Optuna's dashboard on a sweep, also while it runs"
    )
    parser.add_argument("--storage", help="with --study, sweep.storage of the sweep, if it is in a database")
    options = parser.parse_args(words)
    if not 0 <= options.port <= _LARGEST_PORT:
        raise UserError(
            f"--port must be between 0 and {_LARGEST_PORT}, got {options.port}",
            key="--port",
            value=options.port,
        )

    if options.study:
        return _study(options)
    if options.storage is not None:
        raise UserError("--storage names the database of a study", "add --study", key="--storage")

    from harness.tracking import store_address
    from harness.tracking.mlflow_pages import shown

    outputs = Path(options.outputs)
    seen = shown(options.what, outputs)
    uri = store_address.absolute(None, outputs) if seen is None else seen.uri
    if uri.startswith("http"):
        return _point_to(seen, uri, options.open)
    store = store_address.file(uri)
    if store is None:
        raise UserError(
            f"the runs are in the database {uri}, for which MLflow needs its password",
            "start the pages with `mlflow ui --backend-store-uri ADDRESS`",
        )
    if not store.exists():
        raise UserError(f"there is no MLflow store at {store}", "run an experiment first: python -m harness")
    return _serve(seen, uri, options)


def _study(options: Any) -> Outcome:
    """Prints the page of Optuna's dashboard on a sweep, whose server the process then becomes.

    Raises:
        UserError: no sweep is named, there is none, the package is not installed, or the port is taken.
    """
    from importlib.util import find_spec

    if options.what is None:
        raise UserError("--study opens the study of one sweep", "name it: ui SWEEP --study", key="--study")
    if find_spec("optuna_dashboard") is None:
        raise UserError(
            "--study needs the package optuna-dashboard", "pip install 'harness[dashboard]'", key="--study"
        )
    from harness.sweep.control.live_sweep import LiveSweep
    from harness.sweep.study.optuna_internals import storage_of, study_id

    sweep = LiveSweep.open(options.what, Path(options.outputs), options.storage)
    port = _free(options.host, options.port, "Optuna's dashboard")
    base = f"http://{f'[{options.host}]' if ':' in options.host else options.host}:{port}"
    page = f"{base}/dashboard/studies/{study_id(sweep.study)}"
    print(f"{sweep.name}: {page}  (Ctrl-C ends it)", flush=True)
    if options.open:
        _open_when_ready(options.host, str(port), page)

    def serve() -> None:
        from optuna_dashboard import run_server

        run_server(storage_of(sweep.study), host=options.host, port=port)

    return Outcome({"address": base, "pages": {sweep.name: page}}, then=serve)


def _open_when_ready(host: str, port: str, page: str) -> None:
    """Opens the browser when a server listens there."""
    opener = [sys.executable, "-m", "harness.tracking.browser_opener", host, port, page]
    process = subprocess.Popen(opener, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    threading.Thread(target=process.wait, daemon=True).start()  # it ends by itself


def _point_to(seen: Any, uri: str, browse: bool) -> Outcome:
    """Prints the pages of a server that is running already."""
    from harness.tracking.mlflow_urls import base_of

    pages = list(seen.links(str(base_of(uri))))
    for name, page in pages:
        print(f"{name}: {page}")
    if browse:
        import webbrowser

        webbrowser.open(pages[0][1])
    return Outcome({"address": str(base_of(uri)), "pages": dict(pages)})


def _serve(seen: Any, uri: str, options: Any) -> Outcome:
    """Prints the pages of MLflow's server on a database file, which the process then becomes."""
    port = str(_free(options.host, options.port))
    base = f"http://{f'[{options.host}]' if ':' in options.host else options.host}:{port}"
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    print(f"{base}  (Ctrl-C ends it)", flush=True)
    pages = [] if seen is None else [*seen.links(base), *_views(seen, base)]
    for name, page in pages:
        print(f"{name}: {page}", flush=True)
    if options.open:
        _open_when_ready(options.host, port, pages[0][1] if pages else base)
    words = ["--backend-store-uri", uri, "--host", options.host, "--port", port]
    command = [sys.executable, "-m", "mlflow", "ui", *words]
    return Outcome({"address": base, "pages": dict(pages)}, then=lambda: os.execv(sys.executable, command))


def _views(seen: Any, base: str) -> list[tuple[str, str]]:
    """Returns a table per experiment with the important columns; none if the store refuses the view."""
    from harness.tracking.journal_upload import error_line
    from harness.tracking.mlflow_view import share, view_page

    pages = []
    for id, name in seen.experiments.items():
        try:
            share(seen.uri, id, seen.scores, sort=next(iter(seen.scores), None), better=seen.direction)
        except Exception as error:
            print(f"! no table of our columns for {name}: {error_line(error, seen.uri)}")
        else:
            pages.append((f"{name}, table", view_page(base, id)))
    return pages


def _free(host: str, port: int, server: str = "MLflow") -> int:
    """The port, or any free one for 0.

    Raises:
        UserError: another program listens there, or the host is not this machine.
    """
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise UserError(
                f"{server} cannot listen on port {port} of {host} ({error.strerror})",
                "give another with --port N, or --port 0 for any that is free",
            ) from error
        return int(probe.getsockname()[1])

"""Serve: a model behind MLflow's own scoring server, which answers raw rows over HTTP."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, NoReturn

from harness.errors import UserError
from harness.production.files import FACTS, WEIGHTS
from harness.production.registry import Registry, answering
from harness.tracking.flavour import PACKAGE, save
from harness.tracking.store import prepare

MODELS = "models:/"
"""How a model in MLflow's registry begins: `models:/name@alias`, `models:/name/2`, `models:/m-…`."""

_EXAMPLE = "serving_input_example.json"  # what MLflow makes of a model's example
_LONGEST = 1500  # characters of an example that is printed; a longer one is read from its file


class Place(NamedTuple):
    """Where the server listens, and with how many processes."""

    host: str
    port: int
    workers: int

    @property
    def address(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


def check(place: Place) -> None:
    """Raises UserError where no server could listen."""
    if not 1 <= place.port <= 65535:
        raise UserError(f"--port must be from 1 to 65535, got {place.port}; 5001 is the default.")
    if place.workers < 1:
        raise UserError(f"--workers must be at least 1, got {place.workers}.")
    try:
        family, _, _, _, known = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(known)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UserError(
            f"no server can listen on {place.host} port {place.port} ({reason}); choose another with --port "
            "or --host."
        ) from None


def of_bundle(bundle: Path, label: str, outputs: Path) -> Path:
    """The MLflow model of a bundle or an ensemble, kept below `<outputs>/cache/serve` for the next time."""
    prepare()  # without which MLflow talks on the screen
    facts = (bundle / FACTS).read_bytes()
    stamps = [_stamp(file) for file in sorted(bundle.rglob(WEIGHTS))]
    code = max(_stamp(file) for file in PACKAGE.rglob("*.py"))
    key = hashlib.sha256(repr([facts, stamps, code, str(bundle)]).encode()).hexdigest()[:12]
    return _kept(outputs, f"{label.replace('/', '-')}-{key}", lambda draft: save(draft, bundle))


def of_registry(uri: str, store: str, outputs: Path) -> Path:
    """The MLflow model behind a `models:/…` address; what was fetched stays below `<outputs>/cache/serve`.

    Args:
        store: MLflow's address, whole.

    Raises:
        UserError: there is none, the registry does not answer, or it is no model of the harness.
    """
    registry = Registry(store)
    with answering(store):
        key, source = _resolved(registry, uri)

        def fetch(draft: Path) -> None:
            from mlflow.artifacts import download_artifacts

            # A local store answers with its own folder, which is copied: it may be cleaned under a server.
            found = Path(download_artifacts(artifact_uri=source, tracking_uri=store))
            shutil.copytree(found, draft)

        return _kept(outputs, key, fetch)


def _resolved(registry: Registry, uri: str) -> tuple[str, str]:
    """What names the same model for ever, and where it can be fetched."""
    rest = uri.removeprefix(MODELS)
    name, _, alias = rest.partition("@")
    if alias:
        version = registry.by_alias(name, alias)
        if version is None:
            raise UserError(f"nothing is registered as {name}; register a run: register RUN --name {name}.")
        number = str(version.version)
    else:
        name, _, number = rest.partition("/")
    if not number:
        return name, registry.client.get_logged_model(name).artifact_location
    model = registry.client.get_model_version(name, number)
    return f"{name}-{number}-{model.creation_timestamp}", registry.client.get_model_version_download_uri(
        name, number
    )


def _kept(outputs: Path, key: str, write: Callable[[Path], None]) -> Path:
    """A folder below the cache that appears whole or not at all."""
    folder = outputs.absolute() / "cache" / "serve" / key
    if not folder.exists():
        draft = folder.with_name(f".{key}.{os.getpid()}")
        draft.parent.mkdir(parents=True, exist_ok=True)
        try:
            write(draft)
            draft.rename(folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return folder


def _stamp(file: Path) -> int:
    return file.stat().st_mtime_ns


def request(model: Path, place: Place) -> str:
    """A line for a shell that asks the server about the model's example; one to fill in where it has none."""
    file = model / _EXAMPLE
    if not file.exists():
        data = json.dumps(
            {"dataframe_split": {"columns": _columns(model), "data": [["…"]]}}, ensure_ascii=False
        )
    else:
        data = json.dumps(_first(json.loads(file.read_text())))
    said = shlex.quote(data) if len(data) <= _LONGEST else shlex.quote(f"@{file}")
    return f"curl {place.address}/invocations -H 'Content-Type: application/json' -d {said}"


def _first(example: dict[str, dict[str, list[object]]]) -> dict[str, dict[str, list[object]]]:
    """One row of it, under the key by which the server knows a table."""
    split = example["dataframe_split"]
    return {"dataframe_split": {"columns": split["columns"], "data": split["data"][:1]}}


def _columns(model: Path) -> list[str]:
    prepare()
    from mlflow.models import Model

    return list((Model.load(str(model)).metadata or {}).get("columns", []))


def become(model: Path, place: Place) -> NoReturn:
    """Replaces this process by the server: a signal to it is one to the server, which ends its workers."""
    prepare()
    from mlflow.pyfunc.scoring_server import get_cmd

    command, environment = get_cmd(str(model), place.port, place.host, None, place.workers)
    # `-P`: a file named mlflow.py in the current folder must not take MLflow's place. The harness is not
    # imported before the model, which brings its own.
    words = [sys.executable, "-P", "-m", *shlex.split(command)]
    os.execve(sys.executable, words, {**environment, "MLFLOW_DISABLE_TELEMETRY": "true"})

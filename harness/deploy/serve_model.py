"""Serves a model that predicts raw rows over HTTP; `scoring_app` answers the requests."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import shutil
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple, NoReturn

from harness.bundle import allowlist
from harness.core.errors import UserError
from harness.deploy.registry_download import allowed, bundle_in, download, locate, ours, packages
from harness.runs.bundle_files import FACTS, WEIGHTS, check_files
from harness.runtime.atomic_file import draft_folder, put_folder
from harness.tracking.mlflow_model import PACKAGE, save
from harness.tracking.mlflow_store import prepare

_EXAMPLE = "serving_input_example.json"  # the file name of a model's example in MLflow
_APP = Path(__file__).parent / "server" / "scoring_app.py"
_LONGEST = 1500  # a longer example is not printed; the command then reads its file


class Place(NamedTuple):
    """Host, port, number of server processes, and the largest body of a request in MB."""

    host: str
    port: int
    workers: int
    max_body: float

    @property
    def address(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


def check(place: Place) -> None:
    """Raises UserError if no server can listen there."""
    if not 1 <= place.port <= 65535:
        raise UserError(f"--port must be from 1 to 65535, got {place.port}", "5001 is the default")
    if place.workers < 1:
        raise UserError(
            f"--workers must be at least 1, got {place.workers}", key="--workers", value=place.workers
        )
    if not place.max_body > 0:
        raise UserError(
            f"--max-body must be more than 0 MB, got {place.max_body:g}",
            key="--max-body",
            value=place.max_body,
        )
    try:
        family, _, _, _, known = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(known)
    except (OSError, UnicodeError) as error:  # UnicodeError: an invalid host name
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise UserError(
            f"no server can listen on {place.host} port {place.port} ({reason})",
            "choose another with --port or --host",
        ) from None


def of_bundle(bundle: Path, label: str, outputs: Path) -> Path:
    """The MLflow model of a bundle or an ensemble, cached in `<outputs>/cache/serve`.

    Raises:
        DamagedFile: a file of the bundle is damaged.
    """
    for file in sorted(bundle.rglob(FACTS)):  # an ensemble has one for each member
        check_files(file.parent)
    prepare()  # prevents messages of MLflow on the screen
    facts = (bundle / FACTS).read_bytes()
    stamps = [_stamp(file) for file in sorted(bundle.rglob(WEIGHTS))]
    code = max(_stamp(file) for file in PACKAGE.rglob("*.py"))
    key = hashlib.sha256(repr([facts, stamps, code, str(bundle)]).encode()).hexdigest()[:12]
    return _kept(outputs, f"{label.replace('/', '-')}-{key}", lambda draft: save(draft, bundle))


def of_registry(word: str, uri: str | None, outputs: Path, allow: Sequence[str] = ()) -> Path:
    """The MLflow model of a model address; the download is cached in `<outputs>/cache/serve`.

    Args:
        word: as in `registry_download.locate`.
        uri: of the MLflow store; None: the one in `outputs`, whose code is the user's own.
        allow: packages whose code may run although it is from another store.

    Raises:
        UserError: there is no such model, the registry does not answer, it was not made by harness, or its
            code is not allowed.
    """
    store, location = locate(word, uri, outputs)
    name = re.sub(r"[^\w.-]", "-", word.partition("/")[2]).strip(".")
    key = hashlib.sha256(repr([store, location]).encode()).hexdigest()[:12]

    def fetch(draft: Path) -> None:
        with TemporaryDirectory() as scratch:
            # A local store returns its own folder; it is copied because `clean` may remove it.
            path = download(location, store, Path(scratch))
            bundle_in(path, word)
            shutil.copytree(path, draft, dirs_exist_ok=True)

    model = _kept(outputs, f"{name}-{key}", fetch)
    if ours(uri, outputs):
        return model
    strange = [package for package in packages(model) if package not in allowed(allow)]
    if strange:
        words = " ".join(f"--allow {package}" for package in strange)
        raise UserError(
            f"serving {word} runs the code that it brings along ({', '.join(strange)}), and it does not come "
            f"from the store in {outputs}",
            f"read it in {model / 'code'}, then allow it with {words}",
        )
    allowlist.check_bundle(bundle_in(model, word), outputs, allow)
    return model


def _kept(outputs: Path, key: str, write: Callable[[Path], None]) -> Path:
    """A folder in the cache that is written whole or not at all."""
    folder = outputs.absolute() / "cache" / "serve" / key
    if not folder.exists():
        with draft_folder(folder) as draft:
            write(draft)
            try:
                put_folder(draft, folder, replace=False)
            except OSError:
                if not folder.exists():  # otherwise another process has made the same folder
                    raise
    return folder


def _stamp(file: Path) -> int:
    return file.stat().st_mtime_ns


def request(model: Path, place: Place) -> str:
    """A shell command that sends the model's example row; a template if there is none."""
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
    """One row of the example, in the format of the server."""
    split = example["dataframe_split"]
    return {"dataframe_split": {"columns": split["columns"], "data": split["data"][:1]}}


def _columns(model: Path) -> list[str]:
    prepare()
    from mlflow.models import Model

    return list((Model.load(str(model)).metadata or {}).get("columns", []))


def become(model: Path, place: Place) -> NoReturn:
    """Replaces this process by the server, so signals reach the server, which ends its workers."""
    prepare()  # its settings of MLflow hold for the server too
    # `-P`: a file named mlflow.py in the current folder must not take MLflow's place. harness is not
    # imported before the model, which contains its own copy.
    words = [sys.executable, "-P", "-m", "uvicorn", "--app-dir", str(_APP.parent), f"{_APP.stem}:app"]
    words += ["--host", place.host, "--port", str(place.port), "--workers", str(place.workers)]
    settings = {"HARNESS_SERVE_MODEL": str(model.absolute()), "HARNESS_SERVE_MAX_BODY": str(place.max_body)}
    os.execve(sys.executable, words, {**os.environ, **settings, "MLFLOW_DISABLE_TELEMETRY": "true"})

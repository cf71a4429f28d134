"""Opens an MLflow store. This is where MLflow is imported."""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from harness.runtime.atomic_file import replace_file
from harness.runtime.inner_path import OutsideFolder
from harness.runtime.mlflow_environment import experiment_id
from harness.tracking import store_address

_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # MLflow's default of seven retries of 120 s would block everything behind one request.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0",
    "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_ARTIFACT_UPLOAD_DOWNLOAD_TIMEOUT": "60",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "GIT_PYTHON_REFRESH": "quiet",
}

_REFUSALS = range(400, 500)
_WORTH_ANOTHER_TRY = (401, 403, 408, 429)


def prepare() -> None:
    """Imports MLflow without messages and telemetry; environment variables set by the user are kept."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    import mlflow.tracking  # noqa: F401 - here, so that the environment above counts

    for name in ("mlflow", "alembic", "sqlalchemy", "urllib3"):
        logging.getLogger(name).setLevel(logging.ERROR)


@contextmanager
def sent_once() -> Iterator[None]:
    """Within it, MLflow's client does not repeat a request that failed.

    A server can accept a request and fail afterwards; a repeated creation would then make a second run. The
    caller looks for the first one before it tries again.
    """
    name = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
    before = os.environ.get(name)
    os.environ[name] = "0"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


class Store:
    """A client, and the id and name of the experiment, which is created if it does not exist.

    Args:
        uri: absolute, with its password.
        outputs: folder for the artifacts of a database without a server (`<outputs>/mlartifacts`).

    Raises:
        Exception: the exception of MLflow if the store is unreachable.
    """

    def __init__(self, uri: str, experiment: str, outputs: Path) -> None:
        prepare()
        from mlflow.tracking import MlflowClient

        served = uri.startswith(("http", "databricks"))
        artifacts = None if served else (outputs / "mlartifacts").absolute().as_uri()
        path = store_address.file(uri)
        if path is not None:
            create(path, artifacts or "")
        self.client: Any = MlflowClient(tracking_uri=uri)
        self.experiment_id, self.experiment_name = self._find_or_create(experiment, artifacts)

    def _find_or_create(self, name: str, artifacts: str | None) -> tuple[str, str]:
        from mlflow.exceptions import MlflowException

        id = experiment_id(name)
        if id is None:
            experiment = self.client.get_experiment_by_name(name)
        else:
            experiment = self.client.get_experiment(id)
        if experiment is None:
            try:
                return str(self.client.create_experiment(name, artifact_location=artifacts)), name
            except MlflowException:
                # Another run may have created it in the meantime.
                experiment = self.client.get_experiment_by_name(name)
                if experiment is None:
                    raise
        if experiment.lifecycle_stage != "active":
            raise RuntimeError(
                f"experiment {name!r} is deleted there; restore it, or choose another with "
                "tracking.experiment=NAME"
            )
        return str(experiment.experiment_id), str(experiment.name)


def create(path: Path, artifacts: str) -> None:
    """Creates an sqlite store in write-ahead mode, for many writing processes, unless it exists.

    Args:
        artifacts: the URI of the folder of artifacts.

    Two processes that open a new database at the same time corrupt it permanently. It is therefore built
    under another name while a lock is held, and then renamed.
    """
    if _exists(path):
        return
    from filelock import FileLock

    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f"{path.name}.lock")):
        if _exists(path):
            return
        with replace_file(path, lasting=False) as draft:
            draft.write_bytes(_blank_store())
            _name_artifacts(draft, artifacts)


_BLANK = "file:///blank"
"""The folder of artifacts of the blank store, in place of that of a real one."""


@cache
def _blank_store() -> bytes:
    """The file of a store without runs: MLflow takes seconds to make one, a copy some milliseconds."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    with TemporaryDirectory(prefix="harness-store-") as folder:
        path = Path(folder, "mlflow.db")
        SqlAlchemyStore(store_address.sqlite(path), _BLANK).engine.dispose()
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA journal_mode=wal")
        return path.read_bytes()


def _name_artifacts(path: Path, artifacts: str) -> None:
    """Gives the experiment that MLflow has made in a blank store its folder of artifacts, and its time."""
    now = time.time_ns() // 1_000_000
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "UPDATE experiments SET artifact_location = ? || substr(artifact_location, ?),"
            " creation_time = ?, last_update_time = ?",
            (artifacts, len(_BLANK) + 1, now, now),
        )


def _exists(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def silent(error: BaseException | None) -> bool:
    """Whether the server was unreachable or did not answer in time."""
    from requests import ConnectionError, Timeout

    while error is not None and not isinstance(error, ConnectionError | Timeout):
        error = error.__cause__ or error.__context__
    return error is not None


def refusal(error: Exception) -> bool | None:
    """Whether the store will refuse this request again (True) or may accept it later (False).

    None if the error does not show it: it came from another library, such as the client of an artifact store.
    """
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    if isinstance(error, MlflowException):
        status = int(error.get_http_status_code())
        return status in _REFUSALS and status not in _WORTH_ANOTHER_TRY
    if isinstance(error, FileNotFoundError | NotADirectoryError | OutsideFolder):
        return True
    if isinstance(error, OSError | SQLAlchemyError):  # what `requests` raises is an OSError
        return False
    if isinstance(error, LookupError | ValueError | TypeError | AttributeError):
        return True
    return None

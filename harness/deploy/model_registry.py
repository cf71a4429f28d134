"""Registers a run's model as a version of a registered model in MLflow, optionally with an alias."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from harness.core.errors import UnknownAlias, UserError
from harness.runs.tracking_state import SILENCE
from harness.runtime.redact import MASK
from harness.tracking import store_address
from harness.tracking.journal_upload import error_line
from harness.tracking.mlflow_store import prepare, refusal

_NAME = re.compile(r"\w[\w .-]{0,199}")
_ALIAS = re.compile(r"[\w-]{1,100}")
_RESERVED = re.compile(r"latest|v\d+", re.IGNORECASE)

MODEL = "harness.model_id"
"""The tag with the logged model of a version; a database without a server stores it nowhere else."""

_PORTS = {"http": 80, "https": 443, "postgresql": 5432, "mysql": 3306, "mssql": 1433}
_PATIENCE = 5.0  # seconds for a connection; MLflow's own ten seconds for an answer come in addition
_READY_WITHIN = 60  # seconds


def check_name(name: str) -> None:
    """Raises UserError if MLflow does not accept the name of a registered model, or could not find it."""
    if not _NAME.fullmatch(name):
        raise UserError(
            f"--name must be letters, digits, spaces and any of _ - . (at most 200), got {name!r}",
            key="--name",
            value=name,
        )


def check_alias(alias: str) -> None:
    """Raises UserError if MLflow does not accept the alias; `latest`, `v1`, `v2` … are reserved."""
    if not _ALIAS.fullmatch(alias) or _RESERVED.fullmatch(alias):
        raise UserError(
            "--alias must be letters, digits, _ and -, and neither `latest` nor a version such as `v2`, "
            f"got {alias!r}",
            "choose another, such as champion",
        )


class Registry:
    """MLflow's registry at an address; every method turns errors of MLflow into one sentence.

    Args:
        uri: absolute, with its password.

    Raises:
        UserError: the registry does not answer within seconds; raised by the constructor and every method.
    """

    def __init__(self, uri: str) -> None:
        self._uri = uri
        with self._answering():
            _reach(uri)
            prepare()
            from mlflow.tracking import MlflowClient

            self.client: Any = MlflowClient(tracking_uri=uri, registry_uri=uri)

    def by_alias(self, name: str, alias: str) -> Any | None:
        """The version with the alias; None if the name has no versions.

        Raises:
            UserError: there are versions, but none has the alias.
        """
        model = self._model(name)
        if model is None or not (model.latest_versions or model.aliases):
            return None
        if alias not in model.aliases:
            raise UnknownAlias(name, alias, model.aliases)
        with self._answering():
            return self.client.get_model_version(name, model.aliases[alias])

    def find(self, name: str, model_id: str) -> Any | None:
        """The version of this logged model, if it is registered already."""
        if self._model(name) is None:
            return None
        with self._answering():
            versions = self.client.search_model_versions(f"name = '{name}'")
        own = [version for version in versions if version.tags.get(MODEL) == model_id]
        return max(own, key=lambda version: int(version.version)) if own else None

    def add(self, name: str, model_id: str, tags: Mapping[str, str]) -> Any:
        """Creates a version and waits until it is READY; a name created for it is removed on failure.

        Raises:
            UserError: MLflow refused it, or it did not become ready.
        """
        fresh = self._model(name) is None
        with self._answering():
            logged = self.client.get_logged_model(model_id)
            if fresh:
                self.client.create_registered_model(name)
            try:
                made = self.client.create_model_version(
                    name,
                    logged.artifact_location,
                    run_id=logged.source_run_id,
                    tags={**tags, MODEL: model_id},
                    model_id=model_id,
                    await_creation_for=_READY_WITHIN,
                )
                version = self.client.get_model_version(name, made.version)
            except BaseException:
                if fresh:
                    with suppress(Exception):
                        self.client.delete_registered_model(name)
                raise
        self._require_ready(version)
        return version

    def move(self, name: str, alias: str, version: Any) -> str | None:
        """Sets the alias of a READY version; returns the version that had it before, or None.

        Raises:
            UserError: it is not ready, or MLflow refused.
        """
        self._require_ready(version)
        model = self._model(name)
        before = None if model is None else model.aliases.get(alias)
        with self._answering():
            self.client.set_registered_model_alias(name, alias, version.version)
        return None if before is None else str(before)

    def ready(self, model_id: str) -> bool:
        """Whether this logged model exists and is complete."""
        from mlflow.exceptions import MlflowException

        with self._answering():
            try:
                return str(self.client.get_logged_model(model_id).status) == "READY"
            except MlflowException as error:
                if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND"):
                    return False
                raise

    def _require_ready(self, version: Any) -> None:
        if str(version.status) != "READY":
            raise UserError(
                f"version {version.version} of {version.name} is {version.status}, and only one that is "
                "READY may be given an alias",
                "look at its page in MLflow, then register the run again",
            )

    def _model(self, name: str) -> Any | None:
        from mlflow.exceptions import MlflowException

        with self._answering():
            try:
                return self.client.get_registered_model(name)
            except MlflowException as error:
                if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                    return None
                raise

    def _answering(self) -> Any:
        return answering(self._uri)


@contextmanager
def answering(uri: str) -> Iterator[None]:
    """Turns errors of MLflow, its database or the network into one sentence without passwords."""
    try:
        yield
    except Exception as error:
        if not _foreign(error):
            raise
        reason = error_line(error, uri).rstrip(".")
        where = f"the MLflow registry at {store_address.masked(uri)}"
        if refusal(error):
            raise UserError(
                f"{where} refused: {reason}", "what it holds is shown by its own pages"
            ) from error
        reason = reason if reason == SILENCE else f"is in trouble: {reason}"
        raise UserError(
            f"{where}: {reason}", "start that server, or give another address with --uri ADDRESS"
        ) from error


def _foreign(error: Exception) -> bool:
    """Whether the error comes from the store; for our own faults the stack trace is needed."""
    if isinstance(error, OSError):  # the errors of `requests` are OSErrors
        return True
    home = type(error).__module__.partition(".")[0]
    return home in ("mlflow", "sqlalchemy", "requests", "urllib3")


def place(uri: str | None, stored: str | None, outputs: Path) -> str:
    """The complete address of the registry: the given one, else that of the run, else the store in `outputs`.

    Args:
        stored: the store of the run, with its password masked; None if there is none.

    Raises:
        UserError: it is not an address, or its password is unknown.
    """
    if uri is not None:
        try:
            store_address.check(uri)
        except ValueError as error:
            raise UserError(f"--{error}.") from error
        return store_address.absolute(uri, outputs)
    if stored is not None and MASK in stored:
        raise UserError(
            f"the run is in {stored}, and passwords are never stored",
            "give the whole address with --uri ADDRESS",
        )
    return stored or store_address.absolute(None, outputs)


def _reach(uri: str) -> None:
    """Raises OSError if no server listens; MLflow itself would retry for minutes."""
    parts = urlsplit(uri)
    port = _PORTS.get(parts.scheme.partition("+")[0])
    if parts.hostname is not None and port is not None:
        try:
            socket.create_connection((parts.hostname, parts.port or port), _PATIENCE).close()
        except OSError as error:
            raise ConnectionError(SILENCE) from error

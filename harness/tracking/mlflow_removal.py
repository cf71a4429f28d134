"""Finds the runs that MLflow's registry uses, and deletes other runs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from harness.tracking import store_address
from harness.tracking.mlflow_store import prepare

_AT_ONCE = 1000


def registered(uri: str) -> set[str]:
    """The ids of all runs and models that are a version of a registered model.

    Args:
        uri: of the store, with its password; a database file that does not exist has no models.

    Raises:
        Exception: the exception of MLflow if the registry cannot be queried.
    """
    file = store_address.file(uri)
    if file is not None and not file.exists():
        return set()
    client, ids, token = _client(uri), set[str](), None
    while True:
        page = client.search_model_versions(max_results=_AT_ONCE, page_token=token)
        for version in page:
            ids |= {id for id in (version.run_id, getattr(version, "model_id", None)) if id}
            if version.source and version.source.startswith("models:/"):
                ids.add(version.source.removeprefix("models:/"))
        token = page.token
        if not token:
            return ids


def delete(uri: str, ids: Iterable[str]) -> int:
    """Marks runs as deleted, as MLflow's own pages do (`mlflow gc` frees the space); returns how many.

    Raises:
        Exception: the exception of MLflow if the store is unreachable.
    """
    file = store_address.file(uri)
    if file is not None and not file.exists():
        return 0
    from mlflow.exceptions import MlflowException

    client, count = _client(uri), 0
    for id in ids:
        try:
            client.delete_run(id)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            continue
        count += 1
    return count


def _client(uri: str) -> Any:
    prepare()
    from mlflow.tracking import MlflowClient

    return MlflowClient(tracking_uri=uri, registry_uri=uri)

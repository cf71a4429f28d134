"""Registry, read: the bundle of a model that is only in MLflow."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from harness.errors import UserError, near
from harness.production.files import FACTS
from harness.production.registry import Registry, answering, place
from harness.tracking import address

SCHEMES = ("models:/", "runs:/")
"""How the address of a model in MLflow begins."""

_FORMS = {
    "alias": re.compile(r"models:/([^/@]+)@([^/@]+)"),
    "version": re.compile(r"models:/([^/@]+)/(\d+)"),
    "model": re.compile(r"models:/(m-\w+)"),
    "run": re.compile(r"runs:/(\w+)/(.+)"),
}


def fetch(word: str, uri: str | None, outputs: Path, scratch: Path) -> Path:
    """Brings a model here and gives the folder of its bundle.

    Code of the user's own that travels with the model can be imported from then on.

    Args:
        word: models:/NAME@ALIAS, models:/NAME/VERSION, models:/MODEL_ID or runs:/RUN_ID/NAME.
        uri: of the MLflow store; None: the one in `outputs`.
        scratch: an empty folder.

    Raises:
        UserError: there is no such model, it is none that a run of harness made, or nobody answers.
    """
    found = {form: match for form, pattern in _FORMS.items() if (match := pattern.fullmatch(word))}
    if not found:
        raise UserError(
            "a model in MLflow is named models:/NAME@ALIAS, models:/NAME/VERSION or runs:/RUN_ID/model, got "
            f"{word}; mend it."
        )
    uri = place(uri, None, outputs)
    path = address.file(uri)
    if path is not None and not path.exists():
        raise UserError(
            f"there is no MLflow store at {path}, and so no {word}; give another with --outputs or --uri."
        )
    registry = Registry(uri)
    ((form, match),) = found.items()
    location = _location(registry, uri, form, *match.groups())
    with answering(uri):
        import mlflow.artifacts

        model = Path(mlflow.artifacts.download_artifacts(location, dst_path=str(scratch), tracking_uri=uri))
    bundles = sorted(model.glob(f"artifacts/*/{FACTS}"))
    if not bundles:
        raise UserError(f"{word} is no model that a run of harness has made; name one that is.")
    if (model / "code").is_dir():
        sys.path.append(str(model / "code"))  # last, so that it gives what nothing else does
    return bundles[0].parent


def _location(registry: Registry, uri: str, form: str, name: str, which: str = "") -> str:
    """Where the files of the model are."""
    if form == "model":
        return _of_model(registry, uri, name)
    if form == "run":
        return _of_run(registry, uri, name, which)
    version = _version(registry, uri, name, which) if form == "version" else registry.by_alias(name, which)
    if version is None:
        with answering(uri):
            names = [model.name for model in registry.client.search_registered_models()]
        raise UserError(f"no model is registered as {name}; {near(name, names)}")
    with answering(uri):
        location = str(registry.client.get_model_version_download_uri(name, version.version))
    known = _FORMS["model"].fullmatch(location)
    return _of_model(registry, uri, known[1]) if known else location


def _version(registry: Registry, uri: str, name: str, number: str) -> Any | None:
    """None where nothing is registered under that name."""
    with answering(uri):
        versions = {v.version: v for v in registry.client.search_model_versions(f"name = '{name}'")}
    if versions and int(number) not in {int(key) for key in versions}:
        known = ", ".join(sorted((str(key) for key in versions), key=int))
        raise UserError(f"{name} has no version {number}; it has {known}.")
    return next((v for key, v in versions.items() if int(key) == int(number)), None)


def _of_model(registry: Registry, uri: str, model_id: str) -> str:
    if not registry.ready(model_id):
        raise UserError(
            f"there is no model {model_id} in {address.masked(uri)}, or it is not whole; name another."
        )
    with answering(uri):
        return str(registry.client.get_logged_model(model_id).artifact_location)


def _of_run(registry: Registry, uri: str, run_id: str, name: str) -> str:
    from mlflow.exceptions import MlflowException

    with answering(uri):
        try:
            outputs = registry.client.get_run(run_id).outputs
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            raise UserError(f"there is no run {run_id} in {address.masked(uri)}; name another.") from None
        models = [
            registry.client.get_logged_model(o.model_id) for o in (outputs.model_outputs if outputs else [])
        ]
    for model in models:
        if model.name == name:
            return str(model.artifact_location)
    raise UserError(f"run {run_id} has no model called {name}; {near(name, {m.name for m in models})}")

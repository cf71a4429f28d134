"""Downloads the bundle of a model that is only in MLflow.

Such a model contains code, and its configuration is a list of calls. The store in the user's own `outputs`
is trusted. In any other store, anyone with write access could have put them there, so only harmless or
allowed code is run.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.bundle import allowlist
from harness.bundle.foreign_values import ENVIRONMENT, HOST
from harness.core.errors import UserError
from harness.core.name_list import listed
from harness.core.near_names import near
from harness.deploy.model_registry import Registry, answering, place
from harness.runs.bundle_files import FACTS
from harness.runtime.user_project import find as find_project
from harness.tracking import store_address

SCHEMES = ("models:/", "runs:/")
"""The beginnings of model addresses in MLflow."""

_FORMS = {
    "alias": re.compile(r"models:/([^/@]+)@([^/@]+)"),
    "version": re.compile(r"models:/([^/@]+)/(\d+)"),
    "model": re.compile(r"models:/(m-\w+)"),
    "run": re.compile(r"runs:/(\w+)/(.+)"),
}


def fetch(word: str, uri: str | None, outputs: Path, scratch: Path, allow: Sequence[str] = ()) -> Path:
    """Downloads a model and returns the folder of its bundle.

    The user's own code in the model can be imported afterwards: all of it from the store in `outputs`, else
    only allowed packages.

    Args:
        word: models:/NAME@ALIAS, models:/NAME/VERSION, models:/MODEL_ID or runs:/RUN_ID/NAME.
        uri: of the MLflow store; None: the one in `outputs`.
        scratch: an empty folder.
        allow: further packages that a model of another store may name, see `harness.bundle.allowlist`.

    Raises:
        UserError: there is no such model, it was not made by harness, it names a part that is not allowed,
            or the store does not answer.
    """
    store, location = locate(word, uri, outputs)
    model = download(location, store, scratch)
    bundle = bundle_in(model, word)
    if ours(uri, outputs):
        if (model / "code").is_dir():
            sys.path.append(str(model / "code"))  # last, so that it provides only what nothing else does
        return bundle
    known = {package: path for package, path in packages(model).items() if package in allowed(allow)}
    if known:
        chosen = scratch / "allowed"
        chosen.mkdir()
        for path in known.values():
            shutil.move(path, chosen / path.name)
        sys.path.append(str(chosen))
    allowlist.check_bundle(bundle, outputs, allow)
    return bundle


def ours(uri: str | None, outputs: Path) -> bool:
    """Whether this is the store in the user's own `outputs`."""
    return store_address.absolute(uri, outputs) == store_address.absolute(None, outputs)


def locate(word: str, uri: str | None, outputs: Path) -> tuple[str, str]:
    """The complete address of the store, and the location of a model's files in it.

    Args:
        word, uri: as in `fetch`.

    Raises:
        UserError: there is no such model, or the store does not answer.
    """
    matches = {form: match for form, pattern in _FORMS.items() if (match := pattern.fullmatch(word))}
    if not matches:
        raise UserError(
            "a model in MLflow is named models:/NAME@ALIAS, models:/NAME/VERSION or runs:/RUN_ID/model, got "
            f"{word}",
            "correct it",
        )
    uri = place(uri, None, outputs)
    path = store_address.file(uri)
    if path is not None and not path.exists():
        raise UserError(
            f"there is no MLflow store at {path}, and so no {word}", "give another with --outputs or --uri"
        )
    registry = Registry(uri)
    ((form, match),) = matches.items()
    return uri, _location(registry, uri, form, *match.groups())


def download(location: str, store: str, scratch: Path) -> Path:
    """Copies the files of a model into a folder and returns their location.

    Raises:
        UserError: they are not at the store's own place, or it does not answer.
    """
    store_address.check_location(location, store)
    with answering(store):
        import mlflow.artifacts

        return Path(mlflow.artifacts.download_artifacts(location, dst_path=str(scratch), tracking_uri=store))


def bundle_in(model: Path, word: str) -> Path:
    """The bundle in an MLflow model.

    Raises:
        UserError: it has no bundle.
    """
    bundles = sorted(model.glob(f"artifacts/*/{FACTS}"))
    if not bundles:
        raise UserError(f"{word} is no model that a run of harness has made", "name one that is")
    return bundles[0].parent


def packages(model: Path) -> dict[str, Path]:
    """The packages and modules in an MLflow model, by import name."""
    folders = sorted((model / "code").iterdir()) if (model / "code").is_dir() else []
    return {path.stem: path for path in folders if path.is_dir() or path.suffix == ".py"}


def allowed(allow: Sequence[str]) -> set[str]:
    """The packages that are allowed, on the command line or in the project's pyproject.toml."""
    project = find_project()
    words = [*allow, *(() if project is None else project.allow)]
    return {word.partition(".")[0] for word in words if not word.startswith((ENVIRONMENT, HOST))}


def _location(registry: Registry, uri: str, form: str, name: str, which: str = "") -> str:
    """The location of the model's files."""
    if form == "model":
        return _of_model(registry, uri, name)
    if form == "run":
        return _of_run(registry, uri, name, which)
    version = _version(registry, uri, name, which) if form == "version" else registry.by_alias(name, which)
    if version is None:
        with answering(uri):
            names = [model.name for model in registry.client.search_registered_models()]
        raise UserError(f"no model is registered as {name}", near(name, names))
    with answering(uri):
        location = str(registry.client.get_model_version_download_uri(name, version.version))
    known = _FORMS["model"].fullmatch(location)
    return _of_model(registry, uri, known[1]) if known else location


def _version(registry: Registry, uri: str, name: str, number: str) -> Any | None:
    """None if nothing is registered under that name."""
    with answering(uri):
        versions = {v.version: v for v in registry.client.search_model_versions(f"name = '{name}'")}
    if versions and int(number) not in {int(key) for key in versions}:
        known = listed(sorted((str(key) for key in versions), key=int), most=20)
        raise UserError(f"{name} has no version {number}", f"it has {known}")
    return next((v for key, v in versions.items() if int(key) == int(number)), None)


def _of_model(registry: Registry, uri: str, model_id: str) -> str:
    if not registry.ready(model_id):
        raise UserError(
            f"there is no model {model_id} in {store_address.masked(uri)}, or it is not whole", "name another"
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
            raise UserError(
                f"there is no run {run_id} in {store_address.masked(uri)}", "name another"
            ) from None
        models = [
            registry.client.get_logged_model(o.model_id) for o in (outputs.model_outputs if outputs else [])
        ]
    for model in models:
        if model.name == name:
            return str(model.artifact_location)
    raise UserError(f"run {run_id} has no model called {name}", near(name, {m.name for m in models}))

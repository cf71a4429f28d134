"""Downloads a run that exists only in an MLflow store into a folder with the layout of a run."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.core.baseline_names import with_baseline_names
from harness.core.errors import UserError
from harness.core.scores import score_range
from harness.runs.journal import JOURNAL, read
from harness.runs.run_result import Result, summarise
from harness.runs.tracking_state import STATE, State
from harness.runtime.atomic_file import replace_folder
from harness.tracking import store_address
from harness.tracking.journal_upload import error_line
from harness.tracking.mlflow_store import prepare
from harness.tracking.system_sampler import PREFIX

FOLDER = "fetched"
"""The folder below the outputs folder; its content comes from the store and is not trusted."""

_ID = re.compile("[0-9a-f]{32}")
_PARENT = "mlflow.parentRunId"
_CONFIG, _RESULT, _FACTS = "config.yaml", "result.json", "bundle.json"
_SECONDS = "4"
"""Seconds per request; an unreachable server is tried twice."""

_STATUS = {"FINISHED": "finished", "FAILED": "failed", "KILLED": "interrupted"}


@dataclass
class _Copy:
    """The download in progress: the run and its folds by the keys of the journal."""

    client: Any
    uri: str
    folder: Path
    runs: dict[str, Any]
    models: dict[str, str] = field(default_factory=dict)


def is_id(word: str) -> bool:
    """Whether a word looks like MLflow's id of a run."""
    return _ID.fullmatch(word) is not None


def fetcher(uri: str | None = None) -> Callable[[str, Path], tuple[Path, int | None] | None]:
    """The function with which `Outputs.find` downloads runs; None for text that is no run id."""
    return lambda word, outputs: fetch(word, outputs, uri) if is_id(word) else None


def fetch(id: str, outputs: Path, uri: str | None = None) -> tuple[Path, int | None] | None:
    """Downloads a run to `<outputs>/fetched/<id>`; returns the folder and the number of the fold if `id`
    names one.

    An earlier download of an ended run is reused.

    Args:
        id: MLflow's id of a run or of one of its folds.
        uri: of the store; None: the default one in `outputs`, then that of MLFLOW_TRACKING_URI.

    Returns:
        None if no store has the run.

    Raises:
        UserError: a store is unreachable, its address is unusable, or the run was not made by harness.
    """
    known = _brought(id, outputs)
    if known is not None:
        return known
    trouble: UserError | None = None
    for place in _places(outputs, uri):
        try:
            folder = _fetch(id, outputs, place)
        except UserError:
            raise
        except Exception as error:
            reason = error_line(error, place).rstrip(".")
            trouble = UserError(
                f"{id} is sought in MLflow at {store_address.masked(place)}, and {reason}",
                "start that server, or give another address with --uri ADDRESS",
            )
            continue
        if folder is not None:
            return folder
    if trouble is not None:
        raise trouble
    return None


def _brought(id: str, outputs: Path) -> tuple[Path, int | None] | None:
    for path in sorted((outputs / FOLDER).glob(f"*/{STATE}")):
        state = State.load(path.parent)
        events = read(path.parent)[0]
        ended = bool(events) and events[-1]["event"] == "end"
        for key, known in ({} if state is None or path.parent.name.startswith(".") else state.runs).items():
            if known == id and ended:
                return path.parent.absolute(), _number(key)
    return None


def _number(key: str) -> int | None:
    number = key.removeprefix("fold-")
    return int(number) if number.isdecimal() else None


def _places(outputs: Path, uri: str | None) -> Iterator[str]:
    """The stores to search; a database that does not exist is not created."""
    if uri is not None:
        try:
            store_address.check(uri)
        except ValueError as error:
            raise UserError(f"--uri: {error}.") from error
    given = [uri] if uri is not None else [None, os.environ.get("MLFLOW_TRACKING_URI")]
    for entry in dict.fromkeys(given):
        if entry is None or entry:
            place = store_address.absolute(entry, outputs)
            path = store_address.file(place)
            if path is None or path.exists():
                yield place
            elif uri is not None:
                raise UserError(
                    f"--uri names the database {path}, which there is not", "give another address"
                )


def _fetch(id: str, outputs: Path, uri: str) -> tuple[Path, int | None] | None:
    """Raises the exception of MLflow if the store is unreachable."""
    prepare()
    from mlflow.tracking import MlflowClient

    client: Any = MlflowClient(tracking_uri=uri)
    with _impatient():
        stored = _run(client, id)
    if stored is None:
        return None
    number = stored.data.tags.get("fold")
    parent = stored.data.tags.get(_PARENT)
    of_fold = number is not None and number.isdecimal() and parent is not None
    run = client.get_run(parent) if of_fold else stored
    folder = outputs / FOLDER / _sound(run.info.run_id)
    with replace_folder(folder) as draft:
        _bring(_Copy(client, uri, draft, {"": run, **_folds(client, run)}))
    return folder.absolute(), int(number) if of_fold else None


def _sound(id: str) -> str:
    """The id, checked so that it can safely name a folder: a store could send a path.

    Raises:
        UserError: it is not an MLflow id.
    """
    if not is_id(id):
        raise UserError(f"the store calls a run {id!r}, which is no MLflow id", "name a run of another store")
    return id


@contextmanager
def _impatient() -> Iterator[None]:
    """Within this context, requests to a server that does not answer end within ten seconds."""
    name = "MLFLOW_HTTP_REQUEST_TIMEOUT"
    before = os.environ.get(name)
    os.environ[name] = _SECONDS
    try:
        yield
    finally:
        os.environ[name] = before or "10"


def _run(client: Any, id: str) -> Any:
    from mlflow.exceptions import MlflowException

    try:
        return client.get_run(id)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise


def _folds(client: Any, run: Any) -> dict[str, Any]:
    """The child runs that are folds; the children of a sweep are separate runs."""
    query = f"tags.`{_PARENT}` = '{run.info.run_id}'"
    folds: dict[str, Any] = {}
    token = None
    while True:
        page = client.search_runs([run.info.experiment_id], query, page_token=token)
        for child in page:
            if str(child.data.tags.get("fold")).isdecimal():
                folds[f"fold-{child.data.tags['fold']}"] = child
        token = page.token
        if not token:
            return dict(sorted(folds.items(), key=lambda item: int(item[0].removeprefix("fold-"))))


def _bring(copy: _Copy) -> None:
    """Fills the folder: files, models, result, journal, and the ids.

    Raises:
        UserError: it has no configuration.
    """
    run = copy.runs[""]
    store_address.check_location(run.info.artifact_uri, copy.uri)
    if not any(entry.path == _CONFIG for entry in copy.client.list_artifacts(run.info.run_id)):
        raise UserError(
            f"the MLflow run {run.info.run_id} ({run.info.run_name}) holds no {_CONFIG}: it is a sweep, or "
            "was not made by this harness",
            "name a run that has one",
        )
    for key, part in copy.runs.items():
        place = copy.folder / key
        place.mkdir(exist_ok=True)
        store_address.check_location(part.info.artifact_uri, copy.uri)
        copy.client.download_artifacts(part.info.run_id, "", str(place))
        _bring_models(copy, key)
    if not (copy.folder / _RESULT).exists():
        _result(copy.runs).write(copy.folder / _RESULT)
    lines = [json.dumps(event, allow_nan=False) for event in _events(copy.runs)]
    (copy.folder / JOURNAL).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    State(
        uri=store_address.masked(copy.uri),
        experiment=copy.client.get_experiment(run.info.experiment_id).name,
        experiment_id=run.info.experiment_id,
        runs={key: part.info.run_id for key, part in copy.runs.items()},
        models=copy.models,
        offset=(copy.folder / JOURNAL).stat().st_size,
        closed=True,
    ).save(copy.folder)


def _bring_models(copy: _Copy, key: str) -> None:
    """The bundles in the logged models, stored in the run as `model/`, `ensemble/`, `refit/`."""
    import mlflow.artifacts

    outputs = copy.runs[key].outputs
    for output in outputs.model_outputs if outputs else ():
        scratch = copy.folder / ".models" / _sound(output.model_id.removeprefix("m-"))
        scratch.mkdir(parents=True)
        # By its location: a `models:/` address would be looked up in the default store of this process.
        place = f"{copy.client.get_logged_model(output.model_id).artifact_location}/artifacts"
        store_address.check_location(place, copy.uri)
        mlflow.artifacts.download_artifacts(artifact_uri=place, dst_path=str(scratch), tracking_uri=copy.uri)
        for facts in sorted(scratch.glob(f"artifacts/*/{_FACTS}")):
            bundle = facts.parent
            target = copy.folder / key / bundle.name
            if not target.exists():
                bundle.rename(target)
                path = target.relative_to(copy.folder).as_posix()
                copy.models[f"{key}:{path}"] = output.model_id
    shutil.rmtree(copy.folder / ".models", ignore_errors=True)


def _result(runs: Mapping[str, Any]) -> Result:
    """The result from the last metric values, for a run whose `result.json` was not uploaded."""
    run = runs[""]
    folds = [part for key, part in runs.items() if key]
    logged = {name for part in folds or [run] for name in part.data.metrics if "/" in name}
    names = {name for name in logged if not name.startswith(PREFIX)}
    scores = {
        name: summarise(
            [part.data.metrics[name] for part in folds or [run] if name in part.data.metrics],
            score_range(name),
        )
        for name in sorted(names)
    }
    ended = run.info.end_time or run.info.start_time
    return Result(
        status=_status(run),
        scores=with_baseline_names(scores),
        folds=max(1, len(folds)),
        seconds=(ended - run.info.start_time) / 1000,
        seed=int(seed) if (seed := str(run.data.tags.get("seed"))).isdecimal() else None,
        command=run.data.tags.get("command", ""),
        error=run.data.tags.get("error"),
    )


def _status(run: Any) -> Any:
    status = run.data.tags.get("harness.status")
    known = ("finished", "pruned", "failed", "interrupted")
    return status if status in known else _STATUS.get(run.info.status, "interrupted")


def _events(runs: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A journal with the start and the end of each run."""
    for key, run in runs.items():
        tags = dict(run.data.tags)
        yield {
            "event": "start",
            "time": run.info.start_time,
            "run": key,
            "name": run.info.run_name,
            "parent": "" if key else None,
            "params": dict(run.data.params),
            "tags": {k: v for k, v in tags.items() if not k.startswith(("mlflow.", "harness."))},
            "inputs": list(_inputs(run)),
            "writer": {"host": "", "user": tags.get("mlflow.user", ""), "pid": 0, "born": None},
        }
    for key, run in reversed(list(runs.items())):
        if run.info.end_time is not None:
            error = run.data.tags.get("error")
            time = run.info.end_time
            yield {"event": "end", "time": time, "run": key, "status": _status(run), "error": error}


def _inputs(run: Any) -> Iterator[dict[str, Any]]:
    """The inputs as they were sent. MLflow truncates the digest; the tag of the run has all of it."""
    for entry in run.inputs.dataset_inputs if run.inputs else ():
        tags = {tag.key: tag.value for tag in entry.tags}
        rows, groups = tags.get("rows"), tags.get("groups")
        yield {
            "name": entry.dataset.name,
            "digest": run.data.tags.get("data.digest", entry.dataset.digest),
            "source": json.loads(entry.dataset.source).get("uri", ""),
            "context": tags.get("mlflow.data.context", ""),
            "rows": None if rows is None else int(rows),
            "groups": None if groups is None else int(groups),
        }

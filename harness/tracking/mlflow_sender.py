"""Sends the events of one journal as calls of MLflow's client."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.runs.journal import Event
from harness.runs.tracking_state import State
from harness.runtime.inner_path import inner
from harness.tracking import mlflow_model
from harness.tracking.mlflow_store import Store, sent_once

TOKEN = "harness.token"
"""The tag that identifies a run whose creation was interrupted."""

_LONGEST_KEY, _LONGEST_PARAMETER, _LONGEST_TAG, _LONGEST_NOTE = 250, 6000, 5000, 500
_PARAMETERS_PER_CALL = 100
_STATUS = {"finished": "FINISHED", "failed": "FAILED", "pruned": "KILLED", "interrupted": "KILLED"}
_NOT_IN_A_KEY = re.compile(r"[^/\w.\- :]")


class Sender:
    """Each method sends one event; sending it again changes nothing.

    Run ids, model ids and pending creations are kept in `state`, and `save` writes them at once, so that
    they are known whenever this process ends.
    """

    def __init__(self, store: Store, state: State, folder: Path) -> None:
        self._client = store.client
        self._experiment = store.experiment_id
        self._state = state
        state.experiment_name = store.experiment_name
        self._folder = folder

    def start(self, event: Event, parent: str | None) -> None:
        """Creates the run; an existing run was resumed and becomes active again."""
        if event["run"] in self._state.runs:
            self._client.update_run(self._state.runs[event["run"]], status="RUNNING")
        else:
            self._create(event, parent)

    def params(self, run: str, params: Mapping[str, str]) -> None:
        from mlflow.entities import Param

        entries = [Param(_key(k), _clipped(v, _LONGEST_PARAMETER)) for k, v in params.items()]
        for at in range(0, len(entries), _PARAMETERS_PER_CALL):
            self._client.log_batch(self._id(run), params=entries[at : at + _PARAMETERS_PER_CALL])

    def metrics(self, run: str, points: Iterable[tuple[str, float, int, int]]) -> None:
        """points: at most 1000 of (name, value, time in ms, step)."""
        from mlflow.entities import Metric

        entries = [Metric(_key(name), value, time, step) for name, value, time, step in points]
        self._client.log_batch(self._id(run), metrics=entries)

    def tags(self, run: str, tags: Mapping[str, str]) -> None:
        from mlflow.entities import RunTag

        entries = [RunTag(_key(k), _clipped(v, _LONGEST_TAG)) for k, v in tags.items()]
        for at in range(0, len(entries), _PARAMETERS_PER_CALL):
            self._client.log_batch(self._id(run), tags=entries[at : at + _PARAMETERS_PER_CALL])

    def inputs(self, run: str, inputs: Sequence[Mapping[str, Any]]) -> None:
        """Logs the data parts of the run, as the `start` event lists them."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        entries = []
        for part in inputs:
            rows, context = part.get("rows"), str(part.get("context", ""))
            dataset = Dataset(
                name=_clipped(str(part["name"]), _LONGEST_NOTE),
                digest=_digest(part),
                source_type="external",
                source=json.dumps({"uri": part.get("source", "")}),
                profile=json.dumps({"num_rows": rows}),
            )
            tags = {"mlflow.data.context": context, "rows": rows, "groups": part.get("groups")}
            known = [InputTag(key, str(value)) for key, value in tags.items() if value is not None]
            entries.append(DatasetInput(dataset, known))
        if entries:
            self._client.log_inputs(self._id(run), entries)

    def artifact(self, run: str, path: str, under: str) -> None:
        local = inner(self._folder, path)
        if local.is_dir():
            self._client.log_artifacts(self._id(run), str(local), under or None)
        elif local.exists():
            self._client.log_artifact(self._id(run), str(local), under or None)
        else:
            raise FileNotFoundError(f"{path} is no longer in the run's folder")

    def model(self, run: str, path: str) -> None:
        """Logs the bundle as an MLflow model of the run, named after its folder.

        A sweep removes the models of trials that are no longer among its best, which an upload that is late
        does not send.
        """
        key, bundle = f"{run}:{path}", inner(self._folder, path)
        if bundle.is_dir():
            if key not in self._state.models:
                self._create_model(run, path, key)
            try:
                mlflow_model.log(self._client, self._id(run), self._state.models[key], bundle)
            except Exception:
                if bundle.is_dir():
                    raise
            else:
                return
        if key in self._state.models:  # it was removed while it was sent
            self._client.finalize_logged_model(self._state.models[key], "FAILED")

    def end(self, run: str, status: str, error: str | None, time: int) -> None:
        """status: the status in the journal, or "killed" for a run without an end."""
        self.tags(run, {"harness.status": status, **({"error": error} if error else {})})
        self._client.set_terminated(self._id(run), _STATUS.get(status, "KILLED"), time)

    def _id(self, run: str) -> str:
        """Raises KeyError for a run that has not started; a retry cannot help."""
        return self._state.runs[run]

    def _create_model(self, run: str, path: str, key: str) -> None:
        name, created = Path(path).name, None
        if self._state.creating == key:
            models = self._client.search_logged_models(
                [self._experiment], f"source_run_id = '{self._id(run)}'"
            )
            created = next((model for model in models if model.name == name), None)
        self._state.creating = key
        self._state.save(self._folder)
        if created is None:
            with sent_once():
                created = self._client.create_logged_model(
                    self._experiment, name=name, source_run_id=self._id(run), model_type="harness"
                )
        self._state.models[key] = created.model_id
        self._state.creating = None
        self._state.save(self._folder)

    def _create(self, event: Event, parent: str | None) -> None:
        run, token = event["run"], f"{self._state.token}/{event['run']}"
        runs = None
        if self._state.creating == run:
            runs = self._client.search_runs([self._experiment], f"tags.`{TOKEN}` = '{token}'", max_results=1)
        self._state.creating = run
        self._state.experiment_id = self._experiment
        self._state.save(self._folder)
        if runs:
            created = runs[0]
        else:
            tags = {
                TOKEN: token,
                "mlflow.user": event["writer"]["user"],
                "mlflow.source.name": "harness",
                "mlflow.source.type": "LOCAL",
                **({"mlflow.parentRunId": parent} if parent else {}),
            }
            with sent_once():
                created = self._client.create_run(
                    self._experiment, start_time=event["time"], tags=tags, run_name=event["name"]
                )
        self._state.runs[run] = created.info.run_id
        self._state.creating = None
        self._state.save(self._folder)


def _digest(part: Mapping[str, Any]) -> str:
    """At most 36 characters. MLflow keeps one input per run, name and digest, so the parts need different
    digests."""
    tail = f"-{part.get('context', '')}-{part.get('rows', '')}"
    return str(part["digest"])[: 36 - len(tail)] + tail


def _key(name: str) -> str:
    return _NOT_IN_A_KEY.sub("_", name)[:_LONGEST_KEY]


def _clipped(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"

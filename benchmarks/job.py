"""The whole default job, from the command to the prompt: what a user waits for.

`python -m harness` against `bare/job.py`, which does the same by hand: the same data, network,
epochs and scores per epoch, the same baselines on the same kind of division, the same kinds of pictures
and files, and the same parameters, metrics, artifacts and a model in the same MLflow store, logged as one
goes with MLflow's fluent API, in the cheapest way that it offers. Tags, data sets and the page about the
run, which the harness logs as well, the script leaves out.

After the rounds the store is asked whether both sides did log the same; if not, there is no result.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.measure import Comparison, seconds_on_a_terminal, take_turns
from harness.runs.tracking_state import State

SCRIPT = Path(__file__).parent / "bare" / "job.py"
EXPERIMENT = "digits"
"""`tracking.experiment=auto` is named after the data."""

ROUNDS = 5
_QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true"}


_BESIDE = ("checks.json", "folds.npz", "report.html")
"""Artifacts of the harness that nobody writes by hand."""


def main(rounds: int = ROUNDS) -> list[Comparison]:
    """One comparison, of whole processes; the store exists before the first of them."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        store = f"sqlite:///{folder}/outputs/mlflow.db"
        seconds_with_harness(folder)
        await_upload(folder)
        (folder / "params.json").write_text(json.dumps(newest_run(store).data.params))
        contenders = {
            "harness": partial(seconds_with_harness, folder),
            "bare script": partial(seconds_by_hand, folder, store),
        }
        costs = take_turns(contenders, rounds)
        notes = ["One thread each. " + same_work(store)]
    return [Comparison("the default job, MLflow included", "s", "bare script", 1.15, costs, notes)]


def seconds_with_harness(folder: Path) -> float:
    """The default job, its run in `folder`/outputs."""
    seconds = seconds_on_a_terminal([sys.executable, "-m", "harness"], folder, _QUIET)
    time.sleep(1)  # the process that fed MLflow takes its leave
    return seconds


def seconds_by_hand(folder: Path, store: str) -> float:
    """The script, its files in a new folder beside the runs."""
    left = folder / "by-hand" / str(time.time_ns())
    words = [store, EXPERIMENT, str(folder / "params.json"), str(left)]
    return seconds_on_a_terminal([sys.executable, str(SCRIPT), *words], folder, _QUIET)


def same_work(store: str) -> str:
    """What both sides logged, in words.

    Raises:
        RuntimeError: it was not the same.
    """
    runs = newest_run(store, "run_name != 'by hand'"), newest_run(store, "run_name = 'by hand'")
    sizes = [run.data.metrics["model/parameters"] for run in runs]
    if sizes[0] != sizes[1]:
        raise RuntimeError(f"the contenders' networks have {sizes[0]:.0f} and {sizes[1]:.0f} parameters")
    ours, theirs = (logged(store, run) for run in runs)
    for name, things in ours.items():
        both = [thing for thing in (*things, *theirs[name]) if thing not in _BESIDE]
        alone = [thing for thing in both if things.count(thing) != theirs[name].count(thing)]
        if alone:
            raise RuntimeError(f"the contenders did not log the same {name}: {alone[:5]} on one side alone")
    counts = ", ".join(f"{len(things)} {name}" for name, things in ours.items())
    return (
        f"Each trains {sizes[0]:,.0f} parameters of the model; the harness logs {counts}, "
        f"{', '.join(_BESIDE[:-1])} and {_BESIDE[-1]} among them, which the script does without."
    )


def await_upload(folder: Path, longest: float = 120.0) -> None:
    """Waits until the only run is in the store, which is made while it trains and after.

    Raises:
        TimeoutError: it is not.
    """
    (run,) = (folder / "outputs/runs").iterdir()
    end = time.monotonic() + longest
    while not ((state := State.load(run)) and state.sent(run)):
        if time.monotonic() > end:
            raise TimeoutError(f"the first run is not in the store after {longest:g} s")
        time.sleep(0.1)


def newest_run(store: str, which: str = "") -> Any:
    """The run of the experiment that started last."""
    client = _client(store)
    experiment = client.get_experiment_by_name(EXPERIMENT).experiment_id
    return client.search_runs([experiment], which, max_results=1)[0]


def logged(store: str, run: Any) -> dict[str, list[Any]]:
    """Names of what a run left in the store."""
    client = _client(store)
    points = [
        (name, point.step)
        for name in run.data.metrics
        for point in client.get_metric_history(run.info.run_id, name)
    ]
    models = run.outputs.model_outputs if run.outputs else []
    return {
        "parameters": sorted(run.data.params),
        "metrics": sorted(run.data.metrics),
        "points": sorted(points),
        "artifacts": sorted(_files(client, run.info.run_id)),
        "model": ["model" for _ in models],
    }


def _files(client: Any, run_id: str, folder: str | None = None) -> Iterator[str]:
    for entry in client.list_artifacts(run_id, folder):
        if entry.is_dir:
            yield from _files(client, run_id, entry.path)
        else:
            yield entry.path


def _client(store: str) -> Any:
    os.environ |= _QUIET
    from mlflow.tracking import MlflowClient

    return MlflowClient(store)

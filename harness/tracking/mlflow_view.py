"""The columns that MLflow's table of runs shows first, stored as a shared view."""

from __future__ import annotations

import json
from collections.abc import Iterable

from harness.core.scores import Direction, direction
from harness.tracking.mlflow_store import prepare
from harness.tracking.mlflow_urls import experiment_page

NAME = "harness"

PARAMETERS = (
    "model._target_",
    "trainer._target_",
    "trainer.epochs",
    "trainer.optimizer.lr",
    "data.load.batch_size",
    "seed",
)
"""The parameters shown first; `compare` lists others that differ."""


def columns(scores: Iterable[str]) -> list[str]:
    """MLflow's column names: duration, scores, then parameters."""
    measured = [f"metrics.`{name}`" for name in dict.fromkeys(scores)]
    return ["attributes.`Duration`", *measured, *(f"params.`{name}`" for name in PARAMETERS)]


def share(
    uri: str,
    experiment_id: str,
    scores: Iterable[str],
    sort: str | None = None,
    better: Direction | None = None,
) -> None:
    """Sets the view of an experiment and replaces an earlier one.

    Args:
        uri: of the store.
        scores: metrics to show, by name.
        sort: the metric to sort by, best first.
        better: its direction; None: it follows from the name.

    Raises:
        Exception: the exception of MLflow if the store is unreachable.
    """
    prepare()
    from mlflow.tracking import MlflowClient

    state: dict[str, object] = {"selectedColumns": columns(scores)}
    if sort is not None:
        state |= {"orderByKey": f"metrics.`{sort}`", "orderByAsc": (better or direction(sort)) == "minimize"}
    client = MlflowClient(tracking_uri=uri)
    client.set_experiment_tag(experiment_id, f"mlflow.sharedViewState.{NAME}", json.dumps(state))


def view_page(base: str, experiment_id: str) -> str:
    """The address of an experiment's table with these columns."""
    return f"{experiment_page(base, experiment_id)}?viewStateShareKey={NAME}"

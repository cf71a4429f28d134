"""View: which columns MLflow's table of runs opens with, as a view that is shared under a name of ours."""

from __future__ import annotations

import json
from collections.abc import Iterable

from harness.core.scores import direction
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
"""Those that are asked for first; which others differ, `compare` tells."""


def columns(scores: Iterable[str]) -> list[str]:
    """MLflow's names of the columns: how long a run took, its scores, then our parameters."""
    measured = [f"metrics.`{name}`" for name in dict.fromkeys(scores)]
    return ["attributes.`Duration`", *measured, *(f"params.`{name}`" for name in PARAMETERS)]


def share(uri: str, experiment_id: str, scores: Iterable[str], sort: str | None = None) -> None:
    """Sets the view on an experiment; one that was set before is replaced.

    Args:
        uri: of the store.
        scores: metrics to show, by name.
        sort: the metric that comes first, best on top.

    Raises:
        Exception: whatever MLflow raises when the store cannot be reached.
    """
    prepare()
    from mlflow.tracking import MlflowClient

    state: dict[str, object] = {"selectedColumns": columns(scores)}
    if sort is not None:
        state |= {"orderByKey": f"metrics.`{sort}`", "orderByAsc": direction(sort) == "minimize"}
    client = MlflowClient(tracking_uri=uri)
    client.set_experiment_tag(experiment_id, f"mlflow.sharedViewState.{NAME}", json.dumps(state))


def view_page(base: str, experiment_id: str) -> str:
    """The table of an experiment with these columns."""
    return f"{experiment_page(base, experiment_id)}?viewStateShareKey={NAME}"

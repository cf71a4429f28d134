"""MLflow's own environment variables, which hold where the configuration says nothing.

MLflow's client reads credentials (MLFLOW_TRACKING_TOKEN, _USERNAME, _PASSWORD) by itself.
"""

from __future__ import annotations

import os

URI = "MLFLOW_TRACKING_URI"
EXPERIMENT_NAME = "MLFLOW_EXPERIMENT_NAME"
EXPERIMENT_ID = "MLFLOW_EXPERIMENT_ID"
RUN_NAME = "MLFLOW_RUN_NAME"
CREDENTIALS = ("MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")

_BY_ID = f"{EXPERIMENT_ID}="


def variable(name: str) -> str | None:
    """The value of a variable; None if it is not set, or empty."""
    return os.environ.get(name) or None


def experiment() -> str | None:
    """The experiment in the environment: its name, or its id in the form that `experiment_id` reads."""
    if (id := variable(EXPERIMENT_ID)) is not None:
        return f"{_BY_ID}{id}"
    return variable(EXPERIMENT_NAME)


def experiment_id(name: str) -> str | None:
    """The id in a name made by `experiment`; None for any other name."""
    return name.removeprefix(_BY_ID) if name.startswith(_BY_ID) else None


def applied(uri: str | None, experiment_name: str | None, name: str | None) -> list[str]:
    """The variables by which a run's settings were chosen.

    Args:
        uri: `tracking.uri`; None: the configuration does not say.
        experiment_name: what replaced `tracking.experiment=auto`; None: the configuration says it.
        name: of the run.
    """
    used = [URI] if uri is None and variable(URI) else []
    if experiment_name is not None and experiment_name == experiment():
        used.append(EXPERIMENT_ID if variable(EXPERIMENT_ID) else EXPERIMENT_NAME)
    if name is not None and name == variable(RUN_NAME):
        used.append(RUN_NAME)
    served = (uri or variable(URI) or "").startswith("http")
    return [*used, *(key for key in CREDENTIALS if served and variable(key))]

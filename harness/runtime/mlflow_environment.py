"""MLflow's own environment variables, which hold where the configuration says nothing.

MLflow's client reads credentials (MLFLOW_TRACKING_TOKEN, _USERNAME, _PASSWORD) by itself.
"""

from __future__ import annotations

import json
import os

from harness.runtime.redact import MASK, mask, mask_urls, secret_value

URI = "MLFLOW_TRACKING_URI"
EXPERIMENT_NAME = "MLFLOW_EXPERIMENT_NAME"
EXPERIMENT_ID = "MLFLOW_EXPERIMENT_ID"
RUN_NAME = "MLFLOW_RUN_NAME"
RUN_CONTEXT = "MLFLOW_RUN_CONTEXT"
SYSTEM_METRICS = "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING"
SAMPLING_INTERVAL = "MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL"
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


def system_metrics_enabled() -> bool:
    """Whether the environment asks for system metrics, in the spellings that MLflow takes.

    Raises:
        ValueError: the variable is neither true nor false.
    """
    text = variable(SYSTEM_METRICS)
    if text is not None and text.lower() not in ("true", "1", "false", "0"):
        raise ValueError(f"{SYSTEM_METRICS} must be true or false, got {text!r}")
    return text is not None and text.lower() in ("true", "1")


def experiment_title(name: str) -> str:
    """The experiment as a person knows it: a name, or the id where only that is known."""
    return experiment_id(name) or name


def run_tags() -> dict[str, str]:
    """The tags that the environment gives to every run; a value with the name of a secret is masked.

    Raises:
        ValueError: the variable is no JSON object of texts.
    """
    text = variable(RUN_CONTEXT)
    try:
        tags = {} if text is None else json.loads(text)
    except ValueError:
        tags = None
    if not isinstance(tags, dict) or not all(isinstance(value, str) for value in tags.values()):
        raise ValueError(
            f'{RUN_CONTEXT} must be tags such as {{"team": "vision"}}, got {mask(text or "", ())}'
        )
    return {name: MASK if secret_value(name, value) else mask_urls(value) for name, value in tags.items()}


def applied(
    uri: str | None, experiment_name: str | None, name: str | None, system_metrics: bool | None = False
) -> list[str]:
    """The variables by which a run's settings were chosen.

    Args:
        uri: `tracking.uri`; None: the configuration does not say.
        experiment_name: what replaced `tracking.experiment=auto`; None: the configuration says it.
        name: of the run.
        system_metrics: `tracking.system_metrics`; None: the configuration does not say.
    """
    used = [URI] if uri is None and variable(URI) else []
    if experiment_name is not None and experiment_name == experiment():
        used.append(EXPERIMENT_ID if variable(EXPERIMENT_ID) else EXPERIMENT_NAME)
    if name is not None and name == variable(RUN_NAME):
        used.append(RUN_NAME)
    if variable(RUN_CONTEXT):
        used.append(RUN_CONTEXT)
    if system_metrics is None and system_metrics_enabled():
        used.append(SYSTEM_METRICS)
        system_metrics = True
    if system_metrics and variable(SAMPLING_INTERVAL):
        used.append(SAMPLING_INTERVAL)
    served = (uri or variable(URI) or "").startswith("http")
    return [*used, *(key for key in CREDENTIALS if served and variable(key))]

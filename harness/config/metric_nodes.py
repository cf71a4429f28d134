"""The user's own metrics, built from their nodes; their directions, where the callables say them."""

from __future__ import annotations

import inspect
from functools import partial
from typing import Any

from omegaconf import DictConfig

from harness.config.instantiate import build, target
from harness.config.metric_settings import KEY, callable_node, metric_nodes
from harness.core.scores import Direction

_SKLEARN_ENDINGS: dict[str, Direction] = {
    "_score": "maximize",
    "_error": "minimize",
    "_loss": "minimize",
    "_deviance": "minimize",
}
"""scikit-learn's convention: what ends in `_score` is better high, what ends in one of the others low."""


def build_metrics(cfg: DictConfig) -> dict[str, partial[Any]]:
    """Of each metric by its name: the callable, with the arguments that the configuration gives.

    Raises:
        UserError: one cannot be found, or is not allowed.
    """
    return {name: build(callable_node(node), f"{KEY}.{name}") for name, node in metric_nodes(cfg).items()}


def resolve_directions(cfg: DictConfig) -> None:
    """Writes into the node of each metric whether it is better high or low, where that is known.

    A direction that is given stays; else it follows from `higher_is_better` of a torchmetrics class, or from
    the name of a function of scikit-learn. An unknown one becomes null.
    """
    for name, node in metric_nodes(cfg).items():
        if node.get("direction") is None:
            cfg.evaluate.metrics[name].direction = _known_direction(target(node, f"{KEY}.{name}"))


def _known_direction(function: Any) -> Direction | None:
    higher = getattr(function, "higher_is_better", None) if inspect.isclass(function) else None
    if isinstance(higher, bool):
        return "maximize" if higher else "minimize"
    if str(getattr(function, "__module__", "")).startswith("sklearn.metrics"):
        for ending, direction in _SKLEARN_ENDINGS.items():
            if str(getattr(function, "__name__", "")).endswith(ending):
                return direction
    return None

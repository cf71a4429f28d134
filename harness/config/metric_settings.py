"""The settings of the user's own metrics: `evaluate.metrics.NAME`, each a `_target_` node.

A node names a function or a class, which is not called here: `harness.evaluate.user_metric` calls it with
predictions and targets. Beside its arguments it may have `direction`: maximize or minimize.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from omegaconf import DictConfig, OmegaConf

from harness.config.named_parts import check_named_parts
from harness.config.typecheck import shown
from harness.core.errors import UserError
from harness.core.scores import Direction
from harness.core.steady_score import plain_name
from harness.runtime.config_nodes import container

KEY = "evaluate.metrics"


def metric_nodes(cfg: DictConfig | Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Returns the plain node of each metric by its name; {} for a stored configuration without the key."""
    evaluate = cfg.get("evaluate", {})
    # Not `get` or `in`: of an absent key both leave an error that keeps the frames of all callers, and so a
    # trainer with its network, until Python looks for cycles.
    nodes: Any = (evaluate["metrics"] or {}) if "metrics" in list(evaluate) else {}
    plain: Any = container(nodes, resolve=True) if OmegaConf.is_config(nodes) else nodes
    return plain if isinstance(plain, dict) else {}


def check_metric_settings(metrics: Any) -> None:
    """Checks that each metric has a valid name, a `_target_`, and a valid direction or none.

    Args:
        metrics: the plain value of `evaluate.metrics`.

    Raises:
        UserError: the first thing that does not fit.
    """
    if metrics is None:
        return
    check_named_parts(KEY, metrics, "CALLABLE")
    for name, node in metrics.items():
        _check_metric(str(name), node)


def _check_metric(name: str, node: Mapping[str, Any]) -> None:
    key = f"{KEY}.{name}"
    if not name.isidentifier():
        raise UserError(
            f"a metric's name must be letters, digits and underscores, got {name!r}",
            "choose another",
            key=key,
            value=name,
        )
    given = node.get("direction")
    if given not in (None, *get_args(Direction)):
        raise UserError(
            f"{key}.direction must be maximize or minimize, got {shown(given)}",
            key=f"{key}.direction",
            value=given,
        )


def callable_node(node: Mapping[str, Any]) -> dict[str, Any]:
    """The node without what is not an argument; partial, because arguments may follow from the data."""
    return {**{name: value for name, value in node.items() if name != "direction"}, "_partial_": True}


def metric_directions(cfg: DictConfig | Mapping[str, Any]) -> dict[str, Direction | None]:
    """Whether each metric is better high or low, by its name; None where nothing says it."""
    # Nothing else is resolved: a stored configuration may refer to a variable that is not set here.
    evaluate = cfg.get("evaluate", {})
    # Not `get` or `in`: of an absent key both leave an error that keeps the frames of all callers, and so a
    # trainer with its network, until Python looks for cycles.
    nodes: Any = (evaluate["metrics"] or {}) if "metrics" in list(evaluate) else {}
    return {str(name): node.get("direction") for name, node in nodes.items()}


def directions(cfg: DictConfig | Mapping[str, Any]) -> dict[str, Direction]:
    """Those that are known, see `harness.core.scores.direction`."""
    return {name: known for name, known in metric_directions(cfg).items() if known is not None}


def require_direction(score: str, metrics: Mapping[str, Direction | None], key: str) -> None:
    """Whether it is known if a high or a low value of a score is better.

    Args:
        score: by its full name.
        metrics: what `metric_directions` gives.
        key: the setting that names the score.

    Raises:
        UserError: it is a metric of the user's without a direction.
    """
    name = score.rpartition("/")[2]
    name = name if name in metrics else plain_name(name)
    if name in metrics and metrics[name] is None:
        raise UserError(
            f"{key} names {score}, and nothing says whether a high or a low value of {KEY}.{name} is better",
            f"add +{KEY}.{name}.direction=maximize or +{KEY}.{name}.direction=minimize",
            key=f"{KEY}.{name}.direction",
        )

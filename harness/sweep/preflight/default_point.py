"""The point of a space that is the configuration without the sweep."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress

from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from harness.core.errors import UserError
from harness.sweep.space.search_space import Space
from harness.sweep.space.swept_value import Point

_PLACE = "sweep.enqueue_default"


def default_point(space: Space, load: Callable[[], tuple[DictConfig, Mapping[str, str]]]) -> Point:
    """The values that the swept keys have without the sweep, of those keys whose value is in the space.

    Args:
        load: composes the configuration without swept values, and the choice of each group.

    Returns:
        {} where no key has such a value, or there is no configuration without the sweep.
    """
    try:
        cfg, choices = load()
    except (UserError, HydraException):  # a swept key may be one that must be given
        return {}
    point: Point = {}
    for dimension in space.ordered:
        if not dimension.active(point):
            continue
        key = dimension.key
        value = choices.get(key) if dimension.group else OmegaConf.select(cfg, key)
        if value is None:
            continue
        given = OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
        with suppress(UserError, TypeError, ValueError):
            point[key] = dimension.read(given, _PLACE)
    return point

"""The type of a setting, by its key: from the table of settings, or from the signature of a part."""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
from collections.abc import Sequence
from typing import Any

from hydra.conf import HydraConf
from omegaconf import DictConfig, OmegaConf

from harness.config.instantiate import parameters_of, target
from harness.config.known_settings import CACHE, SETTINGS

_HYDRA = "hydra"


def setting_type(key: str, cfg: DictConfig) -> Any:
    """The annotation of a setting; None: there is no such setting, or it has no annotation.

    Args:
        key: such as `data.extract.path`, or `data.extract.types.COLUMN` of a mapping.
        cfg: its parts give the signatures.

    Raises:
        UserError: the `_target_` of a part cannot be found, or is not allowed.
    """
    names = key.split(".")
    if names[0] == _HYDRA:
        return _field_type(HydraConf, names[1:])
    for end in range(len(names), 0, -1):
        hint = _annotation(names[:end], cfg)
        if hint is not None:
            return _item_type(hint, len(names) - end)
    return None


def _annotation(names: Sequence[str], cfg: DictConfig) -> Any:
    key = ".".join(names)
    if key in SETTINGS:
        return SETTINGS[key]
    place, _, name = key.rpartition(".")
    if place == "data.cache":
        return CACHE.get(name)
    part = OmegaConf.select(cfg, place) if place else None
    if not (isinstance(part, DictConfig) and isinstance(part.get("_target_"), str)):
        return None
    parameter = (parameters_of(target({"_target_": part["_target_"]}, place)) or {}).get(name)
    if parameter is None or parameter.annotation is inspect.Parameter.empty:
        return None
    return parameter.annotation


def _item_type(hint: Any, depth: int) -> Any:
    """The type of the values of a mapping, so many levels down; None: it is no mapping."""
    for _ in range(depth):
        union = typing.get_origin(hint) in (typing.Union, types.UnionType)
        members = typing.get_args(hint) if union else (hint,)
        mappings = [member for member in members if typing.get_origin(member) is dict]
        if not mappings:
            return Any if hint is Any else None
        hint = typing.get_args(mappings[0])[1]
    return hint


def _field_type(node: Any, names: Sequence[str]) -> Any:
    """The type of a setting of Hydra's own."""
    for name in names:
        node = typing.get_type_hints(node).get(name) if dataclasses.is_dataclass(node) else None
    return node

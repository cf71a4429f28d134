"""Builds objects from yaml nodes, and checks the nodes before. The only caller of Hydra's `instantiate`.

`check` refuses a wrong `_target_`, argument or type before anything is built; `build` makes the object from
the configuration only.
"""

from __future__ import annotations

import inspect
import sys
import types
import typing
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache, partial
from typing import Any, Literal, cast

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig

from harness.config.auto_choices import with_provisional_epochs
from harness.config.build_errors import not_found, refusal, refusal_of, typed_key
from harness.config.callback_settings import callback_node, check_callback_settings
from harness.config.check_memory import CheckMemory
from harness.config.known_settings import SETTINGS, check_settings, check_type
from harness.config.metric_settings import callable_node, check_metric_settings
from harness.config.node_replay import ConstructorFailed, NodeReplay, outline
from harness.config.nodes import nodes
from harness.core.errors import UserError
from harness.core.name_list import listed
from harness.core.near_names import near
from harness.runtime.config_nodes import container, load_config

_OWN_KEYS: dict[str, Any] = {
    "_target_": str,
    "_partial_": bool,
    "_convert_": Literal["none", "partial", "object", "all"],
    "_recursive_": bool,
    "_args_": list[Any],
}
"""Hydra's own keys of a node, and their types."""

_REPEATED = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def build(node: Mapping[str, Any] | DictConfig, key: str = "") -> Any:
    """Returns the object that a node describes; for a node with `_partial_: true`, a callable.

    Args:
        node: has a `_target_`; nested nodes are built first, lists and mappings come out plain.
        key: the node's place in the configuration, for messages.

    Raises:
        UserError: the target cannot be found, is not allowed, or refuses a value.
    """
    content: Any = container(node, resolve=True) if isinstance(node, DictConfig) else node
    known = outline(content)
    if _replay.knows(known):
        try:
            return _replay.build(content, key)
        except ConstructorFailed as error:
            raise refusal(error.cause, error.place) from error
    try:
        made = instantiate(node, _convert_="all")
    except InstantiationException as error:
        raise refusal_of(error, key) from error
    _replay.remember(known)
    return made


def target(node: Mapping[str, Any], key: str) -> Callable[..., Any]:
    """The class or function that a node names, without calling it.

    Raises:
        UserError: it cannot be found, or is not allowed.
    """
    name = node["_target_"]
    if not isinstance(name, str):
        raise UserError(
            f"{key}._target_ must be the dotted name of a class or function, got {name!r}",
            key=f"{key}._target_",
            value=name,
        )
    known = _known.get(name)
    if known is not None and known is _at(name):
        return known
    try:
        deferred = instantiate({"_target_": name, "_partial_": True})
    except InstantiationException as error:
        raise not_found(name, key, error) from error
    _known[name] = cast("partial[Any]", deferred).func
    return _known[name]


_replay = NodeReplay(target)
_checks = CheckMemory()

_known: dict[str, Callable[..., Any]] = {}
"""Targets that Hydra has found before: a lookup takes a millisecond, and each trial needs sixty."""


def _at(name: str) -> Any:
    """Returns the current value of a dotted name; None if it is not an attribute of an imported module."""
    module, _, attribute = name.rpartition(".")
    return getattr(sys.modules.get(module), attribute, None)


def check(cfg: DictConfig) -> None:
    """Checks a whole configuration: settings, parts, and every node below.

    Targets exist and are allowed, arguments fit in name and type.

    Raises:
        UserError: the first thing that does not fit, with suggestions.
    """
    plain: Any = container(with_provisional_epochs(cfg), resolve=True, throw_on_missing=True)
    check_settings(plain)
    callbacks = plain.pop("callbacks", None) or {}
    check_callback_settings(callbacks)
    check_nodes({name: built_callback(node, name) for name, node in callbacks.items()}, "callbacks")
    for name, value in plain.items():
        check_nodes(own(value, name) if isinstance(value, dict) else value, str(name))
    metrics = plain["evaluate"].get("metrics")
    check_metric_settings(metrics)
    check_nodes({name: callable_node(node) for name, node in (metrics or {}).items()}, "evaluate.metrics")
    check_nodes(plain["evaluate"].get("importance"), "evaluate.importance")


def built_callback(node: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The node that `build` makes a callback from; a function that lacks arguments is a callback itself."""
    node = callback_node(node)
    function = target(node, f"callbacks.{name}")
    if inspect.isroutine(function) and "_partial_" not in node and "_args_" not in node:
        parameters = (parameters_of(function) or {}).values()
        needed = {p.name for p in parameters if p.default is p.empty and p.kind not in _REPEATED}
        return {**node, "_partial_": not node.keys() >= needed}
    return node


def check_part(cfg: DictConfig, name: str) -> None:
    """Checks one part and every node below, in a configuration that was checked before it got this part.

    Raises:
        UserError: as `check`.
    """
    plain: Any = container(cfg[name], resolve=True, throw_on_missing=True)
    check_nodes(own(plain, name), name)


def own(node: Mapping[str, Any], room: str) -> dict[str, Any]:
    """Returns a part's node without settings that are not arguments of the part."""
    return {name: value for name, value in node.items() if f"{room}.{name}" not in SETTINGS}


def check_nodes(value: Any, key: str) -> None:
    """Checks every node of a plain value at `key`.

    Raises:
        UserError: as `check`.
    """
    with suppress(UserError):  # a target that is not found is reported below, with the key of its node
        if _checks.has(key, value, [target(node, key) for node in nodes(value)]):
            return
    _check_below(value, key)
    _checks.remember(key, value, [target(node, key) for node in nodes(value)])


def _check_below(value: Any, key: str) -> None:
    if isinstance(value, dict):
        if "_target_" in value:
            _check_node(value, key)
        for name, item in value.items():
            _check_below(item, f"{key}.{name}")
    elif isinstance(value, list):
        for position, item in enumerate(value):
            _check_below(item, f"{key}[{position}]")


def _check_node(node: dict[str, Any], key: str) -> None:
    function = target(node, key)
    for name, hint in _OWN_KEYS.items():
        if name in node:
            check_type(node[name], hint, f"{key}.{name}")
    parameters = parameters_of(function)
    if parameters is None:
        return
    given = {name: value for name, value in node.items() if name not in _OWN_KEYS}
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    names = [name for name, p in parameters.items() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    for name in given:
        if name not in names and not open_ended:
            without = f"~{typed_key(key)}.{name}"
            raise UserError(
                f"{key}.{name} is no argument of {node['_target_']} (leave it out with '{without}')",
                near(name, names),
                key=f"{key}.{name}",
            )
    listed = _listed(function)
    needed = [
        name for name in names if name in listed and parameters[name].default is inspect.Parameter.empty
    ]
    missing = [name for name in needed if name not in given]
    if missing and not node.get("_partial_") and not node.get("_args_"):
        raise UserError(
            f"{node['_target_']} needs the argument {missing[0]!r}",
            f"give it with {key}.{missing[0]}=VALUE",
            key=f"{key}.{missing[0]}",
        )
    for name, value in given.items():
        if name in parameters and parameters[name].annotation is not inspect.Parameter.empty:
            _check_value(value, parameters[name].annotation, f"{key}.{name}")


@cache  # each trial of a sweep needs the same thirty signatures
def parameters_of(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter] | None:
    """Returns the parameters of a call with evaluated annotations; None if it has no readable signature.

    For a class whose constructor passes `**keywords` to its parent's, the parent's parameters are included.
    """
    makers = [function]
    if inspect.isclass(function):
        lineage = [cls for cls in function.__mro__ if cls is not object]
        makers = [vars(cls)["__init__"] for cls in lineage if "__init__" in vars(cls)]
    parameters: dict[str, inspect.Parameter] = {}
    for maker in makers:
        try:
            own = dict(inspect.signature(maker).parameters)
        except (TypeError, ValueError):
            return None  # written in C
        own.pop("self", None)
        hints = _hints(maker)
        for name, parameter in own.items():
            parameters.setdefault(
                name, parameter.replace(annotation=hints.get(name, inspect.Parameter.empty))
            )
        passed_on = [name for name, p in own.items() if p.kind is p.VAR_KEYWORD]
        if not passed_on or maker is makers[-1]:
            break
        del parameters[passed_on[0]]
    return parameters


@cache
def _listed(function: Callable[..., Any]) -> frozenset[str]:
    """The parameters that the callable itself lists; a parent's may be filled in by the child."""
    try:
        return frozenset(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return frozenset()  # written in C


def _hints(maker: Callable[..., Any]) -> dict[str, Any]:
    """Returns the annotations of a call; without those that cannot be evaluated, such as a third party's."""
    try:
        return typing.get_type_hints(maker)
    except Exception:
        return _one_by_one(inspect.unwrap(maker))


def _one_by_one(maker: Callable[..., Any]) -> dict[str, Any]:
    """Returns the annotations that can be evaluated; others may name imports made for type checkers only."""
    hints: dict[str, Any] = {}
    for name, hint in getattr(maker, "__annotations__", {}).items():
        lone = types.FunctionType((lambda: None).__code__, maker.__globals__)
        lone.__annotations__ = {name: hint}
        try:
            hints |= typing.get_type_hints(lone)
        except Exception:
            continue
    return hints


def _check_value(value: Any, hint: Any, key: str) -> None:
    if isinstance(value, dict) and "_target_" in value:
        _check_kind(value, hint, key)
    elif not _holds_nodes(value):
        check_type(value, hint, key)
    elif isinstance(value, list):
        for item in _item_hints(hint):
            for position, part in enumerate(value):
                _check_value(part, item, f"{key}[{position}]")


def _item_hints(hint: Any) -> list[Any]:
    """What the items of a list must be, by the annotation of the list; empty if it does not say one thing."""
    members = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)
    items = [typing.get_args(member)[0] for member in members if typing.get_origin(member) is list]
    return items if len(items) == 1 and items[0] is not Any else []


def _check_kind(node: dict[str, Any], hint: Any, key: str) -> None:
    """Refuses a part of the wrong base class, such as a method of another trainer."""
    part = target(node, key)
    if node.get("_partial_") or not inspect.isclass(part) or not inspect.isclass(hint):
        return
    if not _is_kind(part, hint):
        if getattr(hint, "_is_protocol", False):
            methods = listed(name for name in vars(hint) if not name.startswith("_"))
            raise UserError(
                f"{key} must have the methods {methods}, got {node['_target_']}",
                key=key,
                value=node["_target_"],
            )
        choices = near(part.__name__, fitting(hint, key))
        raise UserError(
            f"{key} must be a {hint.__name__}, got {node['_target_']}",
            choices,
            key=key,
            value=node["_target_"],
        )


def _is_kind(part: type, hint: type) -> bool:
    """Whether a class fits an annotation; a protocol that cannot tell counts as fitting."""
    try:
        return issubclass(part, hint)
    except TypeError:  # a protocol that is not runtime_checkable, or has attributes
        return True


def fitting(family: type, key: str) -> list[str]:
    """Returns the choices of the group at `key` whose target is a subclass of `family`."""
    from harness.config.choice_files import yamls

    choices_that_fit = []
    for name, path in yamls(key.replace(".", "/")).items():
        node = load_config(path)
        if isinstance(node, DictConfig) and "_target_" in node:
            part = target({"_target_": node["_target_"]}, key)
            if inspect.isclass(part) and issubclass(part, family):
                choices_that_fit.append(name)
    return choices_that_fit


def _holds_nodes(value: Any) -> bool:
    if isinstance(value, dict):
        return "_target_" in value or any(_holds_nodes(item) for item in value.values())
    return isinstance(value, list) and any(_holds_nodes(item) for item in value)

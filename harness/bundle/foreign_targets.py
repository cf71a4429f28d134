"""Targets of a configuration from elsewhere: which class is allowed at which key."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, NoReturn

from omegaconf import OmegaConf

from harness.bundle.foreign_values import ENVIRONMENT, HOST, NotAllowed, items
from harness.config.choice_files import CONF
from harness.config.instantiate import target
from harness.core.errors import UserError
from harness.data.transform.stored_estimators import UntrustedState, stored_class
from harness.runtime.config_nodes import load_config

_MODULE = ("torch.nn.Module",)
_METRIC = ("torchmetrics.Metric",)

_FAMILIES: dict[str, dict[str, tuple[str, ...]]] = {
    "model": {"harness.model": ("object",), "torch.nn": _MODULE, "timm": _MODULE},
    "trainer": {
        "harness.trainer": ("object",),
        "harness.loss": ("object",),
        "torch.nn": _MODULE,
        "torch.optim": ("torch.optim.Optimizer", "torch.optim.lr_scheduler.LRScheduler"),
        "pytorch_metric_learning": _MODULE,
    },
    "data.extract": {"harness.data.extract": ("object",)},
    "data.transform": {"harness.data.transform": ("object",)},
    "data.augment": {"harness.data.augment": ("object",)},
    "data.load": {"harness.data.load": ("object",)},
    "split": {"harness.split": ("object",)},
    "evaluate": {
        "harness.evaluate": ("object",),
        "torchmetrics.classification": _METRIC,
        "torchmetrics.regression": _METRIC,
    },
}
"""By place: packages whose classes are allowed if they are subclasses of one of these.

A class does what it is for at its own place alone: a tracker opens an address, a source reads files."""

_METRIC_FUNCTIONS = (
    "sklearn.metrics",
    "torchmetrics.functional.classification",
    "torchmetrics.functional.regression",
)
"""Packages whose functions are allowed as `evaluate.metrics.NAME`: they compute a number from arrays.

Metrics of text and images are not among them, because some of these load a model by its name."""

_METRIC_KEY = re.compile(r"evaluate\.metrics\.\w+\._target_")
PACKAGE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


def check_targets(plain: Any, allowed: Sequence[str]) -> None:
    """Checks every `_target_` of a plain configuration.

    The class itself is checked, not the path to it: a name that one module imported from another, such as
    `os`, is refused.

    Raises:
        NotAllowed: one is not the class of a part that is allowed there.
        UserError: one is no name of a class, or cannot be found.
    """
    for key, name in _targets(plain, ""):
        _check_target(key, name, allowed)


def place_of(key: str) -> str:
    """The part of the configuration that a key belongs to: `model`, `data.transform`."""
    names = key.split(".")
    return ".".join(names[:2] if names[0] == "data" else names[:1])


def _check_target(key: str, name: Any, allowed: Sequence[str]) -> None:
    """Refuses by name before the import if possible, because an import runs code."""
    if not isinstance(name, str) or not PACKAGE.fullmatch(name):
        raise UserError(
            f"{key} must be the dotted name of a class, got {name!r}", f"give {key}=NAME", key=key, value=name
        )
    place = place_of(key)
    if (place, name) in _named_by_us():
        return
    # `--allow harness` is for `serve`, which runs the copy of harness that a model brings along.
    words = [word for word in allowed if not word.startswith((ENVIRONMENT, HOST))]
    packages = [word for word in words if _top(word) != "harness"]
    known = (
        *_FAMILIES.get(place, ()),
        *(("torchmetrics", *_METRIC_FUNCTIONS) if place == "evaluate" else ()),
    )
    estimator = place == "data.transform" and within(name, ("sklearn",))
    if not estimator and not within(name, (*known, *packages)):
        _refuse(key, name, _top(name))
    part = target({"_target_": name}, key.removesuffix("._target_"))
    home = str(getattr(part, "__module__", None) or "builtins")
    if not _is_itself(part, home):
        _refuse(key, name, None)
    if within(home, packages) or _of_a_family(part, home, place) or (estimator and _is_stored(part, home)):
        return
    if _METRIC_KEY.fullmatch(key) and inspect.isfunction(part) and within(home, _METRIC_FUNCTIONS):
        return
    _refuse(key, name, _top(name) if within(name, packages) and home == name else home)


def _of_a_family(part: Any, home: str, place: str) -> bool:
    """Whether it is an allowed class."""
    if not inspect.isclass(part) or part.__name__.startswith("_"):
        return False
    return any(
        base == "object" or issubclass(part, _class(base))
        for package, bases in _FAMILIES.get(place, {}).items()
        if within(home, (package,))
        for base in bases
    )


def _is_stored(part: Any, home: str) -> bool:
    """Whether it is an estimator whose fitted state may be stored as well."""
    try:
        return stored_class(".".join([*home.split(".")[:2], getattr(part, "__name__", "")])) is part
    except UntrustedState:
        return False


def _class(name: str) -> type:
    cls: Any = target({"_target_": name}, "")
    return cls if inspect.isclass(cls) else type(None)


def _is_itself(part: Any, home: str) -> bool:
    """Whether the class is found under its name in the module that it claims to be defined in."""
    attribute: Any = sys.modules.get(home)
    for name in str(getattr(part, "__qualname__", "")).split("."):
        attribute = getattr(attribute, name, None)
    return attribute is part


@cache
def _named_by_us() -> frozenset[tuple[str, str]]:
    """Place and name of every target of our own yaml files except Hydra's: launchers start processes."""
    ours = set()
    for path in CONF.rglob("*.yaml"):
        group = path.relative_to(CONF).parts[:-1]
        if group[:1] != ("hydra",):
            content: Any = OmegaConf.to_container(load_config(path), resolve=False)
            root = "" if "@package _global_" in path.read_text(encoding="utf-8") else ".".join(group)
            ours |= {(place_of(key), name) for key, name in _targets(content, root)}
    return frozenset(ours)


def _refuse(key: str, name: str, package: str | None) -> NoReturn:
    does = f"={name} is no part that is known to be harmless"
    if package is None or _top(package) in (*sys.stdlib_module_names, "harness"):
        raise NotAllowed(key, does, f"name another with {key}=NAME", value=name)
    raise NotAllowed(
        key,
        does,
        f"read its code, then allow it with --allow {package}, or for good in pyproject.toml with "
        f'[tool.harness] allow = ["{package}"]',
        value=name,
        allow=package,
    )


def _targets(node: Any, key: str) -> Iterator[tuple[str, Any]]:
    for place, value in items(node, key):
        if place.rpartition(".")[2] == "_target_":
            yield place, value
        yield from _targets(value, place)


def within(name: str, packages: Sequence[str]) -> bool:
    """Whether a dotted name is one of the packages, or in one."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def _top(name: str) -> str:
    return name.partition(".")[0]

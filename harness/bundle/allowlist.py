"""The allow-list: which parts a configuration from elsewhere may name. Checked before anything is built.

A configuration is a list of calls: `_target_: os.system` is one, and so is `torch.hub.load`. A
configuration from elsewhere may name only parts that are known to be harmless. It may not read the
environment, because it could send the values away in an address.
"""

from __future__ import annotations

import inspect
import json
import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from omegaconf import OmegaConf

from harness.bundle.bundle import read
from harness.config.choice_files import CONF
from harness.config.compose import compose_exactly
from harness.config.instantiate import target
from harness.config.nodes import nodes
from harness.core.errors import UserError
from harness.runs.bundle_files import FACTS
from harness.runs.outputs import Outputs
from harness.runs.setting_effects import groups_without
from harness.runs.stored_run import ENSEMBLE, REFIT, StoredRun
from harness.runtime.inner_path import check_tree
from harness.runtime.user_project import find

ENVIRONMENT = "env:"
"""The prefix of `--allow` that permits reading an environment variable."""

NOT_FOREIGN = groups_without("foreign")
"""Settings that are never taken from a configuration from elsewhere; none of them affects the scores."""

_ROOMS = tuple(f"harness.{room}" for room in ("data", "split", "model", "trainer", "evaluate", "loss"))

_FAMILIES = {
    "torch.nn": ("torch.nn.Module",),
    "torch.optim": ("torch.optim.Optimizer", "torch.optim.lr_scheduler.LRScheduler"),
    "sklearn": ("sklearn.base.BaseEstimator",),
    "pytorch_metric_learning": ("torch.nn.Module",),
    "torchmetrics.classification": ("torchmetrics.Metric",),
    "torchmetrics.regression": ("torchmetrics.Metric",),
    "timm": ("torch.nn.Module",),
}
"""Packages whose classes are allowed if they are subclasses of one of these."""

_METRIC_FUNCTIONS = (
    "sklearn.metrics",
    "torchmetrics.functional.classification",
    "torchmetrics.functional.regression",
)
"""Packages whose functions are allowed as `evaluate.metrics.NAME`: they compute a number from arrays.

Metrics of text and images are not among them, because some of these load a model by its name."""

_METRIC_KEY = re.compile(r"evaluate\.metrics\.\w+\._target_")
_VARIABLE = re.compile(r"\$\{\s*oc\.env\s*:\s*(?P<name>\w+)\s*(,[^${}]*)?\}")
_PACKAGE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_ELSEWHERE = "this configuration was not made here"


def foreign(logged: StoredRun, outputs: Path) -> bool:
    """Whether a run's configuration is from elsewhere: downloaded, or outside the folders of this machine's
    runs."""
    return logged.foreign or elsewhere(logged.folder, outputs)


def elsewhere(folder: Path, outputs: Path) -> bool:
    """Whether a folder is outside the folders of this machine's runs; links are resolved."""
    return not Outputs(outputs).made(folder)


def adopted(logged: StoredRun, outputs: Path, allow: Sequence[str] = ()) -> StoredRun:
    """The run. A run from elsewhere is checked with its models, and gets the tracking and cache settings of
    this project.

    Raises:
        UserError: its configuration, or that of a model, names what it may not.
    """
    if not foreign(logged, outputs):
        return logged
    check_models(logged, outputs, allow)
    config = logged.config.copy()
    OmegaConf.set_struct(config, False)
    checked: Any = OmegaConf.to_container(config, resolve=False)
    ours = compose_exactly([])
    for key in NOT_FOREIGN:
        above, _, name = key.rpartition(".")
        (checked.get(above) or {} if above else checked).pop(name, None)
        node = OmegaConf.select(ours, key)
        plain = OmegaConf.to_container(node, resolve=False) if OmegaConf.is_config(node) else node
        OmegaConf.update(config, key, plain, merge=False, force_add=True)
    config.outputs = str(outputs)
    check(checked, allow)
    taken = replace(logged, foreign=True)
    vars(taken)["config"] = config  # replaces the content of its file
    return taken


def check_models(logged: StoredRun, outputs: Path, allow: Sequence[str] = ()) -> None:
    """Checks that the models of a run from elsewhere name only allowed parts.

    Raises:
        UserError: one of them does not.
    """
    if foreign(logged, outputs):
        whole = [folder for name in (REFIT, ENSEMBLE) if ((folder := logged.folder / name) / FACTS).exists()]
        for folder in [*logged.models.values(), *whole]:
            _check_bundle(folder, allow)


def check_bundle(folder: Path, outputs: Path, allow: Sequence[str] = ()) -> None:
    """The same check for a model that is named by its folder.

    Raises:
        UserError: it names a part that is not allowed.
    """
    if elsewhere(folder, outputs):
        check_tree(folder)
        _check_bundle(folder, allow)


def _check_bundle(folder: Path, allow: Sequence[str]) -> None:
    """Checks the parts that are built, the code that would be copied with the model, and ensemble members."""
    bundle = read(folder)
    for path in json.loads((folder / FACTS).read_text(encoding="utf-8")).get("code", ()):
        name = Path(str(path)).stem
        if name not in _allowed(allow):
            raise UserError(
                f"{folder / FACTS} names code at {path} to be carried along, and {_ELSEWHERE}",
                f"read it, then allow it with --allow {name}",
            )
    parts = {name: bundle.config.get(name) for name in ("model", "trainer")}
    check({**parts, "data": {"transform": (bundle.config.get("data") or {}).get("transform")}}, allow)
    for name in bundle.members:
        _check_bundle(folder / name, allow)


def check(config: Mapping[str, Any], allow: Sequence[str] = ()) -> None:
    """Checks that a configuration from elsewhere names only allowed parts. Nothing is called.

    Allowed are the classes of this package's rooms and those that its own yaml files name; modules of
    torch.nn, optimizers and schedulers of torch.optim, estimators of scikit-learn, the modules of
    pytorch_metric_learning and timm, and metrics of torchmetrics and scikit-learn for classes and numbers.
    The class itself is checked, not the path to it: a name that one module imported from another, such as
    `os`, is refused.

    Args:
        config: unresolved; interpolations of an OmegaConf configuration are not resolved.
        allow: further packages, and `env:NAME` of variables that may be read; those of `[tool.harness] allow`
            in the project's pyproject.toml are added.

    Raises:
        UserError: it names another part, or `allow` contains something that is not a package.
    """
    plain: Any = OmegaConf.to_container(config, resolve=False) if OmegaConf.is_config(config) else config
    allowed = _allowed(allow)
    for word in allowed:
        _check_word(word)
    for key, text in _texts(plain, ""):
        _check_references(key, text, allowed)
    _check_words(plain)
    for key, name in _targets(plain, ""):
        _check_target(key, name, allowed)


def _allowed(allow: Sequence[str]) -> list[str]:
    """The packages that the command allows and those that the user's project allows permanently."""
    project = find()
    return [*allow, *(() if project is None else project.allow)]


def _check_word(word: str) -> None:
    name = word.removeprefix(ENVIRONMENT)
    if not _PACKAGE.fullmatch(name):
        raise UserError(
            f"what is allowed must be a package such as my_package, or {ENVIRONMENT}NAME, got {word!r}."
        )
    if name == word and _top(word) in sys.stdlib_module_names:
        raise UserError(
            f"{word} belongs to Python itself, can run any code, and cannot be allowed",
            "name the package of the part",
        )


def _check_references(key: str, text: str, allowed: Sequence[str]) -> None:
    """Whether all variables that a text reads are allowed."""
    found = list(_VARIABLE.finditer(text))
    if text.count("${") != len(found):
        raise UserError(
            f"{key} holds a reference ({text}), which may read what it should not, and {_ELSEWHERE}",
            f"give a value with {key}=VALUE",
            key=key,
        )
    for match in found:
        name = match["name"]
        if f"{ENVIRONMENT}{name}" not in allowed:
            raise UserError(
                f"{key} reads the environment variable {name}, and {_ELSEWHERE}",
                f"give a value with {key}=VALUE, or let it be read with --allow {ENVIRONMENT}{name}",
                key=key,
            )


def _check_words(plain: Any) -> None:
    """`pretrain.words` are composed later: their choices are ours, but they may name other parts."""
    words = (plain.get("pretrain") or {}).get("words") if isinstance(plain.get("pretrain"), Mapping) else None
    # Hydra removes quotes and backslashes when it reads an override.
    if isinstance(words, str) and "_target_" in re.sub(r"[\\'\"]", "", words):
        raise UserError(
            f"pretrain.words names a _target_ ({words}), and {_ELSEWHERE}",
            f"give the words yourself with {shlex.quote('pretrain.words=WORDS')}",
        )


def _check_target(key: str, name: Any, allowed: Sequence[str]) -> None:
    """Refuses by name before the import if possible, because an import runs code."""
    if not isinstance(name, str) or not _PACKAGE.fullmatch(name):
        raise UserError(
            f"{key} must be the dotted name of a class, got {name!r}", f"give {key}=NAME", key=key
        )
    if name in _named_by_us():
        return
    packages = [package for package in allowed if not package.startswith(ENVIRONMENT)]
    if not _within(name, (*_ROOMS, *_FAMILIES, "torchmetrics", *packages)):
        _refuse(key, name, _top(name))
    part = target({"_target_": name}, key.removesuffix("._target_"))
    home = str(getattr(part, "__module__", None) or "builtins")
    if not _is_itself(part, home):
        _refuse(key, name, None)
    if _within(home, packages) or _of_a_family(part, home):
        return
    if _METRIC_KEY.fullmatch(key) and inspect.isfunction(part) and _within(home, _METRIC_FUNCTIONS):
        return
    _refuse(key, name, _top(name) if _within(name, packages) and home == name else home)


def _of_a_family(part: Any, home: str) -> bool:
    """Whether it is an allowed class."""
    if not inspect.isclass(part):
        return False
    if _within(home, _ROOMS):
        return not part.__name__.startswith("_")
    return any(
        issubclass(part, _class(base))
        for package, bases in _FAMILIES.items()
        if _within(home, (package,))
        for base in bases
    )


def _class(name: str) -> type:
    found: Any = target({"_target_": name}, "")
    return found if inspect.isclass(found) else type(None)


def _is_itself(part: Any, home: str) -> bool:
    """Whether the class is found under its name in the module that it claims to be defined in."""
    found: Any = sys.modules.get(home)
    for name in str(getattr(part, "__qualname__", "")).split("."):
        found = getattr(found, name, None)
    return found is part


@cache
def _named_by_us() -> frozenset[str]:
    """Every `_target_` of our own yaml files except launchers, which start processes and are not part of a
    run."""
    files = [path for path in CONF.rglob("*.yaml") if path.relative_to(CONF).parts[0] != "hydra"]
    return frozenset(
        node["_target_"]
        for path in files
        for node in nodes(OmegaConf.to_container(OmegaConf.load(path), resolve=False))
    )


def _refuse(key: str, name: str, package: str | None) -> NoReturn:
    rule = f"{key}={name} is no part that is known to be harmless, and {_ELSEWHERE}"
    if package is None or _top(package) in sys.stdlib_module_names:
        raise UserError(f"{rule}", f"name another with {key}=NAME")
    raise UserError(
        rule,
        f"read its code, then allow it with --allow {package}, or for good in pyproject.toml with "
        f'[tool.harness] allow = ["{package}"]',
    )


def _targets(node: Any, key: str) -> Iterator[tuple[str, Any]]:
    for place, value in _items(node, key):
        if place.rpartition(".")[2] == "_target_":
            yield place, value
        yield from _targets(value, place)


def _texts(node: Any, key: str) -> Iterator[tuple[str, str]]:
    """Every text in a plain container, including its keys."""
    if isinstance(node, str):
        yield key, node
    for place, value in _items(node, key):
        if "${" in place:
            yield key or "configuration", place
        yield from _texts(value, place)


def _items(node: Any, key: str) -> Iterator[tuple[str, Any]]:
    found = (
        node.items()
        if isinstance(node, Mapping)
        else enumerate(node)
        if isinstance(node, list | tuple)
        else ()
    )
    for name, value in found:
        yield f"{key}.{name}" if key else str(name), value


def _within(name: str, packages: Sequence[str]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def _top(name: str) -> str:
    return name.partition(".")[0]

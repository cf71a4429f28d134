"""Trust: what a configuration that was not made here may name, before anything of it is built.

A configuration is a list of calls: `_target_: os.system` is one, and so is `torch.hub.load`. One from
elsewhere may name only parts that are known to do no more than their work, and may not read the
environment, whose values it could send away in an address.
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
from harness.config.compose import CONF, compose_words
from harness.config.instantiate import target
from harness.config.nodes import nodes
from harness.core.errors import UserError
from harness.runs.bundle_files import FACTS
from harness.runs.stored_run import ENSEMBLE, REFIT, Logged
from harness.runs.sweep_folders import SWEEPS
from harness.runtime.user_project import find

ENVIRONMENT = "env:"
"""Before the name of a variable, the word that allows it to be read."""

NOT_OURS = ("tracking", "resume", "sweep", "outputs", "data.cache")
"""What is never taken from a configuration that was made elsewhere: none of it bears on the scores."""

_ROOMS = tuple(f"harness.{room}" for room in ("data", "split", "model", "trainer", "evaluate", "loss"))

_FAMILIES = {
    "torch.nn": ("torch.nn.Module",),
    "torch.optim": ("torch.optim.Optimizer", "torch.optim.lr_scheduler.LRScheduler"),
    "sklearn": ("sklearn.base.BaseEstimator",),
    "pytorch_metric_learning": ("torch.nn.Module",),
    "torchmetrics": ("torchmetrics.Metric",),
    "timm": ("torch.nn.Module",),
}
"""Packages whose classes are allowed, where they descend from one of these."""

_VARIABLE = re.compile(r"\$\{\s*oc\.env\s*:\s*(?P<name>\w+)\s*(,[^${}]*)?\}")
_PACKAGE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_ELSEWHERE = "this configuration was not made here"


def foreign(logged: Logged, outputs: Path) -> bool:
    """Whether a run's configuration may be somebody else's: fetched, or not in a folder of runs of ours."""
    return logged.foreign or elsewhere(logged.folder, outputs)


def elsewhere(folder: Path, outputs: Path) -> bool:
    """Whether a folder is in none of those where our runs lie; a link counts as what it leads to."""
    real = folder.resolve()
    return not any(real.is_relative_to((outputs / place).resolve()) for place in ("runs", SWEEPS))


def adopted(logged: Logged, outputs: Path, allow: Sequence[str] = ()) -> Logged:
    """The run; one that was made elsewhere is checked, its models too, and is tracked and cached as ours.

    Raises:
        UserError: its configuration, or that of a model, names what it may not.
    """
    if not foreign(logged, outputs):
        return logged
    check_models(logged, outputs, allow)
    config = logged.config.copy()
    OmegaConf.set_struct(config, False)
    checked: Any = OmegaConf.to_container(config, resolve=False)
    ours = compose_words([])
    for key in NOT_OURS:
        above, _, name = key.rpartition(".")
        (checked.get(above) or {} if above else checked).pop(name, None)
        node = OmegaConf.select(ours, key)
        plain = OmegaConf.to_container(node, resolve=False) if OmegaConf.is_config(node) else node
        OmegaConf.update(config, key, plain, merge=False, force_add=True)
    config.outputs = str(outputs)
    check(checked, allow)
    taken = replace(logged, foreign=True)
    vars(taken)["config"] = config  # in the place of what its file says
    return taken


def check_models(logged: Logged, outputs: Path, allow: Sequence[str] = ()) -> None:
    """Whether the models of a run name nothing but what they may; of one of ours nothing is asked.

    Raises:
        UserError: one does.
    """
    if foreign(logged, outputs):
        whole = [folder for name in (REFIT, ENSEMBLE) if ((folder := logged.folder / name) / FACTS).exists()]
        for folder in [*logged.models.values(), *whole]:
            _check_bundle(folder, allow)


def check_bundle(folder: Path, outputs: Path, allow: Sequence[str] = ()) -> None:
    """The same of a model that is named by its folder.

    Raises:
        UserError: it names what it may not.
    """
    if elsewhere(folder, outputs):
        _check_bundle(folder, allow)


def _check_bundle(folder: Path, allow: Sequence[str]) -> None:
    """The parts that are built of it, the code that would be carried along with it, and its members."""
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
    """Whether a configuration from elsewhere names nothing but what it may. Nothing of it is called.

    Allowed are the classes of this package's rooms and those that its own yaml files name; modules of
    torch.nn, optimizers and schedulers of torch.optim, estimators of scikit-learn, and the classes of
    pytorch_metric_learning, torchmetrics and timm that are modules or metrics. The class that is found
    counts, and not the path to it: what one module has imported from another, such as `os`, is refused.

    Args:
        config: unresolved; an OmegaConf one is read as it is.
        allow: further packages, and `env:NAME` of variables that may be read; those of `[tool.harness] allow`
            in the project's pyproject.toml are added.

    Raises:
        UserError: it names something else, or `allow` holds what is no package.
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
    """What the command allows, and what the user's project allows for good."""
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
    """Whether what a text takes from elsewhere is an allowed variable."""
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
    """`pretrain.words` are composed later: what they choose is ours, what they name might not be."""
    words = (plain.get("pretrain") or {}).get("words") if isinstance(plain.get("pretrain"), Mapping) else None
    # Quotes and backslashes within a word are taken away by whoever reads it.
    if isinstance(words, str) and "_target_" in re.sub(r"[\\'\"]", "", words):
        raise UserError(
            f"pretrain.words names a _target_ ({words}), and {_ELSEWHERE}",
            f"give the words yourself with {shlex.quote('pretrain.words=WORDS')}",
        )


def _check_target(key: str, name: Any, allowed: Sequence[str]) -> None:
    """Refuses before the import where the name alone tells, since an import runs code."""
    if not isinstance(name, str) or not _PACKAGE.fullmatch(name):
        raise UserError(
            f"{key} must be the dotted name of a class, got {name!r}", f"give {key}=NAME", key=key
        )
    if name in _named_by_us():
        return
    packages = [package for package in allowed if not package.startswith(ENVIRONMENT)]
    if not _within(name, (*_ROOMS, *_FAMILIES, *packages)):
        _refuse(key, name, _top(name))
    part = target({"_target_": name}, key.removesuffix("._target_"))
    home = str(getattr(part, "__module__", None) or "builtins")
    if not _is_itself(part, home):
        _refuse(key, name, None)
    if _within(home, packages) or _of_a_family(part, home):
        return
    _refuse(key, name, _top(name) if _within(name, packages) and home == name else home)


def _of_a_family(part: Any, home: str) -> bool:
    """Whether it is a class that does no more than its work."""
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
    """Whether the module in which it says that it was defined has it under its name."""
    found: Any = sys.modules.get(home)
    for name in str(getattr(part, "__qualname__", "")).split("."):
        found = getattr(found, name, None)
    return found is part


@cache
def _named_by_us() -> frozenset[str]:
    """Every `_target_` of our own yaml files; a launcher starts processes and is none of a run's parts."""
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
    """Every text of a plain container, those of its keys as well."""
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

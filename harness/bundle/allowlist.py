"""The allow-list: what a configuration from elsewhere may name. Checked before anything is built.

A configuration is a list of calls: `_target_: os.system` is one, and so is `torch.hub.load`. A
configuration from elsewhere may name only parts that are known to be harmless. It may not read the
environment or files of the user's, nor open an address, because it could send away what it reads.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from harness.bundle.bundle import read
from harness.bundle.foreign_targets import PACKAGE, check_targets
from harness.bundle.foreign_values import (
    ENVIRONMENT,
    HOST,
    NotAllowed,
    check_values,
)
from harness.config import pretrain_words
from harness.config.compose import compose_exactly
from harness.core.errors import UserError
from harness.runs.bundle_files import FACTS, read_facts
from harness.runs.outputs import Outputs
from harness.runs.setting_effects import groups_without
from harness.runs.stored_run import ENSEMBLE, REFIT, StoredRun
from harness.runtime.inner_path import check_tree
from harness.runtime.user_project import find

NOT_FOREIGN = groups_without("foreign")
"""Settings that are never taken from a configuration from elsewhere; none of them affects the scores."""

_PIN = re.compile(r"(?P<name>[\w.-]+)==[\w.+!-]+")
_NO_LONGER_NEEDED = ("skops",)
"""Packages that models of earlier versions list, and that need not be installed any more."""


def foreign(logged: StoredRun, outputs: Path) -> bool:
    """Whether a run's configuration is from elsewhere: downloaded, or outside the folders of this machine's
    runs."""
    return logged.foreign or elsewhere(logged.folder, outputs)


def elsewhere(folder: Path, outputs: Path) -> bool:
    """Whether a folder is outside the folders of this machine's runs; links are resolved."""
    return not Outputs(outputs).made(folder)


def adopted(
    logged: StoredRun, outputs: Path, allow: Sequence[str] = (), replaced: Iterable[str] = ()
) -> StoredRun:
    """The run. A run from elsewhere is checked with its models, and gets the tracking and cache settings of
    this project.

    Args:
        allow: as in `check`.
        replaced: keys that the command sets, whose stored values do not matter.

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
    for key in (*NOT_FOREIGN, *replaced):
        _remove(checked, key)
    for key in NOT_FOREIGN:
        node = OmegaConf.select(ours, key)
        plain = OmegaConf.to_container(node, resolve=False) if OmegaConf.is_config(node) else node
        OmegaConf.update(config, key, plain, merge=False, force_add=True)
    config.outputs = str(outputs)
    check(checked, allow)
    taken = replace(logged, foreign=True)
    vars(taken)["config"] = config  # replaces the content of its file
    return taken


def _remove(plain: Any, key: str) -> None:
    *above, name = key.split(".")
    for part in above:
        plain = plain.get(part) if isinstance(plain, dict) else None
    if isinstance(plain, dict):
        plain.pop(name, None)


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
    """Checks the parts that are built, what would be copied or installed with the model, and the members."""
    bundle = read(folder)
    facts = read_facts(folder)
    for path in facts.get("code", ()):
        name = Path(str(path)).stem
        if name not in _allowed(allow):
            raise NotAllowed(
                str(folder / FACTS),
                f" names code at {path} to be carried along",
                f"read it, then allow it with --allow {name}",
                value=path,
                allow=name,
            )
    _check_requirements(folder, facts.get("requirements", ()), _allowed(allow))
    model = {**(bundle.config.get("model") or {}), "weights": None}  # its own are loaded over them
    transform = (bundle.config.get("data") or {}).get("transform")
    check({"model": model, "trainer": bundle.config.get("trainer"), "data": {"transform": transform}}, allow)
    for name in bundle.members:
        _check_bundle(folder / name, allow)


def _check_requirements(folder: Path, lines: Iterable[Any], allowed: Sequence[str]) -> None:
    """Requirements are installed where the model is served: `x @ https://…` or an unknown name is code."""
    for line in lines:
        pin = _PIN.fullmatch(str(line))
        known = pin is not None and (pin["name"] in (*_NO_LONGER_NEEDED, *allowed) or _installed(pin["name"]))
        if not known:
            raise NotAllowed(
                str(folder / FACTS),
                f" requires {line!r}, which is not installed here",
                "install it first, if you trust it",
                value=line,
            )


def _installed(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True


def check(config: Mapping[str, Any], allow: Sequence[str] = ()) -> None:
    """Checks that a configuration from elsewhere names only what it may. Nothing is called.

    Allowed are the classes that `harness.bundle.foreign_targets` lists for each place, and those that our own
    yaml files name there.

    Args:
        config: unresolved; interpolations of an OmegaConf configuration are not resolved.
        allow: further packages, `env:NAME` of variables that may be read and `host:NAME` of servers that may
            be opened; those of `[tool.harness] allow` in the project's pyproject.toml are added.

    Raises:
        NotAllowed: it names something else.
        UserError: `allow` contains something that is not a package, or `pretrain.words` cannot be understood.
    """
    plain: Any = OmegaConf.to_container(config, resolve=False) if OmegaConf.is_config(config) else config
    allowed = _allowed(allow)
    for word in allowed:
        _check_word(word)
    check_values(plain, allowed)
    pretrain = plain.get("pretrain")
    words = pretrain.get("words") if isinstance(pretrain, Mapping) else None
    if words is not None:
        _check_words(str(words), allowed)
    check_targets(plain, allowed)


def _check_words(words: str, allowed: Sequence[str]) -> None:
    """What `pretrain.words` compose is checked as the rest is; references of our own yaml files are not."""
    try:
        for override in pretrain_words.parse(words):
            values = {} if override.is_delete() else {override.key_or_group: override.value()}
            check_values(values, allowed)
        composed = pretrain_words.composed(words)
        nested: dict[str, Any] = {"data": {}}
        for part, content in composed.items():
            above, _, name = part.rpartition(".")
            (nested[above] if above else nested)[name] = content
        check_targets(nested, allowed)
    except UserError as error:
        placed = error.with_rule(f"pretrain.words={words}: {error.rule}")
        placed.key = pretrain_words.KEY
        raise placed from error


def _allowed(allow: Sequence[str]) -> list[str]:
    """The packages that the command allows and those that the user's project allows permanently."""
    project = find()
    return [*allow, *(() if project is None else project.allow)]


def _check_word(word: str) -> None:
    if word.startswith(HOST):
        return
    name = word.removeprefix(ENVIRONMENT)
    if not PACKAGE.fullmatch(name):
        raise UserError(
            f"what is allowed must be a package such as my_package, or {ENVIRONMENT}NAME, got {word!r}",
            key="--allow",
            value=word,
        )
    top = word.partition(".")[0]
    if name == word and top in sys.stdlib_module_names:
        raise UserError(
            f"{word} belongs to Python itself, can run any code, and cannot be allowed",
            "name the package of the part",
            key="--allow",
            value=word,
        )

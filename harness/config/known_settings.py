"""The settings of a configuration that are not arguments of a part, and their types."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from harness.config.choice_files import choices
from harness.config.typecheck import describe, fits, shown
from harness.core.errors import MissingSetting, UnknownSetting, UserError, WrongType

SETTINGS: dict[str, Any] = {
    "seed": int,
    "name": str | None,
    "outputs": str,
    "tags": dict[str, Any],
    "sweep.name": str | None,
    "sweep.trials": int | None,
    "sweep.hours": int | float | None,
    "sweep.budget": str | int | float | None,
    "sweep.price_hour": int | float | None,
    "sweep.price_kwh": int | float | None,
    "sweep.currency": str,
    "sweep.until": Literal["noise"] | None,
    "sweep.stagnation": int | None,
    "sweep.workers": int,
    "sweep.storage": str | None,
    "sweep.objectives": str | list[str] | dict[str, Literal["minimize", "maximize"]] | None,
    "sweep.repeat": int,
    "sweep.constraints": list[str],
    "sweep.space": dict[str, Any],
    "sweep.enqueue": list[dict[str, Any]],
    "sweep.enqueue_default": bool,
    "sweep.from": str | list[str] | None,
    "sweep.prune_by": str,
    "sweep.seed": int,
    "sweep.keep": int | Literal["all", "best"],
    "sweep.extend": int | None,
    "sweep.extendable": int,
    "sweep.ablate": bool,
    "sweep.predictions": int | float,
    "sweep.test": Literal["recommended", "best", "all", "none"],
    "sweep.retries": int,
    "sweep.fail_fast": bool,
    "sweep.failures": int,
    "sweep.timeout": int | float | None,
    "sweep.recycle": int | None,
    "sweep.isolate": bool,
    "sweep.lease": int | float,
    "sweep.patience": int | float,
    "sweep.axis": Literal["epochs", "folds"],
    "harness.traceback": bool,
    "harness.walk": bool,
    "harness.arithmetic": Literal[1, 2],
    "pretrain.words": str | None,
    "pretrain.scratch": bool,
    "split.guard": Literal["warn", "error", "off"],
    "split.labelled": int | float | None,
    "split.sealed": bool,
    "split.ensemble": int | None,
    "evaluate.metrics": dict[str, Any],
    "evaluate.importance": dict[str, Any] | None,
    "production.ensemble": bool,
    "production.refit": bool,
    "production.calibrate": Literal["none", "temperature"],
    "report": bool,
    "baseline": Literal["auto", "off", "all"],
    "fuse": int | Literal["auto", "off"],
    "resume.run": str | None,
    "resume.allow": list[str],
    "checkpoint.keep": int,
    "checkpoint.share": int | float,
    "checkpoint.minutes": int | float | None,
    "checkpoint.finished": Literal["best", "last", "all", "none"],
}
"""Setting -> type, of the settings that do not belong to a part."""

OPTIONAL = frozenset(
    {
        "baseline",
        "fuse",
        "split.sealed",
        "split.ensemble",
        "production.calibrate",
        "evaluate.metrics",
        "evaluate.importance",
        "sweep.budget",
        "sweep.until",
        "sweep.price_hour",
        "sweep.price_kwh",
        "sweep.currency",
        "sweep.keep",
        "sweep.predictions",
        "sweep.extend",
        "sweep.extendable",
        "sweep.ablate",
        "sweep.enqueue_default",
        "sweep.from",
        "sweep.prune_by",
        "harness.walk",
        "harness.arithmetic",
        "sweep.patience",
    }
)
"""Settings that may be missing, such as in a configuration stored by an earlier version of harness."""

CACHE: dict[str, Any] = {
    "folder": str,
    "size": int | float,
    "worth": int | float,
    "version": str | int | float | None,
}
"""The types of `data.cache`, unless that is off."""

PARTS = (
    "data.extract",
    "data.transform",
    "data.augment",
    "data.load",
    "split",
    "model",
    "trainer",
    "evaluate",
    "tracking",
)
"""The keys of the parts of an experiment; there may also be a part `debug`."""

SWEEPERS = ("sampler", "pruner")
"""The parts of a sweep, below `sweep`; null: a grid, and no pruning."""

LARGEST_SEED = 2**32 - 1
"""The largest that NumPy takes; torch would take more."""

_ABSENT = object()


def check_settings(cfg: Mapping[str, Any]) -> None:
    """Checks that the plain configuration has every setting, of its type, and every part.

    Raises:
        UserError: the first setting or part that is missing or wrong.
    """
    read = _read(cfg)
    if read not in _passed:
        _check_all(cfg)
        _passed.add(read)
        if len(_passed) > _MOST_PASSED:
            _passed.clear()


_passed: set[str] = set()
"""The settings without a fault, as text: most trials of a sweep have the same."""

_MOST_PASSED = 64


def _read(cfg: Mapping[str, Any]) -> str:
    """All that the check of the settings reads, as text."""
    parts = [_at(cfg, key) for key in PARTS]
    kinds = [[*part.keys() & {"_target_", "_auto_"}] if isinstance(part, dict) else part for part in parts]
    values = [_at(cfg, key) for key in (*SETTINGS, "checkpoint", "sweep", "data.cache")]
    return repr([kinds, cfg.get("debug"), ["absent" if value is _ABSENT else [value] for value in values]])


def _check_all(cfg: Mapping[str, Any]) -> None:
    for key in PARTS:
        _check_part(cfg, key)
    if cfg.get("debug") is not None:
        _check_part(cfg, "debug")
    for key, hint in SETTINGS.items():
        value = _at(cfg, key)
        if value is _ABSENT:
            if key in OPTIONAL:
                continue
            raise MissingSetting(key)
        check_type(value, hint, key)
        _check_finite(value, key)
    if not 0 <= cfg["seed"] <= LARGEST_SEED:
        rule = f"seed must be between 0 and {LARGEST_SEED}, got {cfg['seed']}"
        raise UserError(rule, key="seed", value=cfg["seed"])
    fuse = cfg.get("fuse", "off")
    if isinstance(fuse, int) and fuse < 1:
        rule = f"fuse must be auto, off or a number of folds of at least 1, got {fuse}"
        raise UserError(rule, key="fuse", value=fuse)
    networks = cfg["split"].get("ensemble")
    if networks is not None and networks < 2:
        rule = f"split.ensemble must be 2 networks or more, or null, got {networks}"
        raise UserError(rule, key="split.ensemble", value=networks)
    texts = {"name": cfg["name"], "outputs": cfg["outputs"], "resume": cfg["resume"]["run"]}
    for key, text in texts.items():
        if text is not None and not text.strip():
            raise UserError(f"{key} must not be empty", f"give {key}=VALUE, or leave it out", key=key)
    _check_checkpoint(cfg["checkpoint"])
    _check_sweep(cfg["sweep"])
    _check_cache(_at(cfg, "data.cache"))


def _check_finite(value: Any, key: str) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"{key} must be a finite number, got {value}", key=key, value=value)


def _check_checkpoint(checkpoint: Mapping[str, Any]) -> None:
    known = [key.rpartition(".")[2] for key in SETTINGS if key.startswith("checkpoint.")]
    for name in checkpoint:
        if name not in known:
            raise UnknownSetting(f"checkpoint.{name}", known)
    keep, share, minutes = (checkpoint[name] for name in ("keep", "share", "minutes"))
    if keep < 1:
        raise UserError(f"checkpoint.keep must be at least 1, got {keep}", key="checkpoint.keep", value=keep)
    if not 0 <= share <= 1:
        rule = f"checkpoint.share must be between 0 and 1 of the training time, got {share}"
        raise UserError(rule, key="checkpoint.share", value=share)
    if minutes is not None and not minutes > 0:
        rule = f"checkpoint.minutes must be above 0 or null, got {minutes}"
        raise UserError(rule, key="checkpoint.minutes", value=minutes)


def _check_sweep(sweep: Mapping[str, Any]) -> None:
    """Sampler and pruner are nodes; their ranges are checked when there is a sweep."""
    known = [key.partition(".")[2] for key in SETTINGS if key.startswith("sweep.")]
    for name in sweep:
        if name not in (*known, *SWEEPERS):
            raise UnknownSetting(f"sweep.{name}", (*known, *SWEEPERS))
    for name in SWEEPERS:
        part = sweep.get(name)
        if part is not None and not (isinstance(part, dict) and "_target_" in part):
            rule = f"sweep.{name} must be a part with a _target_ or null, got {shown(part)}"
            remedy = f"choose sweep/{name}={' or '.join(choices(f'sweep/{name}'))}"
            raise UserError(rule, remedy, key=f"sweep.{name}", value=part)


def _check_cache(cache: Any) -> None:
    if cache in ("off", False):
        return
    if not isinstance(cache, Mapping):
        got = "none" if cache is _ABSENT else shown(cache)
        raise UserError(f"data.cache must be off, or left as it is, got {got}", key="data.cache")
    for name, value in cache.items():
        if name not in CACHE:
            raise UnknownSetting(f"data.cache.{name}", CACHE)
        check_type(value, CACHE[str(name)], f"data.cache.{name}")
        _check_finite(value, f"data.cache.{name}")
    for name in CACHE:
        if name not in cache:
            raise MissingSetting(f"data.cache.{name}")
    for name in ("size", "worth"):
        if cache[name] < 0:
            rule = f"data.cache.{name} must be 0 or more, got {cache[name]}"
            raise UserError(rule, key=f"data.cache.{name}", value=cache[name])


def _check_part(cfg: Mapping[str, Any], key: str) -> None:
    part, group = _at(cfg, key), key.replace(".", "/")
    if not isinstance(part, dict) or not part.keys() & {"_target_", "_auto_"}:
        got = "none" if part is _ABSENT else shown(part)
        remedy = f"choose {group}={' or '.join(choices(group))}"
        raise UserError(f"{key} must be a part with a _target_, got {got}", remedy, key=key)


def _at(cfg: Mapping[str, Any], key: str) -> Any:
    node: Any = cfg
    for name in key.split("."):
        if not isinstance(node, Mapping) or name not in node:
            return _ABSENT
        node = node[name]
    return node


def check_type(value: Any, hint: Any, key: str) -> None:
    """Checks that a value fits an annotation.

    Raises:
        WrongType: it does not; the remedy names the choices where `key` is a group.
    """
    if fits(value, hint):
        return
    able = choices(key.replace(".", "/"))
    if able:
        remedy = f"choose {key.replace('.', '/')}={' or '.join(able)}"
    elif isinstance(value, int | float) and not isinstance(value, bool) and fits("", hint):
        remedy = f"a text of digits is written \"{key}='{value}'\""
    else:
        remedy = ""
    raise WrongType(key, value, hint, describe(hint), shown(value), remedy)

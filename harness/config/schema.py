"""What every configuration must hold beside the arguments of its parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from harness.config.choice_files import choices
from harness.config.typecheck import describe, fits, shown
from harness.core.errors import UserError, near

SETTINGS: dict[str, Any] = {
    "seed": int,
    "name": str | None,
    "outputs": str,
    "tags": dict[str, Any],
    "sweep.name": str | None,
    "sweep.trials": int | None,
    "sweep.hours": int | float | None,
    "sweep.stagnation": int | None,
    "sweep.workers": int,
    "sweep.storage": str | None,
    "sweep.objectives": str | list[str] | dict[str, Literal["minimize", "maximize"]] | None,
    "sweep.repeat": int,
    "sweep.constraints": list[str],
    "sweep.space": dict[str, Any],
    "sweep.enqueue": list[dict[str, Any]],
    "sweep.seed": int,
    "sweep.test": Literal["best", "all", "none"],
    "sweep.retries": int,
    "sweep.fail_fast": bool,
    "sweep.failures": int,
    "sweep.timeout": int | float | None,
    "sweep.recycle": int | None,
    "sweep.isolate": bool,
    "sweep.lease": int | float,
    "sweep.axis": Literal["epochs", "folds"],
    "harness.traceback": bool,
    "pretrain.words": str | None,
    "pretrain.scratch": bool,
    "split.guard": Literal["warn", "error", "off"],
    "split.labelled": int | float | None,
    "evaluate.metrics": dict[str, Any],
    "production.ensemble": bool,
    "production.refit": bool,
    "report": bool,
    "resume.run": str | None,
    "resume.allow": list[str],
    "checkpoint.keep": int,
    "checkpoint.share": int | float,
    "checkpoint.minutes": int | float | None,
    "checkpoint.finished": Literal["best", "all", "none"],
}
"""The types of the settings that belong to no part."""

OPTIONAL = frozenset({"evaluate.metrics"})
"""Settings that a configuration may lack."""

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
"""Where the parts of an experiment stand; beside them, there may be a part `debug`."""

SWEEPERS = ("sampler", "pruner")
"""The parts of a sweep, below `sweep`; null: a grid, and no pruning."""

LARGEST_SEED = 2**32 - 1
"""The largest that NumPy takes; torch would take more."""

_ABSENT = object()


def check_settings(cfg: Mapping[str, Any]) -> None:
    """Whether the plain configuration has every setting, of its type, and a part in every room.

    Raises:
        UserError: the first that is missing or wrong.
    """
    for key in PARTS:
        _check_part(cfg, key)
    if cfg.get("debug") is not None:
        _check_part(cfg, "debug")
    for key, hint in SETTINGS.items():
        value = _at(cfg, key)
        if value is _ABSENT:
            if key in OPTIONAL:
                continue
            raise UserError(f"the setting {key} is needed; take back what deletes or replaces it.")
        check_type(value, hint, key)
    if not 0 <= cfg["seed"] <= LARGEST_SEED:
        raise UserError(f"seed must be between 0 and {LARGEST_SEED}, got {cfg['seed']}.")
    texts = {"name": cfg["name"], "outputs": cfg["outputs"], "resume": cfg["resume"]["run"]}
    for key, text in texts.items():
        if text is not None and not text.strip():
            raise UserError(f"{key} must not be empty; give {key}=VALUE, or leave it out.")
    _check_checkpoint(cfg["checkpoint"])
    _check_sweep(cfg["sweep"])
    _check_cache(_at(cfg, "data.cache"))


def _check_checkpoint(checkpoint: Mapping[str, Any]) -> None:
    known = [key.rpartition(".")[2] for key in SETTINGS if key.startswith("checkpoint.")]
    for name in checkpoint:
        if name not in known:
            raise UserError(f"checkpoint.{name} is no setting of checkpoints; {near(str(name), known)}")
    keep, share, minutes = (checkpoint[name] for name in ("keep", "share", "minutes"))
    if keep < 1:
        raise UserError(f"checkpoint.keep must be at least 1, got {keep}.")
    if not 0 <= share <= 1:
        raise UserError(f"checkpoint.share must be between 0 and 1 of the training time, got {share}.")
    if minutes is not None and not minutes > 0:
        raise UserError(f"checkpoint.minutes must be above 0 or null, got {minutes}.")


def _check_sweep(sweep: Mapping[str, Any]) -> None:
    """Its sampler and pruner are nodes; ranges are read when there is a sweep."""
    known = [key.partition(".")[2] for key in SETTINGS if key.startswith("sweep.")]
    for name in sweep:
        if name not in (*known, *SWEEPERS):
            raise UserError(f"sweep.{name} is no setting of sweeps; {near(str(name), (*known, *SWEEPERS))}")
    for name in SWEEPERS:
        part = sweep.get(name)
        if part is not None and not (isinstance(part, dict) and "_target_" in part):
            raise UserError(
                f"sweep.{name} must be a part with a _target_ or null, got {shown(part)}; "
                f"choose sweep/{name}={' or '.join(choices(f'sweep/{name}'))}."
            )


def _check_cache(cache: Any) -> None:
    if cache in ("off", False):
        return
    if not isinstance(cache, Mapping):
        got = "none" if cache is _ABSENT else shown(cache)
        raise UserError(f"data.cache must be off, or left as it is, got {got}.")
    for name, value in cache.items():
        if name not in CACHE:
            raise UserError(f"data.cache.{name} is no setting of the cache; {near(str(name), CACHE)}")
        check_type(value, CACHE[str(name)], f"data.cache.{name}")
    for name in CACHE:
        if name not in cache:
            raise UserError(
                f"the setting data.cache.{name} is needed; take back what deletes or replaces it."
            )
    for name in ("size", "worth"):
        if cache[name] < 0:
            raise UserError(f"data.cache.{name} must be 0 or more, got {cache[name]}.")


def _check_part(cfg: Mapping[str, Any], key: str) -> None:
    part, group = _at(cfg, key), key.replace(".", "/")
    if not isinstance(part, dict) or not part.keys() & {"_target_", "_auto_"}:
        got = "none" if part is _ABSENT else shown(part)
        raise UserError(
            f"{key} must be a part with a _target_, got {got}; choose {group}={' or '.join(choices(group))}."
        )


def _at(cfg: Mapping[str, Any], key: str) -> Any:
    node: Any = cfg
    for name in key.split("."):
        if not isinstance(node, Mapping) or name not in node:
            return _ABSENT
        node = node[name]
    return node


def check_type(value: Any, hint: Any, key: str) -> None:
    """Whether a value fits an annotation.

    Raises:
        UserError: it does not; says what was asked for, and the choices where `key` is a group.
    """
    if fits(value, hint):
        return
    able = choices(key.replace(".", "/"))
    if able:
        remedy = f"; choose {key.replace('.', '/')}={' or '.join(able)}"
    elif isinstance(value, int | float) and not isinstance(value, bool) and fits("", hint):
        remedy = f"; a text of digits is written \"{key}='{value}'\""
    else:
        remedy = ""
    raise UserError(f"{key} must be {describe(hint)}, got {shown(value)}{remedy}.")

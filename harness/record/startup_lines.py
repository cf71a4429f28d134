"""The lines that a run prints before it trains: data, split, model, trainer, folder and notes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from harness.core.fold import count_folds, networks_of
from harness.core.name_list import counted, listed
from harness.core.table import Table
from harness.prepare.experiment import Experiment
from harness.prepare.plan import Plan
from harness.prepare.short_training import short_training_note
from harness.runtime.mlflow_environment import URI, applied, experiment_title, variable
from harness.runtime.process_group import world
from harness.tracking.store_address import masked

TRACKER = "harness.tracking.mlflow.Mlflow"


def startup_lines(plan: Plan, first: Experiment, folder: Path) -> dict[str, str]:
    """Returns a line each about data, split, model, trainer, folder and the values chosen for `auto`."""
    lines = {
        "data": data(plan),
        "dates": _dates(plan.table),
        "split": f"{str(plan.cfg.split._target_).rsplit('.', 1)[-1]}, {_folds(plan)}",
        "guard": _guard(plan),
        "load": first.loaders.how,
        "cache": ", ".join(plan.cache.used),
        "model": f"{type(first.model).__name__}, {first.parameters:,} parameters",
        "trainer": f"{type(first.trainer).__name__}, {counted(first.trainer.budget.epochs, 'epoch')} "
        f"on {first.trainer.device}{f', {world()} processes' if world() > 1 else ''}",
        "fuse": plan.fuse,
        "pretrain": _pretrain(first.before),
        "mlflow": _tracking(plan),
        "folder": str(folder),
        "auto": ", ".join(f"{key}={value}" for key, value in plan.chosen.items()),
    }
    if lines["cache"]:
        lines["cache"] += f", from {plan.cfg.data.cache.folder} (data.cache=off reads anew)"
    return {name: line for name, line in lines.items() if line}


def _folds(plan: Plan) -> str:
    networks = networks_of(plan.folds)
    folds = counted(count_folds(plan.folds), "fold")
    return folds if networks is None else f"{folds}, each an ensemble of {networks} networks"


def _tracking(plan: Plan) -> str:
    """What MLflow's environment variables have chosen; "" if none of them holds."""
    tracking = plan.cfg.tracking
    if tracking.get("_target_") != TRACKER:
        return ""
    uri, experiment = tracking.get("uri"), tracking.get("experiment")
    used = applied(uri, plan.chosen.get("tracking.experiment"), plan.cfg.name, tracking.get("system_metrics"))
    place = "" if uri or variable(URI) is None else f"{masked(str(variable(URI)))}, "
    return f"{place}experiment {experiment_title(str(experiment))} (from {', '.join(used)})" if used else ""


def _dates(table: Table) -> str:
    """The features that were read as dates, the time column with the setting that leaves it out."""
    columns = table.frame.columns.intersection(list(table.features))
    dates = [name for name in columns if pd.api.types.is_datetime64_any_dtype(table.frame[name])]
    parts = f" ({', '.join(table.time_parts)}; data.extract.time_features=null leaves the time out)"
    return listed(
        [f"{name}{parts if name == table.time and table.time_parts else ''}" for name in dates], most=5
    )


def _pretrain(before: Experiment | None) -> str:
    if before is None:
        return ""
    rows = counted(len(before.fold.train), "row")
    return f"{type(before.trainer).__name__}, {counted(before.trainer.budget.epochs, 'epoch')} on {rows}"


def data(plan: Plan) -> str:
    """Describes rows, features, target and groups, and counts the rows without a label."""
    table, task = plan.table, plan.table.task
    target = f"{task.kind} target {listed(table.target, most=5)}" if task.labelled else "no target"
    if task.classification:
        target += f", {len(task.classes)} classes"
    if task.positive is not None:
        target += f" (positive: {task.positive})"
    words = [table.name, f"{len(table):,} rows", _features(table), target]
    if table.group is not None:
        words.append(f"{table.frame[table.group].nunique():,} groups by {table.group}")
    unlabelled = len(table) - int(table.labelled.sum())
    if task.labelled and unlabelled:
        words.append(f"{unlabelled:,} rows unlabelled")
    return ", ".join(words)


def _features(table: Table) -> str:
    if table.array is not None and table.kind != "table":
        return f"{table.kind}s of {' x '.join(map(str, table.array.shape[1:]))}"
    if table.array is not None:
        return counted(table.array.shape[1], "feature")
    if table.kind == "image" and table.shape is None:
        return "images"  # which are decoded as they are needed
    return counted(len(table.features), "feature")


def _guard(plan: Plan) -> str:
    if not plan.findings or plan.cfg.split.get("guard") == "off":
        return "off" if plan.cfg.split.get("guard") == "off" else ""
    warnings = [finding.check for finding in plan.findings if finding.severity == "warning"]
    checked = counted(len(plan.findings), "check")
    return f"{checked}, {counted(len(warnings), 'warning')}" if warnings else f"{checked}, no leak seen"


def notes(plan: Plan, first: Experiment) -> Iterator[str]:
    """Yields the warnings about data and settings that are shown before the training starts."""
    for finding in plan.findings:
        if finding.severity == "warning":
            yield finding.sentence
    if plan.cache.trouble is not None:
        yield plan.cache.trouble
    yield from plan.notes
    yield from first.notes
    short = short_training_note(first)
    if short:
        yield short
    targets = first.loaders.train.targets
    if (
        plan.cfg.data.load.get("sampler") is not None
        and targets is not None
        and not targets.is_floating_point()
    ):
        unlabelled = int((targets < 0).sum())
        if unlabelled:
            yield f"data.load.sampler draws by class: {counted(unlabelled, 'unlabelled row')} are never drawn"
    if first.loaders.valid is None:
        yield "no validation rows (split.valid=0): the last epoch is kept, not the best"

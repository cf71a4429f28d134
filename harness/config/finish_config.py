"""Completes a configuration once the rows are known, and the checks that need rows but no training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, get_args

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf, open_dict

from harness.config.auto_choices import EPOCHS, EVALUATIONS, LOSSES, MONITORS, choose_best_by
from harness.config.choice_files import choice, choices, yamls
from harness.config.instantiate import check_part, parameters_of, target
from harness.config.metric_nodes import resolve_directions
from harness.config.mlflow_experiment import choose_experiment
from harness.config.part_column import choose_part_column
from harness.core.errors import UserError
from harness.core.name_list import counted
from harness.core.near_names import near
from harness.core.table import Kind, Table
from harness.core.task import Task
from harness.runtime import mlflow_environment
from harness.runtime.config_nodes import container, copied, load_config, put

_BESIDE_EVALUATOR = ("metrics", "importance")
"""Settings of `evaluate` that stay when `auto` is replaced."""


def finish(cfg: DictConfig, table: Table) -> tuple[DictConfig, dict[str, str]]:
    """Returns the configuration with every remaining `auto` replaced, and the choices that were made.

    An explicit choice is never changed.

    Raises:
        UserError: the rows are of another kind than `auto` assumed, or the trainer needs labels.
    """
    _check_kind(cfg, table)
    task = table.task
    made: dict[str, str] = {}
    cfg = copied(cfg)
    with open_dict(cfg):
        trainer: Any = target(cfg.trainer, "trainer")
        _check_labels(cfg, trainer, task)
        if cfg.trainer.get("loss") == "auto":
            made["trainer.loss"] = LOSSES[task.kind]
            put(cfg.trainer, "loss", choice("trainer/loss", made["trainer.loss"]))
        if cfg.evaluate.get("_auto_"):
            made["evaluate"] = _evaluation(trainer, task)
            beside = container(cfg.evaluate, resolve=False)
            kept = {name: beside[name] for name in _BESIDE_EVALUATOR if name in beside}
            put(cfg, "evaluate", {**choice("evaluate", made["evaluate"]), **kept})
        _check_evaluator(cfg, trainer, task)
        if cfg.trainer.get("epochs") == "auto":
            put(cfg.trainer, "epochs", EPOCHS)
            made["trainer.epochs"] = str(EPOCHS)
        made |= _choose_monitor(cfg, trainer, table)
        resolve_directions(cfg)
        if cfg.name is None:
            put(cfg, "name", mlflow_environment.variable(mlflow_environment.RUN_NAME) or _name(cfg, table))
        made |= choose_part_column(cfg, table)
        made |= choose_experiment(cfg, table.name)
    for part in ("trainer", "evaluate"):  # the rest was checked before the rows were read
        if any(f"{key}.".startswith(f"{part}.") for key in made):
            check_part(cfg, part)
    return cfg, made


def _evaluation(trainer: Any, task: Task) -> str:
    return "representation" if trainer.learns == "representation" else EVALUATIONS[task.kind]


def _choose_monitor(cfg: DictConfig, trainer: Any, table: Table) -> dict[str, str]:
    """Sets `trainer.monitor` and `trainer.best_by` where they are `auto`; returns what was chosen.

    The classes of a table are compared by the accuracy, and the best epoch is that of the log-loss, which is
    better on most tables and costs no accuracy (docs/log.md); not where the user names a score to monitor.
    """
    made = {}
    open_ = cfg.trainer.get("monitor") == "auto"
    evaluator = str(cfg.evaluate._target_).rsplit(".", 1)[-1]
    if open_:
        made["trainer.monitor"] = _monitor(evaluator, table.task)
        put(cfg.trainer, "monitor", made["trainer.monitor"])
    if cfg.trainer.get("best_by") == "auto":
        supervised = trainer.learns != "representation" and not trainer.learns_unlabelled
        classes = table.kind == "table" and table.task.classification
        names = choose_best_by(cfg.trainer.monitor, evaluator.lower(), open_ and supervised and classes)
        put(cfg.trainer, "best_by", names)
        made["trainer.best_by"] = f"[{','.join(names)}]"
    return made


def _monitor(evaluator: str, task: Task) -> str:
    if evaluator == "Representation":
        return {"none": "valid/rankme", "regression": "valid/knn_r2"}.get(task.kind, "valid/knn_accuracy")
    return MONITORS.get(evaluator.lower(), "valid/loss")


def _name(cfg: DictConfig, table: Table) -> str:
    words = [chosen(cfg, "model"), chosen(cfg, "trainer")]
    if OmegaConf.select(cfg, "trainer.method") is not None:
        words[-1] = chosen(cfg, "trainer/method")
    return "-".join([*words, table.name])


def chosen(cfg: DictConfig, group: str) -> str:
    """Returns the name of a group's choice on the command line.

    A configuration made in Python does not have it: then the choice of the same target that agrees in most
    values, else the name of the class.
    """
    made = HydraConfig.get().runtime.choices.get(group) if HydraConfig.initialized() else None
    if made is not None:
        return str(made)
    node = OmegaConf.select(cfg, group.replace("/", "."))
    ours = {name: choice(group, name) for name in choices(group)}
    alike = {
        name: sum(node.get(key) == value for key, value in content.items())
        for name, content in ours.items()
        if content.get("_target_") == node["_target_"]
    }
    return max(alike, key=alike.__getitem__) if alike else str(node["_target_"]).rsplit(".", 1)[-1].lower()


def _check_kind(cfg: DictConfig, table: Table) -> None:
    kind = OmegaConf.select(cfg, "data.extract.kind")
    if kind is not None and kind != table.kind:
        raise UserError(
            f"data.extract.kind is {kind!r} and the rows are of kind {table.kind!r}",
            f"use data.extract.kind={table.kind} (one of {', '.join(get_args(Kind))})",
            key="data.extract.kind",
            value=kind,
        )


def _check_labels(cfg: DictConfig, trainer: Any, task: Task) -> None:
    needs = trainer.needs_labels or bool(OmegaConf.select(cfg, "trainer.method.labels"))
    if needs and not task.labelled:
        method = "trainer/method=simclr" if trainer.learns == "representation" else "trainer=contrastive"
        raise UserError(
            f"trainer={chosen(cfg, 'trainer')} learns from labels here, and the data has no target",
            f"name its column with data.extract.target=COLUMN, or learn without labels by {method}",
        )


def _check_evaluator(cfg: DictConfig, trainer: Any, task: Task) -> None:
    """Refuses an evaluation of harness that would have nothing to score."""
    name = chosen(cfg, "evaluate")
    right = _evaluation(trainer, task)
    if name not in MONITORS or name == right:
        return
    raise UserError(
        f"evaluate={name} does not fit trainer={chosen(cfg, 'trainer')} on a target of kind {task.kind}",
        f"use evaluate={right}",
    )


def check_monitor(monitor: str, names: tuple[str, ...], key: str = "trainer.monitor") -> None:
    """Checks that `trainer.monitor` is a score that is computed every epoch.

    Args:
        key: of another setting that names such a score.

    Raises:
        UserError: it is unknown, or of another part than the validation part.
    """
    part, _, name = monitor.partition("/")
    if part != "valid":
        raise UserError(
            f"{key} must be auto or a score of the validation part, valid/…, got {monitor!r}, so that no "
            "choice rests on test rows",
            near("valid/" + name, [f"valid/{n}" for n in names]),
            key=key,
        )
    if name not in names:
        raise UserError(
            f"{key}={monitor} is no score of this evaluation",
            near(monitor, [f"valid/{known}" for known in names]),
            key=key,
        )


def check_shape(cfg: DictConfig, shape: tuple[int, ...], table: Table) -> None:
    """Checks that the model takes samples of this shape.

    Raises:
        UserError: it does not; the message names models that do.
    """
    takes = getattr(target(cfg.model, "model"), "takes", None)
    form = {1: "row", 2: "sequence", 3: "image"}.get(len(shape), f"{len(shape)}-dimensional array")
    if takes is None or form in takes:
        return
    able = [name for name, part in _models() if form in getattr(part, "takes", ())]
    described = {"row": f"rows of {shape[0]} features"}.get(form, f"{form}s of shape {shape}")
    raise UserError(
        f"model={chosen(cfg, 'model')} takes {' or '.join(takes)}s, and {table.name} gives {described}",
        f"use model={' or model='.join(able)}",
    )


def check_codes(cfg: DictConfig, codes: Sequence[int], table: Table) -> None:
    """Checks that the model takes codes of categories where there are any.

    Raises:
        UserError: it does not; the message names models that do.
    """
    if not codes or takes_codes(target(cfg.model, "model")):
        return
    able = [name for name, part in _models() if takes_codes(part)]
    raise UserError(
        f"model={chosen(cfg, 'model')} has no argument `codes`, and {counted(len(codes), 'column')} of "
        f"{table.name} became codes of categories",
        f"set data.transform.one_hot_up_to=null, or use model={' or model='.join(able)}",
        key="data.transform.one_hot_up_to",
    )


def takes_codes(maker: Callable[..., Any]) -> bool:
    """Whether a model can learn vectors for codes of categories."""
    parameters = parameters_of(maker) or {}
    return "codes" in parameters or any(each.kind is each.VAR_KEYWORD for each in parameters.values())


def _models() -> list[tuple[str, Any]]:
    nodes = {name: load_config(path) for name, path in yamls("model").items()}
    return [
        (name, target({"_target_": node["_target_"]}, "model"))
        for name, node in nodes.items()
        if isinstance(node, DictConfig) and "_target_" in node
    ]

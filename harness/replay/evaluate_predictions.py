"""Predictions and scores of one model, or of several together, for some rows."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig
from torch import Tensor, nn

from harness.bundle.range_counts import RangeCounts, beyond_all
from harness.bundle.row_predictor import RowPredictor
from harness.config.instantiate import build
from harness.core.arithmetic_version import in_arithmetic
from harness.core.arrays import Arrays, Loader, Loaders
from harness.core.errors import UserError, refusing
from harness.core.fold import Fold
from harness.core.predictor import Predictor
from harness.core.protocol import Evaluator, Load
from harness.core.scores import Scores
from harness.core.table import Table
from harness.core.task import Task
from harness.evaluate.projection_2d import Projection
from harness.prepare.parts import new_model
from harness.record.predictions import RowOutputs
from harness.replay.evaluate_rows import Trained
from harness.runtime.random_seed import seed_everything
from harness.trainer.device import find_device


@dataclass(frozen=True)
class ScoredRows:
    """The results for the scored rows: scores, predictions (None without a head), a projection if there is
    one, and a sentence on rows beyond the training range ("" where there are none)."""

    scores: Scores
    outputs: RowOutputs | None
    picture: Projection | None
    parameters: int
    ranges: str


def scored(
    cfg: DictConfig,
    models: Sequence[Path],
    table: Table,
    rows: np.ndarray,
    trained: Trained,
    evaluator: Evaluator,
) -> ScoredRows:
    """Scores `rows`; baselines and probes are fitted on the training rows, if these are known.

    The loss is left out, because it has weights that follow from the training rows.

    Raises:
        UserError: the rows do not fit the model, or the evaluation cannot be made of this model.
    """
    seed_everything(cfg.seed)
    device = find_device(cfg.trainer.device)
    members = [RowPredictor(model, str(device)) for model in models]
    first, load = members[0], _loading(cfg)
    _require_trained_rows(first, trained, evaluator)
    if len(members) == 1:
        arrays = _arrays(first, table)
        known = arrays if trained.table is table else _of_trained(first, trained)
        predictor = first.predictor
    else:
        arrays, known = _answers(members, table, rows, load, device), _of_trained(first, trained, bare=True)
        predictor = _echo(first.bundle.task)
    test = _part(load, arrays, rows, device)
    train: Any = _Unknown() if known is None else _part(load, known, trained.learned, device)
    loaders = Loaders(train, None, test, None, arrays.shape, first.bundle.task, codes=arrays.codes)
    untrained = _untrained(first, device)
    scores = evaluator.score(predictor, loaders, "test", untrained)
    if known is None:  # baselines without a training row mean nothing
        scores = replace(scores, values={k: v for k, v in scores.values.items() if not np.isnan(v)})
    look = getattr(evaluator, "project", None)
    picture = None if look is None else look(predictor, loaders, "test", untrained)
    outputs = predictor.gather(test).outputs
    targets = None if test.targets is None else test.targets.cpu()
    predicted = None if outputs is None else RowOutputs(test.rows.cpu(), targets, outputs.cpu())
    parameters = sum(p.numel() for member in members for p in member.predictor.model.parameters())
    return ScoredRows(scores, predicted, picture, parameters, _range_sentence(members, table, rows))


def _range_sentence(members: Sequence[RowPredictor], table: Table, rows: np.ndarray) -> str:
    """About scored rows beyond the training range of every model; "" of arrays, images and sequences."""
    if table.kind != "table" or table.array is not None:
        return ""
    counts = RangeCounts()
    counts.add(beyond_all(members, table.frame.iloc[rows]))
    return counts.sentence


class _Unknown:
    """A loader for unknown training rows, from which no baseline can be computed."""

    targets = None
    rows = torch.empty(0, dtype=torch.int64)


def _loading(cfg: DictConfig) -> Load:
    """Returns the run's loader without the settings that only affect training."""
    node = copy.deepcopy(cfg.data.load)
    if "batch_size" in node and "eval_batch_size" in node:
        node.batch_size = node.eval_batch_size
    if "sampler" in node:
        node.sampler = None
    load: Load = build(node, "data.load")
    return load


def _part(load: Load, arrays: Arrays, rows: np.ndarray, device: torch.device) -> Loader:
    """Returns a loader of these rows in order, in the batch size of evaluations."""
    none = np.empty(0, dtype=np.int64)
    loader = load(arrays, Fold(0, rows, none, rows), device).test
    assert loader is not None
    return loader


def _arrays(member: RowPredictor, table: Table) -> Arrays:
    """Transforms the rows by the model's fitted transform; nothing is fitted.

    Raises:
        UserError: they have another shape, or values that the transform does not accept.
    """
    with refusing("data.extract"):
        arrays = member.transform(table)
    if arrays.shape != member.bundle.inputs:
        raise UserError(
            f"the model takes samples of shape {member.bundle.inputs}, and {table.name} gives {arrays.shape}",
            "give rows as the source of the run gave them",
        )
    return in_arithmetic(arrays, member.bundle.config)


def _of_trained(member: RowPredictor, trained: Trained, bare: bool = False) -> Arrays | None:
    """Returns the training rows, of an ensemble only their targets; None if they are not known."""
    if trained.table is None or not len(trained.learned):
        return None
    arrays = _arrays(member, trained.table)
    return replace(arrays, inputs=torch.zeros(len(trained.table), 1)) if bare else arrays


def _require_trained_rows(member: RowPredictor, trained: Trained, evaluator: Evaluator) -> None:
    """Checks that probes have rows to learn from.

    Raises:
        UserError: the training rows are not known.
    """
    probes = hasattr(evaluator, "project") and member.bundle.task.labelled
    if probes and (trained.table is None or not len(trained.learned)):
        why = trained.why or "these rows are not known any more"
        raise UserError(
            f"evaluate=representation trains probes on the rows that the model was trained on, and {why}",
            "restore them, or choose another evaluate",
        )


def _answers(
    members: Sequence[RowPredictor], table: Table, rows: np.ndarray, load: Load, device: torch.device
) -> Arrays:
    """Returns the mean prediction of several models, as inputs of a network that returns its input.

    Of classes the mean probability (Lakshminarayanan et al. 2017, arXiv:1612.01474, section 2.4), of labels
    each by itself, of numbers their mean; in float64 until the last step.
    """
    task, targets = members[0].bundle.task, None
    total: Tensor | None = None
    precision = torch.float32
    for member in members:
        arrays = _arrays(member, table)
        targets = arrays.targets
        outputs = member.predictor.gather(_part(load, arrays, rows, device)).outputs
        if outputs is None:
            raise UserError(
                "an ensemble averages predictions, and these models learned representations, each with axes "
                "of its own",
                "name the model of one fold",
            )
        precision = outputs.dtype
        shares = _shares(outputs.double().cpu(), task)
        total = shares if total is None else total + shares
    assert total is not None
    mean = _as_outputs(total / len(members), task).to(precision).reshape(len(rows), -1)
    inputs = mean.new_zeros(len(table), mean.shape[1])
    inputs[torch.from_numpy(rows)] = mean
    return Arrays(inputs, targets, task)


def _shares(outputs: Tensor, task: Task) -> Tensor:
    """Returns the values that are averaged: probabilities, or numbers."""
    if task.kind == "multiclass":
        return outputs.softmax(dim=1)
    return outputs if task.kind == "regression" else outputs.sigmoid()


def _as_outputs(shares: Tensor, task: Task) -> Tensor:
    """Returns the outputs of a head for these values: the logits of probabilities, or the numbers."""
    if task.kind == "multiclass":
        return shares.log()
    return shares if task.kind == "regression" else shares.logit(eps=1e-12)


def _echo(task: Task) -> Predictor:
    """Returns a predictor that outputs its input, (B, C), or (B,) if a head of this task has that shape."""
    flat = task.kind == "binary" or (task.kind == "regression" and not task.columns)
    return Predictor(nn.Identity(), nn.Flatten(0) if flat else nn.Identity(), task)


def _untrained(member: RowPredictor, device: torch.device) -> Callable[[], Predictor]:
    """The architecture with random weights, as `Experiment.untrained` makes it."""
    node = member.bundle.config["model"]
    bare = {**node, "weights": None} if "weights" in node else node

    def make() -> Predictor:
        with torch.random.fork_rng([device] if device.type == "cuda" else [], device_type="cuda"):
            torch.manual_seed(torch.initial_seed() + 1)
            model = new_model(bare, member.bundle.inputs, member.bundle.codes).to(device)
        return Predictor(model, None, member.bundle.task, None, member.predictor.autocast)

    return make

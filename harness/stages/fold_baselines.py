"""The fitted baselines of a fold: which of them, their scores, and how far they are from the network's."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from harness.core.arrays import Loader, Loaders
from harness.core.baseline_names import FITTED, baseline_name
from harness.core.code_columns import one_hot_width
from harness.core.error_text import described
from harness.core.scores import Scores
from harness.evaluate.fitted_baselines import FittedBaseline, LabelledRows, fitted, labelled_rows
from harness.evaluate.row_scores import as_pooled, difference_interval, mean_pooled
from harness.evaluate.scored_rows import known
from harness.prepare.experiment import Experiment
from harness.record.predictions import RowOutputs
from harness.runtime.config_nodes import copied

_MOST_NUMBERS = 20_000_000
"""Training rows x features up to which `auto` fits a baseline: some ten seconds on one core."""


_MOST_FOLDS = 20
"""Folds up to which `auto` fits baselines."""


@dataclass
class FoldBaselines:
    """What the fitted baselines of a fold reach.

    scores     of each part, by plain name such as "accuracy_baseline_linear"
    intervals  95 % interval of baseline minus network over the rows of the part that counts, by full name
    notes      why one is missing
    """

    scores: list[tuple[str, Scores]] = field(default_factory=list)
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def fit_baselines(
    experiment: Experiment,
    parts: Sequence[str],
    choice: Literal["auto", "off", "all"],
    before: Sequence[RowOutputs] = (),
) -> FoldBaselines:
    """Fits and scores the baselines on the fold's rows. One that fails is a note: the run goes on.

    Those of an ensemble are fitted once, with its last network, on the rows of the whole fold. The linear one
    learns from all rows that the networks train and validate by; boosting stops by the fold's valid part.
    Only test rows are scored, because each network has validation rows of its own.

    Args:
        parts: which are scored; without "test" among them a run is compared with others first, and has none.
        choice: "auto": both for a table, the linear one for images without pre-training; "all": both for any
            rows with targets.
        before: the outputs for the test rows of the other networks of the ensemble.
    """
    result = FoldBaselines()
    pool = getattr(experiment.evaluator, "pool", None)
    if choice == "off" or pool is None or "test" not in parts or not experiment.loaders.task.labelled:
        return result
    if not experiment.fold.last_network:
        return result
    names = _wanted(experiment, choice)
    if names and choice == "auto" and experiment.whole_folds > _MOST_FOLDS:
        # None at all: a comparison of some folds would not be that of the network's mean over all of them.
        result.notes.append(
            f"no fitted baselines: for {experiment.whole_folds} folds they would take longer than the "
            "trainings; "
            "baseline=all fits them"
        )
        return result
    if not names:
        return result
    loaders = experiment.loaders if experiment.around is None else experiment.around()
    width = one_hot_width(math.prod(loaders.shape), loaders.codes)
    size = len(loaders.train.rows) * width
    if choice == "auto" and size > _MOST_NUMBERS:
        result.notes.append(
            f"no fitted baselines: {len(loaders.train.rows):,} training rows of "
            f"{width:,} features would take long; baseline=all fits them"
        )
        return result
    train = labelled_rows(loaders.train, loaders.codes)
    if train is None:
        return result
    valid = labelled_rows(loaders.valid, loaders.codes)
    for name in names:
        try:
            everything = experiment.around is not None and name == "linear"
            known_rows = train if valid is None or not everything else _joined(train, valid)
            made = fitted(name, loaders.task, known_rows, valid, experiment.cfg.seed)
            _score(experiment, loaders, made, name, parts, result, before)
        except Exception as error:
            result.notes.append(f"the baseline {name} could not be fitted: {described(error)}")
    return result


def of_many_trials(cfg: DictConfig) -> DictConfig:
    """The configuration of a trial that is tested among many others: without baselines and importance."""
    cfg = copied(cfg)
    OmegaConf.update(cfg, "baseline", "off", force_add=True)
    OmegaConf.update(cfg, "evaluate.importance", None, force_add=True)
    return cfg


def _wanted(experiment: Experiment, choice: str) -> Iterable[str]:
    if experiment.trainer.learns == "representation":
        return ()
    if choice == "all" or len(experiment.loaders.shape) == 1:
        return tuple(FITTED)
    pretrained = experiment.before is not None or experiment.cfg.model.get("weights") is not None
    return ("linear",) if len(experiment.loaders.shape) == 3 and not pretrained else ()


def _joined(train: LabelledRows, valid: LabelledRows) -> LabelledRows:
    inputs, targets = (
        np.concatenate(pair) for pair in ((train.inputs, valid.inputs), (train.targets, valid.targets))
    )
    return train._replace(inputs=inputs, targets=targets)


def _score(
    experiment: Experiment,
    loaders: Loaders,
    made: FittedBaseline,
    name: str,
    parts: Sequence[str],
    result: FoldBaselines,
    before: Sequence[RowOutputs],
) -> None:
    scored = ("valid", "test") if experiment.around is None else ("test",)
    present = [part for part, _ in experiment.fold.parts() if part in scored and part in parts]
    for part in present:
        loader: Loader = getattr(loaders, part)
        rows = labelled_rows(loader, loaders.codes)
        if rows is None:
            continue
        outputs, targets = made(rows), torch.from_numpy(rows.targets)
        values = experiment.evaluator.pool(outputs, targets)  # type: ignore[attr-defined]  # looked up before
        result.scores.append(
            (part, Scores({baseline_name(own, name): value for own, value in values.items()}))
        )
        if part == present[-1]:
            ends = _intervals(experiment, loader, outputs, targets, before)
            result.intervals |= {f"{part}/{baseline_name(own, name)}": each for own, each in ends.items()}


def _intervals(
    experiment: Experiment, loader: Loader, outputs: Tensor, targets: Tensor, before: Sequence[RowOutputs]
) -> dict[str, tuple[float, float]]:
    if experiment.around is not None:  # the same rows, as the network's own transform gives them
        assert experiment.loaders.test is not None
        loader = experiment.loaders.test
    network = experiment.predictor().gather(loader).outputs
    if network is None:
        return {}
    assert loader.targets is not None
    kept = known(loader.targets)
    networks = [*(each.outputs[kept.cpu()] for each in before), network[kept].cpu()]
    task = experiment.loaders.task
    own = mean_pooled(networks, task) if before else as_pooled(networks[0], task)
    return difference_interval(own, outputs, targets, experiment.loaders.task)

"""The fitted baselines of a fold: which of them, their scores, and how far they are from the network's."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from harness.core.arrays import Loader
from harness.core.baseline_names import FITTED, baseline_name
from harness.core.code_columns import one_hot_width
from harness.core.error_text import described
from harness.core.scores import Scores
from harness.evaluate.baseline_fits import LabelledRows, predicted
from harness.evaluate.fitted_baselines import fit_of, labelled_rows
from harness.evaluate.row_scores import as_pooled, difference_interval
from harness.evaluate.scored_rows import known
from harness.prepare.experiment import Experiment
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
    experiment: Experiment, parts: Sequence[str], choice: Literal["auto", "off", "all"]
) -> FoldBaselines:
    """Fits and scores the baselines on the fold's rows. One that fails is a note: the run goes on.

    Those that another process has fitted meanwhile are taken from there.

    Args:
        parts: which are scored; without "test" among them a run is compared with others first, and has none.
        choice: "auto": both for a table, the linear one for images without pre-training; "all": both for any
            rows with targets.
    """
    wanted = wanted_baselines(experiment, parts, choice)
    result = FoldBaselines(notes=list(wanted.notes))
    rows = labelled_parts(experiment) if wanted.names else {}
    if "train" not in rows:
        return result
    scored = scored_parts(experiment, parts)
    task, seed = experiment.loaders.task, experiment.cfg.seed
    done = {} if experiment.baselines is None else experiment.baselines.result() or {}
    for name in wanted.names:
        try:
            outputs = done.get(name)
            if outputs is None:  # nobody has fitted it, or it failed, and does again
                outputs = predicted(fit_of(name, task, rows, scored, seed))
            _score(experiment, outputs, name, rows, result)
        except Exception as error:
            result.notes.append(f"the baseline {name} could not be fitted: {described(error)}")
    return result


class Wanted(NamedTuple):
    """The names of the baselines of a fold, and why there are none where one would expect some."""

    names: Sequence[str] = ()
    notes: Sequence[str] = ()


def wanted_baselines(experiment: Experiment, parts: Sequence[str], choice: str) -> Wanted:
    """Which baselines of the fold are fitted; the arguments are those of `fit_baselines`."""
    pool = getattr(experiment.evaluator, "pool", None)
    if choice == "off" or pool is None or "test" not in parts or not experiment.loaders.task.labelled:
        return Wanted()
    names = _wanted(experiment, choice)
    if names and choice == "auto" and experiment.folds > _MOST_FOLDS:
        # None at all: a comparison of some folds would not be that of the network's mean over all of them.
        note = (
            f"no fitted baselines: for {experiment.folds} folds they would take longer than the trainings; "
            "baseline=all fits them"
        )
        return Wanted((), [note])
    size, width = fitted_numbers(experiment)
    if names and choice == "auto" and size > _MOST_NUMBERS:
        note = (
            f"no fitted baselines: {len(experiment.loaders.train.rows):,} training rows of "
            f"{width:,} features would take long; baseline=all fits them"
        )
        return Wanted((), [note])
    return Wanted(names)


def fitted_numbers(experiment: Experiment) -> tuple[int, int]:
    """Training rows x features that a baseline is fitted on, and the features."""
    loaders = experiment.loaders
    width = one_hot_width(math.prod(loaders.shape), loaders.codes)
    return len(loaders.train.rows) * width, width


def labelled_parts(experiment: Experiment) -> dict[str, LabelledRows]:
    """The labelled rows of the fold's parts, without parts that have none."""
    loaders = experiment.loaders
    named = (("train", loaders.train), ("valid", loaders.valid), ("test", loaders.test))
    found = ((part, labelled_rows(loader, loaders.codes)) for part, loader in named)
    return {part: rows for part, rows in found if rows is not None}


def scored_parts(experiment: Experiment, parts: Sequence[str]) -> list[str]:
    """Those of the parts that the fold has and that are scored."""
    return [part for part, _ in experiment.fold.parts() if part in ("valid", "test") and part in parts]


def of_many_trials(cfg: DictConfig) -> DictConfig:
    """The configuration of a trial that is tested among many others: without baselines and importance."""
    cfg = copied(cfg)
    OmegaConf.update(cfg, "baseline", "off", force_add=True)
    OmegaConf.update(cfg, "evaluate.importance", None, force_add=True)
    return cfg


def _wanted(experiment: Experiment, choice: str) -> Sequence[str]:
    if experiment.trainer.learns == "representation":
        return ()
    if choice == "all" or len(experiment.loaders.shape) == 1:
        return tuple(FITTED)
    pretrained = experiment.before is not None or experiment.cfg.model.get("weights") is not None
    return ("linear",) if len(experiment.loaders.shape) == 3 and not pretrained else ()


def _score(
    experiment: Experiment,
    found: Mapping[str, np.ndarray],
    name: str,
    rows: Mapping[str, LabelledRows],
    result: FoldBaselines,
) -> None:
    """Adds the scores of a baseline by its outputs for each part."""
    last = scored_parts(experiment, ("valid", "test"))[-1]
    for part, numbers in found.items():
        outputs, targets = torch.from_numpy(numbers), torch.from_numpy(rows[part].targets)
        values = experiment.evaluator.pool(outputs, targets)  # type: ignore[attr-defined]  # looked up before
        result.scores.append(
            (part, Scores({baseline_name(own, name): value for own, value in values.items()}))
        )
        if part == last:
            loader: Loader = getattr(experiment.loaders, part)
            ends = _intervals(experiment, loader, outputs, targets)
            result.intervals |= {f"{part}/{baseline_name(own, name)}": each for own, each in ends.items()}


def _intervals(
    experiment: Experiment, loader: Loader, outputs: Tensor, targets: Tensor
) -> dict[str, tuple[float, float]]:
    network = experiment.predictor().gather(loader).outputs
    if network is None:
        return {}
    assert loader.targets is not None
    kept = known(loader.targets)
    own = as_pooled(network[kept].cpu(), experiment.loaders.task)
    return difference_interval(own, outputs, targets, experiment.loaders.task)

"""The calibration of a trained fold by its validation rows, and its scores without that."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from harness.core.baseline_names import baseline_name
from harness.core.scores import Scores
from harness.evaluate.scored_rows import known
from harness.evaluate.temperature import fit_temperature
from harness.prepare.evaluation import calibrates
from harness.prepare.experiment import Experiment

_CHANGED = ("log_loss", "ece")
"""Scores that a temperature changes; it keeps the order of classes."""

Evaluate = Callable[[Experiment], Iterable[tuple[str, Scores]]]


def calibrated(experiment: Experiment) -> Experiment:
    """The experiment with the temperature of its network, where `production.calibrate` asks for it."""
    valid = experiment.loaders.valid
    if not calibrates(experiment.cfg) or valid is None or valid.targets is None:
        return experiment
    outputs = experiment.trainer.predictor().gather(valid).outputs
    assert outputs is not None  # a trainer without outputs was refused
    rows = known(valid.targets)
    temperature = fit_temperature(outputs[rows], valid.targets[rows], experiment.loaders.task)
    return replace(experiment, temperature=temperature)


def uncalibrated(experiment: Experiment, evaluate: Evaluate) -> Iterator[tuple[str, Scores]]:
    """The scores of a calibrated network without its temperature, as `…_baseline_uncalibrated`."""
    if not calibrates(experiment.cfg):
        return
    for part, scores in evaluate(replace(experiment, temperature=1.0)):
        own = {name: scores.values[name] for name in _CHANGED if name in scores.values}
        yield part, Scores({baseline_name(name, "uncalibrated"): value for name, value in own.items()})

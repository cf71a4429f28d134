"""How many trials of a sweep a worker trains as one."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optuna.samplers import QMCSampler, RandomSampler

from harness.config.check_memory import without_fractions
from harness.config.instantiate import target
from harness.core.fuse_setting import AUTO, FUSE, OFF
from harness.prepare.experiment import Experiment
from harness.prepare.plan import Plan
from harness.runtime.process_group import world
from harness.stages.fused_folds import why_each_alone
from harness.sweep.study.sweep_settings import SweepSettings
from harness.trainer.fused.fuse_rule import StepSize, is_faster, known_reason
from harness.trainer.fused.training_kind import kind_of

_MOST_TRIALS = 32
"""With more of them a step of small networks is no faster for each."""

_MOST_MEMBERS = 64
"""Folds of all trials that are trained as one."""

_LEAST_STEPS = 200
"""Shorter trainings are not faster together: what each trial and each epoch costs outweighs its steps."""

_BATCHES = 4
"""A sampler that learns from ended trials is asked for a quarter of all trials at once, at most."""


@dataclass(frozen=True)
class FusedTrial:
    """What one point of the space says about training its trials with others.

    asked  the setting `fuse`
    alone  why it is trained alone; "": it need not be
    kind   of its model, see `kind_of`, and of its loss: only trials of one kind are trained as one
    rough  the same, whatever the fractions are among the settings of the loss
    size   of a step
    rows   training rows of each fold
    steps  of a training, at most
    """

    asked: int | str
    alone: str
    kind: Hashable
    rough: Hashable
    size: StepSize
    rows: tuple[int, ...]
    batch_size: int
    steps: int
    share_last: bool = False

    @classmethod
    def of(cls, experiment: Experiment, plan: Plan) -> FusedTrial:
        asked = plan.cfg.get(FUSE, OFF)
        asked = OFF if asked is False else asked
        off = "fuse=off" if asked == OFF else why_each_alone(plan)
        parts = (experiment.trainer, experiment.model, experiment.loaders, experiment.augment)
        alone = off or known_reason(*parts) or ""  # a worker tries a step, which calls the model
        rows = tuple(len(fold.train) for fold in plan.folds)
        load = plan.cfg.data.load
        batch_size, share_last = load.get("batch_size", 1), bool(load.get("share_last"))
        model, node = kind_of(experiment.model), plan.parts.node("trainer")
        loss = [node.get(key) for key in ("loss", "method")]
        kind, rough = (model, repr(loss)), (model, repr(without_fractions(loss)))
        size, steps = StepSize(0) if alone else StepSize.of(*parts), experiment.trainer.budget.steps
        return cls(asked, alone, kind, rough, size, rows, batch_size, steps, share_last)


@dataclass(frozen=True)
class TrialSlots:
    """How many trials a worker trains as one, and why.

    count  1: one trial after another
    fuse   what each trial's configuration stores as `fuse`; None: each trial chooses for its folds
    line   for the screen; "" where nothing was asked for and nothing is fused
    """

    count: int = 1
    fuse: int | None = None
    line: str = ""


def choose_slots(
    settings: SweepSettings,
    sampler: Mapping[str, Any] | None,
    pruned: bool,
    trials: int | None,
    points: Sequence[FusedTrial],
) -> TrialSlots:
    """How many trials of a sweep are trained as one.

    Args:
        sampler: the node of `sweep.sampler`; None: the points are queued.
        pruned: whether the sweep has a pruner.
        trials: of the sweep; None: as many as its time allows.
        points: that were prepared.
    """
    asked = {point.asked for point in points}
    units = max(len(point.rows) for point in points) * settings.repeat
    reason = next((point.alone for point in points if point.alone), "") or _reason(settings, pruned)
    if len(asked) > 1:
        reason = "fuse is swept"
    numbers = [int(value) for value in asked if value not in (AUTO, OFF)]
    if not reason and numbers:
        count = max(1, numbers[0] // units)
    elif not reason:
        count = _most(settings, sampler, trials, units)
        kinds = len({point.kind for point in points})
        # Where a fraction of the loss is searched, each trial would be the only one of its kind.
        faster = kinds == len({point.rough for point in points}) and all(
            point.steps >= _LEAST_STEPS
            and is_faster(
                point.size,
                point.rows * settings.repeat * max(1, count // kinds),
                point.batch_size,
                point.share_last,
            )
            for point in points
        )
        reason = "" if count * settings.repeat > 1 and faster else "alone is faster"
    if reason:
        return TrialSlots(
            line=f"each trial is trained alone: {reason} (fuse={numbers[0]})" if numbers else ""
        )
    together = min(count, settings.recycle or count)
    each = f", with the {settings.repeat} seeds of each" if settings.repeat > 1 else ""
    line = f"up to {together} trials are trained as one{each} (fuse={next(iter(asked))})"
    if together == 1:
        line = f"the {settings.repeat} seeds of a trial are trained as one (fuse={next(iter(asked))})"
    line = line if together * settings.repeat > 1 else ""
    return TrialSlots(together, numbers[0] if numbers else count * units, line)


def _reason(settings: SweepSettings, pruned: bool) -> str:
    """Why a worker runs one trial after another, whatever these are."""
    if world() > 1:
        return "torchrun divides each batch over its processes"
    if settings.isolate:
        return "sweep.isolate gives each trial a process"
    if settings.timeout is not None:
        return "sweep.timeout limits the time of each trial"
    if pruned and settings.axis == "folds":
        return "sweep.axis=folds compares trials fold by fold"
    return ""


def _most(settings: SweepSettings, sampler: Mapping[str, Any] | None, trials: int | None, units: int) -> int:
    """How many trials are trained as one, of so many trainings (folds and repeats) each."""
    count = min(_MOST_TRIALS, max(1, _MOST_MEMBERS // units))
    if trials is not None:
        learns = sampler is not None and not _draws_at_random(sampler)
        count = min(count, -(-trials // (settings.workers * (_BATCHES if learns else 1))))
    return count


def _draws_at_random(sampler: Mapping[str, Any]) -> bool:
    """Whether a point does not depend on the results of trials."""
    made = target(dict(sampler), "sweep.sampler")
    return isinstance(made, type) and issubclass(made, RandomSampler | QMCSampler)

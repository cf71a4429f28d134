"""What the code of a trial calls: it reports its progress, and finds its folder.

    from harness.sweep import folder, report

    for epoch in range(1, epochs + 1):
        ...
        if report(epoch, loss):
            break

Outside of a sweep, `report` does nothing, so that the same program also runs alone.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, SupportsFloat, SupportsIndex

from harness.core.errors import Pruned as _Pruned

Pruned = _Pruned
"""Raised by a trial, it ends the trial as pruned."""


@dataclass
class RunningTrial:
    """The trial that this process runs.

    send      stores a step and its value; returns whether the pruner stops the trial
    reported  the values that earlier workers have stored of it, by step
    halt      a step of `reported` at which the trial is stopped again
    check     called at each report; raises where the time of the trial is over
    stopped   the step and value after which the pruner stopped the trial; None: it has not
    """

    send: Callable[[int, float], bool]
    reported: Mapping[int, float] = field(default_factory=dict)
    halt: int | None = None
    check: Callable[[], None] = lambda: None
    stopped: tuple[int, float] | None = None


_running: RunningTrial | None = None


@contextmanager
def running(trial: RunningTrial) -> Iterator[None]:
    """Within this context, `report` is about this trial."""
    global _running
    before, _running = _running, trial
    try:
        yield
    finally:
        _running = before


def report(step: SupportsIndex, value: SupportsFloat, *, last: bool = False) -> bool:
    """Reports the objective at a step of the trial; returns whether the trial should end now.

    A trial that returns after it was asked to end is pruned. One that reports a later step instead continues.

    Args:
        step: an epoch or a step, the same for all trials; 0 or more. Pruners count from 1.
        value: the objective at this step, better in the direction of `sweep.objectives`. NaN and infinite
            values are not stored.
        last: whether the trial ends here in any case, so that stopping it would save nothing.

    Raises:
        TypeError: `step` is no integer or `value` is no number.
        ValueError: `step` is negative.
        TimedOut: the trial has taken longer than `sweep.timeout`.
    """
    number, score = operator.index(step), float(value)
    if number < 0:
        raise ValueError(f"step must be at least 0, got {number}")
    trial = _running
    if trial is None:
        return False
    trial.check()
    trial.stopped = None
    if not math.isfinite(score):
        return False
    # A trial that begins anew after its worker has died repeats what the study already has.
    stops = number == trial.halt if number in trial.reported else trial.send(number, score)
    if stops and not last:
        trial.stopped = number, score
    return trial.stopped is not None


def folder() -> Path:
    """The trial's own folder, which is kept when it is resumed: for checkpoints.

    Outside of a sweep, Hydra's output folder of the run.

    Raises:
        ValueError: Hydra does not run.
    """
    from hydra.core.hydra_config import HydraConfig

    output: Any = HydraConfig.get().runtime.output_dir
    return Path(output)

"""debug=lr: the learning-rate finder, which records the loss while the rate rises."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple, final

import numpy as np

from harness.core.errors import Diverged, Unproved
from harness.debug.step_observer import losses
from harness.prepare.experiment import Experiment
from harness.record import plots
from harness.record.fold_record import FoldRecord
from harness.trainer.ramp import rate

_FEWEST = 10
"""The smallest number of losses for a curve."""

_LEAST_FALL = 0.05
"""A loss that falls by less than this share of its size is taken as noise of the batches."""

_DECAY = 0.8
"""Per step, of the running mean that is compared to detect a rising loss."""


class Suggestion(NamedTuple):
    """steepest  the rate at which the smoothed loss falls fastest in log(rate)
    tenth     a tenth of the rate at which it is lowest
    """

    steepest: float
    tenth: float


@final
class Rates:
    """A learning-rate range test (arXiv 1506.01186, section 3.3) over the training's own steps.

    `trainer/scheduler=ramp` raises the rate from `lowest` to `highest` in `trainer.steps` steps; the
    search ends where the loss blows up. What it suggests is the rate of the steepest descent, beside a
    tenth of the rate of the lowest loss, both read off the curve in `lr.svg`.

    Args:
        lowest, highest: the rates of the ramp.
        smoothing: standard deviation in steps of the Gaussian that the loss is averaged with.
        blowup: the running mean of the loss over its lowest value at which the search ends, above 1.

    Raises:
        ValueError: a value is out of range.
    """

    folds = 1
    says = (
        "debug=lr: the rate rises from step to step until the loss blows up; nothing is evaluated or tracked"
    )

    def __init__(self, *, lowest: float, highest: float, smoothing: float, blowup: float) -> None:
        if not smoothing > 0:
            raise ValueError(f"smoothing must be above 0 steps, got {smoothing}")
        if not blowup > 1:
            raise ValueError(f"blowup must be above 1, got {blowup}")
        self.lowest, self.highest = lowest, highest
        self.smoothing, self.blowup = smoothing, blowup

    @contextmanager
    def __call__(
        self, experiment: Experiment, fold_record: FoldRecord, stop: Callable[[], bool]
    ) -> Iterator[Experiment | None]:
        losses = list(self._losses(experiment, stop))
        if not stop():
            total = experiment.trainer.budget.steps
            rates = [rate(step, total, self.lowest, self.highest) for step in range(len(losses))]
            self._report(rates, losses, fold_record)
        yield None

    def _losses(self, experiment: Experiment, stop: Callable[[], bool]) -> Iterator[float]:
        """The loss of each step, up to the one that blew up."""
        mean = weight = 0.0
        lowest = np.inf
        try:
            for number, loss in enumerate(losses(experiment, stop), start=1):
                yield loss
                mean, weight = _DECAY * mean + (1 - _DECAY) * loss, _DECAY * weight + 1 - _DECAY
                lowest = min(lowest, mean / weight)
                if number > _FEWEST and mean / weight > lowest + (self.blowup - 1) * abs(lowest):
                    return
        except Diverged:
            return

    def _report(self, rates: Sequence[float], losses: Sequence[float], fold_record: FoldRecord) -> None:
        """Draws the curve and says what it suggests.

        Raises:
            Unproved: it suggests nothing.
        """
        if len(losses) < _FEWEST:
            raise Unproved(
                f"the loss blew up within {len(losses)} steps of the search for a learning rate; lower "
                f"debug.lowest={self.lowest:g}, or look for extreme values in the data."
            )
        smooth = smoothed(losses, self.smoothing, self.blowup)
        advice = suggest(rates, smooth)
        marks = {} if advice is None else {"steepest": advice.steepest, "lowest / 10": advice.tenth}
        curve = partial(plots.rates, np.array(rates), np.array(losses), smooth, marks)
        fold_record.draw("lr.svg", curve)
        if advice is None:
            raise Unproved(
                f"the loss fell at no rate between {rates[0]:.2g} and {rates[-1]:.2g} (see lr.svg); give it "
                "more trainer.steps or a larger data.load.batch_size, and try debug=overfit."
            )
        fold_record.screen.note(
            f"trainer.optimizer.lr={advice.steepest:.2g} falls fastest (a tenth of the rate of the lowest "
            f"loss is {advice.tenth:.2g}); {len(losses)} rates tried, the curve is in lr.svg"
        )


def suggest(rates: Sequence[float], smooth: np.ndarray) -> Suggestion | None:
    """Returns the suggested rates, from (n,) rising rates and the smoothed loss at each; None: it never
    fell."""
    lowest = int(smooth.argmin())
    highest_before = smooth[: lowest + 1].max()
    if highest_before - smooth[lowest] <= _LEAST_FALL * abs(highest_before):
        return None
    slopes = np.gradient(smooth, np.log10(np.array(rates)))
    steepest = int(slopes[: lowest + 1].argmin())
    return Suggestion(float(rates[steepest]), float(rates[lowest]) / 10)


def smoothed(losses: Sequence[float], smoothing: float, blowup: float) -> np.ndarray:
    """Returns (n,) losses averaged with their neighbours on both sides, so that a fall is not shifted.

    Losses are clipped at `blowup` times the lowest: a diverged loss would otherwise hide the minimum before
    it.
    """
    values = np.array(losses, dtype=np.float64)
    values = np.minimum(values, max(values.min() + (blowup - 1) * abs(values.min()), values[0]))
    reach = int(np.ceil(3 * smoothing))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / smoothing) ** 2)
    sums = np.convolve(values, kernel)[reach : reach + len(values)]
    weights = np.convolve(np.ones(len(values)), kernel)[reach : reach + len(values)]
    means: np.ndarray = sums / weights
    return means

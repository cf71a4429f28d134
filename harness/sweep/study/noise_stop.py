"""Whether the trials that are left can be expected to improve the best score by more than its error."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from harness.sweep.study.snapshot import Snapshot, eligible, score

SCORE_ERROR = "score_error"
"""The attribute of a trial with the standard error of its objective."""

FEWEST_ENDED = 10
"""Trials that end before the rule is asked."""

FEWEST_RUNS = 3
"""Folds and repeats, from which on their spread gives the error of a score."""

_PART = 3
_FEWEST_BEST = 4
SHARE = 0.4
"""Of the error; what it saves and loses on recorded curves is in benchmarks/sweep_until.md."""


@dataclass(frozen=True)
class RemainingGain:
    """What is still to be expected of a sweep.

    trials  that are left
    gain    by which they are expected to improve the best score
    error   the standard error of the best score
    name    of the score
    """

    trials: int
    gain: float
    error: float
    name: str

    @property
    def is_noise(self) -> bool:
        """Whether the gain is so small that no trial is begun for it."""
        return self.gain < SHARE * self.error

    @property
    def sentence(self) -> str:
        """`the 27 trials that are left would improve valid/accuracy by 0.0012; its error is 0.0087`."""
        trials = "the trial that is left" if self.trials == 1 else f"the {self.trials} trials that are left"
        return f"{trials} would improve {self.name} by {score(self.gain)}; its error is {score(self.error)}"

    def as_dict(self) -> dict[str, Any]:
        """As `result.json` has it."""
        return {"trials": self.trials, "gain": self.gain, "error": self.error, "noise": self.is_noise}


def remaining_gain(now: Snapshot, left: int) -> RemainingGain | None:
    """The expected gain of the trials that are left; None where too few have ended, or the error is unknown.

    The best third of the scores is taken for the tail of an exponential distribution (as by Pickands 1975,
    with shape 0), of which the best of n draws grows with log n times the mean excess over the threshold.
    Trials that were pruned count as worse. A sampler that learns is expected to find no better points than
    one that draws from where the trials so far are from.

    Args:
        now: with one objective.
        left: trials that may still begin.
    """
    rows = sorted(filter(eligible, now.rows), key=lambda row: (now.cost(row), row.number))
    ended = now.ended
    count = max(_FEWEST_BEST, ended // _PART)
    if ended < FEWEST_ENDED or len(rows) <= count or left < 1 or rows[0].score_error is None:
        return None
    costs = [now.cost(row)[0] for row in rows[: count + 1]]
    excess = sum(costs[count] - cost for cost in costs[:count]) / count
    begun = ended + now.count("running")
    gain = excess * math.log((begun + left) / begun)
    return RemainingGain(left, gain, rows[0].score_error, now.objectives[0].name)

"""The place of a run in the sweep that it belongs to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


def always(scores: Mapping[str, float]) -> bool:
    """The files are kept whatever the scores are."""
    return True


def no_costs() -> Mapping[str, float]:
    """Nothing is known of what the trial has used."""
    return {}


class Keeps(NamedTuple):
    """Whether the files of a trial are kept, given the scores of its only fold.

    weights      of its model
    checkpoints  from which it can be trained on; None: they are, and the last is written before the scores
                 are known
    """

    weights: Callable[[Mapping[str, float]], bool] = always
    checkpoints: Callable[[Mapping[str, float]], bool] | None = None


EVERYTHING = Keeps()


Costs = Callable[[], Mapping[str, float]]


@dataclass(frozen=True)
class Trial:
    """Identifies a run as a trial; such a run prints nothing and draws no plots.

    number     in the study
    parent     the folder of the sweep, relative to the run's; it contains the parent run of MLflow
    tags       additional tags of the run: the sweep, the study, the number
    tests      whether its test rows are scored and predicted; a sweep does this for the recommended one only
    keeps      which of its files are kept, if it has one fold; of several, all are
    each_fold  whether the score of a fold may end the trial before the next fold is trained
    follows    the validation scores that each epoch needs beside loss and monitored score, by full name;
               None: all
    thawed     whether it was pruned before and goes on now
    outputs    the most MB that the outputs for its validation rows may take on the disk; 0: they are not kept
    costs      gives what the trial has used so far, by the name of the metric: `cost/seconds`
    """

    number: int
    parent: str = ".."
    tags: Mapping[str, object] = field(default_factory=dict)
    tests: bool = False
    keeps: Keeps = EVERYTHING
    each_fold: bool = False
    follows: frozenset[str] | None = None
    outputs: float = 0.0
    thawed: bool = False
    costs: Costs = no_costs

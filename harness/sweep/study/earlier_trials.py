"""Trials of earlier sweeps: how a study stores them, and how its sampler sees them.

They are no trials of the study, so that everything that counts trials or compares them sees its own alone.
Only the view of the study that a sampler gets has them (`optuna_internals.seen_by_samplers`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import (
    BaseSampler,
    CmaEsSampler,
    NSGAIIISampler,
    NSGAIISampler,
    QMCSampler,
    RandomSampler,
)
from optuna.trial import FrozenTrial, TrialState, create_trial

from harness.core.name_list import counted
from harness.sweep.space.search_space import Space
from harness.sweep.space.swept_value import Point
from harness.sweep.study.optuna_internals import numbered
from harness.sweep.study.points_as_numbers import points_as_numbers
from harness.sweep.study.snapshot import Objective, brief

EARLIER = "harness:earlier"
"""The attribute of a study that holds what its sweep took from earlier ones."""

_OBSERVATIONS = 200
"""Trials of earlier sweeps at most that a sampler gets as observations."""

_PRIOR = 20
"""Trials of related sweeps at most that a sampler gets; one less for each trial that the sweep has
ended."""

_JUDGED, _AGREEMENT = 4, 0.3
"""From so many complete trials on, a related sweep must predict their order: Kendall's tau above this."""

_NEIGHBOURS = 5
"""Trials of an earlier sweep whose ranks predict that of a point between them."""

_APART = 0.3
"""The least distance between two points of one sweep that are tried first, of keys between 0 and 1."""

Kind = Literal["observations", "prior"]


@dataclass(frozen=True)
class EarlierSweep:
    """What a sweep took from an earlier one; plain values, as its study and `result.json` store them.

    sweep    name of the earlier sweep
    kind     "observations": a trial with the same point would be the same training on the same data;
             "prior": it would be a related one
    reason   why it is only related, or why the sampler gets no trial; "" otherwise
    keys     swept keys that both have
    ignored  keys that only the earlier sweep has
    filled   the values that its trials are taken to have of keys that it did not sweep: those without the
             sweep
    trials   how many it has ended or begun
    tried    points of the best trials, which are queued; what they lack is left to the sampler
    points   of the trials that the sampler gets
    values   one per objective for each of `points`
    """

    sweep: str
    kind: Kind
    reason: str
    keys: tuple[str, ...]
    ignored: tuple[str, ...]
    filled: Point
    trials: int
    tried: tuple[Point, ...]
    points: tuple[Point, ...] = ()
    values: tuple[tuple[float, ...], ...] = ()

    @property
    def sentence(self) -> str:
        """`from lr-0: 30 trials as observations; the best point is tried first; keys: lr, dropout`."""
        parts = []
        if self.points:
            what = "observations" if self.kind == "observations" else "a weak prior"
            parts.append(f"{counted(len(self.points), 'trial')} as {what}")
        if self.tried:
            best = "best point is" if len(self.tried) == 1 else f"best {len(self.tried)} points are"
            parts.append(f"the {best} tried first")
        parts += [f"keys: {', '.join(self.keys)}"]
        parts += [f"{key} is taken as {brief(value)}" for key, value in self.filled.items()]
        return f"from {self.sweep}: {'; '.join([*parts, *filter(None, [self.reason])])}"

    def as_dict(self) -> dict[str, Any]:
        """The entry of the study."""
        return asdict(self)

    @property
    def summary(self) -> dict[str, Any]:
        """The entry of `result.json`: the number of trials that the sampler gets in their place."""
        content = self.as_dict()
        del content["points"], content["values"]
        return content | {"observations": len(self.points)}


def read_earlier(attributes: Mapping[str, Any], space: Space) -> tuple[EarlierSweep, ...]:
    """What a study has stored, checked against its space: a study in a database can be written by others.

    Raises:
        UserError: a point is not in the space.
    """
    return tuple(_read(entry, space) for entry in attributes.get(EARLIER) or ())


def _read(entry: Mapping[str, Any], space: Space) -> EarlierSweep:
    names = ("keys", "ignored")
    points = {
        name: tuple(space.complete(point, EARLIER) for point in entry[name]) for name in ("tried", "points")
    }
    values = tuple(tuple(float(value) for value in each) for each in entry["values"])
    return EarlierSweep(
        **{**entry, **{name: tuple(entry[name]) for name in names}, **points, "values": values}
    )


def learns_from_values(sampler: BaseSampler) -> bool:
    """Whether a sampler takes points with values that it has not drawn itself into account."""
    return not isinstance(sampler, RandomSampler | QMCSampler | NSGAIISampler | NSGAIIISampler | CmaEsSampler)


def best_points(
    points: Sequence[Point], costs: Sequence[float], count: int, distributions: Mapping[str, BaseDistribution]
) -> tuple[Point, ...]:
    """The best of the points, at most so many; each is some way from those before it."""
    numbers = points_as_numbers(points, distributions)
    chosen: list[int] = []
    for place in np.argsort(costs, kind="stable"):
        gaps = [float(np.linalg.norm(numbers[place] - numbers[other])) for other in chosen]
        if len(chosen) < count and all(gap >= _APART for gap in gaps):
            chosen.append(int(place))
    return tuple(points[place] for place in chosen)


class EarlierTrials:
    """The trials of earlier sweeps as the sampler of one study sees them: complete ones, before its own.

    Trials of the same training are as good as own ones. The scores of a related sweep have another scale, and
    its best points may be bad here. So its trials get the values of own trials of the same rank, they are
    given at every second draw only and become fewer with each own trial, and a sweep that does not predict
    the order of the own trials is left out (figures: benchmarks/sweep_memory.md).

    drawn  how many trials of the same training were drawn before: the draws of this sweep follow theirs, so
           that the
           same seed does not give the same points again

    Args:
        sweeps: that were taken.
        distributions: Optuna's, by swept key.
        objectives: of the study.
    """

    def __init__(
        self,
        sweeps: Sequence[EarlierSweep],
        distributions: Mapping[str, BaseDistribution],
        objectives: Sequence[Objective],
    ) -> None:
        self._distributions = distributions
        self._cost = objectives[0].cost
        observed = [sweep for sweep in sweeps if sweep.kind == "observations"]
        pairs = [pair for sweep in observed for pair in zip(sweep.points, sweep.values, strict=True)]
        self._observed = pairs[:_OBSERVATIONS]
        self.drawn = sum(sweep.trials for sweep in observed)
        related = [sweep for sweep in sweeps if sweep.kind == "prior" and sweep.points]
        self._related = [_Related(sweep, distributions, self._cost) for sweep in related]

    def __bool__(self) -> bool:
        return bool(self._observed or self._related)

    def seen(self, own: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """The earlier trials to be given, numbered from -1 downward, given the own ones."""
        ended = [trial for trial in own if trial.state in (TrialState.COMPLETE, TrialState.PRUNED)]
        complete = [trial for trial in ended if trial.state is TrialState.COMPLETE and trial.values]
        pairs = list(self._observed)
        started = sum(trial.state is not TrialState.WAITING for trial in own)
        left = _PRIOR - len(ended) if self._related else 0
        if left > 0 and started % 2 == 1:
            pairs += self._prior(complete, left)
        return [self._trial(place - len(pairs), *pair) for place, pair in enumerate(pairs)]

    def _prior(self, complete: Sequence[FrozenTrial], count: int) -> list[tuple[Point, tuple[float, ...]]]:
        costs = np.array([self._cost(trial.values[0]) for trial in complete])
        points = [trial.params for trial in complete]
        fitting = [
            sweep
            for sweep in self._related
            if len(points) < _JUDGED or sweep.agreement(points, costs) > _AGREEMENT
        ]
        pairs: list[tuple[Point, tuple[float, ...]]] = []
        for sweep in fitting:
            for point, rank in sweep.ranked(count // len(fitting)):
                cost = float(np.quantile(costs, rank)) if len(costs) > 1 else rank
                pairs.append((point, (self._cost(cost),)))  # turned back from a cost into a value
        return pairs

    def _trial(self, number: int, point: Point, values: tuple[float, ...]) -> FrozenTrial:
        distributions = {key: self._distributions[key] for key in point}
        trial = create_trial(
            state=TrialState.COMPLETE, values=list(values), params=dict(point), distributions=distributions
        )
        return numbered(trial, number)


class _Related:
    """The trials of one related sweep, best first."""

    def __init__(self, sweep: EarlierSweep, distributions: Mapping[str, BaseDistribution], cost: Any) -> None:
        order = sorted(range(len(sweep.points)), key=lambda place: cost(sweep.values[place][0]))
        self.points = [sweep.points[place] for place in order]
        self._ranks = np.linspace(0, 1, len(order)) if len(order) > 1 else np.zeros(1)
        self._distributions = distributions
        self._numbers = points_as_numbers(self.points, distributions)

    def ranked(self, count: int) -> list[tuple[Point, float]]:
        """At most so many of the points, evenly from the best to the worst, with the rank between 0 and 1."""
        places = np.unique(np.linspace(0, len(self.points) - 1, min(count, len(self.points))).round())
        return [(self.points[int(place)], float(self._ranks[int(place)])) for place in places]

    def agreement(self, points: Sequence[Mapping[str, Any]], costs: np.ndarray) -> float:
        """Kendall's tau between the costs of points and those that the nearest points here had."""
        numbers = points_as_numbers(points, self._distributions)
        distances = ((numbers[:, None] - self._numbers[None]) ** 2).sum(-1)
        nearest = np.argsort(distances, axis=1, kind="stable")[:, :_NEIGHBOURS]
        weights = 1 / (1e-3 + np.take_along_axis(distances, nearest, 1))
        expected = (weights * self._ranks[nearest]).sum(1) / weights.sum(1)
        signs = np.sign(expected[:, None] - expected[None]) * np.sign(costs[:, None] - costs[None])
        pairs = len(costs) * (len(costs) - 1)
        return float(signs.sum() / pairs)

"""The score that ranks runs, and its value for each line of the leaderboard."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from harness.console.text_format import headline
from harness.core import baseline_names
from harness.core.errors import UserError
from harness.core.near_names import near
from harness.core.scores import UNLIMITED, score_range
from harness.core.steady_score import steady_name
from harness.runs.run_result import summarise
from harness.runs.stored_run import StoredRun

Interval = tuple[float, float]


@dataclass(frozen=True)
class Value:
    """One score of one line.

    mean    over folds and seeds; NaN where it is undefined
    folds   one value per fold, each the mean over the seeds; () where the seeds have different folds
    seeds   one value per seed, each the mean over its folds
    limits  what the score can be
    """

    mean: float
    folds: tuple[float, ...]
    seeds: tuple[float, ...]
    limits: Interval = UNLIMITED

    @property
    def over_folds(self) -> Interval | None:
        """95 % interval of the mean over the folds: the effect of other rows."""
        return self._interval(self.folds)

    @property
    def over_seeds(self) -> Interval | None:
        """95 % interval of the mean over the seeds: the effect of other random numbers."""
        return self._interval(self.seeds)

    def _interval(self, values: Sequence[float]) -> Interval | None:
        bounds = summarise(values, self.limits)["ci95"]
        return None if bounds is None else (bounds[0], bounds[1])


def value(runs: Sequence[StoredRun], name: str) -> Value:
    """A score of runs that differ in their seed alone."""
    each = [_folds(run, name) for run in runs]
    seeds = tuple(_mean(folds) for folds in each)
    alike = len({len(folds) for folds in each}) == 1
    folds = tuple(_mean(values) for values in zip(*each, strict=True)) if alike else ()
    return Value(_mean(seeds), folds, seeds, score_range(name))


def _folds(run: StoredRun, name: str) -> tuple[float, ...]:
    assert run.result is not None
    summary = run.result.scores.get(name)
    if summary is None:
        return (math.nan,)
    return tuple(math.nan if number is None else float(number) for number in summary["folds"]) or (math.nan,)


def _mean(values: Sequence[float]) -> float:
    defined = [number for number in values if not math.isnan(number)]
    return statistics.fmean(defined) if defined else math.nan


def ranking(runs: Sequence[StoredRun], by: str | None) -> str:
    """The full name of the score that ranks finished runs.

    Without `by` it is the score that most runs monitored, of the test part where all runs have it, else of
    the valid part, there its steady form where all are trials that were compared by it.

    Args:
        by: a full name (`test/f1`), or a plain one (`f1`), which means the test part where it exists.

    Raises:
        UserError: no run has the score, only some runs have it, or the runs have none in common.
    """
    if by is not None:
        return _named(runs, by)
    monitors = [monitor for run in runs if (monitor := monitored(run))]
    plain = [name.partition("/")[2] for name, _ in Counter(monitors).most_common()]
    for name in (
        name for word in plain for name in (f"test/{word}", steady_name(f"valid/{word}"), f"valid/{word}")
    ):
        if all(name in _scores(run) for run in runs):
            return name
    first, other = _unlike(runs)
    raise NoCommonScore(
        f"runs must share the score that ranks them, got {monitored(first) or 'none'} of {first.label} and "
        f"{monitored(other) or 'none'} of {other.label}",
        "name runs of one task, or a score with --by",
        key="--by",
    )


def _named(runs: Sequence[StoredRun], by: str) -> str:
    names = dict.fromkeys(name for run in runs for name in _scores(run))
    wanted = [by] if "/" in by else [f"test/{by}", f"valid/{by}", f"model/{by}", f"time/{by}", f"train/{by}"]
    there = [name for name in wanted if name in names]
    for name in there:
        if all(name in _scores(run) for run in runs):
            return name
    if not there:
        raise NoCommonScore(f"no run has the score {by!r}", near(by, names), key="--by", value=by)
    without = [run for run in runs if there[0] not in _scores(run)]
    own = ", ".join(headline(_scores(without[0]))) or "none"
    raise UserError(
        f"{len(without)} of {len(runs)} runs have no score {there[0]} ({without[0].label} has {own})",
        "leave them out, or choose a score that all have",
        key="--by",
        value=by,
    )


class NoCommonScore(UserError):
    """Runs have no score in common, or not the one that is to rank them."""


def _unlike(runs: Sequence[StoredRun]) -> tuple[StoredRun, StoredRun]:
    """Two runs without a common score, for the message."""
    for run in runs:
        if monitored(run) != monitored(runs[0]):
            return runs[0], run
    return runs[0], runs[-1]


def monitored(run: StoredRun) -> str:
    """The monitored score: the objective, else that of the configuration."""
    objective = run.result.objective if run.result is not None else None
    name = str((objective or {}).get("name") or run.start["params"].get("trainer.monitor", ""))
    return name if "/" in name else ""


def _scores(run: StoredRun) -> dict[str, object]:
    return dict(run.result.scores) if run.result is not None else {}


def other_scores(runs: Sequence[StoredRun], score: str) -> list[str]:
    """The other scores of the same part without baselines; of the test part where the score has no part."""
    names = dict.fromkeys(name for run in runs for name in _scores(run))
    part = score.partition("/")[0]
    own = [name for name in names if part not in ("test", "valid") or name.startswith(f"{part}/")]
    return [name for name in headline(dict.fromkeys(own)) if name != score]


def baselines(runs: Sequence[StoredRun], name: str) -> dict[str, Interval]:
    """The baselines of a score: kind (`majority`) -> the lowest and the highest value over the runs."""
    values: dict[str, list[float]] = {}
    for run in runs:
        for kind, full in baseline_names.baselines(name, _scores(run)).items():
            mean = _mean(_folds(run, full))
            if not math.isnan(mean):
                values.setdefault(kind, []).append(mean)
    return {kind: (min(means), max(means)) for kind, means in values.items()}

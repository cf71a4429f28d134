"""Score: by which score runs are ranked, and what a line's values of a score come to."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from harness.console.text_format import headline
from harness.core.errors import UserError, near
from harness.runs.run_result import summarise
from harness.runs.stored_run import Logged

Interval = tuple[float, float]


@dataclass(frozen=True)
class Value:
    """One score of one line.

    mean   over folds and seeds; NaN where it is undefined
    folds  one value per fold, each the mean over the seeds; () where the seeds have different folds
    seeds  one value per seed, each the mean over its folds
    """

    mean: float
    folds: tuple[float, ...]
    seeds: tuple[float, ...]

    @property
    def over_folds(self) -> Interval | None:
        """95 % interval of the mean over the folds: what other rows would make of it."""
        return _interval(self.folds)

    @property
    def over_seeds(self) -> Interval | None:
        """95 % interval of the mean over the seeds: what other random numbers would make of it."""
        return _interval(self.seeds)


def value(runs: Sequence[Logged], name: str) -> Value:
    """A score of runs that differ in their seed alone."""
    told = [_folds(run, name) for run in runs]
    seeds = tuple(_mean(folds) for folds in told)
    alike = len({len(folds) for folds in told}) == 1
    folds = tuple(_mean(values) for values in zip(*told, strict=True)) if alike else ()
    return Value(_mean(seeds), folds, seeds)


def _folds(run: Logged, name: str) -> tuple[float, ...]:
    assert run.result is not None
    summary = run.result.scores.get(name)
    if summary is None:
        return (math.nan,)
    return tuple(math.nan if number is None else float(number) for number in summary["folds"]) or (math.nan,)


def _mean(values: Sequence[float]) -> float:
    defined = [number for number in values if not math.isnan(number)]
    return statistics.fmean(defined) if defined else math.nan


def _interval(values: Sequence[float]) -> Interval | None:
    bounds = summarise(values)["ci95"]
    return None if bounds is None else (bounds[0], bounds[1])


def ranking(runs: Sequence[Logged], by: str | None) -> str:
    """The full name of the score that ranks finished runs.

    Without `by` it is the score that most runs monitored, of the test part, else of the valid one: the
    first that all of them have.

    Args:
        by: a full name (`test/f1`), or a plain one (`f1`), which means the test part where there is one.

    Raises:
        UserError: no run has the score, only some have it, or the runs have none in common.
    """
    if by is not None:
        return _named(runs, by)
    monitors = [monitor for run in runs if (monitor := _monitor(run))]
    plain = [name.partition("/")[2] for name, _ in Counter(monitors).most_common()]
    for name in (f"{part}/{word}" for word in plain for part in ("test", "valid")):
        if all(name in _scores(run) for run in runs):
            return name
    first, other = _unlike(runs)
    raise UserError(
        f"the runs have no monitored score in common ({first.label} has {_monitor(first) or 'none'}, "
        f"{other.label} has {_monitor(other) or 'none'}); name runs of one task, or a score with --by."
    )


def _named(runs: Sequence[Logged], by: str) -> str:
    names = dict.fromkeys(name for run in runs for name in _scores(run))
    wanted = [by] if "/" in by else [f"test/{by}", f"valid/{by}", f"model/{by}", f"time/{by}", f"train/{by}"]
    there = [name for name in wanted if name in names]
    for name in there:
        if all(name in _scores(run) for run in runs):
            return name
    if not there:
        raise UserError(f"no run has the score {by!r}; {near(by, names)}")
    without = [run for run in runs if there[0] not in _scores(run)]
    own = ", ".join(headline(_scores(without[0]))) or "none"
    raise UserError(
        f"{len(without)} of {len(runs)} runs have no score {there[0]} ({without[0].label} has {own}); "
        "leave them out, or take a score that all have."
    )


def _unlike(runs: Sequence[Logged]) -> tuple[Logged, Logged]:
    """Two runs that show why there is no common score."""
    for run in runs:
        if _monitor(run) != _monitor(runs[0]):
            return runs[0], run
    return runs[0], runs[-1]


def _monitor(run: Logged) -> str:
    """The monitored score: the objective, else what the configuration says."""
    objective = run.result.objective if run.result is not None else None
    name = str((objective or {}).get("name") or run.start["params"].get("trainer.monitor", ""))
    return name if "/" in name else ""


def _scores(run: Logged) -> dict[str, object]:
    return dict(run.result.scores) if run.result is not None else {}


def beside(runs: Sequence[Logged], score: str) -> list[str]:
    """The other scores of the same part, baselines left out; of the test part where the score has none."""
    found = dict.fromkeys(name for run in runs for name in _scores(run))
    part = score.partition("/")[0]
    own = [name for name in found if part not in ("test", "valid") or name.startswith(f"{part}/")]
    return [name for name in headline(dict.fromkeys(own)) if name != score]


def baselines(runs: Sequence[Logged], name: str) -> dict[str, Interval]:
    """What the score is without any learning: by ending (`majority`), lowest and highest over the runs."""
    part = name.partition("/")[0]
    found: dict[str, list[float]] = {}
    for run in runs:
        own = {full: score for full, score in _scores(run).items() if full.startswith(f"{part}/")}
        trained = headline(own)
        for full in own:
            owner, _, ending = full.rpartition("_")
            mean = _mean(_folds(run, full))
            if owner == name and full not in trained and not math.isnan(mean):
                found.setdefault(ending, []).append(mean)
    return {ending: (min(means), max(means)) for ending, means in found.items()}

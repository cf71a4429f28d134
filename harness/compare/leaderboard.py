"""The leaderboard of runs, as plain values and as a data frame."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from harness.compare.paired_rows import TestsAgainstBest
from harness.compare.paired_tests import PairedTest, holm
from harness.compare.parameter_differences import (
    Texts,
    differing_parameters,
    shortest_names,
)
from harness.compare.ranking_score import Interval, Value, baselines, other_scores, ranking, value
from harness.compare.select_runs import experiment
from harness.config.argument_defaults import with_defaults
from harness.console.text_format import number
from harness.core.errors import UserError
from harness.core.scores import Direction, repeated_loss
from harness.runs.setting_effects import affecting_scores
from harness.runs.stored_run import EVALUATED, StoredRun

_SHARED_TAGS = ("data.digest", "git.commit", "git.dirty", EVALUATED)
"""Tags that all runs of one line share."""

COLUMNS = ("#", "run", "name", "seeds", "folds", "seconds", "parameters", "difference", "effect", "p")
"""Column names that no parameter may have."""


@dataclass(frozen=True)
class LeaderboardRow:
    """One line: a run, or runs that differ in their seed alone.

    runs    in order of their seeds
    score   the score that ranks the line
    others  further scores by full name
    tested  the paired test against the best line, or why there is none; "" for the best line
    p       the p-value, corrected for the number of tests (Holm)
    """

    runs: tuple[StoredRun, ...]
    score: Value
    others: dict[str, Value]
    tested: PairedTest | str = ""
    p: float = math.nan

    @property
    def label(self) -> str:
        return self.runs[0].label

    @property
    def seconds(self) -> float:
        """Wall time of a run; the mean of several runs."""
        return statistics.fmean(run.result.seconds for run in self.runs if run.result is not None)

    @property
    def parameters(self) -> float:
        """Number of trained parameters; NaN where it is unknown."""
        return value(self.runs, "model/parameters").mean


@dataclass(frozen=True)
class Leaderboard:
    """The lines of one data set, the best first; lines whose score is undefined are last.

    data        the name of the data set
    score       full name of the score that ranks them
    better      whether that is better high or low
    parameters  dotted key -> the value of each line, of settings that differ
    names       the shortest unambiguous name of each of these keys
    baselines   by data set and ending, the lowest and the highest value over the runs
    unranked    status -> number of runs that are not ranked
    """

    data: str
    score: str
    better: Direction
    rows: tuple[LeaderboardRow, ...]
    parameters: dict[str, list[str]]
    names: dict[str, str]
    baselines: dict[str, dict[str, Interval]]
    unranked: dict[str, int]

    @property
    def runs(self) -> list[StoredRun]:
        return [run for row in self.rows for run in row.runs]

    @property
    def others(self) -> list[str]:
        """The further scores that a reader is shown: the loss only where it differs from the log-loss."""
        names = list(dict.fromkeys(name for row in self.rows for name in row.others))
        repeated = repeated_loss(names, self._means)
        return [name for name in names if name not in repeated]

    def _means(self, name: str) -> list[str]:
        return [number(row.others[name].mean if name in row.others else None) for row in self.rows]

    def frame(self) -> pd.DataFrame:
        """All values, not rounded, a line per row: what `--csv` writes."""
        return pd.DataFrame(self.lines())

    def lines(self) -> list[dict[str, object]]:
        """The same as a mapping per row."""
        return [self._line(place) for place in range(len(self.rows))]

    def _line(self, place: int) -> dict[str, object]:
        row = self.rows[place]
        first = row.runs[0]
        line: dict[str, object] = {
            "data": self.data,
            "place": place + 1,
            "run": row.label,
            "name": first.name,
        }
        line |= {"seeds": len(row.runs), "folds": len(row.score.folds)}
        for name, own in {self.score: row.score, **row.others}.items():
            line[name] = own.mean
            for over, interval in (("folds", own.over_folds), ("seeds", own.over_seeds)):
                line[f"{name} low over {over}"], line[f"{name} high over {over}"] = interval or (None, None)
        line |= {key: values[place] for key, values in self.parameters.items()}
        line["difference"] = row.score.mean - self.rows[0].score.mean
        if isinstance(row.tested, PairedTest):
            line |= {"test": row.tested.test, "pairs": row.tested.pairs, "p": row.tested.p, "p_holm": row.p}
            line |= {"effect": row.tested.effect, "effect_size": row.tested.size}
        else:
            line |= {"test": None, "pairs": None, "p": None, "p_holm": None}
            line |= {"effect": None, "effect_size": None}
        line |= {"seconds": row.seconds, "parameters": row.parameters, "experiment": experiment(first)}
        line |= {"data.digest": first.tags.get("data.digest"), "git.commit": first.tags.get("git.commit")}
        line["seed"] = " ".join(str(run.start["params"].get("seed")) for run in row.runs)
        line["runs"] = " ".join(run.label for run in row.runs)
        line["mlflow"] = " ".join(run.mlflow_id or "" for run in row.runs).strip()
        return line


def rank_runs(runs: Sequence[StoredRun], by: str | None = None, each: bool = False) -> Leaderboard:
    """Ranks the finished runs.

    Args:
        by: the score; see `ranking`.
        each: whether runs that differ in their seed alone have a line each.

    Raises:
        UserError: no run is finished, or they have no score in common.
    """
    finished = [run for run in runs if _status(run) == "finished"]
    unranked = Counter(_status(run) for run in runs if _status(run) != "finished")
    if not finished:
        raise UserError(
            f"compare ranks finished runs, got none ({counted(unranked)})",
            "make a run first",
            value=dict(unranked),
        )
    score = ranking(finished, by)
    lines = [(run,) for run in finished] if each else by_seed(finished)
    better = finished[0].direction(score)
    ranked = sorted((_row(line, score) for line in lines), key=lambda row: _rank(row, better))
    rows = _tested(ranked, score)
    settings: list[Texts] = [*with_defaults([row.runs[0].start["params"] for row in rows])]
    parameters = differing_parameters(settings)
    if each and len({texts.get("seed") for texts in settings}) > 1:
        parameters["seed"] = [texts.get("seed", "") for texts in settings]
    names = shortest_names(list(parameters), COLUMNS)
    return Leaderboard(
        data_name(finished[0]),
        score,
        better,
        tuple(rows),
        parameters,
        names,
        _baselines(finished, score),
        dict(unranked),
    )


def counted(unranked: dict[str, int]) -> str:
    """`2 pruned, 1 failed`."""
    return ", ".join(f"{count} {status}" for status, count in unranked.items())


def _status(run: StoredRun) -> str:
    return "unfinished" if run.result is None else run.result.status


def by_seed(runs: Sequence[StoredRun]) -> list[tuple[StoredRun, ...]]:
    """Groups runs of the same settings, data and code; a second run with a seed begins another line."""
    lines: dict[tuple[object, ...], dict[str, StoredRun]] = {}
    seen: Counter[tuple[object, ...]] = Counter()
    for run, settings in zip(runs, with_defaults([run.start["params"] for run in runs]), strict=True):
        texts = affecting_scores(settings)
        seed = texts.pop("seed", "")
        tags = tuple(run.tags.get(name) for name in _SHARED_TAGS)
        key: tuple[object, ...] = (tuple(sorted(texts.items())), tags, _diff(run))
        lines.setdefault((key, seen[key, seed]), {})[seed] = run
        seen[key, seed] += 1
    return [tuple(run for _, run in sorted(line.items(), key=_by_number)) for line in lines.values()]


def _by_number(entry: tuple[str, StoredRun]) -> tuple[int, str]:
    seed = entry[0]
    return (int(seed) if seed.isdecimal() else -1, seed)


def _diff(run: StoredRun) -> str:
    """The uncommitted changes; "" of a clean checkout."""
    try:
        return (run.folder / "code.diff").read_text(encoding="utf-8")
    except OSError:
        return ""


def _row(line: tuple[StoredRun, ...], score: str) -> LeaderboardRow:
    return LeaderboardRow(
        line, value(line, score), {name: value(line, name) for name in other_scores(line, score)}
    )


def _rank(row: LeaderboardRow, better: Direction) -> tuple[bool, float]:
    mean = row.score.mean
    return math.isnan(mean), -mean if better == "maximize" else mean


def _tested(rows: Sequence[LeaderboardRow], score: str) -> list[LeaderboardRow]:
    best, *others = rows
    if math.isnan(best.score.mean):
        return list(rows)
    against = TestsAgainstBest(best.runs, score)
    differences = [
        "its score is undefined" if math.isnan(row.score.mean) else against(row.runs) for row in others
    ]
    corrected = holm([tested.p if isinstance(tested, PairedTest) else math.nan for tested in differences])
    lines = zip(others, differences, corrected, strict=True)
    return [best, *(LeaderboardRow(row.runs, row.score, row.others, tested, p) for row, tested, p in lines)]


def _baselines(runs: Sequence[StoredRun], score: str) -> dict[str, dict[str, Interval]]:
    sets: dict[str, list[StoredRun]] = {}
    for run in runs:
        sets.setdefault(data(run), []).append(run)
    by_set = {name: baselines(own, score) for name, own in sets.items()}
    return {name: own for name, own in by_set.items() if own}


def data_name(run: StoredRun) -> str:
    """The data set's name; `data` where the run did not begin to read any."""
    inputs = run.start["inputs"] or [{}]
    return str(inputs[0].get("name", "data"))


def data(run: StoredRun) -> str:
    """The data set's name and digest: `digits a607ed29`."""
    return f"{data_name(run)} {run.tags.get('data.digest', '')[:8]}".rstrip()

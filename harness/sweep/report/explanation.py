"""Why trials of a sweep failed, and what the space says about a next sweep.

Each statement is a test of chance whose p is corrected for all tests of its kind (Bonferroni), so that a
sweep without a cause gives a statement in 5 % of the cases at most.
"""

from __future__ import annotations

import itertools
import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from harness.runtime.redact import mask_urls
from harness.sweep.report.importance import FEWEST, importance
from harness.sweep.study.snapshot import ENDED, Row, Snapshot, brief, eligible

_LEVEL = 0.05
_FEWEST_FAILURES = 3
_FEWEST_OTHERS = 3
_LONGEST_CAUSE = 160
_EDGE = 0.2
"""The part of an interval, measured as the sampler draws, that counts as its edge."""

_WIDER = 10.0
"""By which factor a logarithmic interval is widened; a plain one by its half."""

_WITHOUT_INFLUENCE = 0.02


@dataclass(frozen=True)
class Statement:
    """One finding about a sweep.

    kind  "failures", "edge" or "influence"; of `sweep.ablate`, "path" and "gain"
    key   the dimension that it is about; None: no region of the space explains it
    p     the corrected probability that chance alone gives it; None without a test
    text  a sentence
    """

    kind: str
    key: str | None
    p: float | None
    text: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def explain(snapshot: Snapshot, distributions: Mapping[str, Any]) -> list[Statement]:
    """The statements about a sweep, those about failures first.

    Args:
        distributions: Optuna's, by key.
    """
    return [
        *failure_statements(snapshot, distributions),
        *edge_statements(snapshot, distributions),
        *influence_statements(snapshot, distributions),
    ]


@dataclass(frozen=True)
class _Region:
    """Some of a dimension's values: how to say it, which trials lie in it, and how to leave it."""

    key: str
    text: str
    holds: Callable[[Any], bool]
    remedy: str


_NUMBER = r"\d+(?:\.\d+)?(?:e[-+]?\d+)?"


def cause_of(error: str | None) -> str:
    """The rule of an error without its numbers, by which equal causes are recognised."""
    return re.sub(_NUMBER, "\0", _rule(error))


def common_rule(errors: Sequence[str | None]) -> str:
    """The rule of errors of one cause; a number that differs is the range of its values: `step 3 to 40`."""
    columns = zip(*(re.findall(_NUMBER, _rule(error)) for error in errors), strict=True)
    ends = ((min(texts, key=float), max(texts, key=float)) for texts in columns)
    ranges = (low if float(low) == float(high) else f"{low} to {high}" for low, high in ends)
    return re.sub(_NUMBER, lambda _: next(ranges), _rule(errors[0]))


def _rule(error: str | None) -> str:
    """The first line of an error without its remedy, which follows a semicolon."""
    line = ((error or "").strip() or "no reason given").splitlines()[0]
    return mask_urls(line.partition("; ")[0].rstrip("."))[:_LONGEST_CAUSE]


def failure_statements(snapshot: Snapshot, distributions: Mapping[str, Any]) -> Iterator[Statement]:
    ended = [row for row in snapshot.rows if row.state in ENDED]
    groups: dict[str, list[Row]] = {}
    for row in ended:
        if row.state == "failed":
            groups.setdefault(cause_of(row.error), []).append(row)
    for rows in sorted(groups.values(), key=len, reverse=True):
        others = [row for row in ended if row.state != "failed"]
        found = _region(snapshot, distributions, rows, others, len(groups))
        error = f"{common_rule([row.error for row in rows])}."
        count = f"{len(rows)} trial{'s' if len(rows) > 1 else ''} failed"
        if found is None:
            yield Statement("failures", None, None, f"{count}, in no particular region of the space: {error}")
            continue
        region, inside, p = found
        share = f"{inside} of {len(rows)} failures have {region.text} (p = {p:.2g})"
        yield Statement("failures", region.key, p, f"{share}: {error} {region.remedy}")


def _region(
    snapshot: Snapshot,
    distributions: Mapping[str, Any],
    failed: Sequence[Row],
    others: Sequence[Row],
    causes: int,
) -> tuple[_Region, int, float] | None:
    """The region with the least p, its failures, and the corrected p; None where chance explains all."""
    if len(failed) < _FEWEST_FAILURES or len(others) < _FEWEST_OTHERS:
        return None
    regions = [
        region
        for key in snapshot.keys
        for region in _regions(snapshot, key, distributions.get(key), [*failed, *others])
    ]
    best: tuple[_Region, int, float] | None = None
    for region in regions:
        hit, spared = (
            sum(region.key in row.point and region.holds(row.point[region.key]) for row in rows)
            for rows in (failed, others)
        )
        p = min(1.0, _fisher(hit, len(failed), spared, len(others)) * len(regions) * causes)
        if p <= _LEVEL and (best is None or p < best[2]):
            best = region, hit, p
    return best


def _fisher(hit: int, failed: int, spared: int, others: int) -> float:
    """The probability of `hit` or more failures in a region of hit + spared trials (Fisher's exact test)."""
    inside, total = hit + spared, failed + others
    ways = math.comb(total, inside)
    return sum(
        math.comb(failed, count) * math.comb(others, inside - count)
        for count in range(hit, min(failed, inside) + 1)
    ) / max(ways, 1)


def _regions(snapshot: Snapshot, key: str, distribution: Any, rows: Sequence[Row]) -> Iterator[_Region]:
    """Both sides of each threshold between two values, or each choice."""
    name = snapshot.names[key]
    values = [row.point[key] for row in rows if key in row.point]
    if not _is_interval(distribution):
        for value in dict.fromkeys(values):
            remedy = f"Leave {name}={brief(value)} out, or add a condition (sweep.space)."
            yield _Region(key, f"{name}={brief(value)}", partial(operator.eq, value), remedy)
        return
    ordered = sorted(set(values))
    low, high = distribution.low, distribution.high
    for one, other in itertools.pairwise(ordered):
        middle = math.sqrt(one * other) if distribution.log else (one + other) / 2
        below = f"Lower the interval: {_typed(key, low, one, distribution)}"
        above = f"Raise the interval: {_typed(key, other, high, distribution)}"
        yield _Region(key, f"{name} > {brief(float(middle))}", partial(operator.lt, middle), below)
        yield _Region(key, f"{name} < {brief(float(middle))}", partial(operator.gt, middle), above)


def _is_interval(distribution: Any) -> bool:
    return hasattr(distribution, "low") and hasattr(distribution, "log")


def _typed(key: str, low: float, high: float, distribution: Any) -> str:
    """An interval as the command line writes it."""
    ends = f"interval({low:.4g},{high:.4g})"
    if isinstance(distribution.low, int):
        ends = f"int(interval({low},{high}))"
    return f"'{key}=tag(log,{ends})'" if distribution.log else f"'{key}={ends}'"


def edge_statements(snapshot: Snapshot, distributions: Mapping[str, Any]) -> Iterator[Statement]:
    """Intervals at whose edge the best quarter of the trials lies."""
    if len(snapshot.objectives) != 1:
        return
    rows = sorted(filter(eligible, snapshot.rows), key=snapshot.cost)
    if len(rows) < FEWEST:
        return
    intervals = [key for key in snapshot.keys if _is_interval(distributions.get(key))]
    for key in intervals:
        best = [row.point[key] for row in rows[: max(4, len(rows) // 4)] if key in row.point]
        rest = [row.point[key] for row in rows[max(4, len(rows) // 4) :] if key in row.point]
        for upper in (False, True):
            yield from _edge(snapshot, key, distributions[key], (best, rest), upper, 2 * len(intervals))


def _edge(
    snapshot: Snapshot,
    key: str,
    distribution: Any,
    values: tuple[Sequence[float], Sequence[float]],
    upper: bool,
    tests: int,
) -> Iterator[Statement]:
    best, rest = values
    at_edge, others = (
        sum(_place(value, distribution, upper) <= _EDGE for value in part) for part in (best, rest)
    )
    if not best or _place(best[0], distribution, upper) > _EDGE:
        return
    p = min(1.0, tests * _fisher(at_edge, len(best), others, len(rest)))
    if p > _LEVEL:
        return
    low, high = distribution.low, distribution.high
    if distribution.log:
        low, high = (low, high * _WIDER) if upper else (low / _WIDER, high)
    else:
        half = (high - low) / 2
        # A share or a rate has no negative values, and a rate or a size that was above 0 stays so.
        lowest = low / _WIDER if low > 0 else 0.0 if low == 0 else -math.inf
        low, high = (low, high + half) if upper else (max(low - half, lowest), high)
    if isinstance(distribution.low, int):
        low, high = max(round(low), 1) if distribution.low > 0 else round(low), round(high)
    side = "upper" if upper else "lower"
    name = snapshot.names[key]
    text = f"the best trials lie at the {side} edge of {name}, the best at {brief(best[0])} (p = {p:.2g})"
    if (low, high) != (distribution.low, distribution.high):
        text += f"; a wider interval: {_typed(key, low, high, distribution)}"
    yield Statement("edge", key, p, text)


def _place(value: float, distribution: Any, upper: bool) -> float:
    """How far a value is from an end of its interval, as a share of the interval, in its scale."""
    scale = math.log if distribution.log else float
    low, high, own = scale(distribution.low), scale(distribution.high), scale(value)
    share = (own - low) / (high - low) if high > low else 0.5
    return 1 - share if upper else share


def influence_statements(snapshot: Snapshot, distributions: Mapping[str, Any]) -> Iterator[Statement]:
    """Keys that do not separate the best trials from the others, where there are trials enough to say so."""
    count = len([row for row in snapshot.rows if eligible(row)])
    if len(snapshot.objectives) != 1 or len(snapshot.keys) < 2 or count < 2 * FEWEST:
        return
    try:
        shares = importance(snapshot, distributions, 0)
    except ValueError:
        return
    keys = {name: key for key, name in snapshot.names.items()}
    for name, share in shares.items():
        if share < _WITHOUT_INFLUENCE:
            text = f"{name} has little influence, {share:.0%} of that of all keys"
            yield Statement("influence", keys[name], None, f"{text}; set it and sweep the others")

"""Takes from earlier sweeps what this sweep can use: points to try first, and trials for its sampler."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import zip_longest
from typing import Any

from harness.config.argument_defaults import with_defaults
from harness.core.errors import UserError
from harness.core.fuse_setting import FUSE
from harness.core.name_list import listed
from harness.prepare.plan import Plan
from harness.runs.journal import JOURNAL
from harness.runs.setting_effects import affecting_scores, below
from harness.runs.stored_run import StoredRun
from harness.runtime.inner_path import inner
from harness.runtime.secret_values import Secrets, leaves
from harness.sweep.preflight.find_earlier_sweeps import KEY, FoundSweep
from harness.sweep.space.search_space import Space
from harness.sweep.space.swept_value import Point
from harness.sweep.study.earlier_trials import EarlierSweep, best_points
from harness.sweep.study.snapshot import Row, eligible

_TRIED, _TRIED_SHARE = 5, 0.2
"""Points of earlier sweeps at most that are queued, and the share of `sweep.trials` that they may be."""

_OF_RELATED, _OF_SAME = 2, 1
"""Points of one earlier sweep that are tried. Of the same training one is enough: its score is known, and it
is tried only so that this sweep has it as a trial of its own."""

_SAME_TRAINING = ("seed", FUSE)
"""Settings in which two trainings may differ by chance only."""


def recall_trials(
    found: Sequence[FoundSweep],
    space: Space,
    default: Point,
    plan: Callable[[Point], Plan],
    trials: int | None,
    withheld: str = "",
) -> tuple[EarlierSweep, ...]:
    """What is taken of each of the sweeps, those of the same training first.

    Each value is checked against the present space. A trial that lacks a key has that of `default`. A trial
    with a value outside the space is left out; the keys of its point that are inside are tried if it is among
    the best.

    Args:
        default: the point of the configuration without the sweep.
        plan: makes the plan of a point's run.
        trials: `sweep.trials`.
        withheld: why the sampler gets no trial; "": it gets them.

    Raises:
        UserError: a sweep has no key of this one.
    """
    made = [_recall(each, space, default, plan, withheld) for each in found]
    made.sort(key=lambda sweep: sweep.kind != "observations")
    return _queued(made, trials)


def _recall(
    found: FoundSweep, space: Space, default: Point, plan: Callable[[Point], Plan], withheld: str
) -> EarlierSweep:
    now = found.snapshot
    keys = tuple(key for key in space.by_key if key in now.keys)
    if not keys:
        raise UserError(
            f"{KEY}: the sweep {found.name} swept {listed(now.keys)}, and this one none of these",
            "name a sweep with a key of this one",
            key=KEY,
            value=found.name,
        )
    ignored = tuple(key for key in now.keys if key not in space.by_key)
    rows = sorted(filter(eligible, now.rows), key=now.cost)
    whole = [(row, point) for row in rows if (point := _whole(space, row.point, default)) is not None]
    reasons = [f"it also swept {listed(ignored)}"] if ignored else []
    reasons += [] if whole else ["none of its trials has all of its values in this space"]
    reason = "; ".join(reasons)
    reason = reason or _difference(found, *whole[0], plan)
    kind = "prior" if reason else "observations"
    parts = [_part(space, row.point) for row in rows]
    best = best_points(
        [part for part in parts if part],
        [float(place) for place, part in enumerate(parts) if part],
        _OF_RELATED if reason else _OF_SAME,
        space.distributions(),
    )
    if kind == "prior" and len(now.objectives) > 1:
        withheld = withheld or "there are several objectives"
    given = [] if withheld else [(point, row.values or ()) for row, point in whole]
    return EarlierSweep(
        sweep=found.name,
        kind="prior" if reason else "observations",
        reason="; ".join(filter(None, [reason, withheld])),
        keys=keys,
        ignored=ignored,
        filled={key: value for key, value in default.items() if key not in now.keys and given},
        trials=len(now.rows),
        tried=best,
        points=tuple(point for point, _ in given),
        values=tuple(values for _, values in given),
    )


def _part(space: Space, given: Mapping[str, Any]) -> Point:
    """The keys of a point that are in the space, with values that are; conditions hold."""
    point: Point = {}
    for dimension in space.ordered:
        if dimension.key in given and dimension.active(point):
            with suppress(UserError, TypeError, ValueError):
                point[dimension.key] = dimension.read(given[dimension.key], KEY)
    return point


def _whole(space: Space, given: Mapping[str, Any], default: Point) -> Point | None:
    """A point with a value for each key, as far as conditions hold; None where one is outside or missing."""
    filled = {**{key: value for key, value in default.items() if key not in given}, **given}
    point = _part(space, filled)
    lacking = [each for each in space.ordered if each.active(point) and each.key not in point]
    return None if lacking else point


def _difference(found: FoundSweep, row: Row, point: Point, plan: Callable[[Point], Plan]) -> str:
    """How the training of an earlier trial differs from that of the same point here; "": not at all."""
    inner(found.folder, row.folder)  # a study can be written by others
    home = found.folder / row.folder
    run = next(
        (path.parent for path in (home / JOURNAL, *sorted(home.glob(f"seed-*/{JOURNAL}"))) if path.exists()),
        None,
    )
    stored = None if run is None else StoredRun(run)
    if stored is None or not stored.begun:
        return "the settings of its trials are not known"
    now = plan(point)
    if stored.tags.get("data.digest") != now.table.digest:
        return "other data"
    today = {key: str(value) for key, value in leaves(Secrets(now.cfg).config)}
    old, new = with_defaults([affecting_scores(stored.history.settings), affecting_scores(today)])
    keys = [key for key in dict.fromkeys([*old, *new]) if old.get(key) != new.get(key)]
    keys = [key for key in keys if not below(key, _SAME_TRAINING)]
    return f"other settings: {listed(keys)}" if keys else ""


def _queued(sweeps: Sequence[EarlierSweep], trials: int | None) -> tuple[EarlierSweep, ...]:
    """The sweeps with the points that are queued: the best of each first, as many as there is room for."""
    room = _TRIED if trials is None else min(_TRIED, max(1, int(_TRIED_SHARE * trials)))
    turns = zip_longest(*([(number, point) for point in each.tried] for number, each in enumerate(sweeps)))
    chosen: list[tuple[int, Point]] = []
    for number, point in (pair for turn in turns for pair in turn if pair is not None):
        if len(chosen) < room and all(point != other for _, other in chosen):
            chosen.append((number, point))
    return tuple(
        replace(each, tried=tuple(point for number, point in chosen if number == place))
        for place, each in enumerate(sweeps)
    )

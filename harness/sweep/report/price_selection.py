"""Computes what the best score of a sweep is worth from the stored predictions of its trials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from harness.core.errors import UserError
from harness.core.scores import score_range
from harness.core.steady_score import is_steady, plain_name
from harness.evaluate.resampled_scores import ResampledScores
from harness.evaluate.selection_bias import SelectionBias, selection_bias
from harness.runs.validation_rows import ValidationRows
from harness.sweep.report.selection import Selection
from harness.sweep.report.sweep_result import scores_of
from harness.sweep.study.snapshot import Row, Snapshot, eligible
from harness.sweep.worker.stored_outputs import outputs_of, pool_of

_MOST_TRIALS = 200
"""A trial that is worse than so many others is never chosen in a resample."""

_ALIASES = {"loss": "log_loss"}
"""What a score is in most trainings; it counts only where it has the values of the trials."""


def price_selection(
    folder: Path, now: Snapshot, default: Mapping[str, Any] | None = None
) -> tuple[Selection | None, str | None]:
    """The price of the choice, or why there is none.

    Args:
        folder: of the sweep.
        default: the point of the default configuration; None: it is not in the space.

    Returns:
        (selection, None), or (None, a reason or None where there was no choice).
    """
    ranked = sorted(filter(eligible, now.rows), key=lambda row: (now.cost(row), row.number))
    if len(now.objectives) != 1 or len(ranked) < 2:
        return None, None
    name = now.objectives[0].name
    if not name.startswith("valid/"):
        return None, f"{name} is no score of predictions"
    try:
        selection, reason = _price(folder, now, ranked)
    except UserError as error:
        return None, str(error)
    tried = next((row.number for row in now.rows if default and dict(row.point) == dict(default)), None)
    return None if selection is None else replace(selection, default=tried), reason


@dataclass(frozen=True)
class StoredScores:
    """The scores of trials, to be computed on any of their validation rows.

    stored  the predictions of each trial, by its number
    scores  of the trials in this order
    name    of the score of predictions that they are
    """

    stored: Mapping[int, ValidationRows]
    scores: ResampledScores
    name: str


def stored_scores(folder: Path, now: Snapshot, rows: Sequence[Row]) -> StoredScores | str:
    """What the trials have stored of the objective, or why that is not enough.

    Args:
        folder: of the sweep.
        rows: complete trials; those that were validated on the rows of the first one are taken.

    Raises:
        UserError: a file is damaged.
    """
    objective = now.objectives[0].name
    plain = plain_name(objective.partition("/")[2])
    stored = _stored(folder, rows)
    if len(stored) < 2 or rows[0].number not in stored:
        return "the predictions of its trials are not here, or are larger than sweep.predictions"
    first = stored[rows[0].number]
    pool = pool_of(_home(folder, rows[0]), first.task)
    outputs = [each.output for each in stored.values()]
    values = [(row.values or ())[0] for row in rows if row.number in stored]
    unknown = f"valid/{plain} cannot be computed from stored predictions"
    if pool is None:
        return unknown
    for name in dict.fromkeys((plain, _ALIASES.get(plain, plain))):
        with suppress(KeyError):  # it is no score of predictions
            scores = ResampledScores(first.task, first.fold, first.target, outputs, pool, name)
            if is_steady(objective):
                scores.move_to(values)
            if np.allclose(scores.full, values, rtol=1e-4, atol=1e-6):
                return StoredScores(stored, scores, name)
            if name == plain:
                return f"valid/{plain} of the stored predictions differs from that of the trials"
    return unknown


def _price(folder: Path, now: Snapshot, ranked: Sequence[Row]) -> tuple[Selection | None, str | None]:
    found = stored_scores(folder, now, ranked[:_MOST_TRIALS])
    if isinstance(found, str):
        return None, found
    group = found.stored[ranked[0].number].group
    made = selection_bias(found.scores, group, now.objectives[0].direction, score_range(found.name))
    if made is None:
        return None, "there are too few validation rows"
    return _selection(folder, now, made, found.stored), None


def _selection(
    folder: Path, now: Snapshot, made: SelectionBias, stored: Mapping[int, ValidationRows]
) -> Selection:
    numbers = list(stored)
    by_number = {row.number: row for row in now.rows}
    rows = stored[numbers[0]]
    units, single = len(np.unique(rows.group)), len(np.unique(rows.row))
    # The best is among them even where a difference without any spread puts another one first.
    equal = list(dict.fromkeys([numbers[0], *(numbers[place] for place in made.equivalent)]))
    costs = {number: _cost(folder, by_number[number]) for number in equal}
    simplest = min(equal, key=lambda number: costs[number]["parameters"] or float("inf"))
    return Selection(
        score=now.objectives[0].name,
        trials=len(stored),
        expected=made.expected,
        ci95=[made.low, made.high],
        rows=single,
        groups=None if units == single else units,
        equivalent=equal,
        simplest=costs[simplest],
        best=costs[numbers[0]],
    )


def _cost(folder: Path, row: Row) -> dict[str, Any]:
    scores: Mapping[str, Any] = {}
    with suppress(UserError):
        scores = scores_of(folder, row)
    parameters = scores.get("model/parameters", {}).get("mean")
    return {"number": row.number, "parameters": parameters, "seconds": row.seconds}


def _stored(folder: Path, rows: Sequence[Row]) -> dict[int, ValidationRows]:
    """The predictions of the trials by number, of those that were validated on the same rows as the first."""
    stored: dict[int, ValidationRows] = {}
    first: ValidationRows | None = None
    for row in rows:
        own = outputs_of(_home(folder, row))
        if own is None:
            continue
        first = own if first is None else first
        if own.same_rows(first):
            stored[row.number] = own
    return stored


def _home(folder: Path, row: Row) -> Path:
    return folder / (row.folder or str(row.number))

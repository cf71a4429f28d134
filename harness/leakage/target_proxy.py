"""A feature that determines the target: judged by what it alone says of rows it was not fitted to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.core.finding import Finding
from harness.core.fold import Fold
from harness.core.table import Table
from harness.leakage.finding_text import codes, listed, settings
from harness.leakage.holdout import Sides, sides
from harness.leakage.single_feature import comparable, guess_class, guess_number

ALWAYS = 0.999
"""The held-out accuracy, or r2, from which a feature is taken to determine the target."""

FEWEST_SURPRISES = 5
"""So many rows must have another class than the most frequent one."""


def determines(table: Table, folds: Sequence[Fold]) -> Finding:
    """Each feature of a table alone, fitted to some rows and judged on others, as far apart as the folds.

    A class is guessed as that of the nearest value; a number by interpolation, both target and guess
    being ranks, so that a change of unit or a logarithm hides nothing.
    """
    found: dict[str, str] = {}
    judged = 0
    for target in table.target:
        halves = sides(folds, table.frame[target].notna().to_numpy(), len(table.features))
        if halves.enough:
            judged = max(judged, len(halves.rows))
            found |= _oracles(table, target, halves)
    if found:
        names = list(found)
        said = listed(found[name] for name in names)
        return Finding(
            "determines",
            "warning",
            f"{said}; if that is not known before the target is, leave it out with "
            f"data.extract.drop={settings(names)}.",
        )
    if not judged:
        return Finding(
            "determines", "fine", "Too few labelled rows are held out to judge each feature alone."
        )
    return Finding(
        "determines",
        "fine",
        f"None of {len(table.features)} features alone tells the target of {judged} held-out rows.",
    )


def _oracles(table: Table, target: str, halves: Sides) -> dict[str, str]:
    """How well each feature that tells the target does so, by its name."""
    labels = table.frame[target].iloc[halves.rows]
    classes = table.task.kind != "regression"
    truth = codes(labels)[0] if classes else labels.rank(pct=True).to_numpy(dtype=np.float64)
    found = {}
    for name in table.features:
        values, amounts = comparable(table.frame[name].iloc[halves.rows])
        cut = len(halves.one)
        said = _class(values, truth, cut, amounts) if classes else _number(values, truth, cut, amounts)
        if said:
            found[name] = f"feature {name!r} alone tells {target!r} of {said}"
    return found


def _class(values: np.ndarray, truth: np.ndarray, cut: int, amounts: bool) -> str:
    """What a feature has told of the classes; empty where it is not nearly all, or guessing would do.

    One or two mistakes are let pass, one in a hundred rows at most: where a threshold on the feature
    made the classes, a row between it and the nearest value seen is guessed wrong.
    """
    rows = np.arange(len(values))
    count = wrong = wrong_by_chance = 0
    for fit, held in ((rows[:cut], rows[cut:]), (rows[cut:], rows[:cut])):
        held = _told(values, fit, held, amounts)
        wrong += int((guess_class(values[fit], truth[fit], values[held], amounts) != truth[held]).sum())
        wrong_by_chance += int((truth[held] != np.bincount(truth[fit]).argmax()).sum())
        count += len(held)
    if 2 * count < len(rows) or wrong > max((1 - ALWAYS) * count, min(2, count // 100)):
        return ""
    if wrong_by_chance < FEWEST_SURPRISES or wrong > 0.05 * wrong_by_chance:
        return ""
    return f"{count - wrong} of {count} held-out rows"


def _told(values: np.ndarray, fit: np.ndarray, held: np.ndarray, amounts: bool) -> np.ndarray:
    """The held-out rows of whose value the fitted rows tell anything: of one without order, those seen."""
    return held if amounts else held[np.isin(values[held], values[fit])]


def _number(values: np.ndarray, truth: np.ndarray, cut: int, amounts: bool) -> str:
    rows = np.arange(len(values))
    count, error, spread = 0, 0.0, 0.0
    for fit, held in ((rows[:cut], rows[cut:]), (rows[cut:], rows[:cut])):
        held = _told(values, fit, held, amounts)
        count += len(held)
        guess = guess_number(values[fit], truth[fit], values[held], amounts)
        error += float(((guess - truth[held]) ** 2).sum())
        spread += float(((truth[held] - truth[fit].mean()) ** 2).sum())
    if 2 * count < len(rows) or spread == 0 or 1 - error / spread < ALWAYS:
        return ""
    return f"{count} held-out rows with r2 {1 - error / spread:.4f}"

"""Check: a feature that alone predicts the target of held-out rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.core.finding import Finding
from harness.core.fold import Fold
from harness.core.name_list import listed
from harness.core.table import Table
from harness.leakage.finding_text import codes, dropping
from harness.leakage.holdout import Halves, halves
from harness.leakage.single_feature import comparable, guess_class, guess_number

ALWAYS = 0.999
"""From this held-out accuracy, or r2, a feature is reported as a proxy of the target."""

FEWEST_OTHERS = 5
"""At least this many rows must not have the most frequent class."""


def find_target_proxy(table: Table, folds: Sequence[Fold]) -> Finding:
    """Fits each feature alone on some rows and tests it on others, which are as independent as the folds.

    A class is predicted by the nearest value. A number is predicted by interpolation between ranks, so that a
    change of unit or a logarithm of the target hides nothing.
    """
    features: dict[str, str] = {}
    tested = 0
    for target in table.target:
        parts = halves(folds, table.frame[target].notna().to_numpy(), len(table.features))
        if parts.enough:
            tested = max(tested, len(parts.rows))
            features |= _proxies(table, target, parts)
    if features:
        names = list(features)
        proxies = listed(features[name] for name in names)
        return Finding(
            "determines",
            "warning",
            f"{proxies}; if it is not known before the target, remove it with {dropping(names)}.",
        )
    if not tested:
        return Finding("determines", "fine", "Too few labelled rows are held out to check single features.")
    return Finding(
        "determines",
        "fine",
        f"None of {len(table.features)} features alone predicts the target of {tested} held-out rows.",
    )


def _proxies(table: Table, target: str, parts: Halves) -> dict[str, str]:
    """By name, how well each feature that predicts the target does so."""
    labels = table.frame[target].iloc[parts.rows]
    classes = table.task.kind != "regression"
    truth = codes(labels)[0] if classes else labels.rank(pct=True).to_numpy(dtype=np.float64)
    proxies = {}
    for name in table.features:
        values, amounts = comparable(table.frame[name].iloc[parts.rows])
        cut = len(parts.one)
        accuracy = _class(values, truth, cut, amounts) if classes else _number(values, truth, cut, amounts)
        if accuracy:
            proxies[name] = f"feature {name!r} alone predicts {target!r} of {accuracy}"
    return proxies


def _class(values: np.ndarray, truth: np.ndarray, cut: int, amounts: bool) -> str:
    """How many classes a feature predicts; empty if not nearly all, or if the majority class would do.

    One or two mistakes are allowed, at most one in a hundred rows: if a threshold on the feature defines the
    classes, a row between the threshold and the nearest training value is predicted wrong.
    """
    rows = np.arange(len(values))
    count = wrong = wrong_by_chance = 0
    for fit, held in ((rows[:cut], rows[cut:]), (rows[cut:], rows[:cut])):
        held = _predictable(values, fit, held, amounts)
        wrong += int((guess_class(values[fit], truth[fit], values[held], amounts) != truth[held]).sum())
        wrong_by_chance += int((truth[held] != np.bincount(truth[fit]).argmax()).sum())
        count += len(held)
    if 2 * count < len(rows) or wrong > max((1 - ALWAYS) * count, min(2, count // 100)):
        return ""
    if wrong_by_chance < FEWEST_OTHERS or wrong > 0.05 * wrong_by_chance:
        return ""
    return f"{count - wrong} of {count} held-out rows"


def _predictable(values: np.ndarray, fit: np.ndarray, held: np.ndarray, amounts: bool) -> np.ndarray:
    """The held-out rows that can be predicted: for a feature without an order, those with a known value."""
    return held if amounts else held[np.isin(values[held], values[fit])]


def _number(values: np.ndarray, truth: np.ndarray, cut: int, amounts: bool) -> str:
    rows = np.arange(len(values))
    count, error, spread = 0, 0.0, 0.0
    for fit, held in ((rows[:cut], rows[cut:]), (rows[cut:], rows[:cut])):
        held = _predictable(values, fit, held, amounts)
        count += len(held)
        guess = guess_number(values[fit], truth[fit], values[held], amounts)
        error += float(((guess - truth[held]) ** 2).sum())
        spread += float(((truth[held] - truth[fit].mean()) ** 2).sum())
    if 2 * count < len(rows) or spread == 0 or 1 - error / spread < ALWAYS:
        return ""
    return f"{count} held-out rows with r2 {1 - error / spread:.4f}"

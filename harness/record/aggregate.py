"""Tally: the scores of all folds together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from harness.core.fold import Fold
from harness.record.fold_record import Page
from harness.record.predictions import Measure, pool
from harness.runs.run_result import Summary, summarise


def over_folds(pages: Sequence[Page]) -> dict[str, Summary]:
    """Each score by full name, summarised over the folds that have it.

    Folds of a nested split that share their test rows count as one, with the mean of their scores.
    """
    done = [page for page in pages if page.scores]
    names = list(dict.fromkeys(name for page in done for name in page.scores))
    return {name: summarise(_by_outer(done, name)) for name in names}


def _by_outer(pages: Sequence[Page], name: str) -> list[float]:
    values: dict[Any, list[float]] = {}
    for page in pages:
        if name in page.scores:
            own = page.fold.number if page.fold.outer is None else ("outer", page.fold.outer)
            values.setdefault(own, []).append(page.scores[name])
    return [float(np.mean(scores)) for scores in values.values()]


def pooled(pages: Sequence[Page], measure: Measure | None) -> dict[str, float]:
    """The test scores of all out-of-fold predictions put together, by full name; {} of a single fold."""
    told = [page.told for page in pages if page.told is not None]
    if len(told) < 2 or measure is None:
        return {}
    return {f"test/{name}": value for name, value in pool(told, measure).items()}


def table_of_folds(pages: Sequence[Page]) -> pd.DataFrame:
    """A line per fold with its scores, of a nested split also with its outer fold: `folds.csv`."""
    return pd.DataFrame([{**_numbers(page.fold), **page.scores} for page in pages if page.scores])


def _numbers(fold: Fold) -> dict[str, int]:
    return {"fold": fold.number} if fold.outer is None else {"fold": fold.number, "outer": fold.outer}

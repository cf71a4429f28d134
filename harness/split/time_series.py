"""TimeSeries: training rows are earlier than test rows."""

from __future__ import annotations

from typing import Literal

import numpy as np

from harness.core.errors import UserError
from harness.core.fold import Fold
from harness.core.table import Table
from harness.core.time_span import read_span
from harness.split.holdout_part import require_fraction
from harness.split.row_times import moments
from harness.split.splittable_rows import divide

Window = Literal["expanding", "sliding"]


class TimeSeries:
    """Rolling origin: each fold tests a stretch of time and trains on what lies before it.

    The labelled rows in order of time end in `folds` stretches of n // (folds + 1) rows, which test one
    after the other (scikit-learn's TimeSeriesSplit). Rows of the same time stay together: a stretch
    begins with the first row of its time. The latest part of the rows before it validates, the others
    train. Unlabelled rows later than the last training row are left out of a fold.

    Args:
        folds: how many, 1 or more.
        fold: only this one, 0-based; None for all.
        window: "expanding" trains on all that lies before; "sliding" on as many rows before each test
            part as the first fold has.
        gap: left out before the valid and before the test part: a number of rows, or a length of time
            such as "7d", "36h" or "90min" (see `read_span`), which needs dates.
        valid: in [0, 1), the fraction of the rows before the test part that validates.
    """

    timed = True

    def __init__(self, *, folds: int, fold: int | None, window: Window, gap: int | str, valid: float) -> None:
        if folds < 1:
            raise ValueError(f"folds must be 1 or more, got {folds}")
        if fold is not None and not 0 <= fold < folds:
            raise ValueError(f"fold must be between 0 and {folds - 1} (there are {folds} folds), got {fold}")
        require_fraction("valid", valid)
        self.folds, self.fold, self.valid = folds, fold, valid
        self.window = window
        self.gap, self.length = gap, _length(gap)

    def __call__(self, table: Table) -> list[Fold]:
        """Raises UserError: no usable time column, or too few rows or times for the folds and the gap."""
        times = moments(table)
        if self.length is not None and times.dtype.kind != "M":
            raise UserError(
                f"split.gap={self.gap} is a length of time, and column {table.time!r} of {table.name} holds "
                "numbers",
                "give split.gap as a number of rows",
                key="split.gap",
            )
        rows, unlabelled = divide(table)
        rows = rows[np.argsort(times[rows], kind="stable")]
        starts = self._starts(times[rows], table)
        wanted = range(self.folds) if self.fold is None else [self.fold]
        return [self._fold(number, starts, rows, unlabelled, times) for number in wanted]

    def _starts(self, ordered: np.ndarray, table: Table) -> np.ndarray:
        """(folds + 1,) where each test part begins among the ordered times, and the end of the last."""
        length = len(ordered) // (self.folds + 1)
        planned = len(ordered) - length * np.arange(self.folds, 0, -1)
        starts = np.append(np.searchsorted(ordered, ordered[planned]) if length else planned, len(ordered))
        if not length or starts[0] == 0 or (np.diff(starts) == 0).any():
            raise UserError(
                f"split.folds={self.folds} needs one more stretch of time than that, and {table.name} has "
                f"{len(ordered)} rows of {len(np.unique(ordered))} distinct times, too few to divide so",
                "lower split.folds",
                key="split.folds",
            )
        return starts

    def _fold(
        self, number: int, starts: np.ndarray, rows: np.ndarray, unlabelled: np.ndarray, times: np.ndarray
    ) -> Fold:
        ordered = times[rows]
        start, stop = int(starts[number]), int(starts[number + 1])
        end = self._end(ordered, start)
        begin = 0
        if self.window == "sliding":
            begin = max(0, end - self._end(ordered, int(starts[0])))
        middle = self._middle(ordered, begin, end)
        last = middle if middle == end else self._end(ordered, middle)
        if last <= begin:
            raise UserError(
                f"split.gap={self.gap} and split.valid={self.valid} leave fold {number} none of the {start} "
                "rows before its test part to train on",
                "lower them, or split.folds",
                key="split.gap",
            )
        train = rows[begin:last]
        early = unlabelled[times[unlabelled] <= times[train[-1]]]
        valid, test = np.sort(rows[middle:end]), np.sort(rows[start:stop])
        return Fold(number, np.sort(train), valid, test, early)

    def _end(self, ordered: np.ndarray, start: int) -> int:
        """How many of the ordered rows lie before position `start` by the gap or more."""
        if self.length is not None:
            return min(start, int(np.searchsorted(ordered, ordered[start] - self.length, side="right")))
        return max(0, start - int(self.gap))

    def _middle(self, ordered: np.ndarray, begin: int, end: int) -> int:
        """Where the valid part begins, with the first row of its time; `end` where there is none."""
        if not self.valid or end <= begin:
            return end
        planned = end - max(1, round(self.valid * (end - begin)))
        return int(np.searchsorted(ordered, ordered[planned]))


def _length(gap: int | str) -> np.timedelta64 | None:
    """The gap as a length of time; None where it is a number of rows."""
    if isinstance(gap, int):
        if gap < 0:
            raise ValueError(f"gap must be 0 or more, got {gap}")
        return None
    length = read_span(gap)
    if length is None:
        raise ValueError(f"gap must be a number of rows, or a length of time such as 7d or 36h, got {gap!r}")
    return np.timedelta64(length)

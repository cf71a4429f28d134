"""Whether a column tells the group of a row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from harness.leakage.finding_text import codes

FEWEST_REPEATS = 20
_SOME = 5000


@dataclass(frozen=True)
class Groups:
    """The group of each row, and some rows that show most columns at once not to tell it.

    name    the group's column
    codes   (N,) int64, the group by number; -1 where missing
    spread  rows from all over the table, where a value soon meets a second group
    whole   rows of the first groups, complete: a value of one group alone has all its repeats there
    """

    name: str
    codes: np.ndarray
    spread: np.ndarray
    whole: np.ndarray

    @classmethod
    def of(cls, name: str, values: np.ndarray) -> Groups:
        numbers = codes(values)[0]
        spread = np.arange(0, len(numbers), max(1, len(numbers) // _SOME))
        order = np.argsort(numbers, kind="stable")
        return cls(name, numbers, spread, order[numbers[order] >= 0][:_SOME])

    def told_by(self, column: pd.Series) -> str:
        """How the column tells the group; empty where it does not.

        Each of its values belongs to one group, and half of the rows or more repeat a value: a column
        that differs in each row has one group per value as well, and says nothing by that.
        """
        count = len(pd.unique(self.codes[self.codes >= 0]))
        stages = ((self.spread, 0.0), (self.whole, 0.25), (np.arange(len(column)), 0.5))
        if count < 2 or not all(self._refined(column, rows, repeated) for rows, repeated in stages):
            return ""
        if column.nunique() == count:
            return f"another name of the group {self.name!r}"
        return f"each value in one {self.name!r} alone"

    def _refined(self, column: pd.Series, rows: np.ndarray, repeated: float) -> bool:
        """Whether, of these rows, each value is in one group, and so great a share of rows repeats one."""
        values, theirs = codes(column.iloc[rows])[0], self.codes[rows]
        known = (values >= 0) & (theirs >= 0)
        values, theirs = values[known], theirs[known]
        repeats = len(values) - len(pd.unique(values))
        if repeated and repeats < max(FEWEST_REPEATS, repeated * len(values)):
            return False
        one = np.empty(values.max(initial=-1) + 1, dtype=np.int64)
        one[values] = theirs
        return bool((one[values] == theirs).all())

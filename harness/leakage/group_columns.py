"""Whether a column determines the group of a row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from harness.leakage.finding_text import codes

FEWEST_REPEATS = 20
_SOME = 5000


@dataclass(frozen=True)
class Groups:
    """The group of each row, and samples of rows that rule out most columns quickly.

    name    the group column
    codes   (N,) int64, the number of the group; -1 if missing
    spread  rows from all over the table: a value of several groups occurs there with two of them
    whole   all rows of the first groups: a value of one group occurs there with all its repetitions
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

    def determined_by(self, column: pd.Series) -> str:
        """How the column determines the group; empty if it does not.

        Each of its values belongs to one group, and at least half of the rows repeat a value. (In a column
        that differs in every row each value has one group as well, which means nothing.)
        """
        count = len(pd.unique(self.codes[self.codes >= 0]))
        stages = ((self.spread, 0.0), (self.whole, 0.25), (np.arange(len(column)), 0.5))
        if count < 2 or not all(self._refined(column, rows, repeated) for rows, repeated in stages):
            return ""
        if column.nunique() == count:
            return f"another name of the group {self.name!r}"
        return f"each value belongs to one {self.name!r}"

    def _refined(self, column: pd.Series, rows: np.ndarray, repeated: float) -> bool:
        """Whether each value of these rows is in one group, and a share of `repeated` rows repeats a
        value."""
        values, theirs = codes(column.iloc[rows])[0], self.codes[rows]
        known = (values >= 0) & (theirs >= 0)
        values, theirs = values[known], theirs[known]
        repeats = len(values) - len(pd.unique(values))
        if repeated and repeats < max(FEWEST_REPEATS, repeated * len(values)):
            return False
        one = np.empty(values.max(initial=-1) + 1, dtype=np.int64)
        one[values] = theirs
        return bool((one[values] == theirs).all())

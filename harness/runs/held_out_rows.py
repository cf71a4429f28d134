"""The test rows of a run, by which its looks at test scores are counted and its seal is found."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import final

import numpy as np

from harness.core.fold import Fold
from harness.core.table import Table


@final
@dataclass(frozen=True)
class HeldOutRows:
    """The test rows of a run, in all its folds.

    data    name of the data set
    source  where it came from
    digest  of the data
    total   how many rows the data has
    rows    (n,) int64, sorted
    """

    data: str
    source: str
    digest: str
    total: int
    rows: np.ndarray

    @classmethod
    def of(cls, table: Table, folds: Sequence[Fold]) -> HeldOutRows:
        """Those of the folds of a table."""
        parts = [fold.test for fold in folds]
        rows = np.unique(np.concatenate(parts)).astype(np.int64) if parts else np.empty(0, dtype=np.int64)
        return cls(table.name, table.source, table.digest, len(table), rows)

    @property
    def name(self) -> str:
        """A name that other rows do not have, such as `digits-3f2a91c0`."""
        plain = re.sub(r"[^a-z0-9]+", "-", self.data.lower()).strip("-")[:30] or "rows"
        content = self.digest.encode() + self.rows.astype("<i8").tobytes()
        return f"{plain}-{sha256(content).hexdigest()[:8]}"

    def shared(self, other: HeldOutRows) -> int:
        """How many rows both have.

        The data is the same where its digest is, or where as many rows come from the same source: to leave a
        column out does not make other rows.
        """
        same_source = bool(self.source) and (self.source, self.total) == (other.source, other.total)
        if self.digest != other.digest and not same_source:
            return 0
        return len(np.intersect1d(self.rows, other.rows))

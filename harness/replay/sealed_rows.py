"""Whether rows that are to be scored are sealed test rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from harness.core.fold import Fold
from harness.core.table import Table
from harness.runs.held_out_rows import HeldOutRows
from harness.runs.look_ledger import LookLedger, require_none_sealed


def require_unsealed_rows(outputs: Path, table: Table, rows: np.ndarray) -> None:
    """Checks by their positions and by their contents that none of the rows, (n,) int64, is sealed.

    Raises:
        SealedRows: some are.
    """
    ledger = LookLedger(outputs)
    seals = ledger.closed()
    if not seals:
        return
    none = np.empty(0, dtype=np.int64)
    what = f"{len(rows):,} rows of {table.name} would be scored"
    ledger.require_open(HeldOutRows.of(table, [Fold(0, none, none, rows)]), what)
    if table.events is None:
        array = None if table.array is None else table.array[rows]
        require_none_sealed(seals, table.frame.iloc[rows], array, what)

"""Check: training rows that are later than test rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from harness.core.finding import Finding
from harness.core.fold import Fold
from harness.core.name_list import counted
from harness.core.table import Table
from harness.core.typed_override import typed
from harness.leakage.finding_text import among, row


def find_later_training_rows(table: Table, folds: Sequence[Fold], *, timed: bool, split: str) -> Finding:
    """Training and validation rows later than the earliest test row of their fold.

    An error if the split promises that there are none, else a warning.
    """
    times = _times(table)
    if times is None:
        dates = typed("data.extract.dates", [str(table.time)])
        return Finding(
            "order",
            "warning",
            f"the times in column {table.time!r} are neither numbers nor ISO dates, so it is unknown "
            "whether training rows are later than test rows; read the column as dates with "
            f"{dates}, or remove the role with data.extract.time=null.",
        )
    later, hit, pair = 0, 0, (0, 0)
    for fold in folds:
        train, test = (
            part[times[part] >= 0] for part in (np.concatenate([fold.train, fold.valid]), fold.test)
        )
        if not len(train) or not len(test):
            continue
        earliest = test[times[test].argmin()]
        here = int((times[train] > times[earliest]).sum())
        if here and not hit:
            pair = int(train[times[train].argmax()]), int(earliest)
        later, hit = later + here, hit + (here > 0)
    column = "their order in the table" if table.time is None else repr(table.time)
    if not hit:
        return Finding("order", "fine", f"No training row is later than a test row by {column}.")
    later_rows = (
        f"{counted(later, 'training row')}{among(hit, len(folds))} {'is' if later == 1 else 'are'} later "
        f"than the earliest test row by {column}, such as {row(table, pair[0])} than {row(table, pair[1])}"
    )
    if timed:
        remedy = f"split={split} promises that none is; correct the split, or use split=time_series"
        return Finding("order", "error", f"{later_rows}, and {remedy}.")
    remedy = (
        "so the past is predicted from the future; use split=time_series, or remove the role with "
        "data.extract.time=null if time does not matter"
    )
    return Finding("order", "warning", f"{later_rows}, {remedy}.")


def _times(table: Table) -> np.ndarray | None:
    """(N,) int64, the rank of each row's time, -1 if it is missing; None if the times have no order.

    Text is read as ISO 8601 dates, as the splits by time do.
    """
    if table.time is None:
        return np.arange(len(table))
    column = table.frame[table.time]
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    if pd.api.types.infer_dtype(column) in ("string", "date", "datetime"):
        dates = pd.to_datetime(column, format="ISO8601", utc=True, errors="coerce")
        if (dates.isna() & column.notna()).any():
            return None
        column = dates
    elif pd.api.types.is_object_dtype(column):
        return None
    return pd.factorize(column, sort=True)[0].astype(np.int64)

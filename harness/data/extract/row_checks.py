"""Checks of a table's rows after the roles are assigned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NoReturn

import numpy as np
import pandas as pd

from harness.core.errors import UserError
from harness.core.table import Table
from harness.core.typed_override import typed

Infinite = Literal["error", "missing"]

LARGEST = float(np.finfo(np.float32).max)
"""The largest magnitude of a feature: networks compute in float32."""

_COUNT = "count it as missing with data.extract.infinite=missing"

_ROWS_AT_ONCE = 4096


def require_rows(table: Table) -> None:
    """Checks that ids are unique, some target is known, and there is more than one group.

    Raises:
        UserError: the first check that fails.
    """
    if table.id is not None and table.kind != "sequence":
        _require_distinct(table.frame[table.id], table.name)
    if table.target and not table.labelled.any():
        _refuse_no_target(table)
    if table.group is not None:
        _require_groups(table.frame[table.group], table.name)


def _require_distinct(ids: pd.Series, name: str) -> None:
    twice = ids.duplicated() & ids.notna()
    if twice.any():
        first = ids[twice].iloc[0]
        raise UserError(
            f"an id names one row, and column {ids.name!r} of {name} holds {plain(first)!r} "
            f"{int((ids == first).sum())} times",
            "name another with data.extract.id=COLUMN, or make it "
            f"{typed('data.extract.group', str(ids.name))} if its rows belong together",
        )


def _refuse_no_target(table: Table) -> None:
    columns = " and ".join(repr(column) for column in table.target)
    together = " together" if len(table.target) > 1 else ""
    raise UserError(
        f"a target must be known in some row, and {columns} of {table.name} "
        f"{'are' if together else 'is'} known{together} in none of {len(table)}",
        "name another with data.extract.target=COLUMN, or learn without one by data.extract.target=null",
    )


def _require_groups(groups: pd.Series, name: str) -> None:
    first = groups.iloc[0]
    if (groups == first).all() or groups.nunique() < 2:
        known = groups.dropna()
        actual = f"only {plain(known.iloc[0])!r}" if len(known) else "no value at all"
        raise UserError(
            f"a group role needs two groups or more, and column {groups.name!r} of {name} holds {actual}",
            "name another with data.extract.group=COLUMN, or remove it with data.extract.group=null",
        )


def finite(
    frame: pd.DataFrame,
    columns: Sequence[str],
    name: str,
    infinite: Infinite,
    largest: float = LARGEST,
    instead: str = _COUNT,
) -> pd.DataFrame:
    """The frame with infinite values of these columns refused, or made missing in a new frame.

    Columns are checked one by one, so that no second copy of the frame is made.

    Args:
        largest: what is larger in magnitude counts as infinite; a feature becomes a float32.
        instead: what can be done besides a correction.

    Raises:
        UserError: a value is infinite and `infinite` is "error".
    """
    if len(frame) <= _ROWS_AT_ONCE and not _any_beyond(frame, columns, largest):
        return frame
    for column in columns:
        if not pd.api.types.is_float_dtype(frame[column].dtype):
            continue
        beyond = np.abs(frame[column].to_numpy(dtype=np.float64, na_value=np.nan)) > largest
        if not beyond.any():
            continue
        if infinite == "error":
            row = int(beyond.argmax())
            held = f"column {column!r} of {name} holds {frame[column].iloc[row]} in row {row}"
            _refuse_value(frame[column].iloc[row], held, instead)
        frame = frame.assign(**{column: frame[column].mask(beyond)})
    return frame


def _any_beyond(frame: pd.DataFrame, columns: Sequence[str], largest: float) -> bool:
    """Whether a value of a few rows is beyond `largest`."""
    types = dict(zip(frame.columns, frame.dtypes, strict=True))
    names = [column for column in columns if pd.api.types.is_float_dtype(types[column])]
    values = (frame if names == list(frame.columns) else frame[names]).to_numpy(np.float64, na_value=np.nan)
    return bool((np.abs(values) > largest).any())


def finite_array(array: np.ndarray, name: str, infinite: Infinite, instead: str = _COUNT) -> np.ndarray:
    """The (N, …) array with infinite values, and those beyond float32, refused or made NaN in a copy.

    It is read in slices.

    Args:
        instead: what can be done besides a correction.

    Raises:
        UserError: a value is infinite and `infinite` is "error".
    """
    if array.dtype.kind != "f":
        return array
    copied = False
    for first in range(0, len(array), _ROWS_AT_ONCE):
        beyond = np.abs(array[first : first + _ROWS_AT_ONCE]) > LARGEST
        if not beyond.any():
            continue
        if infinite == "error":
            row, *place = (int(index) for index in np.argwhere(beyond)[0])
            value = array[(first + row, *place)]
            held = f"the features of {name} hold {value} in row {first + row} at {place}"
            _refuse_value(value, held, instead)
        if not copied:
            array, copied = np.array(array), True
        array[first : first + _ROWS_AT_ONCE][beyond] = np.nan
    return array


def _refuse_value(value: float, held: str, instead: str) -> NoReturn:
    if np.isinf(value):
        raise UserError(f"values must be finite, and {held}", f"correct it, or {instead}")
    rule = f"features must be at most {LARGEST:.1e} in magnitude, the largest float32, and {held}"
    raise UserError(rule, f"correct it, or {instead}")


def plain(value: object) -> object:
    """A NumPy scalar as the Python value that reads the same in a message."""
    return value.item() if isinstance(value, np.generic) else value

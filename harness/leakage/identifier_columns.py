"""Columns that name a row or its group, and tell a model nothing that holds for new ones."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from harness.core.finding import Finding
from harness.core.table import Table
from harness.leakage.finding_text import codes, listed, settings
from harness.leakage.group_columns import Groups

NEARLY_ALL = 0.95
"""The share of distinct values from which a column is said to name the rows."""

FEWEST_ROWS = 20

_NUMBERS = {"id", "ids", "uid", "uuid", "guid", "mrn", "ssn", "identifier"}
_BEARERS = {"patient", "subject", "participant", "person", "customer", "user", "hash"}
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def identifiers(table: Table) -> Finding:
    """Features of a table that differ in every row, are named like an id, or tell the group."""
    groups = None if table.group is None else Groups.of(table.group, table.groups)
    found = {name: why for name in table.features if (why := _why(table, name, groups))}
    if not found:
        return Finding(
            "identifiers", "fine", f"None of {len(table.features)} features names rows or groups of rows."
        )
    said = listed(f"{name!r} ({why})" for name, why in found.items())
    return Finding(
        "identifiers",
        "warning",
        f"{'features' if len(found) > 1 else 'feature'} {said} may be learned by heart, which helps with no "
        f"new row; {_remedy(table, list(found))}.",
    )


def _remedy(table: Table, names: list[str]) -> str:
    if {table.id, table.group} & {*names}:  # only those that are named as features can be both
        return f"take {'them' if len(names) > 1 else 'it'} out of data.extract.features"
    return (
        "give it its role with data.extract.id=COLUMN or data.extract.group=COLUMN, or leave it out with "
        f"data.extract.drop={settings(names)}"
    )


def _why(table: Table, name: str, groups: Groups | None) -> str:
    """What makes the column an identifier; empty where nothing does."""
    column = table.frame[name]
    if name in (table.id, table.group):
        return f"the {'id' if name == table.id else 'group'} itself"
    if groups is not None and (why := groups.told_by(column)):
        return why
    named, text, whole = named_like_one(name), _text(column), pd.api.types.is_integer_dtype(column)
    if text and _differs(column):
        return "a text of its own in nearly every row"
    if whole and (named or _runs(column)) and _differs(column):
        return "a whole number of its own in nearly every row"
    if named and (text or whole or _whole_floats(column)) and len(codes(column)[1]) > 2:
        return "named like an identifier"
    return ""


def _text(column: pd.Series) -> bool:
    if isinstance(column.dtype, pd.CategoricalDtype):
        return True
    return pd.api.types.infer_dtype(column) in ("string", "bytes", "mixed")


def _whole_floats(column: pd.Series) -> bool:
    """Whether these are whole numbers of which a missing one has made floats."""
    return pd.api.types.is_float_dtype(column) and bool((column.dropna() % 1 == 0).all())


def named_like_one(name: str) -> bool:
    """Whether it is named like an identifier: `id`, `patient_id`, `visitId`, `patient`; not `patient_age`."""
    words = [word.lower() for word in _WORD.findall(str(name))]
    return bool(words) and (words[-1] in _NUMBERS | _BEARERS or words[0] in _NUMBERS)


def _differs(column: pd.Series) -> bool:
    """Whether nearly all known values are distinct, which some rows show to be false at once."""
    for rows in (column.iloc[:: max(1, len(column) // 2000)], column):
        known = rows.dropna()
        if len(known) < FEWEST_ROWS or len(codes(known)[1]) < NEARLY_ALL * len(known):
            return False
    return True


def _runs(column: pd.Series) -> bool:
    """Whether the whole numbers count the rows: rising with them, or without a gap."""
    values = column.dropna().to_numpy(dtype=np.int64)
    rising = bool((np.diff(values) > 0).all())
    return rising or int(values.max()) - int(values.min()) + 1 == len(values) == len(np.unique(values))

"""Check: features that identify a row or a group; what a model learns from them does not generalise."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from harness.core.finding import Finding
from harness.core.name_list import listed
from harness.core.table import Table
from harness.leakage.finding_text import codes, dropping
from harness.leakage.group_columns import Groups

NEARLY_ALL = 0.95
"""The share of distinct values from which a column counts as an identifier of rows."""

MOSTLY = 0.5
"""The same for text, whose values have no order: with so many, a new row rarely has a known one."""

FEWEST_ROWS = 20
_FEWEST_TEXTS = 10

_ID_WORDS = {"id", "ids", "uid", "uuid", "guid", "mrn", "ssn", "identifier"}
_SUBJECT_WORDS = {"patient", "subject", "participant", "person", "customer", "user", "hash"}
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def find_identifiers(table: Table) -> Finding:
    """Features that differ in every row, are named like an id, or determine the group."""
    groups = None if table.group is None else Groups.of(table.group, table.groups)
    reasons = {name: why for name in table.features if (why := _why(table, name, groups))}
    if not reasons:
        return Finding(
            "identifiers", "fine", f"None of {len(table.features)} features identifies rows or groups."
        )
    named = listed(f"{name!r} ({why})" for name, why in reasons.items())
    return Finding(
        "identifiers",
        "warning",
        f"{'features' if len(reasons) > 1 else 'feature'} {named} may be memorised by the model, which does "
        f"not "
        f"generalise to new rows; {_remedy(table, list(reasons))}.",
    )


def _remedy(table: Table, names: list[str]) -> str:
    if {table.id, table.group} & {*names}:  # only a column listed in data.extract.features has both roles
        return f"remove {'them' if len(names) > 1 else 'it'} from data.extract.features"
    roles = {"id": table.id, "group": table.group}
    free = " or ".join(f"data.extract.{role}=COLUMN" for role, column in roles.items() if column is None)
    named = f"name its role with {free}, or " if free else ""
    return f"{named}remove {'them' if len(names) > 1 else 'it'} with {dropping(names)}"


def _why(table: Table, name: str, groups: Groups | None) -> str:
    """Why the column is an identifier; empty if it is none."""
    column = table.frame[name]
    if name in (table.id, table.group):
        return f"the {'id' if name == table.id else 'group'} itself"
    if groups is not None and (why := groups.determined_by(column)):
        return why
    named, text, whole = has_id_name(name), _text(column), pd.api.types.is_integer_dtype(column)
    if text and _differs(column, fewest=_FEWEST_TEXTS):
        return "a different text in nearly every row"
    if text and _differs(column, MOSTLY):
        return "a different text in most rows"
    if whole and (named or _runs(column)) and _differs(column):
        return "a different whole number in nearly every row"
    if named and (text or whole or _whole_floats(column)) and len(codes(column)[1]) > 2:
        return "named like an identifier"
    return ""


def _text(column: pd.Series) -> bool:
    if isinstance(column.dtype, pd.CategoricalDtype):
        return True
    return pd.api.types.infer_dtype(column) in ("string", "bytes", "mixed")


def _whole_floats(column: pd.Series) -> bool:
    """Whether these are whole numbers that pandas stores as floats because some are missing."""
    return pd.api.types.is_float_dtype(column) and bool((column.dropna() % 1 == 0).all())


def has_id_name(name: str) -> bool:
    """Whether the name is that of an identifier: `id`, `patient_id`, `visitId`, `patient`; not
    `patient_age`."""
    parts = [part.lower() for part in _WORD.findall(str(name))]
    return bool(parts) and (parts[-1] in _ID_WORDS | _SUBJECT_WORDS or parts[0] in _ID_WORDS)


def _differs(column: pd.Series, share: float = NEARLY_ALL, fewest: int = FEWEST_ROWS) -> bool:
    """Whether this share of the known values is distinct; a sample of rows is checked first."""
    for rows in (column.iloc[:: max(1, len(column) // 2000)], column):
        known = rows.dropna()
        if len(known) < fewest or len(codes(known)[1]) < share * len(known):
            return False
    return True


def _runs(column: pd.Series) -> bool:
    """Whether the whole numbers count the rows: increasing, or without a gap."""
    values = column.dropna().to_numpy(dtype=np.int64)
    rising = bool((np.diff(values) > 0).all())
    return rising or int(values.max()) - int(values.min()) + 1 == len(values) == len(np.unique(values))

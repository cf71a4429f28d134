"""Reads the importance of the columns in a run's folder, and validates it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from harness.runtime.stored_file import DamagedFile, reading

IMPORTANCE = "importance.csv"
CURVES = "partial_dependence.csv"

_NUMBERS = {IMPORTANCE: ("mean", "std", "lowest", "highest"), CURVES: ("place", "prediction")}
_TEXTS = {IMPORTANCE: ("column", "score"), CURVES: ("column", "value", "output")}


def read_importance(folder: Path, name: str) -> pd.DataFrame | None:
    """Returns the lines of `IMPORTANCE` or `CURVES`; None where a run has none.

    Raises:
        DamagedFile: the file cannot be read, or a column is missing or not of numbers.
    """
    path = folder / name
    texts = dict.fromkeys(_TEXTS[name], str)
    try:
        with reading(path):
            # A category may be called "NA", and a single number to predict has no name.
            frame = pd.read_csv(path, dtype=texts, keep_default_na=False, na_values={"std": [""]})
    except FileNotFoundError:
        return None
    if name == CURVES and not {*frame.get("numeric", ["absent"])} <= {True, False}:
        raise DamagedFile(path, "column 'numeric' must be True or False")
    for column in (*_TEXTS[name], *_NUMBERS[name]):
        if column not in frame:
            raise DamagedFile(path, f"there is no column {column!r}")
        if column in _NUMBERS[name] and not pd.api.types.is_numeric_dtype(frame[column].dtype):
            raise DamagedFile(path, f"column {column!r} must be numbers")
    return frame

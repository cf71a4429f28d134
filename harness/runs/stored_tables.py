"""Reads the tables in a run's folder, `predictions.csv` and `folds.csv`, and validates their columns."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from harness.core.baseline_names import with_baseline_names
from harness.runtime.stored_file import DamagedFile, reading

PREDICTIONS = "predictions.csv"
FOLDS = "folds.csv"


def read_predictions(folder: Path) -> pd.DataFrame | None:
    """Returns the predicted rows of a run; None if nothing was predicted.

    Targets and predictions of classes are text, all others numbers; an unknown target is NaN.

    Args:
        folder: of the run.

    Raises:
        DamagedFile: the file cannot be read, or lacks a column, or a column has values of another kind.
    """
    path = folder / PREDICTIONS
    try:
        with reading(path):
            names = list(pd.read_csv(path, nrows=0).columns)
            of_classes = "target" in names and any(name.startswith("probability_") for name in names)
            texts: Any = {"target": str, "prediction": str} if of_classes else {}
            # A class may be called "NA": only an empty field is a missing value.
            frame = pd.read_csv(path, dtype=texts, keep_default_na=False, na_values=[""])
    except FileNotFoundError:
        return None
    for fault in _faults(frame, of_classes):
        raise DamagedFile(path, fault)
    return frame


def _faults(frame: pd.DataFrame, of_classes: bool) -> Iterator[str]:
    """Yields what is wrong with predicted rows."""
    names = list(map(str, frame.columns))
    targets = [name for name in names if name == "target" or name.startswith("target_")]
    endings = [name.removeprefix("target") for name in targets]
    if not endings:
        yield "there is no column of targets"
    missing = [name for name in ("row", "fold") if name not in names]
    missing += [f"prediction{end}" for end in endings if f"prediction{end}" not in names]
    if missing:
        yield f"there is no column {missing[0]!r}"
        return
    for name in ("row", "fold"):
        if len(frame) and not pd.api.types.is_integer_dtype(frame[name].dtype):
            yield f"column {name!r} must be whole numbers"
    classes = [name.removeprefix("probability_") for name in names if name.startswith("probability_")]
    if classes and not of_classes and set(classes) != {end.removeprefix("_") for end in endings}:
        yield "its labels and probabilities differ"
    numbers = [f"probability_{name}" for name in classes]
    if not of_classes:
        numbers += [f"{part}{end}" for part in ("target", "prediction") for end in endings]
    for name in numbers:
        if len(frame) and not pd.api.types.is_numeric_dtype(frame[name].dtype):
            if pd.api.types.is_bool_dtype(frame[name].dtype) or frame[name].isna().all():
                continue
            yield f"column {name!r} must be numbers"
    for name in ("target", "prediction") if of_classes else ():
        unknown = set(frame[name].dropna()) - set(classes)
        if unknown:
            yield f"column {name!r} contains {min(unknown)!r}, which has no probability"


def read_fold_scores(folder: Path) -> pd.DataFrame | None:
    """Returns the scores of each finished fold of a run; None of a run of one fold.

    Args:
        folder: of the run.

    Raises:
        DamagedFile: the file cannot be read, or has a column that is not of numbers.
    """
    path = folder / FOLDS
    try:
        with reading(path):
            frame = pd.read_csv(path)
    except FileNotFoundError:
        return None
    if "fold" not in frame or not pd.api.types.is_integer_dtype(frame["fold"].dtype):
        raise DamagedFile(path, "column 'fold' must be whole numbers")
    for name, column in frame.items():
        if not (pd.api.types.is_numeric_dtype(column.dtype) or column.isna().all()):
            raise DamagedFile(path, f"column {name!r} must be numbers")
    if frame["fold"].duplicated().any():
        raise DamagedFile(path, "a fold occurs twice")
    frame.columns = pd.Index(with_baseline_names({str(name): name for name in frame}))
    return frame

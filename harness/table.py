"""Table: rows as they were found, and the role each column plays."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd

from harness.errors import UserError, near
from harness.task import Task

Kind = Literal["table", "image"]
Aim = Literal["auto", "classification", "regression"]

MOST_CLASSES = 20
"""A column of whole numbers with more distinct values than this is read as a number to predict."""


@dataclass(frozen=True)
class Table:
    """One row per sample.

    frame     a DataFrame with index 0 … N-1; a row is named by its position everywhere
    features  the columns that a model may see, in order
    target    the columns to predict; empty: no labels. A missing target is an unlabelled row
    group     the column whose rows belong together (patient, writer), or None
    id        the column that names a row for the user, or None
    kind      "image": the features are pixels in C, H, W order; "table": a row of features
    shape     (C, H, W) of an image made of pixel columns, else None
    name      what the data set is called on the screen and in MLflow
    source    where it came from, without credentials
    aim       whether the target is a class or a number; "auto" reads it off the column
    """

    frame: pd.DataFrame
    features: tuple[str, ...]
    target: tuple[str, ...] = ()
    group: str | None = None
    id: str | None = None
    kind: Kind = "table"
    shape: tuple[int, int, int] | None = None
    name: str = "table"
    source: str = ""
    aim: Aim = "auto"

    def __post_init__(self) -> None:
        if self.frame.empty:
            raise UserError(f"data set {self.name} has no rows; give a file or query that returns some.")
        roles = {"target": self.target, "group": (self.group,), "id": (self.id,), "features": self.features}
        for role, columns in roles.items():
            for column in columns:
                if column is not None and column not in self.frame.columns:
                    known = [str(c) for c in self.frame.columns]
                    raise UserError(
                        f"data.extract.{role} names the column {column!r}, which {self.name} does not have; "
                        f"{near(column, known)}"
                    )

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def labels(self) -> pd.Series:
        """The single target column, missing where a row is unlabelled."""
        if not self.target:
            raise UserError(
                f"data set {self.name} has no target column, and this needs one; "
                "name it with data.extract.target=COLUMN."
            )
        return self.frame[self.target[0]]

    @property
    def labelled(self) -> np.ndarray:
        """(N,) bool: the rows whose target is known."""
        if not self.target:
            return np.zeros(len(self), dtype=bool)
        return self.frame[list(self.target)].notna().all(axis=1).to_numpy()

    @property
    def groups(self) -> np.ndarray:
        """(N,) the group of each row.

        Raises:
            UserError: the table has no group column.
        """
        if self.group is None:
            raise UserError(
                f"this split keeps groups together, and data set {self.name} has no group column; "
                "name it with data.extract.group=COLUMN."
            )
        return self.frame[self.group].to_numpy()

    @cached_property
    def task(self) -> Task:
        """What the target asks for.

        With `aim` "auto", text, booleans and categories are classes; numbers are classes where they
        are whole and at most `MOST_CLASSES` distinct ones, otherwise a number to predict.

        Raises:
            UserError: fewer than two distinct values, or a regression on a column that is no number.
        """
        if not self.target:
            return Task("none")
        known = self.labels.dropna()
        values = sorted(known.unique(), key=lambda value: (isinstance(value, str), value))
        numeric = pd.api.types.is_numeric_dtype(known) and not pd.api.types.is_bool_dtype(known)
        if len(values) < 2:
            found = f"only the value {str(values[0])!r}" if values else "no value at all"
            raise UserError(
                f"a target needs two or more distinct values, and column {self.target[0]!r} of {self.name} "
                f"has {found}; choose another with data.extract.target=COLUMN."
            )
        if self.aim == "regression" and not numeric:
            raise UserError(
                f"data.extract.task=regression needs a number as target, and column {self.target[0]!r} holds "
                f"{values[0]!r}; use data.extract.task=classification."
            )
        whole = numeric and bool((known % 1 == 0).all())  # which an infinite number is not
        if self.aim == "regression" or (
            self.aim == "auto" and numeric and not (whole and len(values) <= MOST_CLASSES)
        ):
            return Task("regression")
        names = tuple(str(int(value)) if whole else str(value) for value in values)
        return Task("binary" if len(values) == 2 else "multiclass", names)

    @cached_property
    def digest(self) -> str:
        """The first 16 hexadecimal digits of a SHA-256 over columns, values and roles."""
        hashed = pd.util.hash_pandas_object(self.frame, index=False).to_numpy()
        roles = repr((list(self.frame.columns), self.features, self.target, self.group, self.id, self.shape))
        return hashlib.sha256(hashed.tobytes() + roles.encode()).hexdigest()[:16]

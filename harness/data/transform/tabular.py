"""Tabular: columns of numbers and of categories -> (N, F), by the parts of scikit-learn in the yaml."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch

from harness.arrays import Arrays
from harness.data.transform.columns import numbers, select
from harness.data.transform.target import encode, pack, unpack
from harness.errors import UserError
from harness.table import Table
from harness.task import Task


class Tabular:
    """A scikit-learn ColumnTransformer: `numeric` parts in a row on numbers, `categorical` on the rest.

    Text, booleans and categories are categorical, and reach the parts as text. An infinite number
    counts as missing. A column without a value in the training rows is left out.

    Args:
        numeric: transformers for numbers, in order; cloned, never fitted themselves.
        categorical: transformers for categories, likewise; they end in numbers.
    """

    def __init__(self, *, numeric: list[Any], categorical: list[Any]) -> None:
        self.parts = {"numeric": numeric, "categorical": categorical}

    def fit(self, table: Table, rows: np.ndarray, task: Task) -> None:
        """Raises UserError: a column that is neither number nor category, or no column with a value."""
        from sklearn.compose import ColumnTransformer

        self.task = task
        self.columns = _kinds(table, rows)
        if not any(self.columns.values()):
            raise UserError(
                f"no feature of {table.name} has a value in the training rows; name others with "
                "data.extract.features=[COLUMN, …]."
            )
        steps = [(kind, self._chain(kind), names) for kind, names in self.columns.items() if names]
        self.transformer = ColumnTransformer(steps, sparse_threshold=0)
        self.transformer.fit(self._prepare(table).iloc[rows])

    def __call__(self, table: Table) -> Arrays:
        """Raises UserError: a column is missing or holds text for numbers, or the parts leave gaps."""
        values = np.asarray(self.transformer.transform(self._prepare(table)), dtype=np.float64)
        with np.errstate(over="ignore"):
            inputs = values.astype(np.float32)
        if not np.isfinite(inputs).all():
            row = int((~np.isfinite(inputs)).any(axis=1).argmax())
            raise UserError(
                f"data.transform leaves a value that is missing or infinite in row {row} of {table.name}; "
                "put an imputer first in data.transform.numeric and data.transform.categorical."
            )
        return Arrays(torch.from_numpy(inputs), encode(table, self.task), self.task)

    def state(self) -> dict[str, Any]:
        import skops.io

        return {
            "transformer": skops.io.dumps(self.transformer),
            "columns": self.columns,
            "task": pack(self.task),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Raises UserError: the state holds a type that is neither scikit-learn's nor in the yaml."""
        import skops.io

        data: bytes = state["transformer"]
        own = {_type_name(part) for parts in self.parts.values() for part in parts}
        unknown = set(skops.io.get_untrusted_types(data=data))
        # The dtype of the categories, which skops trusts no more than a stranger's class.
        trusted = {name for name in unknown if name in own | {"numpy.dtype"} or name.startswith("sklearn.")}
        if unknown - trusted:
            raise UserError(
                f"the saved transform holds {', '.join(sorted(unknown - trusted))}, which is not trusted; "
                "load only runs of your own, with the same data.transform."
            )
        self.transformer = skops.io.loads(data, trusted=sorted(trusted))
        self.columns = state["columns"]
        self.task = unpack(state["task"])

    def _chain(self, kind: str) -> Any:
        from sklearn.base import clone
        from sklearn.pipeline import make_pipeline

        return make_pipeline(*map(clone, self.parts[kind])) if self.parts[kind] else "passthrough"

    def _prepare(self, table: Table) -> pd.DataFrame:
        """The columns in use: numbers as float64 with NaN, categories as text with NaN."""
        numeric, categorical = self.columns["numeric"], self.columns["categorical"]
        frame = pd.DataFrame(numbers(select(table, numeric)), columns=numeric)
        texts = {name: _text(column) for name, column in select(table, categorical).items()}
        return pd.concat([frame, pd.DataFrame(texts, index=frame.index)], axis=1)


def _kinds(table: Table, rows: np.ndarray) -> dict[str, list[str]]:
    """The features that have a value in `rows`, by kind."""
    kinds: dict[str, list[str]] = {"numeric": [], "categorical": []}
    for name in table.features:
        column = table.frame[name]
        if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
            if not np.isnan(numbers(column.iloc[rows].to_frame())).all():
                kinds["numeric"].append(name)
        elif _categorical(column):
            if column.iloc[rows].notna().any():
                kinds["categorical"].append(name)
        else:
            raise UserError(
                f"column {name!r} of {table.name} holds {column.dtype}, and data/transform=tabular takes "
                "numbers, text, booleans and categories; convert it, or leave it out with data.extract.drop."
            )
    return kinds


def _categorical(column: pd.Series) -> bool:
    return (
        pd.api.types.is_bool_dtype(column)
        or pd.api.types.is_string_dtype(column)
        or pd.api.types.is_object_dtype(column)
        or isinstance(column.dtype, pd.CategoricalDtype)
    )


def _type_name(part: object) -> str:
    return f"{type(part).__module__}.{type(part).__qualname__}"


def _text(column: pd.Series) -> pd.Series:
    """The column as objects: text, and NaN where missing."""
    values = [str(value) if known else np.nan for value, known in zip(column, column.notna(), strict=True)]
    return pd.Series(values, dtype=object)

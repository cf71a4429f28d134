"""Target: the columns to predict as a tensor, the same way for every transform."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from harness.core.errors import UnknownName, UserError
from harness.core.table import Table
from harness.core.task import Scale, Task

LARGEST = 1e150
"""The largest magnitude of a number to predict: the sum of squared errors stays within float64."""


def encode(table: Table, task: Task) -> Tensor | None:
    """The targets of all rows, or None where the table or the task has none.

    Returns:
        (N,) int64 positions in `task.classes`, -1 where missing; (N,) float64 numbers in the target's
        unit, NaN where missing; or of a task with several targets (N, T), a column each: 0 and 1 of
        labels in float32, numbers of a regression in float64, NaN where missing.

    Raises:
        UserError: a class that `task` does not know, a label that is neither 0 nor 1, a number that is
            text or infinite or beyond `LARGEST`, or a lacking column of several.
    """
    if not table.target or not task.labelled:
        return None
    if task.several:
        columns = task.columns or task.classes
        return torch.stack([_numbers(column, task) for column in _several(table, columns)], dim=1)
    return _codes(table.labels, task.classes) if task.classification else _numbers(table.labels, task)


def pack(task: Task) -> dict[str, Any]:
    """The task as plain values, for a transform's state."""
    return {
        "kind": task.kind,
        "classes": list(task.classes),
        "columns": list(task.columns),
        "scale": task.scale,
    }


def unpack(state: dict[str, Any]) -> Task:
    """The task that `pack` packed."""
    return Task(state["kind"], tuple(state["classes"]), tuple(state["columns"]), state.get("scale", "none"))


def require_numbers(scale: Scale, task: Task) -> None:
    """Raises UserError: a scale other than "none" of targets that are no numbers."""
    if scale != "none" and task.kind != "regression":
        actual = "there is none" if task.kind == "none" else "it is a class"
        actual = "they are labels" if task.kind == "multilabel" else actual
        raise UserError(
            f"data/transform/target={scale} is a scale of a number to predict, and {actual}",
            "leave it out, or use data.extract.task=regression if the target is a number",
            key="data.transform.target",
            value=scale,
        )


def require_on_scale(targets: Tensor, task: Task, table: Table) -> None:
    """Raises UserError: a target is negative where the logarithm is learned."""
    if task.scale != "log" or not (targets < 0).any():
        return
    row, *place = (int(number) for number in (targets < 0).nonzero()[0])
    name = task.columns[place[0]] if place else table.target[0]
    raise UserError(
        f"data/transform/target=log needs targets of at least 0, and {name!r} is {targets[row, *place]:g} in "
        f"row {row}",
        "use data/transform/target=quantile or none",
        key="data.transform.target",
        value="log",
    )


def _several(table: Table, columns: Sequence[str]) -> list[pd.Series]:
    for column in columns:
        if column not in table.target:
            raise UnknownName(
                f"{table.name} lacks the target {column!r}, one of {len(columns)} that the model predicts",
                column,
                table.target,
            )
    return [table.frame[column] for column in columns]


def _codes(labels: pd.Series, classes: Sequence[str]) -> Tensor:
    positions = {name: code for code, name in enumerate(classes)}
    raw_codes, values = pd.factorize(labels)
    names = [_name(value, positions) for value in values]
    for name in names:
        if name not in positions:
            raise UnknownName(
                f"the target {labels.name!r} holds the class {name!r}, which the model was not trained on",
                name,
                classes,
            )
    # A missing value has the code -1 in `raw_codes`, which picks the -1 at the end.
    codes = np.array([*(positions[name] for name in names), -1], dtype=np.int64)
    return torch.from_numpy(codes[raw_codes])


def _name(value: object, known: dict[str, int]) -> str:
    """A class by name, as `Table.task` names it: whole numbers without a decimal point."""
    text = str(value)
    if text not in known and isinstance(value, float) and value.is_integer():
        return str(int(value))
    return text


def _numbers(labels: pd.Series, task: Task) -> Tensor:
    try:
        values = pd.to_numeric(labels).to_numpy(dtype=np.float64, na_value=np.nan)
    except (ValueError, TypeError):
        raise UserError(
            f"the target {labels.name!r} must be a number in every row, and holds text", "correct the column"
        ) from None
    if np.isinf(values).any():
        raise UserError(
            f"the target {labels.name!r} is infinite in row {int(np.isinf(values).argmax())}",
            "correct the column, or leave the cell empty",
        )
    beyond = np.abs(values) > LARGEST
    if beyond.any():
        row = int(beyond.argmax())
        raise UserError(
            f"the target {labels.name!r} must be at most {LARGEST:g} in magnitude, or its squared error is "
            f"infinite, and is {values[row]:g} in row {row}",
            "give the column in a larger unit",
        )
    odd = ~np.isin(values, (0, 1)) & ~np.isnan(values)
    if task.kind == "multilabel" and odd.any():
        row = int(odd.argmax())
        raise UserError(
            f"the target {labels.name!r} must be 0 or 1 as one label of several, and is {values[row]:g} in "
            f"row {row}",
            "correct the column, or leave the cell empty",
        )
    # A copy: the column may be mapped from the cache, and then cannot be written to.
    return torch.from_numpy(np.array(values, np.float32 if task.kind == "multilabel" else np.float64))

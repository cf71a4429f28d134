"""Tabular: columns of numbers, dates and categories -> (N, F), by the parts of scikit-learn in the yaml."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from harness.core.arrays import Arrays
from harness.core.errors import UserError
from harness.core.protocol import ColumnPart
from harness.core.table import DatePart, Table
from harness.core.task import Scale, Task
from harness.data.transform.column_values import Source
from harness.data.transform.sklearn_chains import Chains
from harness.data.transform.target_tensor import encode, pack, require_numbers, require_on_scale, unpack


class Tabular:
    """Rows of features: `numeric` parts in a row on numbers and dates, `categorical` on the rest.

    Text, booleans and categories are categorical, and reach the parts as text. An infinite number
    counts as missing. A column without a value in the training rows is left out. A table whose
    features are one array of numbers is numeric throughout.

    A part that needs targets, such as scikit-learn's TargetEncoder, learns from the labelled
    training rows. Those rows then see encodings that know their own targets: the cross-fitting of its
    `fit_transform` is not used, because it gives them features that the fitted encoder gives no other
    row; `smooth` is what holds overfitting off. It reads a regression on whole numbers as classes
    unless `target_type: continuous` says otherwise.

    Args:
        numeric: transformers for numbers, in order; cloned, never fitted themselves.
        categorical: transformers for categories, likewise; they end in numbers.
        dates: what the numeric parts are given of each date: days since the earliest training date
            ("elapsed"), "year", "month", "day_of_week" (Monday is 0), "hour"; empty: dates are left out.
            Of the table's time, those of `Table.time_parts`, if there are any.
        cyclic: month, day of week and hour as sine and cosine, so that December is next to January.
        target: the scale on which a number to predict is learned. The arrays hold it in its own unit.
        one_hot_up_to: values of a column of categories, of those that `min_frequency` training rows have. A
            column with more does not reach `categorical`: it becomes codes, see `harness.core.code_columns`.
            None: no column does.
        min_frequency: training rows that a value needs for a code of its own.

    Raises:
        ValueError: `one_hot_up_to` is below 2 or `min_frequency` below 1.
    """

    def __init__(
        self,
        *,
        numeric: list[ColumnPart],
        categorical: list[ColumnPart],
        dates: list[DatePart],
        cyclic: bool,
        target: Scale = "none",
        one_hot_up_to: int | None = None,
        min_frequency: int = 2,
    ) -> None:
        if one_hot_up_to is not None and one_hot_up_to < 2:
            raise ValueError(f"one_hot_up_to must be at least 2, or null, got {one_hot_up_to}")
        if min_frequency < 1:
            raise ValueError(f"min_frequency must be at least 1, got {min_frequency}")
        codes = None if one_hot_up_to is None else (_codes(min_frequency), one_hot_up_to)
        self.chains = Chains(
            numeric=numeric, categorical=categorical, dates=dates, cyclic=cyclic, codes=codes
        )
        self.scale: Scale = target

    def fit(self, table: Table, rows: np.ndarray, task: Task) -> None:
        """Raises UserError: a column that cannot become numbers, no column with a value, or a scale of
        targets that are no numbers."""
        require_numbers(self.scale, task)
        self.task = replace(task, scale=self.scale)
        targets = encode(table, task) if self.chains.supervised else None
        known = None if targets is None else targets.numpy()[rows]
        special = {table.time: table.time_parts} if table.time and table.time_parts else {}
        self.chains.fit(_source(table), table.features, rows, table.name, known, special)

    def __call__(self, table: Table) -> Arrays:
        """Raises UserError: a column is missing or holds text for numbers, or the parts leave gaps,
        or a target is not on the scale."""
        inputs = torch.from_numpy(self.chains(_source(table), table.name))
        targets = encode(table, self.task)
        if targets is not None:
            require_on_scale(targets, self.task, table)
        return Arrays(inputs, targets, self.task, codes=self.chains.code_counts)

    def state(self) -> dict[str, Any]:
        return {**self.chains.state(), "task": pack(self.task)}

    def restore(self, state: dict[str, Any]) -> None:
        """Raises UntrustedState: the state holds something that is not built from a file."""
        self.chains.restore(state)
        self.task = unpack(state["task"])


def _codes(min_frequency: int) -> Any:
    from harness.data.transform.category_codes import CategoryCodes  # scikit-learn, which digits do not need

    return CategoryCodes(min_frequency=min_frequency)


def _source(table: Table) -> Source:
    if table.array is None:
        return table.frame
    if table.array.ndim != 2:
        raise UserError(
            f"data/transform=tabular takes rows of features, and {table.name} gives arrays of shape "
            f"{table.array.shape[1:]}",
            "set data.extract.kind to what they are, or use another data/transform",
            key="data.extract.kind",
        )
    return table.array

"""Graph input: numbers and category codes, which the graph fills, scales and looks up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from harness.core.errors import UserError
from harness.core.near_names import near
from harness.core.table import Table
from harness.data.transform.column_values import numbers, texts
from harness.data.transform.dates_as_numbers import numbers_of
from harness.data.transform.number_origins import without_origin
from harness.deploy.export.graph_inputs import Feed, Inputs
from harness.deploy.export.sklearn_as_tensors import Category, Columns, Number

_LARGEST = float(np.finfo(np.float32).max)
"""Larger values count as missing, as in `harness.data.transform.column_values`."""


class Rows(Inputs):
    """`numbers` (B, F) float64, NaN where missing, and `categories` (B, K) int64 codes.

    An input without columns is left out. The arithmetic is in float64, as in scikit-learn, because a date
    in seconds or an amount in cents has more digits than float32.

    Args:
        columns: the arithmetic of each column.
        dtypes: of the raw columns.
    """

    def __init__(self, columns: Columns, dtypes: dict[str, str]) -> None:
        super().__init__()
        self.columns = columns
        self.facts = []
        if columns.numbers:
            description = [_description(number, dtypes) for number in columns.numbers]
            words = "one number per column, NaN where it is missing"
            self.facts.append(fact("numbers", "float64", [len(description)], words, columns=description))
        if columns.categories:
            known = [_listed(category, dtypes) for category in columns.categories]
            words = "one code per column: that of its category"
            self.facts.append(fact("categories", "int64", [len(known)], words, columns=known))
        self.steps = _steps(columns)
        for place, step in enumerate(columns.steps):
            self.register_buffer(f"first_{place}", torch.from_numpy(step.first.copy()))
            self.register_buffer(f"second_{place}", torch.from_numpy(step.second.copy()))
        for place, category in enumerate(columns.categories):
            self.register_buffer(f"features_{place}", torch.from_numpy(category.features.copy()))

    def feed(self, table: Table) -> Feed:
        return self.values(table.frame if table.array is None else table.array)

    def values(self, source: pd.DataFrame | np.ndarray) -> Feed:
        """The inputs of each row of a frame, or of an array (N, F) of features.

        Raises:
            UserError: a category that the encoder refuses.
        """
        feed: Feed = {}
        if self.columns.numbers:
            feed["numbers"] = np.column_stack([_values(source, number) for number in self.columns.numbers])
        if self.columns.categories:
            assert isinstance(source, pd.DataFrame)
            codes = [_codes(texts(source[category.column]), category) for category in self.columns.categories]
            feed["categories"] = np.column_stack(codes)
        return feed

    def forward(self, *inputs: Tensor) -> Tensor:
        rest = list(inputs)
        parts = [self._scaled(rest.pop(0))] if self.columns.numbers else []
        for place, category in enumerate(self.columns.categories):
            if category.features.shape[1]:
                parts.append(getattr(self, f"features_{place}")[rest[0][..., place]])
        return torch.cat(parts, dim=-1).float()

    def _scaled(self, values: Tensor) -> Tensor:
        values = torch.where(values.abs() <= _LARGEST, values, torch.nan)
        for place, step in enumerate(self.columns.steps):
            first, second = getattr(self, f"first_{place}"), getattr(self, f"second_{place}")
            if step.kind == "fill":
                values = torch.where(values.isnan(), first, values)
            elif step.kind == "clip":
                values = values / (1 + (values / first).square()).sqrt()
            elif step.kind == "bound":
                values = torch.minimum(torch.maximum(values, first), second)
            else:
                values = (values - first) / second
        return values


def fact(name: str, dtype: str, shape: list[int | str], words: str, **more: Any) -> dict[str, Any]:
    """The description of an input."""
    return {"name": name, "dtype": dtype, "shape": ["batch", *shape], "holds": words, **more}


def _description(number: Number, dtypes: dict[str, str]) -> dict[str, Any]:
    # The features of an array have positions, not names.
    place = {"position": number.column} if isinstance(number.column, int) else {"column": number.column}
    if number.part is None:
        typed = {} if "position" in place else {"dtype": dtypes.get(number.column, "float64")}
        minus = {} if number.origin is None else {"unit": "the number minus origin", "origin": number.origin}
        return {**place, **typed, **minus}
    description: dict[str, Any] = {**place, "part": number.part}
    if number.part == "elapsed":
        description["unit"] = "days by the clock of the date's own time zone, since origin"
        description["origin"] = (pd.Timestamp(0) + pd.Timedelta(days=number.origin or 0.0)).isoformat()
    if number.part == "day_of_week":
        description["monday"] = 0
    if number.wave is not None:
        period = {"month": 12, "day_of_week": 7, "hour": 24}[number.part]
        description["formula"] = f"{number.wave}(2 pi {number.part} / {period})"
    return description


def _listed(category: Category, dtypes: dict[str, str]) -> dict[str, Any]:
    return {
        "column": category.column,
        "dtype": dtypes.get(category.column, "str"),
        "codes": category.codes,
        "missing": category.missing,
        "unknown": category.unknown,
    }


def _steps(columns: Columns) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = []
    if columns.numbers:
        steps.append({"step": "numbers beyond float32, or infinite, count as missing", "largest": _LARGEST})
    for step in columns.steps:
        if step.kind == "fill":
            steps.append({"step": "fill missing numbers", "values": step.first.tolist()})
        elif step.kind == "clip":
            words = "clip numbers smoothly: x / sqrt(1 + (x / limit)^2)"
            steps.append({"step": words, "limits": step.first.tolist()})
        elif step.kind == "bound":
            low, high = step.first.tolist(), step.second.tolist()
            steps.append({"step": "bound numbers: min(max(x, low), high)", "low": low, "high": high})
        else:
            shift, scale = step.first.tolist(), step.second.tolist()
            steps.append(
                {"step": "scale numbers: (x - subtract) / divide", "subtract": shift, "divide": scale}
            )
    for category in columns.categories:
        table = category.features.tolist()
        words = "look up the features of a code, and put them behind the others"
        steps.append({"step": words, "column": category.column, "features": table})
    return [*steps, {"step": "convert to float32"}]


def _values(source: pd.DataFrame | np.ndarray, number: Number) -> np.ndarray:
    if number.part is None:
        held = source[:, number.column] if isinstance(source, np.ndarray) else source[number.column]
        values = numbers(held.to_frame())[:, 0] if isinstance(held, pd.Series) else held.astype(np.float64)
        return values if number.origin is None else without_origin(values, np.asarray(held), number.origin)
    assert isinstance(source, pd.DataFrame)
    parts: Any = [number.part]
    columns = numbers_of(source[number.column], parts, number.wave is not None, number.origin or 0.0)
    return columns[1 if number.wave == "cos" else 0]


def _codes(values: np.ndarray, category: Category) -> np.ndarray:
    codes = np.empty(len(values), dtype=np.int64)
    for row, value in enumerate(values):
        known = isinstance(value, str)
        code = category.codes.get(value, category.unknown) if known else category.missing
        if code is None:
            held = repr(value) if known else "no value"
            raise UserError(
                f"column {category.column!r} must hold a category of the training rows, and holds {held} in "
                f"row {row}",
                near(str(value), category.codes),
            )
        codes[row] = code
    return codes

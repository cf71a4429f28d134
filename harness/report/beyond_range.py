"""The table of columns with test values beyond the range of their training rows."""

from __future__ import annotations

import numpy as np

from harness.console.text_format import number
from harness.core.fold import PART_CODES
from harness.core.name_list import counted
from harness.data.transform.column_values import is_number, numbers
from harness.report.html.page_parts import Block, Cell, Heading, Table, Text
from harness.report.run_material import RunMaterial

_MOST_CELLS = 100_000_000
"""Rows x columns x folds up to which the ranges are compared: a second or so."""

_MOST_LISTED = 20


def beyond_range(material: RunMaterial) -> list[Block]:
    """Nothing for arrays, images and sequences, without the rows, and where no test row is beyond."""
    table = material.table
    if table is None or table.kind != "table" or table.array is not None or not material.parts:
        return []
    names = [name for name in table.features if is_number(table.frame[name])]
    if not names or len(table) * len(names) * len(material.parts) > _MOST_CELLS:
        return []
    values = numbers(table.frame[names])
    outside = np.zeros(values.shape, dtype=bool)
    tested = np.zeros(len(table), dtype=bool)
    for parts in material.parts.values():
        train, test = parts == PART_CODES["train"], parts == PART_CODES["test"]
        if not train.any() or not test.any():
            continue
        low, high = np.fmin.reduce(values[train], axis=0), np.fmax.reduce(values[train], axis=0)
        with np.errstate(invalid="ignore"):
            outside[test] |= (values[test] < low) | (values[test] > high)
        tested |= test
    if not outside.any():
        return []
    rows = int(outside.any(axis=1).sum())
    tests = counted(int(tested.sum()), "test row")
    sentence = f"{rows:,} of {tests}; the model has learned nothing from such values."
    return [Heading("Test rows beyond the training range"), Text(sentence), _table(names, values, outside)]


def _table(names: list[str], values: np.ndarray, outside: np.ndarray) -> Table:
    counts = outside.sum(axis=0)
    order = np.argsort(-counts, kind="stable")[:_MOST_LISTED]
    lines: list[list[object]] = []
    for place in order[counts[order] > 0].tolist():
        beyond = values[outside[:, place], place]
        low, high = float(beyond.min()), float(beyond.max())
        count = int(counts[place])
        lines.append(
            [names[place], Cell(f"{count:,}", count), Cell(number(low), low), Cell(number(high), high)]
        )
    return Table(["column", "test rows beyond", "the lowest such value", "the highest"], lines)

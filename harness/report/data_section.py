"""The section on the data: which rows are in which part, and the findings of the leakage checks."""

from __future__ import annotations

import numpy as np

from harness.core.fold import PART_CODES
from harness.report.beyond_range import beyond_range
from harness.report.html.page_parts import Block, Cell, Checks, Details, Facts, Heading, Section, Table, Text
from harness.report.run_material import RunMaterial

_MOST_FOLDS, _MOST_CLASSES = 30, 60


def data(material: RunMaterial) -> Section:
    """The source of the rows, the parts, the classes and the checks."""
    inputs = material.logged.start.get("inputs") or [{}]
    source = dict(inputs[0])
    facts = Facts(
        {
            "data set": source.get("name", ""),
            "source": source.get("source", ""),
            "digest": material.logged.tags.get("data.digest", ""),
            "groups": source.get("groups") or "none",
            "positive class": material.logged.tags.get("data.positive", ""),
        }
    )
    blocks = [facts, *_rows(material), *_classes(material), *_columns(material)]
    blocks += [*beyond_range(material), *_findings(material)]
    return Section("Data and its checks", material.absent, blocks)


def _rows(material: RunMaterial) -> list[Block]:
    if not material.parts:
        return []
    folds = list(material.parts.items())
    names = [name for name, code in PART_CODES.items() if any((parts == code).any() for _, parts in folds)]
    groups = None
    if material.table is not None and material.table.group is not None:
        groups = material.table.groups
    rows = []
    for number, parts in folds[:_MOST_FOLDS]:
        row: list[object] = [number]
        for name in names:
            members = parts == PART_CODES[name]
            of = "" if groups is None else f" ({len(set(groups[members].tolist())):,} groups)"
            row.append(Cell(f"{members.sum():,}{of}", int(members.sum())))
        rows.append(row)
    blocks: list[Block] = [Heading("Rows of each part"), Table(["fold", *names], rows)]
    if len(folds) > _MOST_FOLDS:
        blocks.append(Text(f"and {len(folds) - _MOST_FOLDS} more folds"))
    return blocks


def _classes(material: RunMaterial) -> list[Block]:
    """Counts of the first fold; nothing where the table is missing."""
    table, task = material.table, None if material.table is None else material.table.task
    if table is None or task is None or not task.classification or len(task.classes) > _MOST_CLASSES:
        return []
    if not material.parts:
        return []
    number, parts = next(iter(material.parts.items()))
    labels = table.labels
    known = labels.notna().to_numpy()
    # A column of whole numbers with gaps is float: its 1.0 is the class "1".
    whole = bool(labels.dropna().map(lambda value: isinstance(value, int | float | np.number)).all())
    names = labels.map(
        lambda value: str(int(value)) if whole and value == value and int(value) == value else str(value)
    ).to_numpy(dtype=object)
    present = [name for name, code in PART_CODES.items() if (parts == code).any()]
    rows = [
        [name, *(int(np.sum(known & (names == name) & (parts == PART_CODES[part]))) for part in present)]
        for name in task.classes
    ]
    of = f", fold {number}" if len(material.parts) > 1 else ""
    return [Heading(f"Rows of each class{of}"), Table(["class", *present], rows)]


def _columns(material: RunMaterial) -> list[Block]:
    """What was understood of each column."""
    if not material.columns:
        return []
    titles, *rows = material.columns
    return [Details(f"{len(rows)} columns as they were read", [Table(titles, rows, words=3)])]


def _findings(material: RunMaterial) -> list[Block]:
    """Warnings and errors in the open; checks that passed behind a click."""
    heading = Heading("Checks")
    if not material.checks:
        return [heading, Text("The leakage checks were off, or their findings are missing.")]
    warnings = [check for check in material.checks if check["severity"] != "fine"]
    passed = [check for check in material.checks if check["severity"] == "fine"]
    blocks: list[Block] = [heading, Checks(warnings) if warnings else Text("No leak was found.")]
    if passed:
        blocks.append(Details(f"{len(passed)} checks that found nothing", [Checks(passed)]))
    return blocks

"""Data: which rows were in which part, and what the leakage guards saw."""

from __future__ import annotations

import numpy as np

from harness.report.html_markup import Cell, Section, escaped, facts, folded, table
from harness.report.run_material import Material

_PARTS = {"train": 1, "valid": 2, "test": 3, "unlabelled": 4}
_MOST_FOLDS, _MOST_CLASSES = 30, 60


def data(material: Material) -> Section:
    """The rows as they were found and divided."""
    tags, source = material.logged.tags, _source(material)
    body = facts(
        {
            "data set": source.get("name", ""),
            "source": source.get("source", ""),
            "digest": tags.get("data.digest", ""),
            "groups": source.get("groups") or "none",
        }
    )
    body += _rows(material) + _classes(material) + _findings(material)
    return Section("Data and its checks", material.absent, body)


def _source(material: Material) -> dict[str, object]:
    inputs = material.logged.start.get("inputs") or [{}]
    return dict(inputs[0])


def _rows(material: Material) -> str:
    if not material.parts:
        return ""
    folds = list(material.parts.items())
    names = [name for name, code in _PARTS.items() if any((parts == code).any() for _, parts in folds)]
    groups = None
    if material.table is not None and material.table.group is not None:
        groups = material.table.groups
    lines = []
    for number, parts in folds[:_MOST_FOLDS]:
        row: list[object] = [number]
        for name in names:
            members = parts == _PARTS[name]
            held = "" if groups is None else f" ({len(set(groups[members].tolist())):,} groups)"
            row.append(Cell(f"{members.sum():,}{held}", int(members.sum())))
        lines.append(row)
    more = f"<p>and {len(folds) - _MOST_FOLDS} more folds</p>" if len(folds) > _MOST_FOLDS else ""
    return "<h3>Rows of each part</h3>" + table(["fold", *names], lines) + more


def _classes(material: Material) -> str:
    """Counts of the first fold, from the table where it is at hand."""
    rows, task = material.table, None if material.table is None else material.table.task
    if rows is None or task is None or not task.classification or len(task.classes) > _MOST_CLASSES:
        return ""
    if not material.parts:
        return ""
    number, parts = next(iter(material.parts.items()))
    labels = rows.labels
    known = labels.notna().to_numpy()
    whole = bool(labels.dropna().map(lambda value: isinstance(value, int | float | np.number)).all())
    words = labels.map(
        lambda value: str(int(value)) if whole and value == value and int(value) == value else str(value)
    )
    text = words.to_numpy(dtype=object)
    present = [name for name, code in _PARTS.items() if (parts == code).any()]
    lines = [
        [name, *(int(np.sum(known & (text == name) & (parts == _PARTS[part]))) for part in present)]
        for name in task.classes
    ]
    of = f", fold {number}" if len(material.parts) > 1 else ""
    return f"<h3>Rows of each class{of}</h3>" + table(["class", *present], lines)


def _findings(material: Material) -> str:
    """Warnings in the open, what was fine behind a click."""
    loud = [check for check in material.checks if check["severity"] != "fine"]
    quiet = [check for check in material.checks if check["severity"] == "fine"]
    if not material.checks:
        return "<h3>Checks</h3><p>The leakage guard was off, or has left nothing.</p>"
    body = "".join(
        f'<li class="{escaped(check["severity"])}"><b>{escaped(check["check"])}</b> '
        f"{escaped(check['sentence'])}</li>"
        for check in loud
    )
    body = f'<ul class="checks">{body}</ul>' if loud else "<p>No leak was seen.</p>"
    if quiet:
        lines = "".join(
            f"<li><b>{escaped(check['check'])}</b> {escaped(check['sentence'])}</li>" for check in quiet
        )
        body += folded(f"{len(quiet)} checks that found nothing", f'<ul class="checks">{lines}</ul>')
    return f"<h3>Checks</h3>{body}"

"""The leakage guards, one after the other: what would make the scores of these folds lie."""

from __future__ import annotations

from collections.abc import Sequence

from harness.core.finding import Finding
from harness.core.fold import Fold
from harness.core.table import Table
from harness.leakage.duplicate_rows import duplicates
from harness.leakage.group_overlap import groups
from harness.leakage.identifier_columns import identifiers
from harness.leakage.target_copy import equals
from harness.leakage.target_proxy import determines
from harness.leakage.time_order import order
from harness.leakage.unseen_classes import classes


def guard(table: Table, folds: Sequence[Fold], *, grouped: bool, timed: bool, split: str) -> list[Finding]:
    """One finding of each check that applies to the table, "fine" ones included, always in the same order.

    Features are judged one by one only where the table has rows of features: no pixel, and no column of
    events, is a leak of its own.

    Args:
        folds: one or more of the same table.
        grouped: whether the split promises that no group is in two parts.
        timed: whether it promises that no training row is later than a test row.
        split: its name, for the sentences.
    """
    findings = [duplicates(table, folds)]
    if _has_features_apart(table):
        if table.target:
            findings += [equals(table), determines(table, folds)]
        findings.append(identifiers(table))
    # The time of events orders them within their sequence, and says nothing of one sequence to another.
    if timed or (table.time is not None and table.events is None):
        findings.append(order(table, folds, timed=timed, split=split))
    if table.group is not None:
        findings.append(groups(table, folds, grouped=grouped, split=split))
    if table.task.classification:
        findings.append(classes(table, folds))
    return findings


def worthless(
    table: Table, folds: Sequence[Fold], *, grouped: bool, timed: bool, split: str
) -> list[Finding]:
    """The checks alone whose errors no setting allows: the target among the features, a broken promise.

    Args:
        folds, grouped, timed, split: as of `guard`.
    """
    findings = []
    if table.target and _has_features_apart(table):
        findings.append(equals(table))
    if timed:
        findings.append(order(table, folds, timed=timed, split=split))
    if grouped and table.group is not None:
        findings.append(groups(table, folds, grouped=grouped, split=split))
    return findings


def _has_features_apart(table: Table) -> bool:
    return table.kind == "table" and bool(table.features) and table.array is None and table.events is None

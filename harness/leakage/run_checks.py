"""The leakage guard: runs all checks on a table and its folds."""

from __future__ import annotations

from collections.abc import Sequence

from harness.core.finding import Finding
from harness.core.fold import Fold
from harness.core.table import Table
from harness.leakage.duplicate_rows import find_duplicates
from harness.leakage.group_overlap import find_group_overlap
from harness.leakage.identifier_columns import find_identifiers
from harness.leakage.target_copy import find_target_copy
from harness.leakage.target_proxy import find_target_proxy
from harness.leakage.time_order import find_later_training_rows
from harness.leakage.unseen_classes import find_unseen_classes


def check_leakage(
    table: Table, folds: Sequence[Fold], *, grouped: bool, timed: bool, split: str
) -> list[Finding]:
    """One finding of each check that applies to the table, "fine" ones included, always in the same order.

    Single features are checked only if each row holds its features in columns of its own. A pixel or a column
    of events is not a feature that could leak the target alone.

    Args:
        folds: one or more folds of the same table.
        grouped: whether the split promises that no group is in two parts.
        timed: whether the split promises that no training row is later than a test row.
        split: the name of the split, used in the messages.
    """
    findings = [find_duplicates(table, folds, grouped=grouped)]
    if _has_feature_columns(table):
        if table.target:
            findings += [find_target_copy(table), find_target_proxy(table, folds)]
        findings.append(find_identifiers(table))
    # The time of events orders them within a sequence; it does not order the sequences, which are the rows.
    if timed or (table.time is not None and table.events is None):
        findings.append(find_later_training_rows(table, folds, timed=timed, split=split))
    if table.group is not None:
        findings.append(find_group_overlap(table, folds, grouped=grouped, split=split))
    if table.task.classification:
        findings.append(find_unseen_classes(table, folds, grouped=grouped, timed=timed, split=split))
    return findings


def check_unconditional(
    table: Table, folds: Sequence[Fold], *, grouped: bool, timed: bool, split: str
) -> list[Finding]:
    """Only the checks whose errors no setting can allow: the target among the features, a broken promise.

    Args:
        folds, grouped, timed, split: as in `check_leakage`.
    """
    findings = []
    if table.target and _has_feature_columns(table):
        findings.append(find_target_copy(table))
    if timed:
        findings.append(find_later_training_rows(table, folds, timed=timed, split=split))
    if grouped and table.group is not None:
        findings.append(find_group_overlap(table, folds, grouped=grouped, split=split))
    return findings


def _has_feature_columns(table: Table) -> bool:
    return table.kind == "table" and bool(table.features) and table.array is None and table.events is None

"""Writes a run's page and logs it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from harness.core.disk_full import disk_full
from harness.core.error_text import described
from harness.core.table import Table
from harness.report.predicted_rows import PredictedRows
from harness.report.run_material import RunMaterial
from harness.report.run_page import REPORT, write_run_page
from harness.runs.journal import Journal
from harness.runs.look_ledger import LookLedger
from harness.runs.stored_run import StoredRun


def write_report(
    folder: Path,
    table: Table,
    made: PredictedRows | None,
    ledger: LookLedger,
    journal: Journal,
    note: Callable[[str], None],
) -> None:
    """Writes the run's report; a failure there is a warning, unless the disk is full.

    Args:
        made: the run's predictions.
        ledger: of the test rows.
        note: prints a warning.
    """
    try:
        write_run_page(folder / REPORT, RunMaterial(StoredRun(folder), table, made=made, ledger=ledger))
    except Exception as error:
        if disk_full(error):
            raise
        note(f"{REPORT} could not be written: {described(error)}")
    else:
        journal.artifact("", REPORT)

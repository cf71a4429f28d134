"""Writes the page of a stored run again, with what its folder and the ledger of test rows hold by now."""

from __future__ import annotations

from pathlib import Path

from harness.cli.reload_rows import table_of
from harness.core.error_text import error_text
from harness.core.errors import UserError
from harness.replay.unseal_run import sealed_by
from harness.report.run_material import RunMaterial
from harness.report.run_page import REPORT, write_run_page
from harness.runs.look_ledger import LookLedger
from harness.runs.outputs import Outputs
from harness.runs.stored_run import StoredRun


def remake_page(logged: StoredRun, outputs: Path, path: Path) -> str:
    """Writes the page; returns why it has no rows, "" where it has.

    Args:
        outputs: where our own runs lie.
        path: of the page.

    Raises:
        OSError: the file cannot be written.
        UserError: the run never began, or a file of it is damaged.
    """
    table, absent = table_of(logged, outputs)
    material = RunMaterial(logged, table, absent, thorough=True, ledger=LookLedger(outputs))
    write_run_page(path, material)
    return absent


def remake_sealed_pages(seal: str, outputs: Path) -> list[str]:
    """Writes the pages of all runs whose result says that this seal is closed; returns what failed."""
    remarks = []
    for run in Outputs(outputs).stored_runs():
        page = run.folder / REPORT
        try:
            if page.exists() and sealed_by(run) == seal:
                remake_page(run, outputs, page)
        except (OSError, UserError) as error:
            remarks.append(f"{page} could not be written again: {error_text(error)}")
    return remarks

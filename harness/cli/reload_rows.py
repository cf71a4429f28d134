"""Reads the rows of a stored run from their source again."""

from __future__ import annotations

from pathlib import Path

from harness.bundle import allowlist
from harness.core.errors import UserError
from harness.core.table import Table
from harness.prepare import data_pipeline
from harness.prepare.parts import Parts
from harness.runs.stored_run import StoredRun
from harness.runtime.inner_path import confined


def table_of(logged: StoredRun, outputs: Path) -> tuple[Table | None, str]:
    """Returns the rows, or None and the reason: the source is gone, or its rows have changed.

    A run that was fetched from elsewhere names sources of its own, which are not read; nor is one from
    another folder, unless all that it names is known to be harmless.

    Args:
        outputs: where our own runs lie.
    """
    if logged.foreign:
        return None, "The run was fetched from elsewhere, and its rows are not read for a report."
    try:
        logged = allowlist.adopted(logged, outputs)
        with confined(logged.foreign):
            table = data_pipeline.read_rows(Parts(logged.config), data_pipeline.open_cache(logged.config))
    except (UserError, OSError, ImportError) as error:
        return None, f"Its rows could not be read again: {error}"
    if table.digest != logged.tags.get("data.digest"):
        return None, "Its source holds other rows by now than the run was made with."
    return table, ""

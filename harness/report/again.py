"""Again: the rows of a run that was made before, read from their source once more."""

from __future__ import annotations

from pathlib import Path

from harness import pipeline, trust
from harness.errors import UserError
from harness.logged import Logged
from harness.table import Table


def table_of(logged: Logged, outputs: Path) -> tuple[Table | None, str]:
    """The rows, or None and why there are none: the source is gone, or holds other rows by now.

    A run that was fetched from elsewhere names sources of its own, which are not read; nor is one from
    another folder, unless all that it names is known to be harmless.

    Args:
        outputs: where our own runs lie.
    """
    if logged.foreign:
        return None, "The run was fetched from elsewhere, and its rows are not read for a report."
    try:
        logged = trust.adopted(logged, outputs)
        table = pipeline.read(logged.config, pipeline.open_cache(logged.config))
    except (UserError, OSError, ImportError) as error:
        return None, f"Its rows could not be read again: {error}"
    if table.digest != logged.tags.get("data.digest"):
        return None, "Its source holds other rows by now than the run was made with."
    return table, ""

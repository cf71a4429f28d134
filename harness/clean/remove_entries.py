"""Removes entries atomically: after an interruption each entry is complete or gone."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from secrets import token_hex

from harness.clean.outputs_entry import Entry
from harness.clean.select_entries import REMOVED
from harness.core.errors import UserError
from harness.runs.stored_run import StoredRun


def remove(entry: Entry, outputs: Path) -> bool:
    """Renames the entry, then deletes it; returns False if it has started to run, or is gone, meanwhile.

    Raises:
        UserError: it leads out of the outputs folder, or cannot be removed.
    """
    _require_within(entry.path, outputs)
    # Read anew: a run may have begun since the entries were chosen. What another machine wrote may still run.
    if any(StoredRun(run.folder).history.running is not False for run in entry.runs):
        return False
    aside = entry.path
    try:
        if entry.kind != "rest":
            (outputs / REMOVED).mkdir(exist_ok=True)
            aside = outputs / REMOVED / f"{entry.path.name}-{token_hex(4)}"
            os.rename(entry.path, aside)
        shutil.rmtree(aside)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise UserError(
            f"{entry.path} could not be removed ({error.strerror})",
            "see that you may write there, and clean again",
        ) from error
    finally:
        with suppress(OSError):
            (outputs / REMOVED).rmdir()
    return True


def _require_within(path: Path, outputs: Path) -> None:
    """Checks that no link leads out of the folder, also one that was made after the folder was read."""
    real, root = path.resolve(), outputs.resolve()
    if path.is_symlink() or not real.is_relative_to(root) or real != root / path.relative_to(outputs):
        raise UserError(
            f"{path} leads out of {outputs} by a link, and nothing outside is removed", "take the link away"
        )

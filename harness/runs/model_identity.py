"""What makes two models the same in the ledger of test rows: equal weights and fitted transforms."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from harness.runs.bundle_files import EXAMPLE, read_facts
from harness.runs.stored_run import StoredRun


def model_identity(folder: Path) -> str:
    """Names the models of a run by a digest of their files, one of each fold.

    A run that was repeated to the last bit has the same: its test scores tell nothing new. Where no model was
    kept, or its files have no digests (earlier versions), it is the folder.

    Args:
        folder: of the run.

    Raises:
        DamagedFile: the description of a model cannot be read.
    """
    files = {
        number: {
            name: digest for name, digest in read_facts(model).get("files", {}).items() if name != EXAMPLE
        }
        for number, model in StoredRun(folder).models.items()
    }
    if not files or not all(files.values()):
        return str(folder.absolute())
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()

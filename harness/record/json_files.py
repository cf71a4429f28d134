"""Files of JSON in a run's folder that are uploaded with the run."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from harness.data.cache.command_scope import current
from harness.record.common_files import write_common
from harness.runs.journal import Journal
from harness.runtime.secret_values import Secrets


def write_json(folder: Path, journal: Journal, name: str, content: Any, secrets: Secrets) -> None:
    """Writes a file of the folder, without secrets, and enters it in the journal.

    Args:
        content: plain values.
    """
    # The trials of a sweep mostly have the same content and secrets.
    key = hashlib.sha256(f"{secrets.known!r} {content!r}".encode()).hexdigest()
    masked = current().shared(
        f"json {key}",
        lambda: f"{json.dumps(secrets.texts(content), indent=1, ensure_ascii=False)}\n".encode(),
    )
    write_common(folder / name, masked)
    journal.artifact("", name)

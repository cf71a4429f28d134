"""Files of JSON in a run's folder that are uploaded with the run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness.record.common_files import write_common
from harness.runs.journal import Journal


def write_json(folder: Path, journal: Journal, name: str, content: Any) -> None:
    """Writes a file of the folder and enters it in the journal.

    Args:
        content: plain values without secrets.
    """
    text = json.dumps(content, indent=1, ensure_ascii=False)
    write_common(folder / name, f"{text}\n".encode())
    journal.artifact("", name)

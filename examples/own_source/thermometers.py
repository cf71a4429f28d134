"""A source of your own: any class that, called without arguments, gives a Table.

    PYTHONPATH=examples/own_source python -m harness --config-dir examples/own_source/conf \
        data/extract=thermometers

Nothing of harness is touched: the class, and a yaml that names it.
"""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from harness.core.errors import UserError
from harness.core.table import Table


class Thermometers:
    """Readings as JSON lines, one object each: `{"device": "a", "hours": [20.1, 20.4, …], "state": "ok"}`.

    Args:
        path: the file; relative to the current folder.
    """

    def __init__(self, *, path: str) -> None:
        self.path = Path(path)

    def __call__(self) -> Table:
        """One row per line, a column per hour; raises UserError where a line is no such object."""
        rows = []
        for number, line in enumerate(self.path.read_text().splitlines(), start=1):
            try:
                reading = json.loads(line)
                hours = {f"hour_{hour}": float(value) for hour, value in enumerate(reading["hours"])}
                rows.append({"device": reading["device"], "state": reading["state"], **hours})
            except (ValueError, KeyError, TypeError) as fault:
                raise UserError(
                    f"line {number} of data.extract.path={self.path} is no reading ({fault}); correct it."
                ) from None
        frame = pd.DataFrame(rows)
        features = tuple(name for name in frame.columns if name.startswith("hour_"))
        return Table(frame, features, target=("state",), group="device", name="thermometers")

    def fingerprint(self) -> str:
        """Optional: what changes with the file, so that what was read may be kept (`data.cache`)."""
        state = self.path.stat()
        return f"{self.path.absolute()} {state.st_size} {state.st_mtime_ns}"

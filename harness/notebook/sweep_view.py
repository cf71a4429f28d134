"""A sweep, as `harness.api.sweep` returns it: its result, its folder, and the table of its trials."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from harness.notebook.html_table import shown
from harness.sweep.report.sweep_result import TRIALS, SweepResult


@dataclass(frozen=True, kw_only=True)
class Sweep(SweepResult):
    """What the `result.json` of the sweep holds, and:

    folder  that of the sweep, absolute
    """

    folder: Path

    @classmethod
    def of(cls, result: SweepResult, folder: Path) -> Sweep:
        """A sweep of a result and its folder."""
        return cls(**vars(result), folder=folder.absolute())

    def frame(self) -> pd.DataFrame:
        """`trials.csv`: a row per trial with its state, values and point."""
        return pd.read_csv(self.folder / TRIALS)

    def _repr_html_(self) -> str:
        objective = self.objective or {}
        counts = ", ".join(f"{count} {state}" for state, count in self.trials.items() if count)
        facts = {
            "status": self.status,
            "trials": counts,
            str(objective.get("name", "")): objective.get("value"),
            "best": self.best.get("number") if isinstance(self.best, dict) else None,
            "recommended": self.recommended.get("number") if self.recommended else None,
            "folder": self.folder,
            "error": self.error,
        }
        return shown(self.folder.name, facts, self.frame(), f"its page: {self.folder / 'report.html'}")

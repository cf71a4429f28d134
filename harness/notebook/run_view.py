"""A run, as `harness.api.run` returns it: its result, its folder, and tables of what lies there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from harness.core.errors import UserError
from harness.notebook.html_table import shown
from harness.runs.run_result import Result, Summary
from harness.runs.stored_run import StoredRun

_PREDICTIONS = "predictions.csv"


@dataclass(frozen=True, kw_only=True)
class Run(Result):
    """What `result.json` holds, and:

    folder  where the run has left its files, absolute
    """

    folder: Path

    @classmethod
    def of(cls, result: Result, folder: Path) -> Run:
        """A run of a result and its folder."""
        return cls(**vars(result), folder=folder.absolute())

    def frame(self) -> pd.DataFrame:
        """A row per score: its mean over the folds, standard deviation, and 95 % interval; index `score`.

        With one fold the interval of a test score is that over its rows.
        """
        rows = {name: _row(summary) for name, summary in self.scores.items()}
        frame = pd.DataFrame.from_dict(rows, orient="index", columns=["mean", "std", "low", "high"])
        return frame.rename_axis("score").astype(float)

    def fold_frame(self) -> pd.DataFrame:
        """A row per fold, a column per score; index `fold`."""
        columns = {name: pd.Series(summary["folds"], dtype=float) for name, summary in self.scores.items()}
        return pd.DataFrame(columns).rename_axis("fold")

    def history(self) -> pd.DataFrame:
        """A row per fold and epoch with the scores recorded then; columns `fold`, `step`, and the scores."""
        rows: dict[tuple[str, int], dict[str, float]] = {}
        for event in StoredRun(self.folder).events:
            if event["event"] == "metrics":
                rows.setdefault((event["run"], event["step"]), {}).update(event["values"])
        return pd.DataFrame([{"fold": run, "step": step, **row} for (run, step), row in rows.items()])

    def predictions(self) -> pd.DataFrame:
        """The content of `predictions.csv`.

        Raises:
            UserError: the run has none.
        """
        file = self.folder / _PREDICTIONS
        if not file.exists():
            rule = f"{self.folder} has no {_PREDICTIONS}"
            raise UserError(rule, "a run has it when its test rows were scored", value=str(file))
        return pd.read_csv(file)

    def _repr_html_(self) -> str:
        facts = {
            "status": self.status,
            "folds": self.folds,
            "seconds": f"{self.seconds:.3g}",
            "folder": self.folder,
            "error": self.error,
        }
        page = self.folder / "report.html"
        note = f"its page: {page}" if page.exists() else ""
        return shown(StoredRun(self.folder).label, facts, self.frame(), note)


def _row(summary: Summary) -> list[float | None]:
    interval = summary["ci95"] or summary.get("ci95_rows") or (None, None)
    return [summary["mean"], summary["std"], *interval]

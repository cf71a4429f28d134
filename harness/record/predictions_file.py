"""The file `predictions.csv` of a run, and the pictures of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from harness.record import plots
from harness.record.mean_predictions import Predicted, predictions_of_folds
from harness.report.predicted_rows import PredictedRows
from harness.runs.journal import Journal


def write_predictions(
    folder: Path, journal: Journal, fold_records: Sequence[Predicted], bins: int, note: Callable[[str], None]
) -> PredictedRows | None:
    """Writes the predictions of all folds for their test rows, by row; None where there are none.

    Args:
        folder: of the run.
        bins: of the calibration.
        note: takes the reason why a picture is missing.
    """
    predicted = predictions_of_folds(fold_records)
    if not predicted:
        return None
    together = pd.concat([predictions.frame for predictions in predicted]).sort_values("row", kind="stable")
    together.to_csv(folder / "predictions.csv", index=False)
    journal.artifact("", "predictions.csv")
    rows = PredictedRows(together.reset_index(drop=True), bins)
    with plots.optional("the pictures of the predictions", note):
        for picture in plots.predicted(rows, folder):
            journal.artifact("", picture, "plots")
    return rows

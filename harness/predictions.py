"""Predictions: every test row with what was said of it, as a table and as pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from torch import Tensor

from harness import plot
from harness.arrays import Loader
from harness.fold import Fold
from harness.predictor import probabilities
from harness.table import Table
from harness.task import Task


def predictions(table: Table, fold: Fold, loader: Loader, outputs: Tensor, task: Task) -> pd.DataFrame:
    """One line per row of a part: position, id and group where there are, fold, target, prediction.

    For classes also one probability column `probability_<class>` each. `outputs` are in the order of
    `loader.rows`.
    """
    rows = loader.rows.cpu().numpy()
    frame = pd.DataFrame({"row": rows})
    for column in (table.id, table.group):
        if column is not None:
            frame[column] = table.frame[column].to_numpy()[rows]
    frame["fold"] = fold.number
    true = np.empty(0) if loader.targets is None else loader.targets.cpu().numpy()
    if not task.classification:
        frame["target"] = true
        frame["prediction"] = outputs.cpu().numpy()
        return frame
    names = np.array([*task.classes, None], dtype=object)  # an unlabelled row's -1 picks the last
    shares = probabilities(outputs).cpu().numpy()
    frame["target"] = names[true]
    frame["prediction"] = names[shares.argmax(axis=1)]
    return pd.concat([frame, pd.DataFrame(shares, columns=columns(task))], axis=1)


def columns(task: Task) -> list[str]:
    """The probability columns, in the order of the classes."""
    return [f"probability_{name}" for name in task.classes]


def draw(told: pd.DataFrame, task: Task, folder: Path) -> list[str]:
    """The pictures of all predictions of a run together; the names of the files."""
    if not task.classification:
        plot.residuals(told["prediction"].to_numpy(), told["target"].to_numpy(), folder / "residuals.png")
        return ["residuals.png"]
    told = told[told["target"].notna()]
    code = {name: number for number, name in enumerate(task.classes)}
    true = told["target"].map(code).to_numpy(dtype=np.int64)
    said = told["prediction"].map(code).to_numpy(dtype=np.int64)
    counts = np.zeros((len(code), len(code)), dtype=np.int64)
    np.add.at(counts, (true, said), 1)
    plot.confusion(counts, list(task.classes), folder / "confusion.png")
    plot.calibration(told[columns(task)].to_numpy(), true, folder / "calibration.png")
    return ["confusion.png", "calibration.png"]

"""The predictions of a run: what kind they are, their counts and the pictures of them, each made once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from harness.evaluate.prediction_statistics import Bins, calibration, confusion
from harness.report import class_charts
from harness.report.html.page_parts import Figure
from harness.report.number_charts import number_figures
from harness.runs import stored_tables

_MOST_TARGETS = 4


@dataclass(frozen=True, eq=False)
class PredictedRows:
    """A line per predicted row, as in `predictions.csv`.

    frame  classes as text; a missing target is NaN or None
    bins   of the calibration
    """

    frame: pd.DataFrame
    bins: int = 15

    @property
    def kind(self) -> str:
        """What was predicted: "classes", "labels", "number" or "numbers"."""
        if "target" in self.frame:
            return "classes" if self.classes else "number"
        return "labels" if self.classes else "numbers"

    @cached_property
    def classes(self) -> list[str]:
        """The classes, or the labels of a multi-label task, in the order of their columns."""
        names = map(str, self.frame)
        return [name.removeprefix("probability_") for name in names if name.startswith("probability_")]

    @cached_property
    def endings(self) -> list[str]:
        """What follows `target` and `prediction` in the column names: [""] for one target."""
        if self.kind == "number":
            return [""]
        return [str(name).removeprefix("target") for name in self.frame if str(name).startswith("target_")]

    @cached_property
    def labelled(self) -> pd.DataFrame:
        """Of classes: the rows whose class is known."""
        return self.frame[self.frame["target"].notna()]

    @property
    def known(self) -> int:
        """How many rows have a known target, or at least one of several."""
        targets = [column for column in self.frame if column == "target" or str(column).startswith("target_")]
        return int(self.frame[targets].notna().any(axis=1).sum())

    @cached_property
    def codes(self) -> tuple[np.ndarray, np.ndarray]:
        """(n,) codes of the true and the predicted classes of `labelled`."""
        code = {name: place for place, name in enumerate(self.classes)}
        target, predicted = (
            self.labelled[column].map(code).to_numpy(dtype=np.int64) for column in ("target", "prediction")
        )
        return target, predicted

    @cached_property
    def probabilities(self) -> np.ndarray:
        """(n, C) of `labelled`."""
        return self.labelled[[f"probability_{name}" for name in self.classes]].to_numpy(dtype=np.float64)

    @cached_property
    def counts(self) -> np.ndarray:
        """(C, C) the confusion matrix of `labelled`, the true class by row."""
        return confusion(*self.codes, len(self.classes))

    def pair(self, ending: str) -> tuple[np.ndarray, np.ndarray]:
        """(n,) float64 targets and predictions of one column, where the target is known."""
        known = self.frame[self.frame[f"target{ending}"].notna()]
        target, predicted = (known[f"{name}{ending}"] for name in ("target", "prediction"))
        return target.to_numpy(dtype=np.float64), predicted.to_numpy(dtype=np.float64)

    def label(self, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(n,) of one label, where it is known: whether it is present, predicted, and its probability."""
        known = self.frame[self.frame[f"target_{name}"].notna()]
        present, predicted = (known[f"{part}_{name}"].to_numpy(np.int64) for part in ("target", "prediction"))
        return present == 1, predicted == 1, known[f"probability_{name}"].to_numpy(dtype=np.float64)

    @cached_property
    def calibration(self) -> Bins | None:
        """The confidence of classes, or the probability of labels; None without rows."""
        if self.kind == "labels":
            curves = [self.label(name) for name in self.classes]
            confidence = np.concatenate([probability for _, _, probability in curves])
            right = np.concatenate([present for present, _, _ in curves])
        else:
            confidence = self.probabilities.max(axis=1, initial=0)
            right = self.probabilities.argmax(axis=1) == self.codes[0]
        return calibration(confidence, right, self.bins) if len(right) else None

    @cached_property
    def figures(self) -> dict[str, list[Figure]]:
        """The pictures by the name of their file: confusion and calibration, or residuals."""
        if self.kind in ("number", "numbers"):
            figures: list[Figure] = []
            for ending in self.endings[:_MOST_TARGETS]:
                target, predicted = self.pair(ending)
                if len(target):
                    figures += number_figures(target, predicted, ending.removeprefix("_"))
            return {"residuals": figures} if figures else {}
        bins = self.calibration
        if bins is None:
            return {}
        if self.kind == "labels":
            across = "probability that the label is present"
            drawn = class_charts.reliability_figure(bins, across, "share of rows that have it")
            return {"calibration": [drawn]}
        across = "confidence: probability of the predicted class"
        matrix = class_charts.confusion_figure(self.counts, self.classes)
        drawn = class_charts.reliability_figure(bins, across, "share that is right")
        return ({"confusion": [matrix]} if matrix else {}) | {"calibration": [drawn]}


def read_predictions(folder: Path, fold: int | None = None, bins: int = 15) -> PredictedRows | None:
    """From `predictions.csv`, of one fold alone where it is given; None where nothing was predicted.

    Raises:
        DamagedFile: the file is damaged.
    """
    frame = stored_tables.read_predictions(folder)
    if frame is None:
        return None
    if fold is not None:
        frame = frame[frame["fold"] == fold].reset_index(drop=True)
    return PredictedRows(frame, bins)

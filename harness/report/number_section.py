"""The section on predicted numbers: predicted against true, and the errors."""

from __future__ import annotations

import math

import numpy as np

from harness.console.text_format import number
from harness.report.html.page_parts import Cell, Figures, Section, Table
from harness.report.run_material import RunMaterial


def numbers(material: RunMaterial) -> Section | None:
    """None unless this is a regression on one column or several, with known targets."""
    predictions = material.predictions
    if predictions is None or predictions.kind not in ("number", "numbers"):
        return None
    rows = []
    for ending in predictions.endings:
        target, predicted = predictions.pair(ending)
        if len(target):
            rows.append([ending.removeprefix("_") or "target", *_measures(target, predicted)])
    if not rows:
        return None
    table = Table(["target", "rows", "RMSE", "MAE", "R2", "mean error", "90 % of errors below"], rows)
    figures = Figures(predictions.figures.get("residuals", []))
    return Section("Predicted and true", "An error is predicted minus true.", [figures, table])


def _measures(target: np.ndarray, predicted: np.ndarray) -> list[object]:
    gap = predicted - target
    spread = float(np.square(target - target.mean()).sum())
    values = [
        math.sqrt(float(np.square(gap).mean())),
        float(np.abs(gap).mean()),
        1 - float(np.square(gap).sum()) / spread if spread else math.nan,
        float(gap.mean()),
        float(np.quantile(np.abs(gap), 0.9)),
    ]
    return [len(target), *(Cell(number(value), value) for value in values)]

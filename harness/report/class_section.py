"""The section on classes: confusion matrix, calibration, precision and recall of each class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.console.text_format import number
from harness.evaluate.prediction_statistics import per_class
from harness.report.class_charts import MOST_WRITTEN
from harness.report.html.page_parts import Block, Cell, Figures, Heading, Section, Table
from harness.report.run_material import RunMaterial

_MOST_CONFUSIONS = 20


def classes(material: RunMaterial) -> Section | None:
    """None unless this is a classification with labelled test rows."""
    predictions = material.predictions
    if predictions is None or predictions.kind != "classes" or predictions.labelled.empty:
        return None
    counts, names = predictions.counts, predictions.classes
    right, rows = int(np.trace(counts)), int(counts.sum())
    figures = [figure for drawn in predictions.figures.values() for figure in drawn]
    blocks: list[Block] = [Figures(figures), Heading("By class"), _by_class(counts, names)]
    if len(names) > MOST_WRITTEN:
        blocks += [Heading("Most frequent confusions"), _confusions(counts, names)]
    sentence = f"{right:,} of {rows:,} test predictions are right, {rows - right:,} are wrong."
    return Section("Classes", sentence, blocks)


def _by_class(counts: np.ndarray, names: Sequence[str]) -> Table:
    measures = per_class(counts)
    rows: list[list[object]] = []
    for place, name in enumerate(names):
        wrong = counts[place].copy()
        wrong[place] = 0
        other = f"{names[wrong.argmax()]} ({wrong.max():,})" if wrong.any() else "–"
        support = int(counts[place].sum())
        values = (Cell(number(value[place]), float(value[place])) for value in measures)
        rows.append([name, Cell(f"{support:,}", support), *values, Cell(other, int(wrong.max()))])
    means = (Cell(number(value.mean()), float(value.mean())) for value in measures)
    total = int(counts.sum())
    rows.append(["mean of the classes", Cell(f"{total:,}", total), *means, ""])
    titles = ["class", "rows", "precision", "recall", "F1", "most often confused with"]
    return Table(titles, rows)


def _confusions(counts: np.ndarray, names: Sequence[str]) -> Table:
    """The most frequent ones, where the matrix is too large to read."""
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:_MOST_CONFUSIONS]
    pairs = [divmod(int(place), len(names)) for place in order]
    rows = [
        [names[true], names[other], int(wrong[true, other])] for true, other in pairs if wrong[true, other]
    ]
    return Table(["true", "predicted", "rows"], rows, words=2)

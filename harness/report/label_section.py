"""The section on the labels of a multi-label task."""

from __future__ import annotations

from harness.console.text_format import number
from harness.evaluate.prediction_statistics import confusion, per_class, ranking
from harness.report.html.page_parts import Block, Cell, Figures, Section, Table
from harness.report.run_material import RunMaterial


def labels(material: RunMaterial) -> Section | None:
    """None unless this is a multi-label run."""
    predictions = material.predictions
    if predictions is None or predictions.kind != "labels":
        return None
    rows = []
    for name in predictions.classes:
        present, predicted, probability = predictions.label(name)
        counts = confusion(present.astype(int), predicted.astype(int), 2)
        values = [float(value[1]) for value in per_class(counts)]
        curve = ranking(probability, present) if len(present) else None
        values.append(float("nan") if curve is None else curve.auroc)
        cells = [Cell(number(value), value) for value in values]
        rows.append([name, len(present), int(present.sum()), *cells])
    table = Table(["label", "rows", "present", "precision", "recall", "F1", "AUROC"], rows)
    figures: list[Block] = [Figures(drawn) for drawn in predictions.figures.values()]
    sentence = "Each label is predicted separately. It counts as present above a probability of 0.5."
    return Section("Labels", sentence, [*figures, table])

"""The section on two classes: ROC curve, precision and recall, and the effect of each threshold."""

from __future__ import annotations

import numpy as np

from harness.console.text_format import number
from harness.evaluate.prediction_statistics import ranking
from harness.report.class_charts import precision_figure, roc_figure
from harness.report.html.page_parts import Cell, Figures, Heading, Section, Table
from harness.report.run_material import RunMaterial

_THRESHOLDS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


def thresholds(material: RunMaterial) -> Section | None:
    """None unless there are two classes, and test rows of both."""
    rows = material.predictions
    if rows is None or rows.kind != "classes" or len(rows.classes) != 2:
        return None
    score, positive = rows.probabilities[:, 1], rows.codes[0] == 1
    curve = ranking(score, positive)
    if curve is None:
        return None
    figures = Figures([roc_figure(curve), precision_figure(curve, float(positive.mean()))])
    sentence = (
        f"Positive is the class {rows.classes[1]}. The table shows the effect of each threshold on the test "
        "rows. A threshold that is chosen from it must be tested on other rows."
    )
    return Section("Two classes", sentence, [figures, Heading("Thresholds"), _table(score, positive)])


def _table(score: np.ndarray, positive: np.ndarray) -> Table:
    rows = []
    for threshold in _THRESHOLDS:
        called = score > threshold
        true_positive, false_positive = int((called & positive).sum()), int((called & ~positive).sum())
        false_negative, true_negative = int((~called & positive).sum()), int((~called & ~positive).sum())
        ratios = [
            (true_positive, true_positive + false_negative),
            (true_negative, true_negative + false_positive),
            (true_positive, true_positive + false_positive),
            (true_negative, true_negative + false_negative),
        ]
        cells = [Cell(number(a / b), a / b) if b else Cell("–", float("nan")) for a, b in ratios]
        counts = [true_positive, false_positive, false_negative, true_negative]
        rows.append([f"{threshold:.2f}", *cells, *counts])
    titles = ["above", "sensitivity", "specificity", "PPV", "NPV"]
    return Table([*titles, "true +", "false +", "false −", "true −"], rows)

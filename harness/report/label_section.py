"""Labels: each of several that a row may have."""

from __future__ import annotations

import numpy as np

from harness.console.text_format import number
from harness.report.class_section import reliability
from harness.report.html_markup import Cell, Section, figures, table
from harness.report.prediction_statistics import calibration, confusion, per_class, ranked
from harness.report.run_material import Material


def labels(material: Material) -> Section | None:
    """Of a multi-label run, else None."""
    if material.kind != "labels" or material.predictions is None:
        return None
    rows, shares, present = [], [], []
    for name in material.classes:
        told = material.predictions[material.predictions[f"target_{name}"].notna()]
        true = told[f"target_{name}"].to_numpy(dtype=np.int64)
        said = told[f"prediction_{name}"].to_numpy(dtype=np.int64)
        score = told[f"probability_{name}"].to_numpy(dtype=np.float64)
        values = [value[1] for value in per_class(confusion(true, said, 2))]
        found = ranked(score, true == 1)
        values.append(float("nan") if found is None else found.auroc)
        cells = [Cell(number(value), -1.0 if np.isnan(value) else float(value)) for value in values]
        rows.append([name, len(told), int(true.sum()), *cells])
        shares.append(score)
        present.append(true == 1)
    body = table(["label", "rows", "present", "precision", "recall", "F1", "AUROC"], rows)
    whole = np.concatenate(shares)
    if len(whole):
        found_bins = calibration(whole, np.concatenate(present))
        across = "probability that the label is present"
        body = figures(reliability(found_bins, across, "share of rows that have it")) + body
    return Section("Labels", "Each label is asked by itself; present is a probability above 0.5.", body)

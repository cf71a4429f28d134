"""Two: what a threshold on the probability of the second of two classes would do."""

from __future__ import annotations

import numpy as np

from harness.console.text_format import number
from harness.report.class_section import known
from harness.report.html_markup import Cell, Section, figure, figures, table
from harness.report.prediction_statistics import Ranked, ranked
from harness.report.run_material import Material
from harness.report.svg_chart import Chart, legend

_THRESHOLDS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
_MOST_POINTS = 400


def two(material: Material) -> Section | None:
    """Of two classes that both have test rows, else None."""
    if material.kind != "classes" or len(material.classes) != 2:
        return None
    told, second = known(material), material.classes[1]
    score = told[f"probability_{second}"].to_numpy(dtype=np.float64)
    positive = (told["target"] == second).to_numpy()
    found = ranked(score, positive)
    if found is None:
        return None
    body = figures(_roc(found), _precision(found, float(positive.mean())))
    body += "<h3>Thresholds</h3>" + _thresholds(score, positive)
    sentence = (
        f"Positive is the class {second}. The table tells what each threshold does on the test rows; one "
        "that is chosen by it must be tested on other rows."
    )
    return Section("Two classes", sentence, body)


def _roc(found: Ranked) -> str:
    chart = Chart((0, 1), (0, 1.02), ("1 − specificity", "sensitivity"), "ROC curve", (400, 320))
    across, up = found.alarms / found.alarms[-1], found.hits / found.hits[-1]
    chart.line([(0, 0), (1, 1)], "s6 dashed", "chance")
    chart.line([(0.0, 0.0), *_thin(across, up)], "s0", f"AUROC {number(found.auroc)}")
    keys = legend([("s0", "model"), ("s6 dashed", "chance")])
    return figure(chart.svg() + keys, f"ROC curve, area {number(found.auroc)}")


def _precision(found: Ranked, base: float) -> str:
    chart = Chart((0, 1), (0, 1.02), ("recall", "precision"), "precision-recall curve", (400, 320))
    across, up = found.hits / found.hits[-1], found.hits / (found.hits + found.alarms)
    chart.line([(0, base), (1, base)], "s6 dashed", "chance")
    chart.line(_thin(across, up), "s0", f"average precision {number(found.average_precision)}")
    keys = legend([("s0", "model"), ("s6 dashed", f"chance {number(base)}")])
    caption = f"Precision and recall, average precision {number(found.average_precision)}"
    return figure(chart.svg() + keys, caption)


def _thin(across: np.ndarray, up: np.ndarray) -> list[tuple[float, float]]:
    """Of a long curve the evenly spaced points, and its corners among them as far as there is room."""
    corner = np.ones(len(up), dtype=bool)
    corner[1:-1] = (np.diff(across)[1:] * np.diff(up)[:-1]) != (np.diff(across)[:-1] * np.diff(up)[1:])
    places = np.flatnonzero(corner)
    if len(places) > _MOST_POINTS:
        places = places[np.linspace(0, len(places) - 1, _MOST_POINTS).astype(np.int64)]
    return list(zip(across[places].tolist(), up[places].tolist(), strict=True))


def _thresholds(score: np.ndarray, positive: np.ndarray) -> str:
    rows = []
    for threshold in _THRESHOLDS:
        called = score > threshold
        hit, alarm = int((called & positive).sum()), int((called & ~positive).sum())
        missed, passed = int((~called & positive).sum()), int((~called & ~positive).sum())
        shares = [
            (hit, hit + missed),
            (passed, passed + alarm),
            (hit, hit + alarm),
            (passed, passed + missed),
        ]
        cells = [Cell(number(a / b), a / b) if b else Cell("–", -1.0) for a, b in shares]
        rows.append([f"{threshold:.2f}", *cells, hit, alarm, missed, passed])
    titles = ["above", "sensitivity", "specificity", "PPV", "NPV"]
    return table([*titles, "true +", "false +", "false −", "true −"], rows)

"""Pictures of predicted numbers: predicted against true, errors against predictions, their distribution."""

from __future__ import annotations

import math

import numpy as np

from harness.console.text_format import number
from harness.report.html.chart import Chart, padded_range
from harness.report.html.page_parts import Figure

_MOST_POINTS = 1500


def number_figures(target: np.ndarray, predicted: np.ndarray, name: str = "") -> list[Figure]:
    """Three figures of one target, (n,) each, n > 0; of very many rows evenly spaced ones are drawn."""
    drawn = slice(None, None, math.ceil(len(target) / _MOST_POINTS))
    of, size = f" {name}" if name else "", (400, 320)
    pairs = list(zip(target[drawn].tolist(), predicted[drawn].tolist(), strict=True))
    ends = padded_range([*target.tolist(), *predicted.tolist()])
    against = Chart(ends, ends, (f"true{of}", f"predicted{of}"), "predicted against true", size)
    against.line([(ends[0], ends[0]), (ends[1], ends[1])], "s6 dashed", "perfect")
    against.key("s6 dashed", "perfect")
    across, up = padded_range([pair[1] for pair in pairs]), padded_range((predicted - target).tolist())
    errors = Chart(across, up, (f"predicted{of}", "error"), "errors against predictions", size)
    errors.level(0, "s6 dashed", "no error")
    for true, guess in pairs:
        title = f"true {number(true)}, predicted {number(guess)}, error {number(guess - true)}"
        against.dot((true, guess), "f0 soft", title, 3)
        errors.dot((guess, guess - true), "f0 soft", title, 3)
    return [
        Figure([against.drawing()], f"Predicted against true{of}: a dot per test row"),
        Figure([errors.drawing()], f"Errors{of} against predictions"),
        _histogram(predicted - target, of),
    ]


def _histogram(errors: np.ndarray, of: str) -> Figure:
    counts, edges = np.histogram(errors, bins=min(40, max(5, math.ceil(math.sqrt(len(errors))))))
    ends, top = (float(edges[0]), float(edges[-1])), float(counts.max()) * 1.08
    chart = Chart(ends, (0, top), ("error", "rows"), "errors", (400, 320))
    for place, count in enumerate(counts.tolist()):
        low, high = float(edges[place]), float(edges[place + 1])
        chart.bar((low, high), count, "f0", f"{number(low)} – {number(high)}: {count:,} rows")
    mean = f"mean {number(float(errors.mean()))}"
    chart.upright(float(errors.mean()), "s1", mean)
    chart.key("s1", mean)
    return Figure([chart.drawing()], f"Distribution of the errors{of}")

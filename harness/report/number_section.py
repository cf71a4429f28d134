"""Numbers: predicted against true, and how they differ."""

from __future__ import annotations

import math

import numpy as np

from harness.console.text_format import number
from harness.report.html_markup import Cell, Section, figure, figures, table
from harness.report.run_material import Material
from harness.report.svg_chart import Chart, legend, reach

_MOST_TARGETS, _MOST_POINTS = 4, 1500


def numbers(material: Material) -> Section | None:
    """Of a regression on one column or several, else None."""
    if material.kind not in ("number", "numbers") or material.predictions is None:
        return None
    told, rows = material.predictions, []
    drawn: list[str] = []
    for ending in endings(material):
        known = told[told[f"target{ending}"].notna()]
        true = known[f"target{ending}"].to_numpy(dtype=np.float64)
        said = known[f"prediction{ending}"].to_numpy(dtype=np.float64)
        if not len(true):
            continue
        name = ending.removeprefix("_")
        rows.append([name or "target", *_measures(true, said)])
        if len(drawn) < 3 * _MOST_TARGETS:
            drawn += _pictures(true, said, name)
    if not rows:
        return None
    body = table(["target", "rows", "RMSE", "MAE", "R2", "mean error", "90 % of errors below"], rows)
    return Section("Predicted and true", "An error is predicted minus true.", figures(*drawn) + body)


def endings(material: Material) -> list[str]:
    """What follows `target` and `prediction` in the names of the columns."""
    if material.kind == "number":
        return [""]
    names = [] if material.predictions is None else map(str, material.predictions)
    return [name.removeprefix("target") for name in names if name.startswith("target_")]


def _measures(true: np.ndarray, said: np.ndarray) -> list[object]:
    gap = said - true
    spread = float(np.square(true - true.mean()).sum())
    values = [
        math.sqrt(float(np.square(gap).mean())),
        float(np.abs(gap).mean()),
        1 - float(np.square(gap).sum()) / spread if spread else math.nan,
        float(gap.mean()),
        float(np.quantile(np.abs(gap), 0.9)),
    ]
    return [len(true), *(Cell(number(value), value) for value in values)]


def _pictures(true: np.ndarray, said: np.ndarray, name: str) -> list[str]:
    shown = slice(None, None, math.ceil(len(true) / _MOST_POINTS))
    of = f" {name}" if name else ""
    pairs = list(zip(true[shown].tolist(), said[shown].tolist(), strict=True))
    ends = reach([*true.tolist(), *said.tolist()])
    against = Chart(ends, ends, (f"true{of}", f"predicted{of}"), "predicted against true", (400, 320))
    against.line([(ends[0], ends[0]), (ends[1], ends[1])], "s6 dashed", "perfect")
    along = Chart(
        reach([pair[1] for pair in pairs]),
        reach((said - true).tolist()),
        (f"predicted{of}", "error"),
        "errors against predictions",
        (400, 320),
    )
    low, high = reach([pair[1] for pair in pairs])
    along.line([(low, 0), (high, 0)], "s6 dashed", "no error")
    for right, told in pairs:
        title = f"true {number(right)}, predicted {number(told)}, error {number(told - right)}"
        against.dot((right, told), "f0 soft", title, 3)
        along.dot((told, told - right), "f0 soft", title, 3)
    keys = legend([("s6 dashed", "perfect")])
    return [
        figure(against.svg() + keys, f"Predicted against true{of}: a dot per test row"),
        figure(along.svg(), f"Errors{of} against what was predicted"),
        figure(_histogram(said - true), f"Distribution of the errors{of}"),
    ]


def _histogram(gap: np.ndarray) -> str:
    counts, edges = np.histogram(gap, bins=min(40, max(5, math.ceil(math.sqrt(len(gap))))))
    ends = (float(edges[0]), float(edges[-1]))
    chart = Chart(ends, (0, float(counts.max()) * 1.08), ("error", "rows"), "errors", (400, 320))
    for place, count in enumerate(counts.tolist()):
        low, high = float(edges[place]), float(edges[place + 1])
        chart.bar((low, high), count, "f0", f"{number(low)} – {number(high)}: {count:,} rows")
    mean = float(gap.mean())
    chart.line([(mean, 0), (mean, float(counts.max()) * 1.08)], "s1", f"mean {number(mean)}")
    return chart.svg() + legend([("s1", f"mean {number(mean)}")])

"""Pictures of predicted classes: confusion matrix, reliability diagram, ROC and precision-recall curves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.console.text_format import number
from harness.evaluate.prediction_statistics import Bins, Ranking
from harness.report.html.chart import Chart, Drawing, text
from harness.report.html.page_parts import Figure
from harness.report.html.page_text import escape

MOST_WRITTEN = 20
"""A confusion matrix of more classes shows colours alone."""

_MOST_DRAWN = 60
_MOST_POINTS = 400
_LONGEST_NAME = 14


def confusion_figure(counts: np.ndarray, names: Sequence[str]) -> Figure | None:
    """Colours are shares of the true class, numbers are rows. None where there are too many classes.

    Args:
        counts: (C, C) int64, the true class by row.
    """
    if len(names) > _MOST_DRAWN:
        return None
    count, longest = len(names), max(len(_shortened(name)) for name in names)
    left, side = 30 + 7 * longest, max(9.0, min(84.0, 400 / count))
    turned = longest * 7.5 > side
    end = 8 + count * side
    width, height = left + count * side + 8, end + 26 + (6.5 * longest if turned else 18)
    marks = [_square(counts, names, row, column, (left, side)) for row, column in np.ndindex(*counts.shape)]
    if count <= MOST_WRITTEN:
        for place, name in enumerate(names):
            middle, label = (place + 0.5) * side, _shortened(name)
            marks.append(text((left - 8, 12 + middle), label, "end"))
            x = left + middle
            marks.append(
                text((x + 4, end + 8), label, "end", turned=True)
                if turned
                else text((x, end + 17), label, "mid")
            )
    marks.append(text((left + count * side / 2, height - 8), "predicted class", "mid name"))
    marks.append(text((13, 8 + count * side / 2), "true class", "mid name", turned=True))
    drawing = Drawing((width, height), "confusion matrix", "".join(marks))
    return Figure([drawing], "Confusion matrix: numbers are test rows, colour is the share of the true class")


def _square(
    counts: np.ndarray, names: Sequence[str], row: int, column: int, place: tuple[float, float]
) -> str:
    """One pair of classes."""
    (left, side), rows = place, int(counts[row].sum())
    count, share = int(counts[row, column]), counts[row, column] / rows if rows else 0.0
    x, y = left + column * side, 8 + row * side
    title = f"true {names[row]}, predicted {names[column]}: {count:,} rows, {share:.1%} of {names[row]}"
    kind = "cell good" if row == column else "cell"
    # A rare confusion must still be visible.
    shade = 0.0 if not count else 0.12 + 0.88 * share
    box = f'x="{x:g}" y="{y:g}" width="{side:g}" height="{side:g}"'
    marks = (
        f'<g class="pair"><title>{escape(title)}</title><rect class="cell" {box}/>'
        f'<rect class="{kind} full" {box} fill-opacity="{shade:.2f}"/>'
    )
    if count and len(names) <= MOST_WRITTEN:
        style = "mid on" if shade > 0.55 else "mid"
        middle, centre, roomy = x + side / 2, y + side / 2, side >= 40
        marks += text((middle, centre + (1 if roomy else 4)), count, style)
        if roomy:
            marks += text((middle, centre + 14), f"{share:.0%}", f"{style} tiny")
    return f"{marks}</g>"


def _shortened(name: str) -> str:
    """A long name with its middle left out."""
    half = (_LONGEST_NAME - 1) // 2
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1 - half]}…{name[-half:]}"


def reliability_figure(bins: Bins, across: str, up: str) -> Figure:
    """A reliability diagram, and below it how many predictions each bin holds."""
    chart = Chart((0, 1), (0, 1.04), (across, up), "reliability diagram", (440, 290))
    chart.line([(0, 0), (1, 1)], "s6 dashed", "perfectly calibrated")
    points = list(zip(bins.confidence.tolist(), bins.accuracy.tolist(), strict=True))
    most = int(bins.counts.max())
    for point, rows in zip(points, bins.counts.tolist(), strict=True):
        title = f"{rows:,} predictions: confidence {number(point[0])}, {up} {number(point[1])}"
        # The area of a dot grows with its rows: a bin of few rows is weak evidence.
        chart.dot(point, "f0", title, 3 + 6 * (rows / most) ** 0.5)
    chart.key("s6 dashed", "perfectly calibrated; the larger a dot, the more rows")
    below = Chart((0, 1), (0, most * 1.08), (across, "rows"), "rows of each bin", (440, 150))
    for (low, high), rows in zip(bins.edges.tolist(), bins.counts.tolist(), strict=True):
        below.bar((low, high), rows, "f0", f"{low:.2f} – {high:.2f}: {rows:,} predictions")
    error, total = number(bins.error), f"{bins.counts.sum():,} predictions"
    caption = f"Calibration: expected calibration error {error} over {total}"
    return Figure([chart.drawing(), below.drawing()], caption)


def roc_figure(ranking: Ranking) -> Figure:
    """Sensitivity against 1 - specificity."""
    chart = Chart((0, 1), (0, 1.02), ("1 − specificity", "sensitivity"), "ROC curve", (400, 320))
    across, up = ranking.alarms / ranking.alarms[-1], ranking.hits / ranking.hits[-1]
    chart.line([(0, 0), (1, 1)], "s6 dashed", "chance")
    chart.line([(0.0, 0.0), *_corners(across, up)], "s0", f"AUROC {number(ranking.auroc)}")
    chart.key("s0", "model")
    chart.key("s6 dashed", "chance")
    return Figure([chart.drawing()], f"ROC curve, area {number(ranking.auroc)}")


def precision_figure(ranking: Ranking, share: float) -> Figure:
    """Precision against recall; `share` of all rows is positive, which is the precision of chance."""
    chart = Chart((0, 1), (0, 1.02), ("recall", "precision"), "precision-recall curve", (400, 320))
    across, up = ranking.hits / ranking.hits[-1], ranking.hits / (ranking.hits + ranking.alarms)
    chart.level(share, "s6 dashed", "chance")
    chart.line(_corners(across, up), "s0", f"average precision {number(ranking.average_precision)}")
    chart.key("s0", "model")
    chart.key("s6 dashed", f"chance {number(share)}")
    caption = f"Precision and recall, average precision {number(ranking.average_precision)}"
    return Figure([chart.drawing()], caption)


def _corners(across: np.ndarray, up: np.ndarray) -> list[tuple[float, float]]:
    """The points at which a curve turns; evenly chosen ones where there are many."""
    corner = np.ones(len(up), dtype=bool)
    corner[1:-1] = (np.diff(across)[1:] * np.diff(up)[:-1]) != (np.diff(across)[:-1] * np.diff(up)[1:])
    places = np.flatnonzero(corner)
    if len(places) > _MOST_POINTS:
        places = places[np.linspace(0, len(places) - 1, _MOST_POINTS).astype(np.int64)]
    return list(zip(across[places].tolist(), up[places].tolist(), strict=True))

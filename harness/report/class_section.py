"""Classes: which was taken for which, and how far the probabilities can be believed."""

from __future__ import annotations

import numpy as np
import pandas as pd

from harness.console.text_format import number
from harness.report.html_markup import Cell, Section, escaped, figure, figures, short, table
from harness.report.prediction_statistics import Bins, calibration, confusion, per_class
from harness.report.run_material import Material
from harness.report.svg_chart import Chart, drawing, legend

_MOST_WRITTEN, _MOST_DRAWN, _MOST_CONFUSIONS = 20, 60, 20


def classes(material: Material) -> Section | None:
    """Of a classification with known test rows, else None."""
    if material.kind != "classes":
        return None
    told, names = known(material), material.classes
    if told.empty:
        return None
    counts = confusion(*codes(told, names), len(names))
    drawn = [] if len(names) > _MOST_DRAWN else [_matrix(counts, names)]
    right = int(np.trace(counts))
    body = figures(*drawn, _reliability(material, told)) + _table(counts, names)
    if len(names) > _MOST_WRITTEN:
        body += _confusions(counts, names)
    sentence = f"{right:,} of {len(told):,} test predictions are right, {len(told) - right:,} are wrong."
    return Section("Classes", sentence, body)


def known(material: Material) -> pd.DataFrame:
    """The predictions of rows whose class is known."""
    told = material.predictions
    assert told is not None
    return told[told["target"].notna()]


def codes(told: pd.DataFrame, names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """(n,) codes of what is true and of what was said."""
    code = {name: place for place, name in enumerate(names)}
    true, said = (told[column].map(code).to_numpy(dtype=np.int64) for column in ("target", "prediction"))
    return true, said


def shares(told: pd.DataFrame, names: list[str]) -> np.ndarray:
    """(n, C) probabilities."""
    return told[[f"probability_{name}" for name in names]].to_numpy(dtype=np.float64)


def _matrix(counts: np.ndarray, names: list[str]) -> str:
    count, longest = len(names), max(len(short(name)) for name in names)
    left, side = 30 + 7 * longest, max(9.0, min(84.0, 400 / count))
    turned = longest * 7.5 > side
    below = 26 + (6.5 * longest if turned else 18)
    width, height = left + count * side + 8, 8 + count * side + below
    marks = [_square(counts, names, row, column, (left, side)) for row, column in np.ndindex(*counts.shape)]
    if count <= _MOST_WRITTEN:
        for place, name in enumerate(names):
            centre, end = (place + 0.5) * side, 8 + count * side
            label = escaped(short(name))
            marks.append(f'<text x="{left - 8:g}" y="{12 + centre:g}" class="end">{label}</text>')
            x = left + centre
            put = f'transform="translate({x + 4:g} {end + 8:g}) rotate(-90)" class="end"'
            flat = f'x="{x:g}" y="{end + 17:g}" class="mid"'
            marks.append(f"<text {put if turned else flat}>{label}</text>")
    half = left + count * side / 2
    marks.append(f'<text x="{half:g}" y="{height - 8:g}" class="mid name">predicted class</text>')
    turn = f'transform="translate(13 {8 + count * side / 2:g}) rotate(-90)"'
    marks.append(f'<text {turn} class="mid name">true class</text>')
    svg = drawing((width, height), "confusion matrix", "".join(marks))
    return figure(svg, "Confusion matrix: numbers are test rows, colour is the share of the true class")


def _square(counts: np.ndarray, names: list[str], row: int, column: int, place: tuple[float, float]) -> str:
    """One pair of classes."""
    (left, side), rows = place, int(counts[row].sum())
    held, share = int(counts[row, column]), counts[row, column] / rows if rows else 0.0
    x, y = left + column * side, 8 + row * side
    title = f"true {names[row]}, predicted {names[column]}: {held:,} rows, {share:.1%} of {names[row]}"
    kind = "cell good" if row == column else "cell"
    # What is rare shall still be seen.
    shade = 0.0 if not held else 0.12 + 0.88 * share
    box = (
        f'<g><title>{escaped(title)}</title><rect class="cell" x="{x:g}" y="{y:g}" width="{side:g}" '
        f'height="{side:g}"/><rect class="{kind} full" x="{x:g}" y="{y:g}" width="{side:g}" '
        f'height="{side:g}" fill-opacity="{shade:.2f}"/>'
    )
    if held and len(names) <= _MOST_WRITTEN:
        style = "mid on" if shade > 0.55 else "mid"
        middle, centre, roomy = x + side / 2, y + side / 2, side >= 40
        box += f'<text x="{middle:g}" y="{centre + (1 if roomy else 4):g}" class="{style}">{held}</text>'
        if roomy:
            box += f'<text x="{middle:g}" y="{centre + 14:g}" class="{style} tiny">{share:.0%}</text>'
    return f"{box}</g>"


def _table(counts: np.ndarray, names: list[str]) -> str:
    precision, recall, f1 = per_class(counts)
    rows = []
    for place, name in enumerate(names):
        wrong = counts[place].copy()
        wrong[place] = 0
        other = f"{names[wrong.argmax()]} ({wrong.max():,})" if wrong.any() else "–"
        values = (Cell(number(value[place]), float(value[place])) for value in (precision, recall, f1))
        rows.append([name, Cell(f"{counts[place].sum():,}", int(counts[place].sum())), *values, other])
    means = (Cell(number(value.mean()), float(value.mean())) for value in (precision, recall, f1))
    total = table(
        ["class", "rows", "precision", "recall", "F1", "most often taken for"],
        [*rows, ["mean of the classes", Cell(f"{counts.sum():,}", int(counts.sum())), *means, ""]],
    )
    return f"<h3>By class</h3>{total}"


def _confusions(counts: np.ndarray, names: list[str]) -> str:
    """The most frequent ones, where the matrix is too large to be read."""
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:_MOST_CONFUSIONS]
    pairs = [divmod(int(place), len(names)) for place in order]
    rows = [[names[true], names[said], int(wrong[true, said])] for true, said in pairs if wrong[true, said]]
    return "<h3>Most frequent confusions</h3>" + table(["true", "predicted", "rows"], rows, words=2)


def _reliability(material: Material, told: pd.DataFrame) -> str:
    chances = shares(told, material.classes)
    true, _ = codes(told, material.classes)
    bins = int((material.config.get("evaluate") or {}).get("bins", 15))
    found = calibration(chances.max(axis=1), chances.argmax(axis=1) == true, bins)
    return reliability(found, "confidence: probability of the predicted class", "share that is right")


def reliability(found: Bins, across: str, up: str) -> str:
    """A reliability diagram, and below it how many rows each bin holds."""
    chart = Chart((0, 1), (0, 1.04), (across, up), "reliability diagram", (440, 290))
    chart.line([(0, 0), (1, 1)], "s6 dashed", "perfectly calibrated")
    points = list(zip(found.confidence.tolist(), found.accuracy.tolist(), strict=True))
    most = int(found.counts.max())
    for point, rows in zip(points, found.counts.tolist(), strict=True):
        title = f"{rows:,} predictions: confidence {number(point[0])}, {up} {number(point[1])}"
        # What few rows say is said softly: the area follows their number.
        chart.dot(point, "f0", title, 3 + 6 * (rows / most) ** 0.5)
    below = Chart((0, 1), (0, most * 1.08), (across, "rows"), "rows of each bin", (440, 150))
    for (low, high), rows in zip(found.edges.tolist(), found.counts.tolist(), strict=True):
        below.bar((low, high), rows, "f0", f"{low:.2f} – {high:.2f}: {rows:,} predictions")
    keys = legend([("s6 dashed", "perfectly calibrated; the larger a dot, the more rows")])
    error, rows_in_all = number(found.error), f"{found.counts.sum():,} predictions"
    caption = f"Calibration: expected calibration error {error} over {rows_in_all}"
    return figure(chart.svg() + below.svg() + keys, caption)

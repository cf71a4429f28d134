"""Plot: the pictures of a run, as PNG files.

Drawn with matplotlib's objects, never with pyplot: no state is shared, no window is opened, and
any thread may draw. Colours are those of Okabe and Ito, told apart by every kind of eye.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.core.scores import direction
from harness.evaluate.projection_2d import Panel, Projection

_BLUE, _ORANGE, _GREEN = "#0072B2", "#D55E00", "#009E73"
_SERIES = (_BLUE, _ORANGE, _GREEN, "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_FURTHER = ("#8C510A", "#6A3D9A", "#9ACD32")  # ten classes in all
_INK, _FAINT = "#333333", "#DDDDDD"
_DOTS_PER_INCH = 120
_MOST_CLASSES_WRITTEN = 20  # a confusion matrix of more classes shows colours alone
_MOST_POINTS = 20_000
_MOST_TARGETS = 8
_MOST_CLASSES_NAMED = 20  # a projection of more classes shows colours alone
_UNKNOWN = "#BBBBBB"


def curves(history: Sequence[Mapping[str, float]], path: Path, monitor: str = "") -> None:
    """Loss and scores by epoch, the best epoch of `monitor` marked.

    history  the `Progress.scores` of each epoch, from the first; "epoch" may give its number
    """
    epochs = [int(entry.get("epoch", place)) for place, entry in enumerate(history, start=1)]
    panels: dict[str, list[str]] = {}
    for name in dict.fromkeys(name for entry in history for name in entry):
        if name == "train/loss" or name.startswith("valid/"):
            panels.setdefault(_quantity(name), []).append(name)
    figure, axes = _figure(4.2 * max(1, len(panels)), 3.2, columns=max(1, len(panels)))
    for axis, (quantity, names) in zip(axes, panels.items(), strict=False):
        for name, colour in zip(names, _SERIES, strict=False):
            values = [entry.get(name, math.nan) for entry in history]
            axis.plot(epochs, values, color=colour, label=name, **_mark(len(epochs)))
        axis.set_xlabel("epoch")
        axis.set_ylabel(quantity)
        axis.set_xlim(epochs[0] - 0.5, epochs[-1] + 0.5)
        if len(epochs) <= 10:
            axis.set_xticks(epochs)
        axis.legend(frameon=False, fontsize=8)
    _mark_best(figure, axes, epochs, [entry.get(monitor, math.nan) for entry in history], monitor)
    _save(figure, path)


def confusion(matrix: np.ndarray, classes: Sequence[str], path: Path) -> None:
    """A confusion matrix: colours are shares of the true class, numbers are counts.

    matrix  (C, C) int64 counts, true class by row
    """
    support = matrix.sum(axis=1, keepdims=True)
    shares = np.divide(matrix, support, out=np.zeros(matrix.shape), where=support > 0)
    written = len(classes) <= _MOST_CLASSES_WRITTEN
    side = min(9.0, 2.2 + 0.42 * len(classes))
    figure, (axis,) = _figure(side + 0.9, side)
    image = axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    if written:
        axis.set_xticks(range(len(classes)), classes, rotation=90 if max(map(len, classes)) > 3 else 0)
        axis.set_yticks(range(len(classes)), classes)
        for row, column in zip(*np.nonzero(matrix), strict=True):
            colour = "white" if shares[row, column] > 0.5 else _INK
            count = f"{matrix[row, column]}"
            axis.text(column, row, count, ha="center", va="center", color=colour, fontsize=8)
    axis.set_xlabel("predicted class")
    axis.set_ylabel("true class")
    axis.grid(visible=False)
    for side_name in ("top", "right"):
        axis.spines[side_name].set_visible(True)
    rows = int(matrix.sum())
    right = np.trace(matrix) / rows if rows else math.nan
    axis.set_title(f"{rows:,} rows, accuracy {right:.4f}", fontsize=10)
    bar = figure.colorbar(image, ax=axis, shrink=0.8)
    bar.set_label("share of the true class", fontsize=9)
    bar.ax.tick_params(labelsize=8)
    _save(figure, path)


def calibration(probabilities: np.ndarray, targets: np.ndarray, path: Path, bins: int = 15) -> None:
    """A reliability diagram: accuracy against confidence, and how many rows have that confidence.

    probabilities  (n, C), or (n,) of class 1; rows with target -1 are left out
    targets        (n,) class codes
    """
    if probabilities.ndim == 1:
        probabilities = np.stack([1 - probabilities, probabilities], axis=1)
    probabilities, targets = probabilities[targets >= 0], targets[targets >= 0]
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == targets
    edges = np.arange(bins + 1) / bins
    place = np.clip(np.digitize(confidence, edges, right=True) - 1, 0, bins - 1)
    counts = np.bincount(place, minlength=bins)
    filled = counts > 0
    accuracy = np.bincount(place, weights=correct, minlength=bins)[filled] / counts[filled]
    mean = np.bincount(place, weights=confidence, minlength=bins)[filled] / counts[filled]
    figure, (upper, lower) = _figure(4.4, 5.0, rows=2, heights=(3, 1))
    upper.plot([0, 1], [0, 1], color=_INK, linewidth=0.8, linestyle=":", label="perfectly calibrated")
    upper.plot(mean, accuracy, color=_BLUE, marker="o", markersize=4, label="model")
    upper.set_ylabel("accuracy")
    upper.set_ylim(-0.02, 1.02)
    upper.legend(frameon=False, fontsize=8, loc="upper left")
    gap = float(np.sum(counts[filled] * np.abs(accuracy - mean)) / max(1, counts.sum()))
    upper.set_title(f"{counts.sum():,} rows, expected calibration error {gap:.4f}", fontsize=10)
    lower.bar(edges[:-1], counts, width=1 / bins, align="edge", color=_BLUE, edgecolor="white")
    lower.set_xlabel("confidence: probability of the predicted class")
    lower.set_ylabel("rows")
    for axis in (upper, lower):
        axis.set_xlim(0, 1)
    _save(figure, path)


def rates(
    tried: np.ndarray, losses: np.ndarray, smooth: np.ndarray, marks: Mapping[str, float], path: Path
) -> None:
    """The loss against the learning rate, and the rates that it suggests.

    tried   (n,) rising learning rates
    losses  (n,) the loss of the step at each; of one that blew up, the axis shows the beginning
    smooth  (n,) what the marks are read off
    marks   rates by name
    """
    figure, (axis,) = _figure(6.4, 4.0)
    axis.plot(tried, losses, color=_BLUE, alpha=0.35, linewidth=0.9, label="loss of a step")
    axis.plot(tried, smooth, color=_BLUE, linewidth=1.6, label="smoothed")
    for (name, mark), colour in zip(marks.items(), (_ORANGE, _GREEN), strict=False):
        axis.axvline(mark, color=colour, linewidth=1.4, linestyle="--", label=f"{name}: {mark:.2g}")
    # What blew up would press the valley flat.
    low, high = float(smooth.min()), float(smooth[: int(smooth.argmin()) + 1].max())
    room = max(high - low, 1e-3 * abs(high), 1e-12)
    axis.set_ylim(low - 0.25 * room, high + 0.4 * room)
    axis.set_xscale("log")
    axis.set_xlabel("learning rate")
    axis.set_ylabel("training loss")
    axis.legend(frameon=False, fontsize=8, loc="lower left")
    _save(figure, path)


def residuals(
    predicted: np.ndarray, true: np.ndarray, path: Path, unit: str = "", names: Sequence[str] = ()
) -> None:
    """Predicted against true numbers, and the distribution of their difference.

    Both (n,) in the target's `unit`, or (n, T) of several targets called `names`, a row of panels each
    for the first eight. Rows whose true number is NaN are left out, and of very many rows evenly spaced
    ones are drawn.
    """
    predicted, true = predicted.reshape(len(true), -1), true.reshape(len(true), -1)
    count = min(true.shape[1], _MOST_TARGETS)
    figure, axes = _figure(8.4, 3.8 * count, rows=count, columns=2, heights=(1,) * count)
    titles = []
    for place in range(count):
        name = names[place] if names else ""
        left, right = axes[2 * place : 2 * place + 2]
        titles.append(_residuals(left, right, predicted[:, place], true[:, place], name, unit))
        if name:
            left.set_title(titles[-1], fontsize=10)
    if not names and titles[0]:
        figure.suptitle(titles[0], fontsize=10)
    _save(figure, path)


def _residuals(left: Any, right: Any, predicted: np.ndarray, true: np.ndarray, name: str, unit: str) -> str:
    """The two panels of one target, (n,) each; how many rows it has and their error, in words."""
    known = ~np.isnan(true)
    predicted, true = predicted[known], true[known]
    suffix = f" ({unit})" if unit else ""
    of = f" {name}" if name else ""
    left.set_xlabel(f"true{of}{suffix}")
    left.set_ylabel(f"predicted{of}{suffix}")
    right.set_xlabel(f"predicted minus true{of}{suffix}")
    right.set_ylabel("rows")
    if not len(true):
        return ""
    gap = predicted - true
    shown = slice(None, None, math.ceil(len(true) / _MOST_POINTS))
    ends = [min(true.min(), predicted.min()), max(true.max(), predicted.max())]
    left.plot(ends, ends, color=_INK, linewidth=0.8, linestyle=":", label="perfect")
    left.scatter(true[shown], predicted[shown], s=10, color=_BLUE, alpha=0.5, linewidths=0, label="rows")
    left.legend(frameon=False, fontsize=8, loc="upper left")
    right.hist(gap, bins="sqrt" if len(gap) < 2500 else 50, color=_BLUE, edgecolor="white", linewidth=0.5)
    right.axvline(0, color=_INK, linewidth=0.8, linestyle=":")
    right.axvline(float(gap.mean()), color=_ORANGE, linewidth=1.2, label=f"mean {gap.mean():.3g}")
    right.legend(frameon=False, fontsize=8)
    return f"{len(true):,} rows, RMSE {math.sqrt(np.square(gap).mean()):.4g}{suffix}"


def projection(found: Projection, path: Path) -> None:
    """One representation beside the other: the rows of a part in two dimensions, coloured by their target.

    Up to twenty classes are named where their middle lies; numbers have a colour bar. What is drawn
    last hides what lies below it, so the rows come in an order of chance.
    """
    count = len(found.panels[0].points)
    order = np.random.default_rng(0).permutation(count)
    targets = np.full(count, np.nan) if found.targets is None else found.targets[order].astype(np.float64)
    known = ~np.isnan(targets) & ((targets >= 0) | (not found.classes))  # a class of -1 is not known
    limits = {"vmin": -0.5, "vmax": len(found.classes) - 0.5} if found.classes else {}
    style = {"s": max(4.0, min(14.0, 8000 / max(1, count))), "alpha": 0.75, "linewidths": 0}
    figure, axes = _figure(0.4 + 3.3 * len(found.panels), 3.9, columns=len(found.panels))
    for axis, panel in zip(axes, found.panels, strict=True):
        points = panel.points[order]
        axis.scatter(*points[~known].T, color=_BLUE if found.targets is None else _UNKNOWN, **style)
        told = axis.scatter(*points[known].T, c=targets[known], cmap=_colours(found), **limits, **style)
        if len(found.classes) <= _MOST_CLASSES_NAMED:
            _name_classes(axis, points, targets, found)
        _frame(axis, panel, found.method)
    if known.any() and not found.classes:
        bar = figure.colorbar(told, ax=axes, shrink=0.75)
        bar.set_label("target", fontsize=9)
        bar.ax.tick_params(labelsize=8)
    grey = 0 if found.targets is None else int(np.sum(~known))
    unlabelled = f", {grey:,} of them unlabelled (grey)" if grey else ""
    title = (
        f"{found.method.upper()} of {count:,} {found.part} rows{unlabelled}; axes learned from training rows"
    )
    figure.suptitle(title, fontsize=10)
    _save(figure, path)


def _colours(found: Projection) -> Any:
    """A colour for each class, as different as their number allows, or a scale for numbers."""
    import matplotlib as mpl
    from matplotlib.colors import ListedColormap

    count = len(found.classes)
    if count == 0:
        return mpl.colormaps["viridis"]
    if count <= len(_SERIES) + len(_FURTHER):
        return ListedColormap([*_SERIES, *_FURTHER][:count])
    return mpl.colormaps["tab20" if count <= 20 else "turbo"].resampled(max(count, 20))


def _name_classes(axis: Any, points: np.ndarray, targets: np.ndarray, found: Projection) -> None:
    """Each class's name in its colour, at that of its points which lies nearest to their median."""
    from matplotlib.patheffects import withStroke

    white, colours = withStroke(linewidth=3, foreground="white"), _colours(found)
    for code, name in enumerate(found.classes[:_MOST_CLASSES_NAMED]):
        own = points[targets == code]
        if len(own):
            style = {"fontsize": 11, "fontweight": "bold", "ha": "center", "va": "center"}
            gaps = np.square(own - np.median(own, axis=0)).sum(axis=1)
            axis.text(*own[gaps.argmin()], name, color=colours(code), path_effects=[white], **style)


def _frame(axis: Any, panel: Panel, method: str) -> None:
    """Title and axes of one panel; a component has no unit, so that no numbers stand there."""
    axis.set_title(panel.name, fontsize=10)
    axis.set_xticks([])
    axis.set_yticks([])
    axis.set_box_aspect(1)
    shares = [""] * 2 if panel.shares is None else [f": {share:.0%} of variance" for share in panel.shares]
    name = "component" if method == "pca" else "dimension"
    axis.set_xlabel(f"{name} 1{shares[0]}")
    axis.set_ylabel(f"{name} 2{shares[1]}")


def _figure(
    width: float, height: float, *, rows: int = 1, columns: int = 1, heights: tuple[int, ...] = (1,)
) -> tuple[Any, list[Any]]:
    """A figure, sizes in inches, and its axes from left to right and top to bottom."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=_DOTS_PER_INCH, layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, gridspec_kw={"height_ratios": heights})
    axes = list(grid.flat)
    for axis in axes:
        axis.grid(color=_FAINT, linewidth=0.6)
        axis.set_axisbelow(True)
        axis.tick_params(colors=_INK, labelsize=8)
        axis.xaxis.label.set_fontsize(9)
        axis.yaxis.label.set_fontsize(9)
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)
    return figure, axes


def _quantity(name: str) -> str:
    """What a score measures: scores of one quantity share an axis, others would hide each other."""
    plain = name.split("/", 1)[-1]
    if plain.endswith("loss"):
        return "loss"
    if plain == "rankme":
        return "effective rank"
    return "error" if direction(name) == "minimize" else "score"


def _last_best(values: np.ndarray, monitor: str) -> int:
    """The epoch that a trainer keeps: of equal ones the last."""
    best = np.nanmin(values) if direction(monitor) == "minimize" else np.nanmax(values)
    return int(np.flatnonzero(values == best)[-1])


def _mark_best(
    figure: Any, axes: Sequence[Any], epochs: Sequence[int], values: Sequence[float], monitor: str
) -> None:
    """A dotted line at the best epoch of the monitored score, and the score as title."""
    found = np.array(values, dtype=np.float64)
    if not np.isfinite(found).any():
        return
    best = _last_best(found, monitor)
    for axis in axes:
        axis.axvline(epochs[best], color=_INK, linewidth=0.8, linestyle=":")
    figure.suptitle(f"best {monitor} {found[best]:.4g} in epoch {epochs[best]}", fontsize=10)


def _mark(epochs: int) -> dict[str, Any]:
    """A dot per epoch where there are few: a line of one epoch would show nothing."""
    return {"linewidth": 1.4, "marker": "o" if epochs <= 15 else None, "markersize": 3}


def _save(figure: Any, path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure).print_figure(path, format="png", dpi=_DOTS_PER_INCH)

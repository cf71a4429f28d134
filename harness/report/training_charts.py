"""Pictures of training: scores by epoch, and the loss against the learning rate."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from harness.console.text_format import number
from harness.core.epoch_ranking import EpochRanking
from harness.core.scores import Direction, direction
from harness.report.html.chart import Chart, padded_range, ticks, whole_ticks
from harness.report.html.page_parts import Figure

History = Mapping[int, Mapping[str, float]]
"""Epoch -> its scores."""

DirectionOf = Callable[[str], Direction]
"""Returns whether a score, by its full name, is better high or low."""

_MOST_POINTS = 300


def training_figures(
    histories: Mapping[str, History], ranking: EpochRanking, direction_of: DirectionOf = direction
) -> list[Figure]:
    """A figure per quantity: loss, score, error and the like share an axis each; then the learning rate.

    Args:
        histories: by the name of a fold, "" for a run of one fold; each has an epoch.
        ranking: by which the best epoch is chosen, which gets a ring.
        direction_of: the direction of a score by its full name.
    """
    panels: dict[str, list[str]] = {}
    scores = (values for history in histories.values() for values in history.values())
    for name in dict.fromkeys(name for values in scores for name in values):
        if name in ("train/loss", "lr") or name.startswith("valid/"):
            panels.setdefault(_quantity(name, direction_of), []).append(name)
    order = sorted(panels, key=lambda quantity: (quantity != "loss", quantity == "learning rate"))
    return [_panel(histories, quantity, panels[quantity], ranking, direction_of) for quantity in order]


def _quantity(name: str, direction_of: DirectionOf) -> str:
    """What a score measures. Scores of different quantities need different axes."""
    plain = name.split("/", 1)[-1]
    if plain.endswith("loss"):
        return "loss"
    if plain == "lr":
        return "learning rate"
    if plain == "rankme":
        return "effective rank"
    return "error" if direction_of(name) == "minimize" else "score"


def _panel(
    histories: Mapping[str, History],
    quantity: str,
    names: Sequence[str],
    ranking: EpochRanking,
    direction_of: DirectionOf,
) -> Figure:
    series = [
        (place, fold, name, _points(history, name, ranking))
        for place, name in enumerate(names)
        for fold, history in histories.items()
    ]
    epochs = [epoch for history in histories.values() for epoch in history]
    values = [value for *_, points in series for _, value in points if math.isfinite(value)]
    low, high = min(epochs), max(epochs)
    up = padded_range(values)
    if min(values, default=-1.0) >= 0:
        up = (max(0.0, up[0]), up[1])
    label = names[0] if len(names) == 1 and "/" in names[0] else quantity
    size, across = (440, 270), (low - 0.3, high + 0.3)
    chart = Chart(across, up, ("epoch", label), f"{quantity} by epoch", size, whole_ticks(low, high))
    thin = " thin" if len(histories) > 1 else ""
    for place, fold, name, points in series:
        style = f"s{place % 10}{thin}{' dashed' if place % 2 else ''}"
        chart.line(points, style, f"{fold} {name}".strip())
        if len(points) == 1:  # a line of one epoch is invisible
            chart.dot(points[0], f"f{place % 10}")
        best = ranking.best(histories[fold])
        at = dict(points).get(best, math.nan) if best is not None else math.nan
        if best is not None and math.isfinite(at) and name in (*ranking.names, "valid/loss"):
            chart.dot((best, at), "ring", f"{fold} best epoch {best}: {name} {number(at)}".strip(), 5)
    for place, name in enumerate(names):
        chart.key(f"s{place % 10}{' dashed' if place % 2 else ''}", name)
    return Figure([chart.drawing()], f"{label[:1].upper()}{label[1:]} by epoch")


def _points(history: History, name: str, ranking: EpochRanking) -> list[tuple[float, float]]:
    """Of very many epochs evenly spaced ones, with the best and the last among them."""
    epochs = sorted(history)
    step, best = math.ceil(len(epochs) / _MOST_POINTS), ranking.best(history)
    chosen = [
        epoch
        for place, epoch in enumerate(epochs)
        if place % step == 0 or epoch == best or place == len(epochs) - 1
    ]
    return [(epoch, history[epoch].get(name, math.nan)) for epoch in chosen]


def rates_figure(
    rates: np.ndarray, losses: np.ndarray, smooth: np.ndarray, marks: Mapping[str, float]
) -> Figure:
    """The loss against the learning rate.

    Args:
        rates: (n,) rising learning rates.
        losses: (n,) the loss of the step at each rate.
        smooth: (n,) the smoothed losses, from which the marks were found.
        marks: suggested rates by name.
    """
    # A loss that diverged would flatten the valley, so the axis ends at the highest loss before the valley.
    low, high = float(smooth.min()), float(smooth[: int(smooth.argmin()) + 1].max())
    room = max(high - low, 1e-3 * abs(high), 1e-12)
    up = (low - 0.25 * room, high + 0.4 * room)
    ends = (float(rates[0]), float(rates[-1]))
    names = ("learning rate", "training loss")
    chart = Chart(ends, up, names, "loss against learning rate", (640, 400), _powers(*ends), log=True)
    for values, style, name in ((losses, "s0 thin pale", "loss of a step"), (smooth, "s0", "smoothed")):
        inside = np.where((values >= up[0]) & (values <= up[1]), values, np.nan)
        chart.line(list(zip(rates.tolist(), inside.tolist(), strict=True)), style, name)
        chart.key(style, name)
    for place, (name, rate) in enumerate(marks.items(), start=1):
        chart.upright(rate, f"s{place} dashed", f"{name}: {rate:.2g}")
        chart.key(f"s{place} dashed", f"{name}: {rate:.2g}")
    return Figure([chart.drawing()], "Loss against learning rate")


def _powers(low: float, high: float) -> list[float]:
    """Ticks of a logarithmic axis: whole powers of ten, all ends included where there are few."""
    return [10.0**power for power in ticks(math.log10(low), math.log10(high)) if power == int(power)]

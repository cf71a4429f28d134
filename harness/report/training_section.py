"""Training: loss, monitored score and learning rate, epoch by epoch."""

from __future__ import annotations

import math

from harness.console.text_format import number
from harness.report.html_markup import Section, figure, figures
from harness.report.run_material import Material
from harness.report.svg_chart import Chart, legend, reach, whole_ticks

_MOST_POINTS = 300


def training(material: Material) -> Section | None:
    """None where no epoch is known."""
    if not material.histories:
        return None
    names = {
        name for history in material.histories.values() for values in history.values() for name in values
    }
    drawn = [_panel(material, [name for name in ("train/loss", "valid/loss") if name in names], "loss")]
    if material.monitor in names - {"valid/loss", "train/loss"}:
        drawn.append(_panel(material, [material.monitor], material.monitor))
    if "lr" in names:
        drawn.append(_panel(material, ["lr"], "learning rate"))
    return Section("Training", _told(material), figures(*drawn))


def _told(material: Material) -> str:
    if len(material.histories) > 1:
        return (
            f"A thin line per fold, {len(material.histories)} of them; a ring marks each fold's best epoch."
        )
    (key,) = material.histories
    best = material.best_epoch(key)
    if best is None:
        return "No validation rows: the last epoch was kept."
    value = material.histories[key][best][material.monitor]
    last = max(material.histories[key])
    return f"Best {material.monitor} {number(value)} in epoch {best} of {last}, whose weights were kept."


def _panel(material: Material, names: list[str], label: str) -> str:
    series = [
        (place, key, name, _points(material, key, name))
        for place, name in enumerate(names)
        for key in material.histories
    ]
    epochs = [epoch for _, _, _, points in series for epoch, _ in points]
    values = [value for _, _, _, points in series for _, value in points]
    low, high = min(epochs), max(epochs)
    up = reach(values)
    if min((value for value in values if math.isfinite(value)), default=-1.0) >= 0:
        up = (max(0.0, up[0]), up[1])
    chart = Chart(
        (low - 0.3, high + 0.3), up, ("epoch", label), f"{label} by epoch", (440, 270), whole_ticks(low, high)
    )
    thin = " thin" if len(material.histories) > 1 else ""
    for place, key, name, points in series:
        chart.line(points, f"s{place}{thin}{' dashed' if place else ''}", f"{key} {name}".strip())
        if len(points) == 1:
            chart.dot(points[0], f"f{place}")
        best = material.best_epoch(key)
        at = dict(points).get(best) if best is not None else None
        if best is not None and at is not None and (name == material.monitor or name == "valid/loss"):
            chart.dot((best, at), "ring", f"{key} best epoch {best}: {name} {number(at)}".strip(), 5)
    keys = [(f"s{place}{' dashed' if place else ''}", name) for place, name in enumerate(names)]
    return figure(chart.svg() + legend(keys), f"{label.capitalize()} by epoch")


def _points(material: Material, key: str, name: str) -> list[tuple[float, float]]:
    """Of very many epochs evenly spaced ones, the best and the last among them."""
    history = sorted(material.histories[key].items())
    step = math.ceil(len(history) / _MOST_POINTS)
    best = material.best_epoch(key)
    return [
        (epoch, values.get(name, math.nan))
        for place, (epoch, values) in enumerate(history)
        if place % step == 0 or epoch == best or place == len(history) - 1
    ]

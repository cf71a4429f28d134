"""The section on training: loss, scores and learning rate by epoch."""

from __future__ import annotations

from harness.console.text_format import number
from harness.report.html.page_parts import Figures, Section
from harness.report.run_material import RunMaterial
from harness.report.training_charts import training_figures


def training(material: RunMaterial) -> Section | None:
    """None where no epoch is known."""
    if not material.histories:
        return None
    figures = training_figures(material.histories, material.ranking, material.logged.direction)
    return Section("Training", _sentence(material), [Figures(figures)])


def _sentence(material: RunMaterial) -> str:
    count = len(material.histories)
    if count > 1:
        return f"A thin line per fold, {count} of them; a ring marks each fold's best epoch."
    (key,) = material.histories
    best = material.best_epoch(key)
    if best is None:
        return "No validation rows: the last epoch was kept."
    name = material.ranking.first
    value = material.histories[key][best][name]
    last = max(material.histories[key])
    return f"Best {name} {number(value)} in epoch {best} of {last}, whose weights were kept."

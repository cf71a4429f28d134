"""The page about a run, or about one of its folds: its sections in one HTML file."""

from __future__ import annotations

from pathlib import Path

from harness.report.class_section import classes
from harness.report.data_section import data
from harness.report.embedding_section import embedding
from harness.report.environment_section import environment
from harness.report.headline_section import lead, status
from harness.report.html.page_parts import Page
from harness.report.html.render_page import render
from harness.report.importance_section import importance
from harness.report.label_section import labels
from harness.report.number_section import numbers
from harness.report.run_material import RunMaterial
from harness.report.score_section import scores
from harness.report.threshold_section import thresholds
from harness.report.training_section import training
from harness.report.worst_section import worst
from harness.runtime.atomic_file import write_text

REPORT = "report.html"

_OF_PREDICTIONS = (scores, classes, thresholds, labels, numbers, importance, worst)
_SECTIONS = (*_OF_PREDICTIONS, training, embedding, data, environment)
"""In the order of the page; a section that does not apply to the run is None."""


def write_run_page(path: Path, material: RunMaterial) -> None:
    """Writes the page; the file appears whole or stays as it was.

    What the run's folder holds is read, and must be free of secrets.

    Raises:
        OSError: the file cannot be written.
        UserError: the run never began.
    """
    write_text(path, run_page(material))


def run_page(material: RunMaterial) -> str:
    """The whole file."""
    sections = [section for make in _SECTIONS if (section := make(material)) is not None]
    fold = "" if material.fold is None else f", fold {material.fold}"
    logged = material.logged
    kind = f"run {logged.folder.name}{fold}"
    return render(Page(logged.name, kind, sections, status(material), lead(material)))

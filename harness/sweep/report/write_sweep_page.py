"""The page about a sweep: its sections, each of which may fail without the others."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.core.error_text import described
from harness.report.html.page_parts import Interactive, Page, Section, Text
from harness.report.html.plotly_figure import PlotlyFigure
from harness.report.html.render_page import render
from harness.runtime.atomic_file import write_text
from harness.runtime.redact import first_line
from harness.sweep.report import trial_figures as figures
from harness.sweep.report import trial_sections
from harness.sweep.report.axis_scale import scales
from harness.sweep.report.cost_section import cost_blocks
from harness.sweep.report.explanation import Statement
from harness.sweep.report.importance import FEWEST, importance
from harness.sweep.report.selection import Selection
from harness.sweep.study.snapshot import Row, Snapshot
from harness.sweep.study.sweep_cost import SweepCost, Tariff

REPORT = "report.html"


@dataclass(frozen=True)
class SweepMaterial:
    """What the page is made of.

    about          facts of its summary by name, without secrets: study, sampler, pruner, command …
    distributions  Optuna's, by key of a dimension: which are logarithmic, and the order of choices
    command        makes the command that runs a trial alone
    selection      what the best score is worth; None where that is unknown
    why            what explains failures and the place of the best
    cost           what the sweep has used; None while it runs
    tariff         the prices
    """

    snapshot: Snapshot
    about: Mapping[str, str]
    distributions: Mapping[str, Any]
    command: Callable[[Row], str]
    selection: Selection | None = None
    why: Sequence[Statement] = ()
    cost: SweepCost | None = None
    tariff: Tariff = field(default_factory=Tariff)


Maker = Callable[[SweepMaterial], Section | None]


def write_report(folder: Path, title: str, material: SweepMaterial, reload: float | None = None) -> Path:
    """Writes `<folder>/report.html`, one file that needs no network.

    Args:
        reload: of a sweep that runs, the seconds after which the page reads itself again.

    Raises:
        OSError: the disk is full, or the folder cannot be written.
    """
    status = None if reload is None else ("running", "odd")
    text = render(Page(title, "sweep", sections(material), status, columns=True, reload=reload))
    write_text(folder / REPORT, text)
    return folder / REPORT


def sections(material: SweepMaterial) -> list[Section]:
    """All sections; one whose figure cannot be drawn says why."""
    makers = {
        "Summary": _summary,
        "Best": _best,
        "What the best score is worth": _selection,
        "Why": _why,
        "Cost": _cost,
        "Pareto front": _front,
        "Optimisation history": _history,
        "Importance": _importance,
        "Parallel coordinates": _parallel,
        "Slices": _slices,
        "Curves": _curves,
        "Timeline": _timeline,
        "Failures": _failures,
    }
    made = (_made(title, make, material) for title, make in makers.items())
    return [section for section in made if section is not None]


def _made(
    title: str, make: Callable[[SweepMaterial], Section | None], material: SweepMaterial
) -> Section | None:
    """The section, or a sentence in its place: an error in one figure must not cost the others."""
    try:
        return make(material)
    except Exception as error:
        reason = first_line(described(error), [])
        return _words(title, f"This part could not be drawn ({reason}).")


def _words(title: str, text: str) -> Section:
    """A section of text alone takes the whole width: beside a figure it would leave a hole."""
    return Section(title, text, wide=True)


def _drawn(title: str, text: str, drawn: list[PlotlyFigure], wide: bool = False) -> Section:
    """One figure, or several small ones side by side on the whole width."""
    several = len(drawn) > 1
    return Section(title, text, [Interactive(drawn, tiles=several)], wide=wide or several)


def _summary(material: SweepMaterial) -> Section:
    return Section("Summary", "", trial_sections.summary(material.snapshot, material.about), wide=True)


def _best(material: SweepMaterial) -> Section:
    snapshot = material.snapshot
    if not snapshot.best:
        return _words("Best", "No trial is complete and satisfies every constraint, so there is no best one.")
    several = "No trial is better than one of these in every objective."
    text = several if len(snapshot.objectives) > 1 else ""
    return Section("Best", text, trial_sections.best(snapshot, snapshot.best, material.command), wide=True)


def _cost(material: SweepMaterial) -> Section | None:
    if material.cost is None:
        return None
    blocks = cost_blocks(material.snapshot, material.cost, material.tariff)
    return Section("Cost", _SHARES, blocks, wide=True)


def _selection(material: SweepMaterial) -> Section | None:
    if material.selection is None:
        return None
    blocks = trial_sections.selection(material.snapshot, material.selection, material.command)
    return Section("What the best score is worth", _BOOTSTRAP, blocks, wide=True)


_SHARES = (
    "While a worker trains several trials at the same time, each has its part of the worker's time and "
    "energy. The time of commands, which also prepare, wait and write, is in result.json."
)
_BOOTSTRAP = (
    "The best of many scores is too good, because the choice also picks the luck of the validation rows. "
    "So the choice was repeated in bootstrap samples of these rows, and each chosen trial scored on the rows "
    "that its sample left out (BBC-CV, doi:10.1007/s10994-018-5714-4)."
)


def _why(material: SweepMaterial) -> Section | None:
    if not material.why:
        return None
    text = "What is more than chance: where trials failed, and where the best ones lie."
    if any(statement.kind == "path" for statement in material.why):
        text = "The trials change one key after the other; intervals are of a paired bootstrap of the rows."
    return Section("Why", text, [Text(statement.text) for statement in material.why], wide=True)


def _front(material: SweepMaterial) -> Section | None:
    snapshot = material.snapshot
    if len(snapshot.objectives) < 2:
        return None
    if not snapshot.best:
        return _words("Pareto front", _NONE)
    pairs = itertools.combinations(range(len(snapshot.objectives)), 2)
    text = "For a trial on the front, no other is better in one objective without being worse in another."
    return _drawn("Pareto front", text, [figures.front(snapshot, across, up) for across, up in pairs])


_NONE = "No trial is complete."
_SAME = "No dimension separates the best trials from the others."


def _stopped_remark(snapshot: Snapshot) -> str:
    return " A tick at the bottom is a trial that was stopped." if figures.stopped(snapshot) else ""


def _history(material: SweepMaterial) -> Section:
    snapshot, title = material.snapshot, "Optimisation history"
    if not figures.complete(snapshot):
        return _words(title, _NONE)
    drawn = [figures.history(snapshot, place) for place in range(len(snapshot.objectives))]
    text = f"The value of each trial, and the best so far.{_stopped_remark(snapshot)}"
    return _drawn(title, text, drawn)


def _importance(material: SweepMaterial) -> Section:
    snapshot = material.snapshot
    title, count = "Importance", len(figures.complete(snapshot))
    if len(snapshot.keys) < 2:
        return _words(title, "The importance of dimensions needs two of them or more.")
    if count < FEWEST:
        return _words(title, f"Importance needs {FEWEST} complete trials or more; there are {count}.")
    drawn = []
    for place, objective in enumerate(snapshot.objectives):
        if shares := importance(snapshot, material.distributions, place):
            drawn.append(figures.importance(shares, objective.name))
    text = "What separates the best trials from the others (PED-ANOVA, arXiv:2304.10255)."
    return _drawn(title, text, drawn) if drawn else _words(title, _SAME)


_AXIS = 56
"""Pixels from one axis to the next at least: six of them fit a telephone."""


def _parallel(material: SweepMaterial) -> Section:
    snapshot, title = material.snapshot, "Parallel coordinates"
    if not figures.complete(snapshot) or not snapshot.keys:
        return _words(title, _NONE if snapshot.keys else "The space has no dimension.")
    axes = scales(snapshot, material.distributions)
    drawn = [figures.parallel(snapshot, axes, place) for place in range(len(snapshot.objectives))]
    text = "A line is a complete trial; orange is good, blue is bad. Drag along an axis to choose lines."
    return Section(title, text, [Interactive(drawn, least=_AXIS * (len(axes) + 1))], wide=True)


def _slices(material: SweepMaterial) -> Section:
    snapshot = material.snapshot
    if not figures.complete(snapshot) or not snapshot.keys:
        return _words("Slices", _NONE if snapshot.keys else "The space has no dimension.")
    drawn = [
        figures.slice_of(snapshot, scale, place)
        for place in range(len(snapshot.objectives))
        for scale in scales(snapshot, material.distributions)
        if any(scale.key in row.point for row in figures.complete(snapshot))
    ]
    names = " and ".join(objective.name for objective in snapshot.objectives)
    text = f"{names} over one dimension at a time; later trials are redder.{_stopped_remark(snapshot)}"
    return Section("Slices", text, [Interactive(drawn, tiles=True)], wide=True)


def _curves(material: SweepMaterial) -> Section | None:
    snapshot = material.snapshot
    if len(snapshot.objectives) > 1:
        return None  # Optuna accepts no intermediate values then
    count = len(figures.curved(snapshot))
    if not count:
        return _words("Curves", "No trial reported intermediate values.")
    text = "The values that each trial reported; an orange one was pruned, a cyan one is frozen."
    if count > figures.MOST_CURVES:
        text += f" Of {count:,} curves, every {-(-count // figures.MOST_CURVES)}th is drawn."
    return _drawn("Curves", text, [figures.curves(snapshot)], wide=True)


def _timeline(material: SweepMaterial) -> Section:
    drawn = figures.timeline(material.snapshot)
    if not drawn["data"]:
        return _words("Timeline", "No trial has begun.")
    return _drawn("Timeline", "When each worker was busy, and with which trial.", [drawn], wide=True)


def _failures(material: SweepMaterial) -> Section:
    snapshot = material.snapshot
    count = snapshot.count("failed")
    if not count:
        return _words("Failures", "No trial failed.")
    text = f"{count} of {snapshot.ended} trials failed."
    return Section("Failures", text, trial_sections.failures(snapshot), wide=True)

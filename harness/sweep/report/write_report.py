"""Write: the sections of a sweep's report, each of which may fail without the others."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.runs.run_result import write_text
from harness.runtime.redact import first_line
from harness.sweep.report import figures, trial_tables
from harness.sweep.report.axis_scale import safe, scales
from harness.sweep.report.figures import Figure
from harness.sweep.report.importance import FEWEST, importance
from harness.sweep.report.sweep_page import Section, page
from harness.sweep.study.snapshot import Row, Snapshot

REPORT = "report.html"


@dataclass(frozen=True)
class Material:
    """What a report is made of.

    about          lines of its summary, by name, masked: study, sampler, pruner, command …
    distributions  Optuna's, by key of a dimension: which are logarithmic, in what order choices stand
    command        what runs a trial again alone
    """

    snapshot: Snapshot
    about: Mapping[str, str]
    distributions: Mapping[str, Any]
    command: Callable[[Row], str]


def write_report(folder: Path, title: str, material: Material) -> Path:
    """Writes `<folder>/report.html`, one file that needs no network.

    Raises:
        OSError: the disk is full, or the folder cannot be written.
    """
    write_text(folder / REPORT, page(title, sections(material)))
    return folder / REPORT


def sections(material: Material) -> list[Section]:
    """All that there is to show; what cannot be drawn says why."""
    makers = {
        "Summary": _summary,
        "Best": _best,
        "Pareto front": _front,
        "Optimisation history": _history,
        "Importance": _importance,
        "Parallel coordinates": _parallel,
        "Slices": _slices,
        "Curves": _curves,
        "Timeline": _timeline,
        "Failures": _failures,
    }
    return [
        section for title, make in makers.items() if (section := _made(title, make, material)) is not None
    ]


def _made(title: str, make: Callable[[Material], Section | None], material: Material) -> Section | None:
    """The section, or a sentence in its place: whatever is wrong with one picture costs no other."""
    try:
        return make(material)
    except Exception as error:
        reason = first_line(f"{type(error).__name__}: {error}", [])
        return Section(title, f"This part could not be drawn ({reason}).")


def _summary(material: Material) -> Section:
    return Section("Summary", body=trial_tables.summary(material.snapshot, material.about), wide=True)


def _best(material: Material) -> Section:
    snapshot = material.snapshot
    if not snapshot.best:
        return Section(
            "Best", "No trial is complete and keeps every constraint, so that none can be called the best."
        )
    if len(snapshot.objectives) > 1:
        told = "No trial is better than one of these in every objective."
        return Section(
            "Best", told, body=trial_tables.best(snapshot, snapshot.best, material.command), wide=True
        )
    return Section("Best", body=trial_tables.best(snapshot, snapshot.best, material.command), wide=True)


def _front(material: Material) -> Section | None:
    snapshot = material.snapshot
    if len(snapshot.objectives) < 2:
        return None
    if not snapshot.best:
        return Section("Pareto front", _NONE)
    pairs = itertools.combinations(range(len(snapshot.objectives)), 2)
    told = "Of a trial on the front, no other is better in one objective without being worse in another."
    pictures = [figures.front(snapshot, across, up) for across, up in pairs]
    return Section("Pareto front", told, pictures, tiles=len(pictures) > 1)


_NONE = "No trial is complete."
_SAME = "No dimension sets the best trials apart from the others."


def _ticked(snapshot: Snapshot) -> str:
    return " A tick at the foot is a pruned trial." if figures.pruned(snapshot) else ""


def _history(material: Material) -> Section:
    snapshot = material.snapshot
    if not figures.complete(snapshot):
        return Section("Optimisation history", _NONE)
    pictures = [figures.history(snapshot, place) for place in range(len(snapshot.objectives))]
    return Section(
        "Optimisation history",
        f"The value of each trial, and the best so far.{_ticked(snapshot)}",
        pictures,
        tiles=len(pictures) > 1,
    )


def _importance(material: Material) -> Section:
    snapshot = material.snapshot
    title, count = "Importance", len(figures.complete(snapshot))
    if len(snapshot.keys) < 2:
        return Section(title, "It takes two dimensions or more to tell which matters most.")
    if count < FEWEST:
        return Section(title, f"It takes {FEWEST} complete trials or more to say this; there are {count}.")
    pictures: list[Figure] = []
    for place, objective in enumerate(snapshot.objectives):
        shares = importance(snapshot, material.distributions, place)
        drawn = figures.importance(shares)
        drawn["layout"]["xaxis"]["title"]["text"] = f"share in {safe(objective.name)}"
        pictures += [drawn] if shares else []
    told = "What sets the best trials apart from the others (PED-ANOVA, arXiv:2304.10255)."
    return Section(title, told if pictures else _SAME, pictures, tiles=len(pictures) > 1)


def _parallel(material: Material) -> Section:
    snapshot, title = material.snapshot, "Parallel coordinates"
    if not figures.complete(snapshot) or not snapshot.keys:
        return Section(title, _NONE if snapshot.keys else "The space has no dimension.")
    drawn = scales(snapshot, material.distributions)
    pictures = [figures.parallel(snapshot, drawn, place) for place in range(len(snapshot.objectives))]
    told = "A line is a complete trial; orange is good, blue is not. Drag along an axis to choose lines."
    return Section(title, told, pictures, wide=True, least=120 * (len(drawn) + 1))


def _slices(material: Material) -> Section:
    snapshot = material.snapshot
    if not figures.complete(snapshot) or not snapshot.keys:
        return Section("Slices", _NONE if snapshot.keys else "The space has no dimension.")
    pictures = [
        figures.slice_of(snapshot, scale, place)
        for place in range(len(snapshot.objectives))
        for scale in scales(snapshot, material.distributions)
        if any(scale.key in row.point for row in figures.complete(snapshot))
    ]
    names = " and ".join(objective.name for objective in snapshot.objectives)
    told = f"{names} over one dimension at a time; later trials are redder.{_ticked(snapshot)}"
    return Section("Slices", told, pictures, tiles=True)


def _curves(material: Material) -> Section | None:
    snapshot = material.snapshot
    if len(snapshot.objectives) > 1:
        return None  # Optuna takes no reports then
    count = len(figures.curved(snapshot))
    if not count:
        return Section("Curves", "No trial reported values on the way.")
    told = "What each trial reported on the way; an orange one was pruned."
    if count > figures.MOST_CURVES:
        told += f" Of {count:,} curves, every {-(-count // figures.MOST_CURVES)}th is drawn."
    return Section("Curves", told, [figures.curves(snapshot)], wide=True)


def _timeline(material: Material) -> Section:
    drawn = figures.timeline(material.snapshot)
    if not drawn["data"]:
        return Section("Timeline", "No trial has begun.")
    return Section("Timeline", "When each worker was busy, and with what.", [drawn], wide=True)


def _failures(material: Material) -> Section:
    snapshot = material.snapshot
    count = snapshot.count("failed")
    if not count:
        return Section("Failures", "No trial failed.")
    told = f"{count} of {snapshot.ended} trials failed."
    return Section("Failures", told, body=trial_tables.failures(snapshot), wide=True)

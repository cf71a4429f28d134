"""The section on scores: all of them, and how they differ between folds."""

from __future__ import annotations

from harness.console.text_format import headline, number
from harness.core.baseline_names import (
    BASELINES,
    FITTED,
    baseline_name,
    baselines,
    kinds,
    shown_kind,
    split_baseline,
)
from harness.report.headline_section import main_score
from harness.report.html.chart import Chart, padded_range, whole_ticks
from harness.report.html.page_parts import Block, Cell, Figure, Figures, Heading, Section, Table
from harness.report.run_material import RunMaterial
from harness.runs.run_result import Summary

_MOST_DRAWN = 4
_MOST_FOLDS_LISTED = 60


def scores(material: RunMaterial) -> Section | None:
    """None where there are none."""
    if not material.scores:
        return None
    shown = sorted((name for name in material.scores if split_baseline(name) is None), key=_part_first)
    several = any(len(material.scores[name]["folds"]) > 1 for name in shown)
    compared = kinds(shown, material.scores)
    sentence = ""
    described = [f"{shown_kind(kind)}: {BASELINES[kind]}" for kind in compared if kind in BASELINES]
    if described:
        sentence = f"Baselines are {'; '.join(described)}. "
    if several:
        sentence += "Pooled is the score of all folds' predictions together."
        blocks = [*_over_folds(material), _spreads(material, shown, compared), *_listed(material)]
    else:
        blocks = _by_part(material)
    return Section("Scores", sentence.strip(), [*blocks, *_differences(material)])


_PARTS = ("test", "valid", "train")


def _part_first(name: str) -> int:
    """Test scores first; last those of no part, such as the number of parameters."""
    part = name.partition("/")[0]
    return _PARTS.index(part) if part in _PARTS else len(_PARTS)


def _by_part(material: RunMaterial) -> list[Block]:
    """A row per quantity, baselines included, and a column per part."""
    names = sorted(material.scores, key=_part_first)
    parts = [part for part in _PARTS if any(name.startswith(f"{part}/") for name in names)]
    quantities = dict.fromkeys(name.partition("/")[2] for name in names if name.partition("/")[0] in parts)
    rows: list[list[object]] = [
        [quantity, *(_number(_mean(material.scores.get(f"{part}/{quantity}"))) for part in parts)]
        for quantity in quantities
    ]
    others = [
        [name, _number(_mean(material.scores[name]))] for name in names if name.partition("/")[0] not in parts
    ]
    blocks: list[Block] = [Table(["score", *parts], rows)] if parts else []
    return [*blocks, Heading("Other figures"), Table(["figure", "value"], others)] if others else blocks


def _spreads(material: RunMaterial, shown: list[str], compared: list[str]) -> Table:
    """A row per score: its mean over the folds, its spread, and its baselines."""
    rows: list[list[object]] = []
    for name in shown:
        score = material.scores[name]
        beside = [_number(_mean(material.scores.get(baseline_name(name, kind)))) for kind in compared]
        rows.append([name, _number(score["mean"]), *_spread(score), *beside])
    return Table(["score", "mean", "± std", "95 % interval", "pooled", *map(shown_kind, compared)], rows)


def _differences(material: RunMaterial) -> list[Block]:
    """A row per score and fitted baseline: how far the baseline is from the model on the same rows."""
    rows: list[list[object]] = []
    for name in headline(material.scores):
        for kind, full in baselines(name, material.scores).items():
            difference = material.scores[full].get("difference")
            if kind in FITTED and difference is not None:
                ends = difference["ci95"]
                between = "" if ends is None or None in ends else f"{number(ends[0])} – {number(ends[1])}"
                values = (material.scores[full]["mean"], difference["mean"])
                rows.append([name, kind, *map(_number, values), between])
    if not rows:
        return []
    columns = ["score", "baseline", "its value", "baseline - model", "95 % interval"]
    return [Heading("Fitted baselines on the same rows"), Table(columns, rows)]


def _mean(score: Summary | None) -> float | None:
    return None if score is None else score["mean"]


def _number(value: float | None) -> Cell | str:
    if value is None:
        return ""
    text = f"{value:,.0f}" if float(value).is_integer() and abs(value) >= 2 else number(value)
    return Cell(text, value)


def _spread(score: Summary) -> list[object]:
    std, ends, pooled = score["std"], score["ci95"], score.get("pooled")
    # A constant, such as the number of parameters, has no interval.
    between = "" if ends is None or None in ends or not std else f"{number(ends[0])} – {number(ends[1])}"
    return [_number(std) if std else "", between, _number(pooled)]


def _over_folds(material: RunMaterial) -> list[Block]:
    """A figure for each of the first scores: a dot per fold, their mean, and the baselines."""
    first = main_score(material)
    names = sorted(headline(material.scores), key=lambda name: (name != first, name.endswith("/loss")))
    return [Figures([_dots(material, name) for name in names[:_MOST_DRAWN]])]


def _dots(material: RunMaterial, name: str) -> Figure:
    score = material.scores[name]
    values = [float("nan") if value is None else value for value in score["folds"]]
    mean, last = score["mean"], len(values) - 1
    references = {
        shown_kind(kind): material.scores[full]["mean"]
        for kind, full in baselines(name, material.scores).items()
    }
    # The range follows the folds: with a distant baseline in it, their differences would be invisible.
    up = padded_range([*values, *(score["ci95"] or ())], 0.1)
    across, size = (-0.5, last + 0.5), (440, 230)
    chart = Chart(across, up, ("fold", name), f"{name} of each fold", size, whole_ticks(0, last))
    chart.key("s1", f"mean {number(mean)}")
    if mean is not None:
        chart.level(mean, "s1", f"mean {number(mean)}")
    for kind, value in references.items():
        if value is not None and up[0] <= value <= up[1]:
            chart.level(value, "s6 dashed", f"{kind} {number(value)}")
            chart.key("s6 dashed", f"{kind} {number(value)}")
    for place, value in enumerate(values):
        if value == value:
            chart.dot((place, value), "f0", f"fold {place}: {number(value)}", 4.5 if last < 40 else 2)
    return Figure([chart.drawing()], f"{name}: a dot per fold")


def _listed(material: RunMaterial) -> list[Block]:
    if material.folds is None or len(material.folds) > _MOST_FOLDS_LISTED:
        return []
    known = [name for name in headline(material.scores) if name in material.folds]
    networks = "network" in material.folds
    places = ["outer", "network"] if networks else ["fold"]
    rows = [
        [*(int(line[place]) for place in places), *(_number(float(line[name])) for name in known)]
        for line in material.folds.to_dict("records")
    ]
    if networks:
        return [Heading("By network"), Table(["fold", "network", *known], rows)]
    return [Heading("By fold"), Table(["fold", *known], rows)]

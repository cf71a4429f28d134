"""Scores: all of them, and how they differ from fold to fold."""

from __future__ import annotations

from harness.console.text_format import headline, number
from harness.report.headline_section import BASELINES, baselines, main_score
from harness.report.html_markup import Cell, Section, figure, figures, table
from harness.report.run_material import Material
from harness.report.svg_chart import Chart, legend, reach, whole_ticks
from harness.runs.run_result import Summary

_MOST_DRAWN = 4
_MOST_FOLDS_LISTED = 60


def scores(material: Material) -> Section | None:
    """None where there are none."""
    if not material.scores:
        return None
    shown = sorted((name for name in material.scores if not _beside(name, material.scores)), key=_part_first)
    several = any(len(material.scores[name]["folds"]) > 1 for name in shown)
    ends = [end for end in BASELINES if any(f"{name}_{end}" in material.scores for name in shown)]
    told = ""
    if ends:
        told = f"Baselines are {'; '.join(f'{end}: {BASELINES[end]}' for end in ends)}. "
    if several:
        told += "Pooled is the score of all folds' predictions together."
        body = _over_folds(material) + _spreads(material, shown, ends) + _listed(material)
    else:
        body = _by_part(material)
    return Section("Scores", told.strip(), body)


_PARTS = ("test", "valid", "train")


def _part_first(name: str) -> int:
    """Test scores first, and last what is none of a part, such as how many parameters there are."""
    part = name.partition("/")[0]
    return _PARTS.index(part) if part in _PARTS else len(_PARTS)


def _by_part(material: Material) -> str:
    """A row per quantity, baselines among them, and a column per part."""
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
    body = table(["score", *parts], rows) if parts else ""
    return body + (f"<h3>Besides</h3>{table(['figure', 'value'], others)}" if others else "")


def _spreads(material: Material, shown: list[str], ends: list[str]) -> str:
    """A row per score: its mean over the folds, how it differs among them, and its baselines."""
    rows: list[list[object]] = []
    for name in shown:
        score = material.scores[name]
        beside = [_number(_mean(material.scores.get(f"{name}_{end}"))) for end in ends]
        rows.append([name, _number(score["mean"]), *_spread(score), *beside])
    return table(["score", "mean", "± std", "95 % interval", "pooled", *ends], rows)


def _beside(name: str, known: dict[str, Summary]) -> bool:
    owner, _, ending = name.rpartition("_")
    return ending in BASELINES and owner in known


def _mean(score: Summary | None) -> float | None:
    return None if score is None else score["mean"]


def _number(value: float | None) -> Cell | str:
    if value is None:
        return ""
    text = f"{value:,.0f}" if float(value).is_integer() and abs(value) >= 2 else number(value)
    return Cell(text, value)


def _spread(score: Summary) -> list[object]:
    std, ends, pooled = score["std"], score["ci95"], score.get("pooled")
    # What is the same in all folds, such as the size of the model, has no interval.
    between = "" if ends is None or None in ends or not std else f"{number(ends[0])} – {number(ends[1])}"
    return [_number(std) if std else "", between, _number(pooled)]


def _over_folds(material: Material) -> str:
    """A picture for each of the first scores: a dot per fold, their mean, and the baselines."""
    own = list(headline(material.scores))
    first = main_score(material)
    names = sorted(own, key=lambda name: (name != first, name.endswith("/loss")))[:_MOST_DRAWN]
    return figures(*(_dots(material, name) for name in names))


def _dots(material: Material, name: str) -> str:
    score = material.scores[name]
    values = [float("nan") if value is None else value for value in score["folds"]]
    mean = score["mean"]
    floors = {end: material.scores[full]["mean"] for end, full in baselines(material.scores, name).items()}
    last = len(values) - 1
    # A baseline far away would press the folds into a line.
    up = reach([*values, *(score["ci95"] or ())], 0.1)
    chart = Chart(
        (-0.5, last + 0.5), up, ("fold", name), f"{name} of each fold", (440, 230), whole_ticks(0, last)
    )
    keys = [("s1", f"mean {number(mean)}")]
    if mean is not None:
        chart.line([(-0.5, mean), (last + 0.5, mean)], "s1", f"mean {number(mean)}")
    for end, value in floors.items():
        if value is not None and up[0] <= value <= up[1]:
            chart.line([(-0.5, value), (last + 0.5, value)], "s6 dashed", f"{end} {number(value)}")
            keys.append(("s6 dashed", f"{end} {number(value)}"))
    for place, value in enumerate(values):
        if value == value:
            chart.dot((place, value), "f0", f"fold {place}: {number(value)}", 4.5 if last < 40 else 2)
    return figure(chart.svg() + legend(keys), f"{name}: a dot per fold")


def _listed(material: Material) -> str:
    if material.folds is None or len(material.folds) > _MOST_FOLDS_LISTED:
        return ""
    names = list(headline(material.scores))
    known = [name for name in names if name in material.folds]
    rows = [
        [int(line["fold"]), *(_number(float(line[name])) for name in known)]
        for line in material.folds.to_dict("records")
    ]
    return "<h3>By fold</h3>" + table(["fold", *known], rows)

"""The top of a run's page: its name, outcome, main score and command."""

from __future__ import annotations

import math

from harness.console.text_format import duration, headline, number
from harness.core.baseline_names import BASELINES, baselines, shown_kind
from harness.report.better_baseline import not_better
from harness.report.html.page_parts import Block, Code, Text, Tile, Tiles
from harness.report.row_intervals import row_intervals, too_few_rows
from harness.report.run_material import RunMaterial, chosen

_PREFERRED = ("accuracy", "rmse", "knn_accuracy", "knn_r2", "linear_accuracy", "auroc")


def status(material: RunMaterial) -> tuple[str, str]:
    """The outcome of the run and the class of its mark."""
    outcome = "running or killed" if material.result is None else material.result.status
    return outcome, {"finished": "good", "failed": "bad"}.get(outcome, "odd")


def lead(material: RunMaterial) -> list[Block]:
    """The part between the title and the sections."""
    result = material.result
    blocks: list[Block] = [Text(in_words(material))]
    if result is None:
        blocks.append(Text("The run has no result yet: it is still running, or it was killed.", "error"))
    elif result.error is not None:
        blocks.append(Text(result.error, "error"))
    blocks += _score(material)
    if material.looks:
        blocks.append(Text(f"{material.looks[0].upper()}{material.looks[1:]}."))
    sentence = not_better(material.scores, material.monitor, 0 if result is None else result.folds)
    if sentence:
        blocks.append(Text(f"{sentence[0].upper()}{sentence[1:]}."))
    if result is not None and result.command:
        blocks += [Text("Repeat it", "dim"), Code(result.command)]
    return blocks


def in_words(material: RunMaterial) -> str:
    """Model, trainer, data and split in a sentence."""
    config = material.config
    data = config.get("data", {}).get("extract", {}) or {}
    name = data.get("name") or chosen(config, "data", "extract")
    rows = len(next(iter(material.parts.values()), ()))
    counted = f"{rows:,} rows of " if rows else ""
    sentence = (
        f"{chosen(config, 'model')} trained by {chosen(config, 'trainer')} on {counted}{name}, "
        f"divided by {chosen(config, 'split')}"
    )
    if material.result is not None:
        folds = material.result.folds
        if folds > 1 and material.fold is None:
            sentence += f" into {folds} folds"
        sentence += f"; {duration(material.result.seconds)}"
    return f"{sentence}, seed {config.get('seed')}."


def main_score(material: RunMaterial) -> str | None:
    """The full name of the score in large type: the monitored one, of the test part where there is one."""
    own = headline(material.scores)
    if not own:
        return None
    part = next(iter(own)).partition("/")[0]
    plain = material.monitor.partition("/")[2]
    for name in (plain, *_PREFERRED):
        if f"{part}/{name}" in own:
            return f"{part}/{name}"
    return next(iter(own))


def interval(material: RunMaterial, name: str) -> tuple[tuple[float, float], str] | None:
    """The 95 % interval of a score and the method; None where it cannot be computed."""
    score, predictions = material.scores[name], material.predictions
    if score["ci95"] is not None and None not in score["ci95"]:
        low, high = score["ci95"]
        return (low, high), f"Student's t over {len(score['folds'])} folds"
    if predictions is None or not name.startswith("test/") or len(score["folds"]) != 1:
        return None
    of_rows = row_intervals(predictions).get(name.removeprefix("test/"))
    if of_rows is None:
        return None
    return (of_rows.low, of_rows.high), f"{of_rows.method}, assuming {predictions.known:,} independent rows"


def _score(material: RunMaterial) -> list[Block]:
    name = main_score(material)
    if name is None:
        return []
    score = material.scores[name]
    better = "lower is better" if material.logged.direction(name) == "minimize" else "higher is better"
    mean = "mean of the folds, " if len(score["folds"]) > 1 else ""
    tiles = [Tile(number(score["mean"]), name, f"{mean}{better}", "main")]
    bounds = interval(material, name)
    if bounds is not None:
        (low, high), method = bounds
        tiles.append(Tile(f"{number(low)} – {number(high)}", "95 % interval", method))
    for kind, full in baselines(name, material.scores).items():
        tiles.append(
            Tile(
                number(material.scores[full]["mean"]),
                f"baseline: {shown_kind(kind)}",
                BASELINES.get(kind, ""),
            )
        )
    parameters = material.scores.get("model/parameters", {}).get("mean")
    if parameters is not None and not math.isnan(parameters):
        tiles.append(Tile(f"{parameters:,.0f}", "parameters", "of the model, without heads"))
    note = _too_few_rows(material, name)
    return [Tiles(tiles), Text(note[0].upper() + note[1:] + ".")] if note else [Tiles(tiles)]


def _too_few_rows(material: RunMaterial, name: str) -> str:
    if (
        material.predictions is None
        or not name.startswith("test/")
        or len(material.scores[name]["folds"]) > 1
    ):
        return ""
    return too_few_rows(material.scores, name, material.predictions.known, material.config.get("split") or {})

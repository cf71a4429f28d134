"""Headline: what the run was, and the one score by which it is judged."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from harness.console.text_format import duration, headline, number
from harness.core.scores import direction
from harness.report.html_markup import code, escaped
from harness.report.prediction_statistics import bootstrapped, wilson
from harness.report.run_material import Material, chosen

BASELINES = {
    "majority": "always the most frequent class",
    "mean": "always the mean of the training rows",
    "random": "a network that learned nothing",
    "raw": "the raw input",
    "scratch": "without the pre-training",
}
"""Endings of scores that stand beside those of the model, and what they are of."""

_PREFERRED = ("accuracy", "rmse", "knn_accuracy", "knn_r2", "linear_accuracy", "auroc")
_MOST_RESAMPLED = 5000


def head(material: Material) -> str:
    """The top of the page, as HTML."""
    status = "at work or killed" if material.result is None else material.result.status
    fold = "" if material.fold is None else f", fold {material.fold}"
    mark = {"finished": "good", "failed": "bad"}.get(status, "odd")
    parts = [
        f'<header><p class="kind">run {escaped(material.logged.folder.name)}{escaped(fold)} '
        f'<span class="mark {mark}">{escaped(status)}</span></p>',
        f"<h1>{escaped(material.logged.name)}</h1><p>{escaped(in_words(material))}</p>",
        _error(material),
        _score(material),
    ]
    if material.result is not None and material.result.command:
        parts.append(f'<p class="dim">Repeat it</p>{code(material.result.command)}')
    return "".join(parts) + "</header>"


def in_words(material: Material) -> str:
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


def _error(material: Material) -> str:
    if material.result is None:
        return '<p class="error">The run has written no result: it is still at work, or it was killed.</p>'
    if material.result.error is None:
        return ""
    return f'<p class="error">{escaped(material.result.error)}</p>'


def main_score(material: Material) -> str | None:
    """The full name of the score that the page shows large: that of the test part which was monitored."""
    own = headline(material.scores)
    if not own:
        return None
    part = next(iter(own)).partition("/")[0]
    plain = material.monitor.partition("/")[2]
    for name in (plain, *_PREFERRED):
        if f"{part}/{name}" in own:
            return f"{part}/{name}"
    return next(iter(own))


def interval(material: Material, name: str) -> tuple[tuple[float, float], str] | None:
    """The 95 % interval of a score, and what it rests on; None where nothing is known."""
    score = material.scores[name]
    if score["ci95"] is not None and None not in score["ci95"]:
        low, high = score["ci95"]
        return (low, high), f"Student's t over {len(score['folds'])} folds"
    told = material.predictions
    if told is None or not name.startswith("test/") or len(score["folds"]) != 1:
        return None
    told = told[told["target"].notna()] if "target" in told else told.iloc[:0]
    if name == "test/accuracy" and material.kind == "classes" and len(told):
        right = int((told["target"] == told["prediction"]).sum())
        return wilson(right, len(told)), f"Wilson's, over {len(told):,} rows taken as independent"
    if name in ("test/rmse", "test/mae") and material.kind == "number" and 1 < len(told) <= _MOST_RESAMPLED:
        errors = (told["prediction"] - told["target"]).to_numpy()
        score_of = _root_mean_square if name == "test/rmse" else _mean_size
        return bootstrapped(errors, score_of), f"bootstrap of {len(told):,} rows taken as independent"
    return None


def _root_mean_square(errors: np.ndarray) -> np.ndarray:
    return np.asarray(np.sqrt(np.mean(np.square(errors), axis=-1)))


def _mean_size(errors: np.ndarray) -> np.ndarray:
    return np.asarray(np.mean(np.abs(errors), axis=-1))


def baselines(scores: Mapping[str, object], name: str) -> dict[str, str]:
    """Those of a score: its ending -> the full name."""
    return {ending: f"{name}_{ending}" for ending in BASELINES if f"{name}_{ending}" in scores}


def _score(material: Material) -> str:
    name = main_score(material)
    if name is None:
        return ""
    score = material.scores[name]
    better = "lower is better" if direction(name) == "minimize" else "higher is better"
    mean = "mean of the folds, " if len(score["folds"]) > 1 else ""
    tiles = [_tile(number(score["mean"]), name, f"{mean}{better}", "main")]
    found = interval(material, name)
    if found is not None:
        (low, high), basis = found
        tiles.append(_tile(f"{number(low)} – {number(high)}", "95 % interval", basis))
    for ending, full in baselines(material.scores, name).items():
        tiles.append(_tile(number(material.scores[full]["mean"]), f"baseline: {ending}", BASELINES[ending]))
    parameters = material.scores.get("model/parameters", {}).get("mean")
    if parameters is not None and not math.isnan(parameters):
        tiles.append(_tile(f"{parameters:,.0f}", "parameters", "of the model, without heads"))
    return f'<div class="tiles">{"".join(tiles)}</div>'


def _tile(value: str, name: str, told: str, kind: str = "") -> str:
    return (
        f'<div class="tile {kind}"><b>{escaped(value)}</b><span>{escaped(name)}</span>'
        f"<small>{escaped(told)}</small></div>"
    )

"""The section on the test rows with the largest errors."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd

from harness.console.text_format import number
from harness.report.html.page_parts import Card, Cards, Section, Table
from harness.report.predicted_rows import PredictedRows
from harness.report.row_picture import pictures
from harness.report.run_material import RunMaterial

MOST = 12
"""Rows that are shown."""

_MOST_FEATURES = 12
_MOST_LETTERS = 60
_OWN = ("row", "fold", "target", "prediction", "wrong")


def worst(material: RunMaterial) -> Section | None:
    """None where nothing was predicted."""
    predictions = material.predictions
    selected = None if predictions is None else worst_rows(predictions)
    if predictions is None or selected is None:
        return None
    if selected.empty:
        return Section("Worst errors", "All test rows whose class is known were predicted correctly.")
    classes = predictions.kind == "classes"
    sentence = (
        "The wrong predictions with the highest probability, the most certain first."
        if classes
        else "The test rows with the largest errors, the largest first."
    )
    if material.absent:
        sentence += f" Without their {'features' if classes else 'rows'}: {material.absent}"
    rows = selected["row"].astype(int).tolist()
    images = {} if material.table is None else pictures(material.table, rows)
    block = _cards(predictions, selected, images) if images else _listed(material, predictions, selected)
    return Section("Worst errors", sentence, [block])


def worst_rows(predictions: PredictedRows) -> pd.DataFrame | None:
    """At most `MOST` lines of the predictions, the worst first, with a column `wrong`; None for labels.

    Of classes `wrong` is the probability of the predicted class; of a number the size of the error; of
    several numbers the largest error in standard deviations of its target.
    """
    if predictions.kind == "classes":
        frame = predictions.labelled
        target, predicted = predictions.codes
        chance = predictions.probabilities[np.arange(len(frame)), predicted]
        frame = frame.assign(wrong=chance)[target != predicted]
    elif predictions.kind == "labels":
        return None
    else:
        frame, sizes = predictions.frame, []
        for ending in predictions.endings:
            gap = (frame[f"prediction{ending}"] - frame[f"target{ending}"]).abs()
            scale = frame[f"target{ending}"].std() if predictions.kind == "numbers" else 1.0
            sizes.append(gap / (scale or 1.0))
        frame = frame.assign(wrong=pd.concat(sizes, axis=1).max(axis=1))
        frame = frame[frame["wrong"].notna()]
    return frame.sort_values("wrong", ascending=False, kind="stable").head(MOST)


def _cards(predictions: PredictedRows, selected: pd.DataFrame, images: dict[int, str]) -> Cards:
    cards = []
    for line in selected.to_dict("records"):
        row = int(line["row"])
        target, predicted, wrong = _in_words(predictions, line)
        named = [f"{name} {line[name]}" for name in _names(predictions, selected)]
        remarks = [wrong, ", ".join([f"row {row}", *named])]
        cards.append(Card(row, images.get(row), predicted, target, remarks))
    return Cards(cards)


def _listed(material: RunMaterial, predictions: PredictedRows, selected: pd.DataFrame) -> Table:
    names, features = _names(predictions, selected), []
    if material.table is not None and material.table.array is None and material.table.events is None:
        features = list(material.table.features)
    if len(features) > _MOST_FEATURES:
        features = []
    rows = []
    for line in selected.to_dict("records"):
        raw = []
        if material.table is not None:
            raw = [_brief(material.table.frame[name].iloc[int(line["row"])]) for name in features]
        own = (_brief(line[name]) for name in names)
        rows.append([int(line["row"]), *own, *_in_words(predictions, line), *raw])
    measure = "probability" if predictions.kind == "classes" else "error"
    return Table(["row", *names, "true", "predicted", measure, *map(str, features)], rows)


def _in_words(predictions: PredictedRows, line: dict[Hashable, Any]) -> tuple[str, str, str]:
    """The target, the prediction, and the size of the error."""
    if predictions.kind == "classes":
        return str(line["target"]), str(line["prediction"]), f"{line['wrong']:.1%} sure"
    if predictions.kind == "number":
        target, predicted = line["target"], line["prediction"]
        return number(target), number(predicted), number(predicted - target)
    target, predicted = (
        ", ".join(f"{ending[1:]} {number(line[f'{part}{ending}'])}" for ending in predictions.endings)
        for part in ("target", "prediction")
    )
    return target, predicted, f"{number(line['wrong'])} standard deviations"


def _names(predictions: PredictedRows, selected: pd.DataFrame) -> list[str]:
    """The columns that identify a row: id and group, and the fold where there are several."""
    beginnings = ("target_", "prediction_", "probability_")
    names = [str(name) for name in selected if name not in _OWN and not str(name).startswith(beginnings)]
    return [*names, "fold"] if predictions.frame["fold"].nunique() > 1 else names


def _brief(value: object) -> str:
    if isinstance(value, float):
        return f"{int(value)}" if value.is_integer() and abs(value) < 1e15 else number(value)
    text = str(value)
    return text if len(text) <= _MOST_LETTERS else f"{text[: _MOST_LETTERS - 1]}…"

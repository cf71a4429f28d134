"""Worst: the test rows about which the model was most wrong."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd

from harness.console.text_format import number
from harness.report.class_section import codes, known, shares
from harness.report.html_markup import Section, escaped, table
from harness.report.number_section import endings
from harness.report.row_picture import pictures
from harness.report.run_material import Material

MOST = 12
"""Rows that are shown."""

_MOST_FEATURES = 12
_MOST_LETTERS = 60
_OWN = ("row", "fold", "target", "prediction")


def worst(material: Material) -> Section | None:
    """None where nothing was predicted, or nothing is wrong."""
    found = worst_rows(material)
    if found is None:
        return None
    if found.empty:
        return Section("Worst errors", "Every test row whose class is known was predicted right.", "")
    classes = material.kind == "classes"
    how = (
        "The wrong predictions that were given the highest probability, the surest first."
        if classes
        else "The test rows whose prediction is furthest from the truth, the furthest first."
    )
    if material.absent:
        how += f" Without their {'features' if classes else 'rows'}: {material.absent}"
    rows = found["row"].astype(int).tolist()
    seen = {} if material.table is None else pictures(material.table, rows)
    return Section("Worst errors", how, _cards(material, found, seen) if seen else _listed(material, found))


def worst_rows(material: Material) -> pd.DataFrame | None:
    """At most `MOST` lines of the predictions, the worst first, and how wrong they are as `wrong`.

    Of classes `wrong` is the probability of the class that was said; of numbers the size of the error, of
    several in standard deviations of each target and the largest of them.
    """
    if material.kind == "classes":
        told, names = known(material), material.classes
        true, said = codes(told, names)
        chance = shares(told, names)[np.arange(len(told)), said] if len(told) else np.empty(0)
        told = told.assign(wrong=chance)[true != said]
    elif material.kind in ("number", "numbers"):
        assert material.predictions is not None
        told = material.predictions
        sizes = []
        for ending in endings(material):
            gap = (told[f"prediction{ending}"] - told[f"target{ending}"]).abs()
            scale = told[f"target{ending}"].std() if material.kind == "numbers" else 1.0
            sizes.append(gap / (scale or 1.0))
        told = told.assign(wrong=pd.concat(sizes, axis=1).max(axis=1))
        told = told[told["wrong"].notna()]
    else:
        return None
    return told.sort_values("wrong", ascending=False, kind="stable").head(MOST)


def _cards(material: Material, found: pd.DataFrame, seen: dict[int, str]) -> str:
    cards = []
    for line in found.to_dict("records"):
        row = int(line["row"])
        image = (
            f'<img src="{seen[row]}" alt="row {row}">'
            if row in seen
            else '<div class="gone">no picture</div>'
        )
        true, said, wrong = _told(material, line)
        named = [f"{name} {line[name]}" for name in _names(material, found)]
        cards.append(
            f'<figure class="card" data-row="{row}">{image}<figcaption><b>{escaped(said)}</b> '
            f"instead of <b>{escaped(true)}</b><br>{escaped(wrong)}<br>"
            f'<span class="dim">{escaped(", ".join([f"row {row}", *named]))}</span></figcaption></figure>'
        )
    return f'<div class="cards">{"".join(cards)}</div>'


def _listed(material: Material, found: pd.DataFrame) -> str:
    names, features = _names(material, found), []
    if material.table is not None and material.table.array is None and material.table.events is None:
        features = list(material.table.features)
    if len(features) > _MOST_FEATURES:
        features = []
    rows = []
    for line in found.to_dict("records"):
        raw = []
        if material.table is not None:
            raw = [_cell(material.table.frame[name].iloc[int(line["row"])]) for name in features]
        rows.append([int(line["row"]), *(_cell(line[name]) for name in names), *_told(material, line), *raw])
    titles = ["row", *names, "true", "predicted", "probability" if material.kind == "classes" else "error"]
    return table([*titles, *map(str, features)], rows)


def _told(material: Material, line: dict[Hashable, Any]) -> tuple[str, str, str]:
    """What is true, what was said, and how wrong that is."""
    if material.kind == "classes":
        share = line["wrong"]
        return str(line["target"]), str(line["prediction"]), f"{share:.1%} sure"
    if material.kind == "number":
        true, said = line["target"], line["prediction"]
        return number(true), number(said), number(said - true)
    true_words, said_words = (
        ", ".join(f"{ending[1:]} {number(line[f'{what}{ending}'])}" for ending in endings(material))
        for what in ("target", "prediction")
    )
    return true_words, said_words, f"{number(line['wrong'])} standard deviations"


def _names(material: Material, found: pd.DataFrame) -> list[str]:
    """The columns that name a row: id and group, and the fold where there are several."""
    beginnings = ("target_", "prediction_", "probability_")
    names = [
        str(name) for name in found if name not in (*_OWN, "wrong") and not str(name).startswith(beginnings)
    ]
    several = material.predictions is not None and material.predictions["fold"].nunique() > 1
    return [*names, "fold"] if several else names


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{int(value)}" if value.is_integer() and abs(value) < 1e15 else number(value)
    text = str(value)
    return text if len(text) <= _MOST_LETTERS else f"{text[: _MOST_LETTERS - 1]}…"

"""Embedding: the representation of test rows, as the model that was kept gives it, in two dimensions."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from harness.bundle import fitted_state
from harness.bundle.bundle import Bundle, network, read
from harness.config.instantiate import build
from harness.core.table import Table
from harness.evaluate.projection_2d import pca
from harness.report.html_markup import Section, escaped, figure, figures
from harness.report.run_material import Material
from harness.report.svg_chart import COLOURS, Chart, reach, shape
from harness.runs.bundle_files import TRANSFORM, WEIGHTS

_TRAIN, _TEST = 1, 3
_MOST, _LEAST, _AT_ONCE = 500, 40, 256
_MOST_NAMED = 20
_WORK, _THOROUGH = 5e9, 1e12
"""Parameters times positions times rows: the most at the end of a run, which waits, and on demand."""

_FINITE = 1e-9


class Embedded(NamedTuple):
    """Test rows on a sheet of paper.

    rows     (m,) int64, positions in the table
    points   (m, 2) float64
    shares   of the training rows' variance, along either axis
    learned  how many training rows the axes were learned from
    """

    rows: np.ndarray
    points: np.ndarray
    shares: tuple[float, float]
    learned: int


def embedding(material: Material) -> Section | None:
    """None where model or rows are missing, or where it would take long and nobody asked for it."""
    if material.table is None or material.model is None:
        return None
    number, folder = material.model
    found = embedded(material.table, material.parts.get(number), folder, material.thorough)
    if found is None:
        return None
    of = f" of fold {number}" if len(material.parts) > 1 else ""
    first, second = found.shares
    told = (
        f"What the model{of} makes of {len(found.rows):,} test rows, on the first two principal components "
        f"of {found.learned:,} training rows, which hold {first:.0%} and {second:.0%} of their variance."
    )
    return Section("Representation", told, figures(_drawn(material.table, found)))


def embedded(table: Table, parts: np.ndarray | None, folder: Path, thorough: bool) -> Embedded | None:
    """The projection; evenly drawn rows where they are many.

    Args:
        parts: (rows,) which part each row of the table is in.
        folder: of the bundle.
        thorough: whether it may take long.
    """
    if parts is None or len(parts) != len(table):
        return None
    bundle = read(folder)
    model = _model(bundle, folder)
    work = sum(weight.numel() for weight in model.parameters()) * max(1, prod(bundle.inputs[1:]))
    most = min(_MOST, int((_THOROUGH if thorough else _WORK) / max(1, work) / 2))
    bank, queries = (_some(np.flatnonzero(parts == code), most) for code in (_TRAIN, _TEST))
    if len(bank) < 3 or len(queries) < 3 or most < min(_LEAST, len(queries)):
        return None
    rows = np.concatenate([bank, queries])
    features = _represent(model, bundle, folder, _only(table, rows))
    known, asked = features[: len(bank)], features[len(bank) :]
    mean, spread = known.mean(dim=0), known.std(dim=0)
    spread = torch.where(spread > _FINITE, spread, torch.ones(()))
    points, shares = pca((known - mean) / spread, (asked - mean) / spread)
    return Embedded(queries, points.numpy(), shares, len(bank))


def _model(bundle: Bundle, folder: Path) -> torch.nn.Module:
    from safetensors.torch import load_model

    node = dict(bundle.config["model"])
    if "weights" in node:
        node["weights"] = None  # the bundle's own are loaded over them
    model: torch.nn.Module = build(node, "model")(bundle.inputs)
    load_model(network(model, None), folder / WEIGHTS, strict=False)  # the head is left out
    return model.eval()


def _some(rows: np.ndarray, most: int) -> np.ndarray:
    if len(rows) <= most:
        return rows
    return np.sort(np.random.default_rng(0).choice(rows, most, replace=False))


def _only(table: Table, rows: np.ndarray) -> Table:
    """The table of these rows, without a target, which the model may not see."""
    return replace(
        table,
        frame=table.frame.iloc[rows].reset_index(drop=True),
        target=(),
        array=None if table.array is None else table.array[rows],
        spans=None if table.spans is None else table.spans[rows],
    )


@torch.inference_mode()
def _represent(model: torch.nn.Module, bundle: Bundle, folder: Path, table: Table) -> torch.Tensor:
    """(n, D) float64."""
    transform = build(bundle.config["data"]["transform"], "data.transform")
    transform.restore(fitted_state.load(folder / TRANSFORM))
    arrays = transform(table)
    every = np.arange(len(table))
    parts = [model(arrays.take(every[first : first + _AT_ONCE])) for first in range(0, len(every), _AT_ONCE)]
    return torch.cat(parts).double()


def _drawn(table: Table, found: Embedded) -> str:
    across, up = found.points[:, 0].tolist(), found.points[:, 1].tolist()
    chart = Chart(
        reach(across),
        reach(up),
        ("component 1", "component 2"),
        "test rows by their representation",
        (560, 440),
    )
    task = table.task
    if not task.classification:
        values = table.labels.iloc[found.rows] if task.kind == "regression" else None
        return _numbers(chart, found, values)
    labels = _names(table, task.classes)[found.rows]
    named = len(task.classes) <= _MOST_NAMED
    glyphs = named and all(len(name) <= 2 for name in task.classes)
    for (x, y), label, row in zip(found.points.tolist(), labels, found.rows.tolist(), strict=True):
        code = task.classes.index(label) if label in task.classes else 6
        if glyphs and label in task.classes:
            place = f'x="{chart.x(x):g}" y="{chart.y(y) + 4:g}"'
            title = f"<title>row {row}: class {escaped(label)}</title>"
            chart.add(f'<text {place} class="mid glyph f{code % COLOURS}">{escaped(label)}{title}</text>')
        else:
            chart.mark((x, y), code, f"row {row}: class {label}")
    keys = "" if glyphs or not named else _keys(task.classes)
    return figure(chart.svg() + keys, "Test rows by their representation, one mark each")


def _names(table: Table, classes: tuple[str, ...]) -> np.ndarray:
    """(n,) the class of each row as text, "unlabelled" where there is none."""
    text = table.labels.map(str)
    if not set(text[table.labelled]) <= set(classes):  # 1.0 of a column that has gaps is called 1
        text = table.labels.map(lambda value: str(value) if pd.isna(value) else str(int(value)))
    return np.asarray(text.where(table.labelled, "unlabelled"), dtype=object)


def _numbers(chart: Chart, found: Embedded, values: pd.Series | None) -> str:
    """Dots that are the fuller the greater the number; of no target all alike."""
    known = None if values is None else values.to_numpy(dtype=np.float64)
    ranks = None if values is None else values.rank(pct=True).fillna(0).to_numpy()
    for place, (x, y) in enumerate(found.points.tolist()):
        title = f"row {found.rows[place]}" + ("" if known is None else f": {known[place]:g}")
        chart.dot((x, y), "f0", title, 3.5 if ranks is None else 1.5 + 5 * float(ranks[place]))
    caption = "" if values is None else "; the greater its target, the larger the dot"
    return figure(chart.svg(), f"Test rows by their representation{caption}")


def _keys(classes: tuple[str, ...]) -> str:
    keys = "".join(
        f'<span><svg viewBox="0 0 12 12" class="sign">{shape((6, 6), code)}</svg>{escaped(name)}</span>'
        for code, name in enumerate(classes)
    )
    return f'<p class="legend">{keys}</p>'

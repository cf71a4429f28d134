"""The section on the representation: test rows on the first two principal components of training rows."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from harness.bundle import fitted_state
from harness.bundle.bundle import Bundle, load_weights, network, read
from harness.config.instantiate import build
from harness.core.code_columns import argument
from harness.core.fold import PART_CODES
from harness.core.table import Table
from harness.evaluate.projection_2d import pca
from harness.report.html.chart import COLOURS, Chart
from harness.report.html.page_parts import Figure, Figures, Section
from harness.report.projection_charts import MOST_NAMED, square_ranges
from harness.report.run_material import RunMaterial
from harness.runs.bundle_files import TRANSFORM, check_files

_TRAIN, _TEST = PART_CODES["train"], PART_CODES["test"]
_MOST, _LEAST, _AT_ONCE = 500, 40, 256
_WORK, _THOROUGH = 5e9, 1e12
"""The most parameters times positions times rows: at the end of a run, which waits, and on demand."""

_FINITE = 1e-9


class Embedded(NamedTuple):
    """Test rows in two dimensions.

    rows     (m,) int64, positions in the table
    points   (m, 2) float64
    shares   of the training rows' variance, along each axis
    learned  number of training rows that the axes were computed from
    """

    rows: np.ndarray
    points: np.ndarray
    shares: tuple[float, float]
    learned: int


def embedding(material: RunMaterial) -> Section | None:
    """None if the model or the rows are missing, or if it would be slow and the page is not `thorough`."""
    if material.table is None or material.model is None:
        return None
    number, folder = material.model
    plotted = embedded(material.table, material.parts.get(number), folder, material.thorough)
    if plotted is None:
        return None
    of = f" of fold {number}" if len(material.parts) > 1 else ""
    first, second = plotted.shares
    sentence = (
        f"The representation of {len(plotted.rows):,} test rows by the model{of}, on the first two principal "
        f"components of {plotted.learned:,} training rows, with {first:.0%} and {second:.0%} of the variance."
    )
    return Section("Representation", sentence, [Figures([_figure(material.table, plotted)])])


def embedded(table: Table, parts: np.ndarray | None, folder: Path, thorough: bool) -> Embedded | None:
    """The projection, of a random sample of the rows where there are many.

    Args:
        parts: (rows,) the part of each row of the table.
        folder: of the bundle.
        thorough: whether slow computations are allowed.

    Raises:
        DamagedFile: a file of the bundle is damaged.
    """
    if parts is None or len(parts) != len(table):
        return None
    check_files(folder)
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
    node = dict(bundle.config["model"])
    if "weights" in node:
        node["weights"] = None  # the bundle's own are loaded over them
    model: torch.nn.Module = build(node, "model")(bundle.inputs, **argument(bundle.codes))
    # Not strict: the head is left out.
    load_weights(network(model, None), folder, torch.device("cpu"), strict=False)
    return model.eval()


def _some(rows: np.ndarray, most: int) -> np.ndarray:
    if len(rows) <= most:
        return rows
    return np.sort(np.random.default_rng(0).choice(rows, most, replace=False))


def _only(table: Table, rows: np.ndarray) -> Table:
    """The table of these rows, without the target."""
    return table.with_rows(rows).without_target()


@torch.inference_mode()
def _represent(model: torch.nn.Module, bundle: Bundle, folder: Path, table: Table) -> torch.Tensor:
    """(n, D) float64."""
    transform = build(bundle.config["data"]["transform"], "data.transform")
    fitted_state.restore(transform, folder / TRANSFORM)
    arrays = transform(table)
    every = np.arange(len(table))
    parts = [model(arrays.take(every[first : first + _AT_ONCE])) for first in range(0, len(every), _AT_ONCE)]
    return torch.cat(parts).double()


def _figure(table: Table, rows: Embedded) -> Figure:
    across, up = square_ranges(rows.points)
    names = ("component 1", "component 2")
    chart = Chart(across, up, names, "test rows by their representation", (560, 440))
    task = table.task
    if not task.classification:
        return _by_number(chart, rows, table.labels.iloc[rows.rows] if task.kind == "regression" else None)
    labels = _names(table, task.classes)[rows.rows]
    named = len(task.classes) <= MOST_NAMED
    # Classes as short as a digit are written in place of a symbol.
    written = named and all(len(name) <= 2 for name in task.classes)
    for point, label, row in zip(rows.points.tolist(), labels, rows.rows.tolist(), strict=True):
        code = task.classes.index(label) if label in task.classes else 6
        title = f"row {row}: class {label}"
        if written and label in task.classes:
            chart.text((point[0], point[1]), label, f"glyph f{code % COLOURS}", title)
        else:
            chart.symbol((point[0], point[1]), code, title)
    if named and not written:
        for code, name in enumerate(task.classes):
            chart.key(f"symbol {code}", name)
    return Figure([chart.drawing()], "Test rows by their representation, one mark each")


def _names(table: Table, classes: tuple[str, ...]) -> np.ndarray:
    """(n,) the class of each row as text, "unlabelled" where there is none."""
    text = table.labels.map(str)
    # A column of whole numbers with gaps is float: its 1.0 is the class "1".
    if not set(text[table.labelled]) <= set(classes):
        text = table.labels.map(lambda value: str(value) if pd.isna(value) else str(int(value)))
    return np.asarray(text.where(table.labelled, "unlabelled"), dtype=object)


def _by_number(chart: Chart, rows: Embedded, values: pd.Series | None) -> Figure:
    """Dots that grow with the target; all alike without one."""
    known = None if values is None else values.to_numpy(dtype=np.float64)
    ranks = None if values is None else values.rank(pct=True).fillna(0).to_numpy()
    for place, (x, y) in enumerate(rows.points.tolist()):
        title = f"row {rows.rows[place]}" + ("" if known is None else f": {known[place]:g}")
        chart.dot((x, y), "f0", title, 3.5 if ranks is None else 1.5 + 5 * float(ranks[place]))
    caption = "" if values is None else "; the greater its target, the larger the dot"
    return Figure([chart.drawing()], f"Test rows by their representation{caption}")

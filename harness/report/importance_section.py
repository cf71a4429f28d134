"""The section on the columns of a table: their importance, and the partial dependence on the first ones."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from harness.console.text_format import number
from harness.report.html.chart import Chart, Drawing, interval_bar, padded_range
from harness.report.html.page_parts import Block, Cell, Details, Figure, Figures, Heading, Section, Table
from harness.report.run_material import RunMaterial
from harness.runs.stored_importance import CURVES, IMPORTANCE

_MOST_LISTED = 10
_TITLES = ["column", "worse by", "± std", "lowest – highest", ""]


def importance(material: RunMaterial) -> Section | None:
    """None where it was not computed."""
    ranked = material.importance(IMPORTANCE)
    if ranked is None or ranked.empty:
        return None
    blocks: list[Block] = [_table(ranked.head(_MOST_LISTED))]
    if len(ranked) > _MOST_LISTED:
        blocks.append(Details(f"{len(ranked) - _MOST_LISTED} more columns", [_table(ranked[_MOST_LISTED:])]))
    curves = material.importance(CURVES)
    if curves is not None and not curves.empty:
        blocks += [Heading("Partial dependence"), *_dependence(curves)]
    sentence = (
        f"How much the test {ranked['score'].iloc[0]} grows worse when a column's values are exchanged "
        "between rows: mean and spread over the permutations of all folds. Columns that tell the same share "
        "their importance, so each of them alone may show little. It describes the model, not causes."
    )
    return Section("Importance of columns", sentence, blocks)


def _table(ranked: pd.DataFrame) -> Table:
    scale = (min(0.0, float(ranked["lowest"].min())), float(ranked["highest"].max()))
    rows: list[list[object]] = []
    for line in ranked.to_dict("records"):
        mean, ends = float(line["mean"]), (float(line["lowest"]), float(line["highest"]))
        spread = float(line["std"])
        std = Cell(number(spread), spread) if spread == spread else ""
        between = f"{number(ends[0])} – {number(ends[1])}"
        bar = interval_bar(mean, [("line s0", ends)], scale, f"{line['column']}: {number(mean)}")
        rows.append([line["column"], Cell(number(mean), mean), std, between, Cell(bar, mean)])
    return Table(_TITLES, rows)


def _dependence(curves: pd.DataFrame) -> list[Block]:
    """A chart for each column of numbers, a table for each of other values."""
    figures, tables = [], []
    for name, lines in curves.groupby("column", sort=False):
        if bool(lines["numeric"].iloc[0]):
            caption = f"{name}: mean prediction of test rows that all have this value"
            figures.append(Figure([_chart(str(name), lines)], caption))
        else:
            tables.append(_values(str(name), lines))
    blocks: list[Block] = [Figures(figures)] if figures else []
    return [*blocks, *tables]


def _chart(name: str, lines: pd.DataFrame) -> Drawing:
    places = lines["value"].astype(float)
    across = (float(places.min()), float(places.max()))
    outputs = _outputs(lines)
    title = "prediction" if outputs == [""] else "probability" if len(outputs) == 1 else "mean"
    chart = Chart(across, padded_range(lines["prediction"].tolist()), (name, title), f"effect of {name}")
    for position, output in enumerate(outputs):
        own = lines["output"] == output
        points = list(zip(places[own].tolist(), lines.loc[own, "prediction"].tolist(), strict=True))
        chart.line(points, f"s{position % 10}", output)
        if output:
            chart.key(f"s{position % 10}", output)
    return chart.drawing()


def _values(name: str, lines: pd.DataFrame) -> Table:
    outputs = _outputs(lines)
    wide = lines.pivot(index="place", columns="output", values="prediction")
    values = lines.drop_duplicates("place").set_index("place")["value"]
    rows: list[list[object]] = [
        [
            values[place],
            *(Cell(number(float(wide.loc[place, one])), float(wide.loc[place, one])) for one in outputs),
        ]
        for place in values.index
    ]
    return Table([name, *(output or "prediction" for output in outputs)], rows)


def _outputs(lines: pd.DataFrame) -> Sequence[str]:
    return list(lines["output"].drop_duplicates())

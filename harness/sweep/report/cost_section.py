"""What a sweep has used, as a sentence and as a section of its page."""

from __future__ import annotations

from collections.abc import Sequence

from harness.console.text_format import duration
from harness.report.html.page_parts import Block, Table, Text
from harness.sweep.study.snapshot import Snapshot
from harness.sweep.study.sweep_cost import Cost, SweepBudget, SweepCost, Tariff, total

_MOST = 10
"""Trials that the page lists; trials.csv has all."""


def cost_sentence(cost: SweepCost) -> str:
    """`used 1 h 12 min of 2 hours; 0.82 kWh, 0.31 EUR`; "" where there is nothing but the time."""
    parts = [] if cost.budget is None or cost.used is None else [_of_budget(cost.budget, cost.used)]
    amounts = [f"{_number(cost.trials.kwh)} kWh"] if cost.trials.kwh is not None else []
    amounts += [f"{_number(cost.money)} {cost.currency}"] if cost.money is not None else []
    parts += [", ".join(amounts)] if amounts else []
    return f"used {'; '.join(parts)}" if parts else ""


def _of_budget(budget: SweepBudget, used: float) -> str:
    if budget.unit in ("seconds", "gpu_seconds"):
        kind = "" if budget.unit == "seconds" else " on GPUs"
        return f"{duration(used)}{kind} of {duration(budget.amount)}"
    return f"{100 * used / budget.amount:.0f} % of {budget.text}"


def cost_blocks(snapshot: Snapshot, cost: SweepCost, tariff: Tariff) -> list[Block]:
    """The sum of all trials, that of each state, and the trials that have used most."""
    states = [state for state, count in snapshot.counts.items() if count]
    groups = {state: [row for row in snapshot.rows if row.state == state] for state in states}
    lines = [
        [state, len(rows), *_cells(total(row.cost for row in rows), tariff)] for state, rows in groups.items()
    ]
    whole = [["all", len(snapshot.rows), *_cells(cost.trials, tariff)]] if len(lines) > 1 else []
    titles = ["time of workers", "time of GPUs", "kWh", tariff.currency]
    known = [row for row in snapshot.rows if row.cost is not None]
    most = sorted(known, key=lambda row: row.cost.seconds if row.cost else 0.0, reverse=True)[:_MOST]
    single = [[row.number, row.state, *_cells(row.cost or Cost(), tariff)] for row in most]
    sentence = cost_sentence(cost)
    return [
        *([Text(f"{sentence[:1].upper()}{sentence[1:]}.")] if sentence else []),
        _filled(["state", "trials", *titles], [*lines, *whole]),
        *(
            [Text("The trials that have used most:"), _filled(["trial", "state", *titles], single, words=2)]
            if single
            else []
        ),
    ]


def _filled(titles: Sequence[str], rows: Sequence[Sequence[object]], words: int = 1) -> Table:
    """The table without the columns in which nothing is known, such as the energy."""
    places = [place for place in range(len(titles)) if any(row[place] != "" for row in rows)]
    cells = [[row[place] for place in places] for row in rows]
    return Table([titles[place] for place in places], cells, words)


def _cells(cost: Cost, tariff: Tariff) -> list[str]:
    money = tariff.of_trial(cost)
    return [
        duration(cost.seconds),
        duration(cost.gpu_seconds) if cost.gpu_seconds else "",
        "" if cost.kwh is None else _number(cost.kwh),
        "" if money is None else _number(money),
    ]


def _number(value: float | None) -> str:
    """With two digits behind the point, or two that say something."""
    value = value or 0.0
    return f"{value:.2f}" if value >= 0.1 or value == 0 else f"{value:.2g}"

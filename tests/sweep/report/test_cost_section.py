from __future__ import annotations

from harness.report.html.page_parts import Table
from harness.sweep.report.cost_section import cost_blocks, cost_sentence
from harness.sweep.study.snapshot import Objective, Row, Snapshot
from harness.sweep.study.sweep_cost import Cost, SweepBudget, SweepCost, Tariff

TARIFF = Tariff(hour=36)
ROWS = (
    Row(0, "complete", {}, (0.9,), cost=Cost(100, 50, 3.6e6)),
    Row(1, "pruned", cost=Cost(10, 5, 3.6e5)),
    Row(2, "failed"),
)
TRIALS = Cost(110, 55, 3.96e6)


def test_the_sentence_has_the_budget_the_energy_and_the_money() -> None:
    hours = SweepBudget("2 hours", 7200, "seconds")
    cost = SweepCost(4320, TRIALS, 1.23456, "EUR", hours, 4320)
    assert cost_sentence(cost) == "used 1 h 12 min of 2 h 00 min; 1.10 kWh, 1.23 EUR"
    money = SweepBudget("5 euros", 5, "money")
    assert (
        cost_sentence(SweepCost(60, Cost(), 0.0123, "EUR", money, 0.5)) == "used 10 % of 5 euros; 0.012 EUR"
    )
    gpus = SweepBudget("1 gpu hour", 3600, "gpu_seconds")
    assert cost_sentence(SweepCost(60, Cost(), None, "EUR", gpus, 30)) == "used 30 s on GPUs of 1 h 00 min"
    assert cost_sentence(SweepCost(60, Cost(60), None, "EUR", None, None)) == ""


def test_the_page_sums_by_state_and_lists_the_dearest_trials() -> None:
    snapshot = Snapshot((Objective("valid/accuracy", "maximize"),), ROWS, 3)
    states, single = [
        block
        for block in cost_blocks(snapshot, SweepCost(200, TRIALS, 2.0, "EUR", None, None), TARIFF)
        if isinstance(block, Table)
    ]
    assert [list(line) for line in states.rows] == [
        ["complete", 1, "1 min 40 s", "50 s", "1.00", "1.00"],
        ["pruned", 1, "10 s", "5.0 s", "0.10", "0.10"],
        ["failed", 1, "0.0 s", "", "", "0.00"],
        ["all", 3, "1 min 50 s", "55 s", "1.10", "1.10"],
    ]
    assert [line[0] for line in single.rows] == [0, 1]


def test_a_column_in_which_nothing_is_known_is_left_out() -> None:
    rows = (Row(0, "complete", {}, (0.9,), cost=Cost(100)),)
    snapshot = Snapshot((Objective("valid/accuracy", "maximize"),), rows, 1)
    blocks = cost_blocks(snapshot, SweepCost(100, Cost(100), None, "EUR", None, None), Tariff())
    states, single = (block for block in blocks if isinstance(block, Table))
    assert (list(states.titles), list(states.rows)) == (
        ["state", "trials", "time of workers"],
        [["complete", 1, "1 min 40 s"]],
    )
    assert list(single.titles) == ["trial", "state", "time of workers"]

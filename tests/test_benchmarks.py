"""The arithmetic of the benchmarks. Nothing here is timed."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from benchmarks.measure import Comparison, seconds_on_a_terminal, spread, take_turns
from benchmarks.report import circumstances, number, store, table

COMPARISON = Comparison(
    "a step", "µs per step", "bare", 1.05, {"ours": [11.0, 40.0, 12.0], "bare": [10.0, 20.0, 10.0]}, ["Note."]
)


def test_contenders_take_turns_and_the_first_round_is_not_counted() -> None:
    order: list[str] = []

    def contender(name: str) -> float:
        order.append(name)
        return float(len(order))

    names = ("a", "b", "c")
    costs = take_turns({name: lambda name=name: contender(name) for name in names}, rounds=2)
    assert order == [*"abc", *"bca", *"cab"]
    assert costs == {"a": [6.0, 8.0], "b": [4.0, 9.0], "c": [5.0, 7.0]}


def test_a_ratio_is_taken_within_a_round() -> None:
    assert COMPARISON.ratio("ours") == spread([1.1, 2.0, 1.2])
    assert COMPARISON.ratio("ours").median == 1.2
    assert COMPARISON.ratio("bare") == (1, 1, 1)


def test_quartiles_lie_between_the_neighbours() -> None:
    assert spread([4.0, 1.0, 3.0, 2.0]) == (1.75, 2.5, 3.25)
    assert spread([7.0]) == (7.0, 7.0, 7.0)


def test_the_table_says_whether_the_aim_was_reached() -> None:
    lines = table(COMPARISON).splitlines()
    assert "| ours | 12 | 11.5 – 26 | 1.20 | 1.15 – 1.60 |" in lines
    assert "| bare | 10 | 10 – 15 | 1 |  |" in lines
    assert "Aim: ours at most 1.05 × bare; missed." in lines
    assert lines[-1] == "Note."


def test_numbers_keep_three_digits() -> None:
    assert [number(cost) for cost in (0.12345, 3.14159, 99.94, 1234.5)] == ["0.123", "3.14", "99.9", "1234"]


def test_the_stored_numbers_hold_every_round_and_name_the_machine(tmp_path: Path) -> None:
    store([COMPARISON], circumstances("python -m benchmarks"), tmp_path)
    stored = json.loads((tmp_path / "results.json").read_text())
    assert stored["comparisons"][0]["costs"] == COMPARISON.costs
    assert stored["command"] == "python -m benchmarks"
    assert {"torch", "mlflow"} <= set(stored["packages"])
    assert stored["processor"] in (tmp_path / "results.md").read_text()


def test_a_command_that_fails_is_no_measurement(tmp_path: Path) -> None:
    words = [sys.executable, "-S", "-c", "import sys; print(sys.stdout.isatty()); sys.exit(3)"]
    with pytest.raises(RuntimeError, match=r"ended with status 3:\nTrue"):
        seconds_on_a_terminal(words, tmp_path, {})

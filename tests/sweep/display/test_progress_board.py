from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from harness.runs.run_result import summarise
from harness.sweep.display.live_table import LiveTable
from harness.sweep.display.progress_board import ProgressBoard, state
from harness.sweep.report.sweep_result import sum_up
from harness.sweep.study.snapshot import Objective, Row, Snapshot

BEGUN = datetime(2026, 1, 2, 3, 4, 5)
ACCURACY = Objective("valid/accuracy", "maximize")
SIZE = Objective("model/parameters", "minimize")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("LINES", "30")
    monkeypatch.setenv("NO_COLOR", "1")
    return Terminal()


def row(number: int, value: float | tuple[float, ...] | None = None, state: str = "complete", **more) -> Row:
    values = None if value is None else value if isinstance(value, tuple) else (value,)
    facts = {
        "point": {"model": "mlp", "trainer.optimizer.lr": 0.003},
        "begun": BEGUN,
        "ended": BEGUN + timedelta(seconds=3.1 + number) if state != "running" else None,
    }
    return Row(number, state, values=values, **{**facts, **more})  # type: ignore[arg-type]


def study(*rows: Row, trials: int | None = None, objectives=(ACCURACY,)) -> Snapshot:
    return Snapshot(objectives, rows, trials)


def printed(*snapshots: Snapshot, left: float | None = None) -> list[str]:
    stream = io.StringIO()
    board = ProgressBoard(stream)
    for snapshot in snapshots:
        board.show(snapshot, left)
    return stream.getvalue().splitlines()


def test_a_log_has_a_line_per_trial_that_ended_with_its_score_time_and_point() -> None:
    first = row(0, 0.9)
    assert printed(study(first, row(1, state="running"), trials=30)) == [
        "trial 0   complete  valid/accuracy 0.9000  best  3.1 s  model=mlp lr=0.003"
    ]
    pruned = row(1, state="pruned", reports=((1, 0.4), (3, 0.612)), progress=(3, 20))
    failed = row(2, state="failed", error="OutOfMemory:\n try a smaller batch.")
    assert printed(study(first, pruned, failed, row(3, 0.8), trials=30))[1:] == [
        "trial 1   pruned    epoch 3 of 20  0.6120  4.1 s  model=mlp lr=0.003",
        "trial 2   failed    5.1 s  model=mlp lr=0.003  OutOfMemory: try a smaller batch.",
        "trial 3   complete  valid/accuracy 0.8000  6.1 s  model=mlp lr=0.003",
    ]


def test_a_trial_that_may_go_on_is_frozen_and_one_that_may_not_is_pruned() -> None:
    frozen = row(1, state="frozen", progress=(3, 20), reports=((3, 0.6),))
    now = study(row(0, 0.9), frozen, row(2, state="pruned"), trials=30)
    assert printed(now)[1].startswith("trial 1   frozen    epoch 3 of 20  0.6000")
    assert state(now, None) == "3 of 30 trials ended (1 complete, 1 frozen, 1 pruned), 27 waiting"


def test_the_state_of_a_sweep_fits_a_narrow_screen() -> None:
    now = study(row(0, 0.9), row(1, state="pruned"), row(2, state="running"), trials=12)
    whole = "2 of 12 trials ended (1 complete, 1 pruned), 1 running, 9 waiting, about 46 s left"
    expected = "the rest is noise"
    assert state(now, 46, expected) == f"{whole}, {expected}"
    assert state(now, 46, expected, len(whole)) == whole
    assert state(now, 46, expected, 80) == "2 of 12 trials ended, 1 running, 9 waiting, about 46 s left"
    assert state(now, 46, expected, 50) == "2 of 12 trials ended, about 46 s left"


def test_no_trial_is_reported_twice() -> None:
    assert len(printed(study(row(0, 0.9)), study(row(0, 0.9)), study(row(0, 0.9), row(1, 0.8)))) == 2


def test_the_best_is_the_first_of_equals_and_keeps_every_constraint() -> None:
    lines = printed(study(row(0, 0.5), row(1, 0.9, feasible=False), row(2, 0.5), row(3, 0.6)))
    assert [("best" in line) for line in lines] == [True, False, False, True]
    assert "breaks a constraint" in lines[1]


def test_of_very_many_trials_about_sixty_have_a_line_and_every_failure_and_new_best() -> None:
    rows = [row(number, 0.1) for number in range(1200)]
    rows[333] = row(333, state="failed", error="RuntimeError: no.")
    rows[777] = row(777, 0.2)
    lines = printed(study(*rows, trials=1200))
    numbers = [int(line.split()[1]) for line in lines]
    assert len(numbers) == 60 + 3
    assert {0, 19, 333, 777, 1199} <= set(numbers)


def test_a_log_has_a_line_at_least_each_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    stream = io.StringIO()
    board = ProgressBoard(stream)
    snapshot = study(row(0, 0.9), row(1, state="running"), trials=4)
    for _ in range(5):
        board.show(snapshot, 200.0)
        now[0] += 25
    assert stream.getvalue().splitlines()[1:] == [
        "1 of 4 trials ended (1 complete), 1 running, 2 waiting, about 3 min 20 s left; "
        "best trial 0  valid/accuracy 0.9000  model=mlp lr=0.003"
    ]


def test_a_finished_sweep_has_no_remaining_time() -> None:
    assert state(study(row(0, 0.9), trials=1), 0.0) == "1 of 1 trials ended (1 complete)"


def test_trials_of_an_earlier_command_get_no_line() -> None:
    stream = io.StringIO()
    board = ProgressBoard(stream)
    earlier = study(row(0, 0.9), row(1, 0.8), trials=3)
    board.opening({"study": "lr-1"}, earlier)
    board.show(study(row(0, 0.9), row(1, 0.8), row(2, 0.85), trials=3))
    assert stream.getvalue().splitlines() == [
        "study   lr-1",
        "before: 2 of 3 trials ended (2 complete), 1 waiting",
        "",
        "trial 2  complete  valid/accuracy 0.8500  5.1 s  model=mlp lr=0.003",
    ]


def test_several_objectives_stand_side_by_side_and_the_front_has_a_size() -> None:
    rows = [row(0, (0.9, 500.0)), row(1, (0.95, 900.0)), row(2, (0.8, 1000.0))]
    snapshot = study(*rows, objectives=(ACCURACY, SIZE), trials=3)
    stream = io.StringIO()
    board = ProgressBoard(stream)
    board.show(snapshot)
    board.closing(sum_up(Path("nowhere"), snapshot, "finished", 9.0, ""), snapshot, Path("s"))
    lines = stream.getvalue().splitlines()
    assert lines[0].startswith("trial 0  complete  valid/accuracy 0.9000  model/parameters 500  front  3.1 s")
    assert "front" not in lines[2]
    assert "Pareto front of 2 trials, best of each  valid/accuracy 0.9500  model/parameters 500" in lines


def test_the_closing_has_the_result_and_the_folder() -> None:
    stream = io.StringIO()
    snapshot = study(row(0, 0.9), row(1, state="pruned"), trials=2)
    result = sum_up(Path("nowhere"), snapshot, "interrupted", 61.0, "python -m harness -m")
    scores = {"test/accuracy": summarise([0.97]), "test/accuracy_baseline_majority": summarise([0.1])}
    result = replace(result, scores=scores)
    ProgressBoard(stream).closing(
        result, snapshot, Path("outputs/sweeps/a-1"), {"mlflow": None, "go on": "again"}
    )
    assert stream.getvalue().splitlines() == [
        "",
        "test          model   majority",
        "──────────────────────────────",
        "accuracy   * 0.9700     0.1000",
        "",
        "interrupted in 1 min 01 s, 2 of 2 trials ended (1 complete, 1 pruned)",
        "best trial 0  valid/accuracy 0.9000  model=mlp lr=0.003",
        "",
        "files   outputs/sweeps/a-1",
        "go on   again",
    ]


def test_an_error_and_a_note_have_a_line_each() -> None:
    stream = io.StringIO()
    board = ProgressBoard(stream)
    board.note("worker 2 is dead")
    result = sum_up(Path("nowhere"), study(), "failed", 1.0, "", "No worker is left.")
    board.closing(result, study(), Path("s"))
    assert "! worker 2 is dead" in stream.getvalue().splitlines()
    assert "No worker is left." in stream.getvalue().splitlines()


def test_a_terminal_shows_running_trials_below_the_lines_and_removes_them(terminal: Terminal) -> None:
    running = row(7, state="running", worker="node7-3", progress=(4, 20), reports=((3, 0.5), (4, 0.75)))
    snapshot = study(row(0, 0.9), running, trials=30)
    with ProgressBoard(terminal) as board:
        board.show(snapshot, 80.0)
        drawn = terminal.getvalue()
        text = re.sub(r"\x1b\[[\d;]*m", "", drawn)
        assert "trial 0   complete  valid/accuracy 0.9000  best  3.1 s  model=mlp lr=0.003\n" in text
        cells = next(line for line in text.splitlines() if "node7-3" in line).split()
        assert cells == ["7", "node7-3", "4/20", "0.7500", "model=mlp", "lr=0.003"]
        assert "1 of 30 trials ended (1 complete), 1 running, 28 waiting, about 1 min 20 s left" in text
        assert drawn.count("\x1b[?25l") == 1  # the cursor is hidden …
    assert terminal.getvalue().endswith("\x1b[2K")
    assert "\x1b[?25h" in terminal.getvalue()


def test_more_running_trials_than_the_terminal_has_lines_are_counted(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LINES", "10")
    live = LiveTable(terminal)
    live.show(study(*(row(number, state="running") for number in range(9))), "state", "")
    live.close()
    assert "and 5 more" in terminal.getvalue()


@pytest.mark.slow
def test_what_is_not_a_terminal_needs_no_rich() -> None:
    code = (
        "import io, sys; from harness.sweep.display.progress_board import ProgressBoard\n"
        "from harness.sweep.study.snapshot import Snapshot\n"
        "ProgressBoard(io.StringIO()).show(Snapshot((), ())); assert 'rich' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr == ""


def test_a_closed_pipe_ends_the_printing_and_not_the_sweep() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as stream:
        board = ProgressBoard(stream)
        board.note("nobody hears this")
        board.note("nor this")

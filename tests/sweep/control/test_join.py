"""Several commands, or several processes of torchrun, at work on one sweep."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

SWEEP = ("sweep=random", "sweep.trials=4", "sweep.name=ours", "sweep.objectives=valid/loss")
RATE = "trainer.optimizer.lr=tag(log,interval(1e-4,1e-1))"
LONG = "trainer.epochs=25"


def workers_of(trials: list[Any]) -> list[int]:
    """How many trials each process ended."""
    pids = [trial.system_attrs["harness:owner"]["pid"] for trial in trials]
    return sorted(pids.count(pid) for pid in set(pids))


def assert_shared(commands: list[Any], sweep: Any) -> None:
    """Both commands succeeded and did their part; every trial ended once."""
    assert [command.wait().status for command in commands] == [0, 0], [
        command.output() for command in commands
    ]
    assert sweep.states == ["COMPLETE"] * 4
    shares = workers_of(sweep.trials)
    assert len(shares) == 2
    assert sum(shares) == 4


def test_two_commands_at_once_work_on_one_sweep(terminal: Any) -> None:
    words = (*SWEEP, RATE, LONG)
    commands = [terminal(*words), terminal(*words)]
    assert_shared(commands, terminal.sweep("ours-0"))
    assert [folder.name for folder in terminal.sweeps()] == ["ours-0"]


def test_a_machine_that_shares_the_database_alone_joins_the_sweep(
    terminal: Any, postgres: Any, tmp_path: Path
) -> None:
    words = (*SWEEP, "sweep.name=far", RATE, LONG, f"sweep.storage='{postgres.url}'")
    (tmp_path / "elsewhere").mkdir()
    commands = [terminal(*words), terminal(*words, folder=tmp_path / "elsewhere")]
    assert_shared(commands, terminal.sweep("far-0", postgres.url))
    folders = [tmp_path / part / "outputs/sweeps/far-0" for part in (".", "elsewhere")]
    runs = [len(list(folder.glob("*/result.json"))) for folder in folders]
    assert sum(runs) == 4
    assert min(runs) >= 1


def test_a_command_that_finds_all_trials_begun_waits_for_them(terminal: Any) -> None:
    words = ("seed=1", "sweep.name=ours", "trainer.epochs=100000")
    first = terminal(*words)
    sweep = terminal.the_sweep()
    terminal.until(sweep.owners)
    second = terminal(*words)
    terminal.until(lambda: "0 of 1 trials ended, 1 running" in second.output())
    first.kill()
    terminal.until(lambda: len(sweep.events(0, "start")) == 2)  # the second takes it over
    os.kill(second.pid, signal.SIGTERM)
    assert second.wait().status == 143
    assert sweep.states == ["WAITING"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("sweep.isolate=true",), "sweep.isolate cannot be used under torchrun"),
        (("sweep.recycle=2",), "sweep.recycle cannot be used under torchrun"),
        (("hydra/launcher=joblib",), "hydra/launcher=joblib runs trials in other processes"),
    ],
)
def test_what_torchruns_processes_cannot_do_is_refused(
    terminal: Any, processes: Any, words: tuple[str, ...], message: str
) -> None:
    first, second = terminal.together(processes, "seed=1,2", *words)
    assert (first.value, second.value) == (2, 2)
    assert message in first.err
    assert "start the sweep without torchrun." in first.err
    assert second.err == ""
    assert terminal.sweeps() == []


def test_torchrun_sweeps_as_a_single_process_does(
    terminal: Any, run_cli: Any, processes: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = (
        *("sweep=asha", "sweep.trials=6", "sweep.pruner.min_resource=1", "sweep.objectives=valid/loss", RATE),
        *("trainer.epochs=4", "model.dropout=0", "data/augment=none"),
    )
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    ended = terminal.together(processes, *words)
    assert [process.value for process in ended] == [0, 0], ended
    together, alone = terminal.the_sweep(), terminal.alone(run_cli, *words)
    assert together.states == alone.states
    assert set(together.states) == {"COMPLETE", "PRUNED"}
    for one, two in zip(alone.trials, together.trials, strict=True):
        assert one.params == two.params
        assert two.intermediate_values == pytest.approx(one.intermediate_values, abs=1e-5)

"""Sweeps whose workers are killed, that are killed themselves or stopped, and typed again."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

pytestmark = pytest.mark.slow

RATE = "trainer.optimizer.lr=tag(log,interval(1e-4,1e-1))"
SWEEP = ("sweep=random", "sweep.name=mine", "sweep.objectives=valid/loss", RATE)
LONG = ("trainer.epochs=100", "checkpoint.share=1")
"""A second or more, with a checkpoint after nearly every epoch."""


def assert_each_trial_ended_once(sweep: Any, trials: int) -> None:
    assert sweep.states == ["COMPLETE"] * trials, [trial.user_attrs for trial in sweep.trials]
    for number in range(trials):
        assert [end["status"] for end in sweep.events(number, "end")].count("finished") == 1
        assert sweep.repeated_epochs(number) == []
        assert len(sweep.trials[number].intermediate_values) == 100
    assert sweep.result["status"] == "finished"


def test_neither_a_killed_worker_nor_a_killed_sweeper_costs_or_repeats_a_trial(terminal: Any) -> None:
    words = (*SWEEP, *LONG, "sweep.trials=3", "sweep.workers=2")
    command = terminal(*words)
    sweep = terminal.the_sweep()
    killed, pid = terminal.until(sweep.with_a_checkpoint).popitem()
    os.kill(pid, signal.SIGKILL)
    terminal.until(lambda: len(sweep.events(killed, "start")) == 2)  # another worker goes on with it

    cut, _ = terminal.until(sweep.with_a_checkpoint).popitem()
    before = sweep.events(cut, "start")
    family = command.family
    command.kill()
    terminal.until(lambda: not command.family, 30)
    assert len(family) >= 1
    assert "FAIL" not in sweep.states

    assert terminal.run(*words) == sweep
    assert_each_trial_ended_once(sweep, 3)
    assert len(sweep.events(cut, "start")) == len(before) + 1


@pytest.mark.parametrize(("workers", "signum"), [(2, signal.SIGINT), (1, signal.SIGTERM)])
def test_a_signal_ends_all_in_order_and_the_same_command_continues(
    terminal: Any, workers: int, signum: signal.Signals
) -> None:
    words = (*SWEEP, *LONG, "sweep.trials=3", f"sweep.workers={workers}")
    command = terminal(*words)
    sweep = terminal.the_sweep()
    terminal.until(lambda: "COMPLETE" in sweep.states and sweep.with_a_checkpoint())
    if signum == signal.SIGINT:
        command.terminal(signum)  # Ctrl-C reaches the workers as well
    else:
        os.kill(command.pid, signum)
    ended = command.wait()
    assert ended.status == 128 + signum, ended
    terminal.until(lambda: not command.family, 30)  # the fork server ends when it hears of its parent's end
    best = min((trial for trial in sweep.trials if trial.value is not None), key=lambda trial: trial.value)
    assert f"best trial {best.number}  valid/loss " in ended.out
    assert set(sweep.states) == {"COMPLETE", "WAITING"}
    assert sweep.result["status"] == "interrupted"
    cut = [trial.number for trial in sweep.trials if trial.state.name == "WAITING"]
    ends = {event["status"] for number in cut for event in sweep.events(number, "end")}
    assert ends <= {"interrupted", "finished"}  # a run may finish just before the study hears of it

    assert terminal.run(*words) == sweep
    assert_each_trial_ended_once(sweep, 3)


def test_a_thawed_trial_that_is_killed_goes_on_where_it_was(terminal: Any, run_cli: Any) -> None:
    """It comes to what it would have come to in a sweep that nobody kills."""
    words = (
        *("sweep=asha", "sweep/sampler=random", "sweep.trials=3", "sweep.enqueue_default=false", "fuse=off"),
        *("sweep.pruner.min_resource=1", "sweep.pruner.reduction_factor=3", "sweep.objectives=valid/loss"),
        *(RATE, "model.dropout=0.1", "trainer.epochs=40", "checkpoint.share=1"),
    )

    def thawed() -> Any:
        """A trial that was frozen, was taken up again, and has trained on since."""
        for number in sweep.with_a_checkpoint():
            starts = sweep.events(number, "start")
            if len(starts) > 1 and sweep.events(number, "metrics")[-1]["time"] > starts[-1]["time"]:
                return number, len(starts)
        return None

    command = terminal(*words, "sweep.name=mine")
    sweep = terminal.the_sweep()
    number, starts = terminal.until(thawed)
    command.kill()
    assert sweep.states.count("RUNNING") == 1
    terminal.run(*words, "sweep.name=mine")
    assert len(sweep.events(number, "start")) > starts
    assert [sweep.repeated_epochs(number) for number in range(3)] == [[], [], []]
    undisturbed = terminal.alone(run_cli, *words)
    assert sweep.states == undisturbed.states
    assert "COMPLETE" in sweep.states
    for one, other in zip(sweep.trials, undisturbed.trials, strict=True):
        assert one.params == other.params
        assert one.intermediate_values == other.intermediate_values


def test_folds_finished_before_a_kill_are_not_repeated_and_pruning_continues(terminal: Any) -> None:
    """Wilcoxon's pruner compares fold by fold; a trial of no learning rate to speak of has no chance."""
    words = (
        *("sweep=random", "sweep/pruner=wilcoxon", "sweep.axis=folds", "sweep.trials=2"),
        *("split=kfold", "split.folds=8", "trainer.epochs=20", "checkpoint.share=1"),
        *("sweep.objectives=valid/loss", RATE),
        "sweep.enqueue=[{trainer.optimizer.lr: 0.01},{trainer.optimizer.lr: 0.0001}]",
    )
    command = terminal(*words)
    sweep = terminal.the_sweep()
    terminal.until(lambda: len(sweep.folds(0)) >= 3)
    command.kill()
    done = sweep.folds(0)
    ended = terminal(*words).wait()
    assert ended.status == 0, ended
    assert " of 20 " not in ended.out  # a step is a fold here, and no epoch
    assert terminal.the_sweep() == sweep
    assert sweep.states == ["COMPLETE", "PRUNED"]
    assert sweep.folds(0) == [f"fold-{number}" for number in range(8)]
    assert sweep.folds(0)[: len(done)] == done
    assert sorted(sweep.trials[0].intermediate_values) == list(range(8))
    assert len(sweep.trials[1].intermediate_values) < 8


def test_a_run_killed_between_its_result_and_its_last_line_is_ended_and_not_repeated(terminal: Any) -> None:
    sweep = terminal.run(*SWEEP, "sweep.trials=2")
    result, journal = (sweep.folder / "1" / name for name in ("result.json", "journal.jsonl"))
    before, events = result.read_text(), journal.read_text().splitlines(keepends=True)
    assert '"event":"end"' in events[-1]
    journal.write_text("".join(events[:-1]))
    # The sweep as it was when that trial ran: before the last change of the trial's state.
    (sweep.folder / "result.json").unlink()
    study = sweep.folder / "study.journal"
    lines = study.read_text().splitlines(keepends=True)
    ended = max(place for place, line in enumerate(lines) if '"state":1' in line.replace(" ", ""))
    study.write_text("".join(lines[:ended]))
    assert sweep.states == ["COMPLETE", "RUNNING"]

    assert terminal.run(*SWEEP, "sweep.trials=2") == sweep
    assert sweep.states == ["COMPLETE", "COMPLETE"]
    assert [end["status"] for end in sweep.events(1, "end")] == ["finished"]
    assert len(sweep.events(1, "start")) == 1
    assert result.read_text() == before

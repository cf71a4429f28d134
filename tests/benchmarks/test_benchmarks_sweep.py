"""The benchmarks of sweeps, in miniature. Nothing here is timed."""

from __future__ import annotations

import resource
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from optuna.trial import FrozenTrial, TrialState
from sklearn.metrics import f1_score, log_loss, roc_auc_score

from benchmarks import sweep_fused, sweep_overhead, sweep_thousand, sweep_utilisation
from benchmarks.measure import Unable
from benchmarks.sweeping import environment, trials
from benchmarks.sweeping.trials import Span, pace, read_spans, run, spans, sweep

BEGUN = datetime(2026, 11, 23)

sys.path.insert(0, str(sweep_overhead.BARE))
import trial as by_hand  # noqa: E402

pytestmark = pytest.mark.slow

sys.path.pop(0)


def trial(number: int, curve: list[float], seconds: float = 2.0, state: str = "COMPLETE") -> FrozenTrial:
    """A trial that reported a curve; each begins where the one before it ended."""
    begun = BEGUN + timedelta(seconds=number * seconds)
    return FrozenTrial(
        number=number,
        state=TrialState[state],
        value=curve[-1] if state == "COMPLETE" else None,
        datetime_start=begun,
        datetime_complete=None if state == "RUNNING" else begun + timedelta(seconds=seconds),
        params={},
        distributions={},
        user_attrs={},
        system_attrs={},
        intermediate_values=dict(enumerate(curve, start=1)),
        trial_id=number,
    )


@pytest.fixture
def forked(terminal: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forks `python -m harness` instead of starting it anew; other programs start as they do."""
    from forked_command import ForkedCommand

    class Forked(ForkedCommand):
        def __init__(self, words: list[str], folder: Path, variables: dict[str, str]) -> None:
            log = folder / "printed.log"
            super().__init__(tuple(words), folder, log, log, variables)

        def wait(self, timeout: float = 300) -> int:
            return super().wait(timeout)

    start = subprocess.Popen

    def begun(command: list[str], **settings: Any) -> Any:
        if command[:3] == [sys.executable, "-m", "harness"]:
            return Forked(command[3:], settings["cwd"], settings["env"])
        return start(command, **settings)

    monkeypatch.setattr(trials.subprocess, "Popen", begun)


def test_the_cost_of_a_trial_is_the_cpu_time_beyond_a_command_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    spent = iter([(10.0, 0.0), (12.0, 1.0), (20.0, 2.0), (36.0, 4.0)])  # (user, system) before and after

    def used(who: int) -> Any:
        assert who == resource.RUSAGE_CHILDREN
        return SimpleNamespace(**dict(zip(("ru_utime", "ru_stime"), next(spent), strict=True)))

    monkeypatch.setattr(sweep_fused.resource, "getrusage", used)
    trained: list[int] = []
    assert sweep_fused.each(trained.append, 4) == (18 - 3) / 3
    assert trained == [1, 4]


def test_the_pace_leaves_out_the_first_trial() -> None:
    assert pace([Span(0, 10), Span(10, 12), Span(13, 16)]) == 3.0
    assert pace(spans([trial(0, [0.5]), trial(1, [0.5]), trial(2, [0.5])])) == 2.0


def test_a_trial_that_did_not_end_has_no_span() -> None:
    with pytest.raises(RuntimeError, match="trial 1 did not end"):
        spans([trial(0, [0.5]), trial(1, [0.5], state="RUNNING")])


def test_watched_trials_are_read_back_in_the_order_of_their_ends(tmp_path: Path) -> None:
    for _ in range(2):
        with by_hand.Watch(tmp_path / "spans.txt"):
            pass
    found = read_spans(tmp_path / "spans.txt")
    assert len(found) == 2
    assert found[0].begun <= found[0].ended <= found[1].begun


def test_a_command_that_fails_shows_what_it_printed(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"(?s)ended with status 3:\nwhy"):
        run([sys.executable, "-S", "-c", "import sys; print('why'); sys.exit(3)"], tmp_path)


def test_the_loop_by_hand_judges_as_scikit_learn_does() -> None:
    generator = np.random.default_rng(0)
    logits, targets = generator.normal(size=60), generator.integers(0, 2, 60)
    found = by_hand.scores_of(logits, targets)
    chances = 1 / (1 + np.exp(-logits))
    assert found["accuracy"] == ((logits > 0) == (targets == 1)).mean()
    assert found["log_loss"] == pytest.approx(log_loss(targets, chances))
    assert found["f1"] == pytest.approx(f1_score(targets, logits > 0, average="macro"))
    assert found["auroc"] == pytest.approx(roc_auc_score(targets, chances))


def test_the_loop_by_hand_learns_and_reports_its_best_so_far(tmp_path: Path) -> None:
    sweep_overhead.write(tmp_path / "rows.npz")
    data = by_hand.read(tmp_path / "rows.npz")
    assert [len(part) for part in data] == [387, 387, 68, 68]
    curve: list[float] = []
    with torch.random.fork_rng():
        best = by_hand.train(data, 0.01, 4, report=lambda epoch, so_far: curve.append(so_far))
    assert len(curve) == 4
    assert curve == sorted(curve)
    assert best == curve[-1] > 0.9


def test_every_tool_runs_the_requested_number_of_trials(tmp_path: Path, forked: None) -> None:
    sweep_overhead.write(tmp_path / "rows.npz")
    size = sweep_overhead.Size(epochs=1, trials=3)
    assert sweep_overhead.with_harness(size, tmp_path, ["tracking=none"]) > 0
    assert sweep_overhead.with_optuna(size, tmp_path, "journal", "accuracy") > 0
    assert sweep_overhead.around_our_trainer(size, tmp_path) > 0
    counts = [len(read_spans(file)) for file in tmp_path.glob("*/spans.txt")]
    assert counts == [3, 3]


def test_fused_trials_take_turns_with_separate_ones_and_the_loop_by_hand(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr(sweep_fused, "sweep", lambda words, folder, name: commands.append(words))
    monkeypatch.setattr(sweep_fused, "run", lambda command, folder: commands.append(command))
    monkeypatch.setattr(sweep_fused, "cpu_of", lambda command: command() or 2.0 * len(commands))
    found = sweep_fused.compare(sweep_fused.Work(epochs=1, batch=16, aim=0.3), 3, 2)
    assert list(found.costs) == ["fuse=auto", "fuse=off", "study.optimize, in memory"]
    assert found.costs["fuse=off"] == [1.0, 1.0]  # a command more, of two trials more
    ours = [words for words in commands if "sweep=random" in words]
    chosen = [[word for word in words if word.startswith(("fuse=", "sweep.trials="))] for words in ours[:4]]
    assert chosen == [[f"sweep.trials={n}", f"fuse={fuse}"] for fuse in ("auto", "off") for n in (1, 3)]
    assert all({"data.load.batch_size=16", "trainer.epochs=1"} <= set(words) for words in ours)
    assert [command[6:8] for command in commands[4:6]] == [["1", "1"], ["3", "1"]]  # trials, epochs


def test_the_loop_by_hand_of_fused_trials_is_a_command(tmp_path: Path) -> None:
    sweep_overhead.write(tmp_path / "rows.npz")
    sweep_fused.by_hand(sweep_fused.Work(epochs=1, batch=16, aim=0.3), tmp_path, 2)
    assert len(read_spans(tmp_path / "spans.txt")) == 2


def test_a_sweeper_that_cannot_be_had_is_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str, requirements: list[str]) -> Path:
        if name == "ray":
            raise Unable("pip found no index")
        return Path(sys.executable)

    monkeypatch.setattr(sweep_overhead, "python_of", missing)
    found, notes = sweep_overhead.elsewhere(sweep_overhead.Size(1, 1, 1), tmp_path)
    assert list(found) == ["hydra-optuna-sweeper, Optuna 2"]
    assert notes[-1] == "Ray Tune: not run, pip found no index."


def test_an_environment_that_pip_refuses_is_reported_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(Unable, match=r"-m pip install failed: .*no-such-folder"):
        environment.python_of("none", [str(tmp_path / "no-such-folder")], tmp_path)
    assert not (tmp_path / "none" / "made.txt").exists()


def test_an_existing_environment_is_used_again(tmp_path: Path) -> None:
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "made.txt").write_text("ray==2\nnumpy")
    assert environment.python_of("ray", ["ray==2", "numpy"], tmp_path) == tmp_path / "ray" / "bin" / "python"


def test_a_batch_waits_for_its_slowest_trial() -> None:
    found = [Span(0, 4), Span(0, 1), Span(1, 3), Span(3, 4)]
    assert sweep_utilisation.in_batches(found, 2) == 4 + 2
    assert sweep_utilisation.wall(found) == 4


def test_lengths_are_even_and_their_order_is_drawn_once() -> None:
    found = sweep_utilisation.lengths(8, 10, 80)
    assert sorted(found) == [10, 20, 30, 40, 50, 60, 70, 80]
    assert found != sorted(found)
    assert found == sweep_utilisation.lengths(8, 10, 80)


def test_two_workers_are_held_against_the_trials_themselves(forked: None) -> None:
    found = sweep_utilisation.compare([1, 3, 2], 1)
    ours, batches, alone = (costs[0] for costs in found.costs.values())
    assert ours >= alone > 0
    assert batches >= alone
    assert f"in batches {alone / batches:.1%}" in found.notes[0]


def test_the_last_trials_are_held_against_the_first() -> None:
    assert sweep_thousand.ends([10, 11, 12, 13, 15, 17], 2) == (2, 1)


def test_the_ledger_hands_out_every_trial_once(tmp_path: Path) -> None:
    assert len(sweep_thousand.handed_out(tmp_path, 7)) == 7
    found = sweep_thousand.of_ledger(9, 3, 1)
    assert list(found.costs) == ["the last 3", "the first 3"]


def test_a_sweep_is_gauged_while_it_runs(tmp_path: Path, forked: None) -> None:
    gauge = sweep_thousand.Gauge((0, 2))
    words = [*sweep_thousand._WORDS, "sweep.trials=3"]
    found = sweep(words, tmp_path, "bench", gauge)
    assert [one.state.name for one in found] == ["COMPLETE"] * 3
    assert all(megabytes > 50 for megabytes in gauge.found.values())
    assert 2 in gauge.found

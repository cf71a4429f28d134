"""harness/sweep/control/live_sweep.py, space/from_study.py, and the verbs stop, add and watch"""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import optuna
import pytest
from optuna.trial import TrialState

from harness.core.errors import UserError
from harness.sweep.control.live_sweep import BUDGET, LiveSweep, budget_of
from harness.sweep.space.condition import Condition
from harness.sweep.space.from_study import space_from
from harness.sweep.space.interval import Interval
from harness.sweep.space.listed_values import Choices
from harness.sweep.space.search_space import Space
from harness.sweep.space.stepped_values import Steps
from harness.sweep.study.prepare_study import DISTRIBUTIONS, SPACE, prepare_study
from harness.sweep.study.snapshot import Objective
from harness.sweep.study.study_lock import study_lock
from harness.sweep.study.sweep_location import FINISHED, SweepLocation
from harness.sweep.study.trial_claim import BY_HAND, Budget
from harness.sweep.study.trial_queue import TrialQueue

SPACE_OF_ALL = Space(
    (),
    (
        Choices(key="model", group=True, choices=("mlp", "linear")),
        Interval(key="trainer.optimizer.lr", low=0.001, high=0.1, log=True),
        Interval(key="trainer.epochs", low=1, high=9),
        Steps(key="model.dropout", start=0.0, step=0.1, count=6, when=(Condition("model", ("mlp",)),)),
        Steps(key="seed", start=0, step=2, count=5),
        Choices(key="model.widths", choices=("[8]", "[8,8]"), when=(Condition("model", ("mlp", "other")),)),
    ),
)
TWO = Budget(trials=2)


@pytest.fixture
def queue(here: Path) -> TrialQueue:
    """Of a sweep with a worker of this process."""
    folder = here / "outputs/sweeps/s-0"
    objectives = (Objective("valid/accuracy", "maximize"),)
    study = prepare_study(SweepLocation(folder, "s-0", None), SPACE_OF_ALL, objectives, [])
    study.set_user_attr(BUDGET, {"trials": 2, "epochs": 3, "sampled": True})
    queue = TrialQueue(study, study_lock(None, folder, "s-0"), "here-0", 60, "a-0")
    queue.send_heartbeat("working")
    return queue


def test_the_space_of_a_study_is_that_of_its_command(queue: TrialQueue) -> None:
    known = queue.study.user_attrs
    space = space_from(known[SPACE], known[DISTRIBUTIONS])
    assert space.distributions() == SPACE_OF_ALL.distributions()
    assert [d.when for d in space.dimensions] == [d.when for d in SPACE_OF_ALL.dimensions]
    point = {"model": "mlp", "model.widths": [8, 8], "model.dropout": 0.3, "seed": 4}
    assert space.complete(point, "it") == SPACE_OF_ALL.complete(point, "it")


def test_an_added_point_is_beside_the_budget(queue: TrialQueue, run_cli) -> None:
    for _ in range(2):
        assert queue.claim(TWO) is not None
    assert queue.claim(TWO) is None
    answer = run_cli("add", "s-0", "lr=0.003", "model=linear", "--json")
    assert answer.status == 0, answer.err
    assert json.loads(answer.out)["result"]["point"] == {"model": "linear", "trainer.optimizer.lr": 0.003}
    assert queue.claimable(TWO) == 1
    claim = queue.claim(TWO)
    assert claim is not None
    assert claim.number == 2
    trial = optuna.trial.Trial(queue.study, claim.trial_id)
    point = SPACE_OF_ALL.suggest(trial)
    assert (point["model"], point["trainer.optimizer.lr"]) == ("linear", 0.003)
    assert 1 <= point["trainer.epochs"] <= 9  # drawn
    assert queue.claim(TWO) is None
    assert LiveSweep.open("s-0", Path("outputs")).snapshot().trials == 3


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["lr=0.5"], "0.001 to 0.1"),
        (["model=mpl"], "mlp"),
        (["rate=1"], "not swept"),
        (["model=linear", "dropout=0.1"], "model=mlp"),
        (["model.dropout=0.15", "model=mlp"], "in steps of"),
        (["lr=0.01,0.02"], "one value"),
        (["~seed"], "one value"),
    ],
)
def test_a_point_outside_the_space_is_refused(
    queue: TrialQueue, run_cli, words: list[str], named: str
) -> None:
    answer = run_cli("add", "s-0", *words)
    assert answer.status == 2
    assert named in answer.err
    assert len(queue.study.trials) == 0


def test_a_point_of_a_grid_has_all_keys(queue: TrialQueue) -> None:
    queue.study.set_user_attr(BUDGET, {"trials": 2, "epochs": 3, "sampled": False})
    with pytest.raises(UserError) as refused:
        LiveSweep.open("s-0", Path("outputs")).add({"model": "linear", "lr": 0.01, "seed": 2})
    assert refused.value.key == "trainer.epochs"


def test_one_trial_is_stopped_whether_it_runs_or_waits(queue: TrialQueue, run_cli) -> None:
    claim = queue.claim(TWO)
    assert claim is not None
    assert run_cli("add", "s-0", "model=mlp").status == 0
    assert "was running" in run_cli("stop", "s-0", "0").out
    assert "was waiting" in run_cli("stop", "s-0", "1").out
    trials = queue.study.get_trials()
    assert [trial.state for trial in trials] == [TrialState.PRUNED] * 2
    assert all("stopped" in trial.user_attrs["pruned"] for trial in trials)
    with pytest.raises(Exception, match="trial 0"):  # its worker takes another
        queue.complete(claim, [0.5], {})
    assert "has ended" in run_cli("stop", "s-0", "0").err
    assert "no trial 7" in run_cli("stop", "s-0", "7").err


def test_a_sweep_is_stopped_for_all_of_its_commands(queue: TrialQueue, run_cli) -> None:
    assert run_cli("stop", "s-0").status == 0
    assert queue.stop_reason() == BY_HAND
    assert queue.claim(TWO) is None
    queue.send_heartbeat("left")
    assert "no command is running" in run_cli("stop", "s-0").err
    queue.study.set_user_attr(FINISHED, True)
    for words in (["stop", "s-0"], ["stop", "s-0", "0"], ["add", "s-0", "lr=0.01"]):
        answer = run_cli(*words)
        assert (answer.status, "has ended" in answer.err) == (2, True)


def test_watch_names_the_score_that_the_pruner_compares_and_lists_what_runs(
    queue: TrialQueue, run_cli
) -> None:
    spec = SimpleNamespace(
        trials=2,
        epochs=3,
        settings=SimpleNamespace(axis="epochs"),
        sampler=object(),
        compared=Objective("valid/log_loss", "minimize"),
    )
    queue.study.set_user_attr(BUDGET, budget_of(cast("Any", spec)))
    for value in (-0.25, -0.5):  # the study maximizes
        claim = queue.claim(TWO)
        assert claim is not None
        queue.report(claim, 1, value)
    queue.prune(claim, {})
    out = run_cli("watch", "s-0", "--once").out
    assert "trial 0  running   epoch 1 of 3  valid/log_loss 0.2500\n" in out
    assert "trial 1  pruned    epoch 1 of 3  valid/log_loss 0.5000  " in out


def test_watch_prints_the_trials_and_the_best_as_lines(queue: TrialQueue, run_cli, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    claim = queue.claim(TWO)
    assert claim is not None
    SPACE_OF_ALL.suggest(optuna.trial.Trial(queue.study, claim.trial_id))
    queue.report(claim, 1, 0.5)
    queue.complete(claim, [0.75], {})
    answer = run_cli("watch", "s-0", "--once")
    assert answer.status == 0, answer.err
    assert "trial 0" in answer.out
    assert "1 of 2 trials ended (1 complete), 1 waiting" in answer.out
    assert "best trial 0  valid/accuracy 0.7500" in answer.out
    assert "\x1b" not in answer.out
    queue.study.set_user_attr(FINISHED, True)
    assert (
        "1 of 2 trials ended (1 complete)\n" in run_cli("watch", "s-0").out
    )  # none waits in a finished sweep
    answer = run_cli("watch", "s-0", "--json")  # it ends by itself
    result = json.loads(answer.out)["result"]
    assert result["ending"] == "finished"
    assert result["best"][0]["values"] == [0.75]


def test_a_sweep_that_is_not_there_is_refused(queue: TrialQueue, run_cli, here: Path) -> None:
    assert "s-0" in run_cli("watch", "other").err
    (here / "outputs/sweeps/d-0/0").mkdir(parents=True)
    assert "--storage" in run_cli("watch", "d-0").err
    answer = run_cli("watch", "s-1", "--storage", "sqlite:///studies.db")
    assert answer.status == 2
    assert "s-1" in answer.err

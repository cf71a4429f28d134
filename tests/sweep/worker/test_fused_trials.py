"""Trials whose trainings are members of fused trainings: each as it would be alone."""

from __future__ import annotations

import json
import signal
from collections import Counter
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from harness.config.compose import compose
from harness.prepare.experiment import prepare
from harness.prepare.plan import make_plan
from harness.runs.journal import read
from harness.runtime.stop_signals import Stop
from harness.sweep.worker.trial_slots import FusedTrial, choose_slots
from harness.trainer.fused.fuse_rule import StepSize

RunCli = Callable[..., Any]
WORDS = [
    "data/extract=iris",
    "trainer.device=cpu",
    "trainer.epochs=3",
    "model.widths=[16]",
    "tracking=none",
    "split.guard=off",
    "report=false",
    "data.cache=off",
]
FOLDS = ["split=kfold", "split.folds=3"]
FOLLOWED = ("train/loss", "valid/accuracy", "valid/loss", "lr")
RATES = "trainer.optimizer.lr=0.01,0.1"


def result(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return content


def scores(folder: Path) -> dict[str, Any]:
    """Of the validation rows."""
    return {n: s for n, s in result(folder)["scores"].items() if n.startswith(("valid/", "train/"))}


def only_sweep(here: Path) -> Path:
    (folder,) = (here / "outputs" / "sweeps").iterdir()
    return folder


def curve(folder: Path) -> dict[tuple[str, int], dict[str, float]]:
    """The scores of each epoch of each fold that a trial has too; no epoch is there twice."""
    events = [event for event in read(folder)[0] if event["event"] == "metrics" and "lr" in event["values"]]
    assert set(Counter((e["run"], e["step"]) for e in events).values()) == {1}
    return {(e["run"], e["step"]): {name: e["values"][name] for name in FOLLOWED} for e in events}


def test_the_folds_of_a_trial_are_trained_together_and_run_again_to_the_last_bit(
    run_cli: RunCli, here: Path
) -> None:
    answer = run_cli("-m", "hydra/launcher=basic", *WORDS, *FOLDS, "fuse=8", RATES)
    assert answer.status == 0, answer.err
    (command,) = (line for line in answer.out.splitlines() if line.startswith("again"))
    assert command.split().count("fuse=8") == 1
    sweep = only_sweep(here)
    assert yaml.safe_load((sweep / "0" / "config.yaml").read_text())["fuse"] == 8
    assert run_cli("rerun", str(sweep / "1")).status == 0
    (again,) = (here / "outputs" / "runs").iterdir()
    # A trial computes fewer scores in each epoch than a run.
    first, second = curve(sweep / "1"), curve(again)
    assert {epoch: {n: second[epoch][n] for n in values} for epoch, values in first.items()} == first
    assert second.keys() == first.keys()
    assert {n: s for n, s in scores(again).items() if n in scores(sweep / "1")} == scores(sweep / "1")


def test_folds_that_a_pruner_compares_one_by_one_are_trained_alone(run_cli: RunCli, here: Path) -> None:
    words = ["sweep=wilcoxon", "sweep.trials=1", "trainer.optimizer.lr=interval(0.01,0.1)"]
    answer = run_cli(
        "-m",
        "hydra/launcher=basic",
        *WORDS,
        "split=kfold",
        "split.folds=6",
        "fuse=8",
        *words,
        "trainer.epochs=1",
    )
    assert answer.status == 0, answer.err
    times = [event["time"] for event in read(only_sweep(here) / "0")[0] if event["event"] == "end"]
    starts = [event["time"] for event in read(only_sweep(here) / "0")[0] if event["event"] == "start"]
    assert starts[2] > times[0]  # the second fold starts after the first one has ended


def grid(run_cli: RunCli, here: Path, *words: str, fuse: str = "8", status: int = 0) -> Path:
    """Runs the sweep; its folder."""
    answer = run_cli("-m", "hydra/launcher=basic", *WORDS, f"fuse={fuse}", *words)
    assert answer.status == status, answer.err
    return only_sweep(here)


def runs_alone(run_cli: RunCli, here: Path, *words: str) -> Path:
    """Runs one training as the only member of a group; its folder."""
    before = set((here / "outputs" / "runs").glob("*"))
    answer = run_cli(*WORDS, "fuse=1", "baseline=off", *words)
    assert answer.status == 0, answer.err
    (folder,) = set((here / "outputs" / "runs").glob("*")) - before
    return folder


POINTS = [
    f"trainer.optimizer.lr={rate} model.dropout={share}".split() for rate in (0.01, 0.1) for share in (0, 0.3)
]
SPACE = ["trainer.optimizer.lr=0.01,0.1", "model.dropout=0,0.3"]


def test_a_trial_is_the_same_to_the_last_bit_whichever_trials_are_trained_with_it(
    run_cli: RunCli, here: Path
) -> None:
    sweep = grid(run_cli, here, *SPACE, "trainer.update.clip_norm=1")
    for number, words in enumerate(POINTS):
        assert yaml.safe_load((sweep / str(number) / "config.yaml").read_text())["fuse"] == 8
        assert result(sweep / str(number))["status"] == "finished"
        if number in (1, 2):
            alone = runs_alone(run_cli, here, *words, "trainer.update.clip_norm=1")
            assert curve(alone) == curve(sweep / str(number))
            assert len(curve(alone)) == 3


def test_contrastive_trials_are_trained_as_one_and_each_is_as_it_would_be_alone(
    run_cli: RunCli, here: Path
) -> None:
    words = ["trainer=contrastive", "trainer/method=vicreg", "trainer.method.projection=[8]"]
    sweep = grid(run_cli, here, *words, "trainer.optimizer.lr=0.01,0.1", "data.augment.rate=0.1,0.5")
    alone = runs_alone(run_cli, here, *words, "trainer.optimizer.lr=0.1", "data.augment.rate=0.1")
    followed = ("train/loss", "valid/knn_accuracy", "valid/rankme", "lr")
    curves = []
    for folder in (sweep / "2", alone):
        assert yaml.safe_load((folder / "config.yaml").read_text())["fuse"] in (1, 8)
        events = [event["values"] for event in read(folder)[0] if event["event"] == "metrics"]
        curves.append(
            [{n: values[n] for n in followed if n in values} for values in events if "lr" in values]
        )
    assert len(curves[0]) == 3
    assert [{n: own[n] for n in trial} for own, trial in zip(curves[1], curves[0], strict=True)] == curves[0]


def test_a_trial_that_diverges_fails_alone_and_changes_no_other(run_cli: RunCli, here: Path) -> None:
    words = ["trainer/scheduler=none", "sweep.failures=3"]
    sweep = grid(run_cli, here, "trainer.optimizer.lr=0.01,1e30,0.1", *words, status=1)
    ended = [result(sweep / str(number))["status"] for number in range(3)]
    assert ended == ["finished", "failed", "finished"]
    assert result(sweep / "1")["error"].startswith("Diverged: ")
    assert curve(runs_alone(run_cli, here, "trainer.optimizer.lr=0.1", words[0])) == curve(sweep / "2")


def test_a_pruned_trial_leaves_and_the_next_one_takes_its_place(run_cli: RunCli, here: Path) -> None:
    words = [
        "sweep=asha",
        "sweep/sampler=random",
        "sweep.trials=9",
        "trainer.epochs=4",
        "sweep.pruner.reduction_factor=2",
    ]
    sweep = grid(run_cli, here, "trainer.optimizer.lr=tag(log,interval(1e-4,1e-1))", *words, fuse="4")
    ended = [result(sweep / str(number))["status"] for number in range(9)]
    assert set(ended) == {"finished", "pruned"}
    for number, status in enumerate(ended):
        epochs = [epoch for _, epoch in curve(sweep / str(number))]
        assert epochs == list(range(1, len(epochs) + 1))
        assert (len(epochs) == 4) is (status == "finished")
    starts = {n: read(sweep / str(n))[0][0]["time"] for n in range(9)}
    ends = {n: read(sweep / str(n))[0][-1]["time"] for n in range(9)}
    assert all(starts[number] < min(ends.values()) for number in range(4))
    assert min(ends.values()) < starts[4] < max(ends.values())
    chosen = ended.index("finished")
    rate = yaml.safe_load((sweep / str(chosen) / "config.yaml").read_text())["trainer"]["optimizer"]["lr"]
    alone = runs_alone(run_cli, here, f"trainer.optimizer.lr={rate!r}", "trainer.epochs=4")
    assert curve(alone) == curve(sweep / str(chosen))


def test_the_seeds_of_a_trial_advance_together_and_are_pruned_together(run_cli: RunCli, here: Path) -> None:
    words = ["sweep=asha", "sweep/sampler=random", "sweep.trials=4", "sweep.pruner.reduction_factor=2"]
    rates = "trainer.optimizer.lr=tag(log,interval(1e-4,1e-1))"
    sweep = grid(run_cli, here, rates, *words, "trainer.epochs=4", "sweep.repeat=2", fuse="4")
    ended = {n: {result(seed)["status"] for seed in (sweep / str(n)).glob("seed-*")} for n in range(4)}
    assert all(len(status) == 1 for status in ended.values())
    assert set.union(*ended.values()) == {"finished", "pruned"}
    for number, status in ended.items():
        runs = [sweep / str(number) / f"seed-{seed}" for seed in (0, 1)]
        assert len({tuple(curve(run)) for run in runs}) == 1
        assert (len(curve(runs[0])) == 4) is (status == {"finished"})
        events = [read(run)[0] for run in runs]
        assert events[1][0]["time"] < events[0][-1]["time"]
    chosen = sweep / str(next(n for n, status in ended.items() if status == {"finished"})) / "seed-1"
    rate = yaml.safe_load((chosen / "config.yaml").read_text())["trainer"]["optimizer"]["lr"]
    alone = runs_alone(run_cli, here, f"trainer.optimizer.lr={rate!r}", "trainer.epochs=4", "seed=1")
    assert curve(alone) == curve(chosen)


class StopAt(Stop):
    """As if SIGTERM had come in one of the steps."""

    at = 0

    def __call__(self) -> bool:
        StopAt.at -= 1
        if StopAt.at == 0:
            self.signum = signal.SIGTERM
        return super().__call__()


@pytest.mark.parametrize(("step", "repeats"), [(1, 1), (4, 2)])
def test_stopped_trials_go_on_to_the_last_bit(
    run_cli: RunCli, here: Path, monkeypatch: pytest.MonkeyPatch, step: int, repeats: int
) -> None:
    words = [*SPACE, "checkpoint.share=1", f"sweep.repeat={repeats}"]
    below = "" if repeats == 1 else "seed-1"
    StopAt.at = step
    with monkeypatch.context() as patch:
        patch.setattr(import_module("harness.sweep.worker.claim_loop"), "Stop", StopAt)
        sweep = grid(run_cli, here, *words, status=143)
    assert {result(sweep / str(number) / below)["status"] for number in range(4)} == {"interrupted"}
    assert grid(run_cli, here, *words) == sweep
    for number, point in enumerate(POINTS):
        assert result(sweep / str(number) / below)["status"] == "finished"
        assert [epoch for _, epoch in curve(sweep / str(number) / below)] == [1, 2, 3]
        if number == 3:
            alone = runs_alone(run_cli, here, *point, f"seed={repeats - 1}")
            assert curve(alone) == curve(sweep / "3" / below)


def fused(rows: tuple[int, ...] = (100,), **changes: Any) -> FusedTrial:
    size = {"size": StepSize(1000), "rows": rows, "batch_size": 64, "steps": 500}
    kind = changes.get("kind", 0)
    return FusedTrial(**({"asked": "auto", "alone": "", "kind": kind, "rough": kind} | size | changes))


def test_points_whose_losses_differ_in_a_fraction_are_of_several_kinds_but_roughly_of_one() -> None:
    def point(*words: str) -> FusedTrial:
        plan = make_plan(compose([*WORDS, "trainer=contrastive", "trainer/method=simclr", *words]))
        return FusedTrial.of(prepare(plan, plan.folds[0]), plan)

    one, same = point(), point("trainer.optimizer.lr=0.1")
    other, wider = point("trainer.method.loss.temperature=0.3"), point("trainer.method.projection=[8,4]")
    assert one.kind == same.kind != other.kind
    assert one.rough == same.rough == other.rough != wider.rough
    assert one.size.augmented
    assert one.size.parameters > wider.size.parameters


RANDOM, TPE = ({"_target_": f"optuna.samplers.{name}Sampler"} for name in ("Random", "TPE"))


@pytest.mark.parametrize(
    ("sampler", "trials", "points", "changes", "slots"),
    [
        (RANDOM, 64, [fused()], {}, (32, 32)),
        (RANDOM, 16, [fused()], {}, (16, 16)),
        (RANDOM, None, [fused()], {}, (32, 32)),
        (RANDOM, 64, [fused()], {"workers": 4}, (16, 16)),
        (TPE, 64, [fused()], {}, (16, 16)),
        (TPE, 16, [fused()], {}, (1, None)),  # four at once are not faster
        (RANDOM, 64, [fused(rows=(90,) * 10)], {}, (6, 60)),
        (RANDOM, 64, [fused(kind=number) for number in range(2)], {}, (32, 32)),
        (RANDOM, 64, [fused(kind=number) for number in range(9)], {}, (1, None)),
        (RANDOM, 64, [fused(kind=number, rough=0) for number in range(2)], {}, (1, None)),
        (RANDOM, 64, [fused(asked=8, kind=number, rough=0) for number in range(2)], {}, (8, 8)),
        (RANDOM, 64, [fused(size=StepSize(10**6))], {}, (1, None)),
        (RANDOM, 64, [fused(size=StepSize(80_000, augmented=True))], {}, (32, 32)),
        (RANDOM, 64, [fused(steps=100)], {}, (1, None)),
        (RANDOM, 64, [fused(), fused(alone="a reason")], {}, (1, None)),
        (RANDOM, 64, [fused(asked="off", alone="fuse=off")], {}, (1, None)),
        (RANDOM, 64, [fused()], {"timeout": 1.0}, (1, None)),
        (RANDOM, 64, [fused()], {"isolate": True}, (1, None)),
        (RANDOM, 64, [fused()], {"recycle": 5}, (5, 32)),
        (RANDOM, 64, [fused(asked=3)], {}, (3, 3)),
        (TPE, 4, [fused(asked=40, rows=(90,) * 10, size=StepSize(10**6))], {}, (4, 40)),
        (None, 12, [fused()], {}, (12, 12)),
        (RANDOM, 64, [fused()], {"repeat": 3}, (21, 63)),
        (TPE, 4, [fused()], {"repeat": 8}, (1, 8)),
        (RANDOM, 64, [fused(asked=6)], {"repeat": 3}, (2, 6)),
    ],
)
def test_how_many_trials_are_trained_as_one(
    sampler: Any,
    trials: int | None,
    points: list[FusedTrial],
    changes: dict[str, Any],
    slots: tuple[int, int | None],
) -> None:
    plain = {"workers": 1, "isolate": False, "timeout": None, "recycle": None, "axis": "epochs"}
    plain["repeat"] = 1
    base: Any = SimpleNamespace(**(plain | changes))
    chosen = choose_slots(base, sampler, False, trials, points)
    assert (chosen.count, chosen.fuse) == slots
    assert bool(chosen.line) is (slots[0] * base.repeat > 1)

"""Trials whose trainings are members of fused trainings: each as it would be alone."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from harness.runs.journal import read

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
    """The scores of each epoch of each fold, without times; none is there twice."""
    events = [event for event in read(folder)[0] if event["event"] == "metrics" and "lr" in event["values"]]
    assert set(Counter((e["run"], e["step"]) for e in events).values()) == {1}
    return {
        (e["run"], e["step"]): {n: v for n, v in e["values"].items() if not n.startswith("time/")}
        for e in events
    }


def test_the_folds_of_a_trial_are_trained_together_and_run_again_to_the_last_bit(
    run_cli: RunCli, here: Path
) -> None:
    answer = run_cli("-m", *WORDS, *FOLDS, "fuse=8", RATES)
    assert answer.status == 0, answer.err
    sweep = only_sweep(here)
    assert yaml.safe_load((sweep / "0" / "config.yaml").read_text())["fuse"] == 8
    assert run_cli("rerun", str(sweep / "1")).status == 0
    (again,) = (here / "outputs" / "runs").iterdir()
    assert curve(again) == curve(sweep / "1")
    assert {n: s for n, s in scores(again).items() if n in scores(sweep / "1")} == scores(sweep / "1")


def test_folds_that_a_pruner_compares_one_by_one_are_trained_alone(run_cli: RunCli, here: Path) -> None:
    words = ["sweep=wilcoxon", "sweep.trials=1", "trainer.optimizer.lr=interval(0.01,0.1)"]
    answer = run_cli("-m", *WORDS, "split=kfold", "split.folds=6", "fuse=8", *words, "trainer.epochs=1")
    assert answer.status == 0, answer.err
    times = [event["time"] for event in read(only_sweep(here) / "0")[0] if event["event"] == "end"]
    starts = [event["time"] for event in read(only_sweep(here) / "0")[0] if event["event"] == "start"]
    assert starts[2] > times[0]  # the second fold starts after the first one has ended

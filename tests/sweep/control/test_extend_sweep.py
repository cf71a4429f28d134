"""The best trials of a finished sweep, trained on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from safetensors.torch import load_file

from harness.runs.journal import read

pytestmark = pytest.mark.slow

WORDS = [
    *("data/extract=iris", "trainer.device=cpu", "model.widths=[16]", "tracking=none", "split.guard=off"),
    *("report=false", "data.cache=off", "baseline=off", "fuse=off", "trainer/scheduler=none"),
]
RATE = "trainer.optimizer.lr=tag(log,interval(1e-3,1e-1))"
SWEEP = ["sweep=random", "sweep.trials=3", "sweep.test=none", "sweep.predictions=0", RATE]
SWEEP.append("sweep.extendable=2")


def curve(folder: Path) -> dict[int, tuple[float, float, float]]:
    events = [event for event in read(folder)[0] if event["event"] == "metrics" and "lr" in event["values"]]
    assert len({event["step"] for event in events}) == len(events)
    names = ("train/loss", "valid/accuracy", "lr")
    return {event["step"]: tuple(event["values"][name] for name in names) for event in events}  # type: ignore[misc]


def test_the_best_trials_are_trained_on_as_if_they_had_never_ended(
    run_cli: Callable[..., Any], here: Path
) -> None:
    basic = ("-m", "hydra/launcher=basic", *WORDS, *SWEEP)
    refused = run_cli(*basic, "trainer.epochs=4", "sweep.extend=2")
    assert refused.status == 2
    assert "there is none of this command below outputs/sweeps; name the sweep by resume=SWEEP" in refused.err

    assert run_cli(*basic, "trainer.epochs=2").status == 0
    (earlier,) = (here / "outputs" / "sweeps").iterdir()
    kept = {folder.parent.name for folder in earlier.glob("*/checkpoints")}
    assert len(kept) == 2
    best = json.loads((earlier / "result.json").read_text())["best"]["number"]
    assert str(best) in kept
    for verb in ((), ("check",)):
        same = run_cli(*verb, *basic, "trainer.epochs=2", "sweep.extend=2")
        assert same.status == 2
        assert "its trials had 2 epochs already, got 2; give more: trainer.epochs=4." in same.err

    answer = run_cli(*basic, "trainer.epochs=4", "sweep.extend=2")
    assert answer.status == 0, answer.err
    assert f"! trials {best}, " in answer.out
    assert "the schedule depends" not in answer.out
    (extended,) = set((here / "outputs" / "sweeps").iterdir()) - {earlier}
    assert not (extended / "2").exists()
    rate = yaml.safe_load((extended / "0" / "config.yaml").read_text())["trainer"]["optimizer"]["lr"]
    assert run_cli(*WORDS, "trainer.epochs=4", f"trainer.optimizer.lr={rate!r}").status == 0
    (alone,) = (here / "outputs" / "runs").iterdir()
    assert list(curve(extended / "0")) == [1, 2, 3, 4]
    assert curve(extended / "0") == curve(alone)
    weights = [load_file(folder / "model" / "weights.safetensors") for folder in (extended / "0", alone)]
    assert all(weights[0][name].equal(weights[1][name]) for name in weights[1])
    assert list(curve(earlier / str(best))) == [1, 2]

    shutil.rmtree(earlier / str(best) / "checkpoints")
    fits = run_cli("check", *basic, "trainer.epochs=8", "sweep.extend=1", f"resume={extended.name}")
    assert (fits.status, "are trained on, as trials 0 to 0 of this sweep" in fits.out) == (0, True), fits.err
    gone = run_cli("check", *basic, "trainer.epochs=8", "sweep.extend=2")
    assert gone.status == 2
    assert f"and the checkpoints of trial {best} are gone; use sweep.extend=1, or run" in gone.err


def test_the_default_is_still_known_as_such(run_cli: Callable[..., Any], here: Path) -> None:
    words = ("-m", "hydra/launcher=basic", *WORDS, "sweep=random", "sweep.trials=2", "sweep.test=none", RATE)
    assert run_cli(*words, "trainer.epochs=2").status == 0
    (earlier,) = (here / "outputs" / "sweeps").iterdir()
    answer = run_cli(*words, "trainer.epochs=4", "sweep.extend=2")
    assert answer.status == 0, answer.err
    (extended,) = set((here / "outputs" / "sweeps").iterdir()) - {earlier}
    selection = json.loads((extended / "result.json").read_text())["selection"]
    config = yaml.safe_load((extended / str(selection["default"]) / "config.yaml").read_text())
    assert config["trainer"]["optimizer"]["lr"] == 0.003


def test_a_schedule_of_the_length_goes_on_as_that_of_the_longer_training(
    run_cli: Callable[..., Any], here: Path
) -> None:
    words = ("-m", "hydra/launcher=basic", *WORDS, "trainer/scheduler=cosine", "sweep.trials=1", *SWEEP[:1])
    words = (*words, "sweep.enqueue_default=false", "sweep.predictions=0", "sweep.test=none", RATE)
    assert run_cli(*words, "trainer.epochs=2").status == 0
    answer = run_cli(*words, "trainer.epochs=4", "sweep.extend=1")
    assert answer.status == 0, answer.err
    assert "! the schedule depends on the length of the training: from its checkpoint on" in answer.out
    (trial,) = (here / "outputs" / "sweeps").glob("*/0/checkpoints/epoch-0004*.safetensors")
    folder = trial.parents[1]
    rate = yaml.safe_load((folder / "config.yaml").read_text())["trainer"]["optimizer"]["lr"]
    rates = [values[2] / rate for values in curve(folder).values()]
    # In each epoch: a cosine of two epochs, then the second half of one of four.
    assert rates == pytest.approx([1.0, 0.5, 0.5, 0.1464466], abs=1e-6)

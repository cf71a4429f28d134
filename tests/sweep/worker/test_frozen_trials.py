"""Trials that are frozen and go on: each as if it had never been frozen."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml
from safetensors.torch import load_file

from harness.runs.journal import read
from harness.sweep.study.study_storage import open_storage
from harness.sweep.study.successive_halving import is_frozen
from harness.sweep.study.trial_queue import TrialQueue

pytestmark = pytest.mark.slow

RunCli = Callable[..., Any]
WORDS = [
    "data/extract=iris",
    "trainer.device=cpu",
    "trainer.epochs=4",
    "model.widths=[16]",
    "model.dropout=0.2",
    "tracking=none",
    "split.guard=off",
    "report=false",
    "data.cache=off",
    "baseline=off",
]
ASHA = [
    "sweep=asha",
    "sweep/sampler=random",
    "sweep.trials=6",
    "sweep.predictions=0",
    "sweep.test=none",
    "sweep.extendable=0",
    "sweep.enqueue_default=false",
    "sweep.pruner.min_resource=1",
    "sweep.pruner.reduction_factor=2",
    "trainer.optimizer.lr=tag(log,interval(1e-4,1e-1))",
]
FOLLOWED = ("train/loss", "valid/accuracy", "valid/loss", "lr")


def result(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return content


def curve(folder: Path) -> dict[tuple[str, int], dict[str, float]]:
    """The scores of each epoch of each fold; no epoch is there twice."""
    events = [event for event in read(folder)[0] if event["event"] == "metrics" and "lr" in event["values"]]
    assert set(Counter((e["run"], e["step"]) for e in events).values()) == {1}
    return {(e["run"], e["step"]): {name: e["values"][name] for name in FOLLOWED} for e in events}


def starts(folder: Path) -> int:
    return sum(event["event"] == "start" and event["run"] == "" for event in read(folder)[0])


@pytest.mark.parametrize(
    ("words", "run"),
    [(["fuse=off", "split=kfold", "split.folds=2"], ""), (["fuse=4", "sweep.repeat=2"], "seed-1")],
)
def test_a_thawed_trial_equals_one_that_was_never_frozen(
    run_cli: RunCli, here: Path, words: list[str], run: str
) -> None:
    answer = run_cli("-m", "hydra/launcher=basic", *WORDS, *ASHA, *words)
    assert answer.status == 0, answer.err
    (sweep,) = (here / "outputs" / "sweeps").iterdir()
    runs = [sweep / str(number) / run for number in range(6)]
    thawed = [folder for folder in runs if starts(folder) > 1 and result(folder)["status"] == "finished"]
    assert thawed
    assert all("resumes after epoch" in (folder / "run.log").read_text() for folder in thawed)
    for folder in runs:
        epochs = [epoch for _, epoch in curve(folder)]
        assert max(epochs) in (1, 2, 4)
        assert not any(folder.rglob("checkpoints/*"))
    study = optuna.load_study(study_name=sweep.name, storage=open_storage(None, sweep))
    assert Counter(trial.state.name for trial in study.trials).keys() == {"COMPLETE", "PRUNED"}
    rate = yaml.safe_load((thawed[-1] / "config.yaml").read_text())["trainer"]["optimizer"]["lr"]
    alone = [word for word in words if not word.startswith("sweep")]
    seed = ["seed=1"] if run else []
    answer = run_cli(*WORDS, *alone, *seed, f"trainer.optimizer.lr={rate!r}")
    assert answer.status == 0, answer.err
    (single,) = (here / "outputs" / "runs").iterdir()
    assert curve(single) == curve(thawed[-1])
    for weights in sorted(thawed[-1].rglob("model/weights.safetensors")):
        own, other = load_file(weights), load_file(single / weights.relative_to(thawed[-1]))
        assert {name: tensor.tolist() for name, tensor in own.items()} == {
            name: tensor.tolist() for name, tensor in other.items()
        }


def test_a_thawed_trial_without_its_checkpoint_is_trained_again_to_the_same_scores(
    run_cli: RunCli, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its checkpoint was removed when it could not go on, and then trials were added by hand."""

    def frozen(queue: TrialQueue, budget: object) -> list[str]:
        return [str(trial.number) for trial in filter(is_frozen, queue.study.trials)]

    monkeypatch.setattr(TrialQueue, "hopeless", frozen)
    answer = run_cli("-m", "hydra/launcher=basic", *WORDS, *ASHA, "fuse=off")
    assert answer.status == 0, answer.err
    (sweep,) = (here / "outputs" / "sweeps").iterdir()
    runs = [sweep / str(number) for number in range(6)]
    thawed = [folder for folder in runs if starts(folder) > 1 and result(folder)["status"] == "finished"]
    assert thawed
    assert all("resumes after epoch" not in (folder / "run.log").read_text() for folder in thawed)
    rate = yaml.safe_load((thawed[-1] / "config.yaml").read_text())["trainer"]["optimizer"]["lr"]
    assert run_cli(*WORDS, "fuse=off", f"trainer.optimizer.lr={rate!r}").status == 0
    (single,) = (here / "outputs" / "runs").iterdir()
    assert curve(single) == curve(thawed[-1])

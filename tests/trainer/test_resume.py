"""A training that goes on from a state ends bit for bit where the uninterrupted one ended."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
import torch

from harness.experiment import Experiment
from harness.progress import Progress

Make = Callable[..., Experiment]

FOUR_EPOCHS = [
    "data/extract=breast_cancer",
    "split.test=0.7",
    "data.load.batch_size=32",
    "trainer.epochs=4",
    "trainer.optimizer.lr=0.01",
]


def through_a_file(state: dict[str, Any]) -> dict[str, Any]:
    """As a checkpoint takes it: without pickle, so that reading it can run no code."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    read: dict[str, Any] = torch.load(file, weights_only=True)
    return read


def finish(experiment: Experiment, state: dict[str, Any] | None = None) -> tuple[list[Any], list[Progress]]:
    """Every state that the training passes, through a file, and every progress."""
    trainer, passed, states = experiment.trainer, [], []
    for progress in trainer.fit(
        experiment.model, experiment.loaders, experiment.augment, experiment.judge, lambda: False, state
    ):
        states.append(through_a_file(progress.state()))
        passed.append(progress)
    return states, passed


def facts(progress: Progress) -> tuple[Any, ...]:
    scores = {name: value for name, value in progress.scores.items() if name != "time/epoch_seconds"}
    return progress.epoch, progress.step, progress.best, scores


def same(one: Any, other: Any) -> bool:
    """Whether nested containers hold the same bits, the time that was taken left out."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(key == "clock" or same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


@pytest.mark.parametrize("trainer", ["supervised", "contrastive"])
@pytest.mark.parametrize(
    "words",
    [
        ["trainer/scheduler=warmup_cosine"],
        ["trainer/scheduler=cosine"],
        ["trainer/scheduler=onecycle"],
        ["trainer/scheduler=plateau", "trainer.scheduler.patience=0", "trainer.scheduler.threshold=0.01"],
        ["trainer/scheduler=exponential", "trainer/optimizer=sgd"],
        ["trainer/scheduler=step", "trainer.scheduler.step_size=2", "trainer/optimizer=rmsprop"],
        ["trainer/scheduler=none", "trainer/optimizer=adam", "trainer.precision=bf16"],
    ],
    ids=lambda words: words[0].partition("=")[2],
)
def test_resumed_equals_uninterrupted(make_experiment: Make, trainer: str, words: list[str]) -> None:
    whole = make_experiment(f"trainer={trainer}", *FOUR_EPOCHS, *words)
    states, passed = finish(whole)
    resumed = make_experiment(f"trainer={trainer}", *FOUR_EPOCHS, *words, "seed=1")
    later_states, later = finish(resumed, states[1])
    assert [facts(progress) for progress in later] == [facts(progress) for progress in passed[2:]]
    assert same(later_states, states[2:])
    assert same(resumed.trainer.network.state_dict(), whole.trainer.network.state_dict())
    assert len({progress.scores["train/loss"] for progress in passed}) == 4


def test_the_best_epoch_may_lie_before_the_interruption(make_experiment: Make) -> None:
    experiment = make_experiment(*FOUR_EPOCHS)
    scores = iter([0.9, 0.5, 0.4, 0.3])
    fit = experiment.trainer.fit
    parts = (experiment.model, experiment.loaders, experiment.augment)
    states, weights = [], []
    for progress in fit(*parts, lambda predictor: {"valid/accuracy": next(scores)}, lambda: False):
        states.append(progress.state())
        weights.append({name: w.clone() for name, w in experiment.model.state_dict().items()})
    later = fit(*parts, lambda predictor: {"valid/accuracy": 0.1}, lambda: False, states[2])
    assert [progress.best for progress in later] == [False]
    assert same(dict(experiment.model.state_dict()), weights[0])


def test_a_state_stays_as_it_was_taken(make_experiment: Make) -> None:
    experiment = make_experiment(*FOUR_EPOCHS)
    parts = (experiment.model, experiment.loaders, experiment.augment, experiment.judge, lambda: False)
    states, copies = [], []
    for progress in experiment.trainer.fit(*parts):
        states.append(progress.state())
        copies.append(through_a_file(states[-1]))
    assert same(states, copies)
    list(experiment.trainer.fit(*parts, states[1]))
    assert same(states, copies)


def test_a_finished_training_resumes_to_its_best_epoch_without_a_step(make_experiment: Make) -> None:
    whole, resumed = make_experiment(*FOUR_EPOCHS), make_experiment(*FOUR_EPOCHS, "seed=1")
    states, _ = finish(whole)
    assert finish(resumed, states[-1]) == ([], [])
    assert same(resumed.trainer.network.state_dict(), whole.trainer.network.state_dict())
    assert resumed.trainer.step == whole.trainer.step


def test_a_training_whose_patience_had_run_out_takes_no_step_more(make_experiment: Make) -> None:
    words = [*FOUR_EPOCHS, "trainer.patience=1"]
    scores = iter([0.9, 0.5])
    experiment = make_experiment(*words)
    parts = (experiment.model, experiment.loaders, experiment.augment)
    judge = lambda predictor: {"valid/accuracy": next(scores)}  # noqa: E731
    states = [progress.state() for progress in experiment.trainer.fit(*parts, judge, lambda: False)]
    assert len(states) == 2
    assert finish(make_experiment(*words), states[-1]) == ([], [])

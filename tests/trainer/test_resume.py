"""A training that goes on from a state ends bit for bit where the uninterrupted one ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from safetensors.torch import load, save

from harness.checkpoint.state_tree import flatten, unflatten
from harness.config.choice_files import CONF
from harness.core.progress import Progress
from harness.prepare.experiment import Experiment

pytestmark = pytest.mark.slow

Make = Callable[..., Experiment]

METHODS = {
    yaml.stem: yaml
    for yaml in sorted((CONF / "trainer" / "method").glob("*.yaml"))
    if not yaml.stem.startswith("column_")  # whose tables name pairs
}

FOUR_EPOCHS = [
    "data/extract=breast_cancer",
    "split.test=0.7",
    "data.load.batch_size=32",
    "trainer.epochs=4",
    "trainer.optimizer.lr=0.01",
]


def through_a_file(state: dict[str, Any]) -> dict[str, Any]:
    """As a checkpoint takes it: numbers without their order in memory."""
    tensors, text = flatten(state)
    content = save({name: tensor.contiguous() for name, tensor in tensors.items()})
    read: dict[str, Any] = unflatten(load(content), text)
    return read


def finish(experiment: Experiment, state: dict[str, Any] | None = None) -> tuple[list[Any], list[Progress]]:
    """Every state that the training passes, through a file, and every progress."""
    trainer, passed, states = experiment.trainer, [], []
    for progress in trainer.fit(
        experiment.model, experiment.loaders, experiment.augment, experiment.validate, lambda: False, state
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


@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "lars"])
def test_weights_that_lie_channels_last_resume_as_they_lie(make_experiment: Make, optimizer: str) -> None:
    """A fused step walks through weights and moments side by side in memory, and a file keeps no order."""
    words = ["model=convnet", f"trainer/optimizer={optimizer}", "split.test=0.8", "trainer.epochs=3"]
    whole, resumed = make_experiment(*words), make_experiment(*words, "seed=1")
    assert not whole.model.state_dict()["stages.2.0.weight"].is_contiguous()
    states, _ = finish(whole)
    later, _ = finish(resumed, states[0])
    assert same(later, states[1:])


@pytest.mark.parametrize("method", METHODS)
def test_every_method_resumes_at_an_epochs_end_and_within_one(make_experiment: Make, method: str) -> None:
    """Queues, momentum copies, thresholds and what a method keeps of each row are part of the state."""
    family = "semi_supervised" if ".consistency." in METHODS[method].read_text() else "contrastive"
    labels = ["split.labelled=60"] if family == "semi_supervised" else []
    words = [f"trainer={family}", f"trainer/method={method}", *labels, *FOUR_EPOCHS, "trainer.epochs=3"]
    whole, states, at = make_experiment(*words), [], []
    parts = (whole.model, whole.loaders, whole.augment, whole.validate, lambda: False)
    for progress in whole.trainer.fit(*parts, due=lambda: True):
        states.append(through_a_file(progress.state()))
        at.append(progress)
    within = next(place for place, progress in enumerate(at) if not progress.whole and progress.epoch == 2)
    for place in (within, next(place for place, progress in enumerate(at) if progress.whole)):
        resumed = make_experiment(*words, "seed=1")
        later, passed = finish(resumed, states[place])
        ends = [state for state, progress in zip(states, at, strict=True) if progress.whole]
        assert same(later, ends[-len(later) :])
        assert [progress.epoch for progress in passed][-1] == 3
        assert same(resumed.model.state_dict(), whole.model.state_dict())


def test_the_best_epoch_may_lie_before_the_interruption(make_experiment: Make) -> None:
    experiment = make_experiment(*FOUR_EPOCHS, "trainer.monitor=valid/accuracy")
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
    parts = (experiment.model, experiment.loaders, experiment.augment, experiment.validate, lambda: False)
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
    words = [*FOUR_EPOCHS, "trainer.patience=1", "trainer.monitor=valid/accuracy"]
    scores = iter([0.9, 0.5])
    experiment = make_experiment(*words)
    parts = (experiment.model, experiment.loaders, experiment.augment)
    validate = lambda predictor: {"valid/accuracy": next(scores)}  # noqa: E731
    states = [progress.state() for progress in experiment.trainer.fit(*parts, validate, lambda: False)]
    assert len(states) == 2
    assert finish(make_experiment(*words), states[-1]) == ([], [])

"""The engine under the smallest trainer there is: budgets, updates, guards, and any step resumed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count, pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from harness.core.arrays import Batch, Loaders
from harness.core.errors import Diverged
from harness.core.predictor import Predictor
from harness.core.progress import Progress
from harness.core.protocol import Augment
from harness.core.task import Task
from harness.trainer.batch_source import BatchSource
from harness.trainer.layers import Layers
from harness.trainer.scheduler import WarmupCosine
from harness.trainer.speed import Speed
from harness.trainer.universal import UniversalTrainer
from harness.trainer.update import Update

pytestmark = pytest.mark.slow

Make = Callable[..., Any]
SGD = partial(torch.optim.SGD, lr=0.1)
ADAMW = partial(torch.optim.AdamW, lr=0.01, fused=True)


class Plain(UniversalTrainer):
    """Cross-entropy of a linear head; with `beside`, of a batch of each loader."""

    def __init__(self, *, beside: bool = False, **universal: Any) -> None:
        super().__init__(**universal)
        self.beside = beside
        self.seen: list[list[int]] = []

    def build_head(self, width: int, task: Task) -> nn.Module:
        return nn.Linear(width, task.outputs)

    def build_companion(self, model: nn.Module, head: nn.Module | None, task: Task) -> None:
        return None

    def prepare(self, loaders: Loaders) -> None: ...

    def batch_source(self, loaders: Loaders) -> BatchSource:
        return BatchSource(loaders.train, beside=loaders.valid if self.beside else None)

    def unpack(self, batch: Any, augment: Augment) -> list[Batch]:
        batches = [batch] if isinstance(batch, Batch) else list(batch)
        self.seen.append([row for batch in batches for row in batch.rows.tolist()])
        return [batch._replace(inputs=augment(batch.inputs)) for batch in batches]

    def loss(self, parts: list[Batch]) -> Tensor:
        assert self.head is not None
        losses = [cross_entropy(self.head(self.model(batch.inputs)), batch.targets) for batch in parts]
        self.meters.add("train/first", losses[0])
        return torch.stack(losses).sum()

    def predictor(self) -> Predictor:
        return Predictor(self.model, self.head, self.task)


def plain(**changes: Any) -> Plain:
    """A trainer of plain SGD, but for what is changed."""
    guard = {"accumulate": 1, "clip_norm": None, "ema": None, "skip": 0}
    guard |= {name: changes.pop(name) for name in list(changes) if name in guard}
    universal: dict[str, Any] = {
        "epochs": 3,
        "steps": None,
        "minutes": None,
        "optimizer": SGD,
        "scheduler": None,
        "monitor": "valid/score",
        "patience": None,
        "update": Update(**guard),
        "layers": Layers(freeze=0, head_first=0, decay=1.0, decay_all=True),
        "speed": Speed(channels_last=False, compile=False, tune=False, tf32=False, parallel="ddp"),
        "device": "cpu",
        "precision": "fp32",
    }
    return Plain(**(universal | changes))


def fit(trainer: Plain, model: nn.Module, loaders: Loaders, **keywords: Any) -> Iterator[Progress]:
    """The training, validated 0 in every epoch."""
    torch.manual_seed(3)
    defaults: dict[str, Any] = {
        "augment": lambda inputs: inputs + 0.1 * torch.randn_like(inputs),
        "validate": lambda predictor: {"valid/score": 0.0},
        "stop": lambda: False,
    }
    return trainer.fit(model, loaders, **(defaults | keywords))


def same(one: Any, other: Any) -> bool:
    """Whether nested containers hold the same bits."""
    if isinstance(one, Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def without_time(state: dict[str, Any]) -> dict[str, Any]:
    return {name: part for name, part in state.items() if name != "clock"}


SETTINGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "beside": {"beside": True},
    "accumulated": {"accumulate": 3},
    "averaged": {"ema": 0.9, "optimizer": ADAMW, "clip_norm": 0.5},
    "scheduled": {"scheduler": partial(WarmupCosine, warmup=0.3, final=0.1), "skip": 2},
    "beside and accumulated": {"beside": True, "accumulate": 2, "steps": 5},
}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=list(SETTINGS))
def test_a_training_resumed_at_any_step_ends_bit_for_bit_the_same(
    make_loaders: Make, make_model: Make, settings: dict[str, Any]
) -> None:
    loaders = make_loaders(train=30, valid=22, batch_size=4)
    whole, model = plain(**settings), make_model()
    states, passed = [], []
    for progress in fit(whole, model, loaders, due=lambda: True):
        states.append(progress.state())
        passed.append(progress)
    assert len(states) == whole.step + sum(progress.whole for progress in passed)
    for place, state in enumerate(states[:-1]):
        again, fresh = plain(**settings), make_model(seed=9)
        # Another process has other generators, and the state alone brings them back.
        later = []
        for progress in fit(again, fresh, loaders, due=lambda: True, state=state):
            later.append(progress)
            last = progress.state()
        assert same(without_time(last), without_time(states[-1]))
        assert same(fresh.state_dict(), model.state_dict())
        assert [p.whole for p in later] == [p.whole for p in passed[place + 1 :]]
        curves = [{k: v for k, v in p.scores.items() if k != "time/epoch_seconds"} for p in (*later, *passed)]
        assert curves[: len(later)] == curves[len(later) + place + 1 :]
        steps = len(again.seen)
        assert steps == 0 or again.seen == whole.seen[-steps:]


def test_an_epoch_is_a_pass_of_the_leading_loader_and_the_other_is_repeated(
    make_loaders: Make, make_model: Make
) -> None:
    loaders, trainer = make_loaders(train=32, valid=16, batch_size=4), plain(beside=True, epochs=2)
    list(fit(trainer, make_model(), loaders))
    leading = [row for rows in trainer.seen for row in rows if row < 32]
    beside = [row for rows in trainer.seen for row in rows if row >= 32]
    assert sorted(leading[:32]) == sorted(leading[32:]) == list(range(32))
    assert len(trainer.seen) == 16
    assert beside[:16] == list(range(32, 48))
    assert len(beside) == 16 * 16


def test_accumulated_batches_are_one_batch_of_their_mean_gradient(
    make_loaders: Make, make_model: Make
) -> None:
    weights = {}
    for size, together in ((16, 1), (4, 4)):
        model, loaders = make_model(), make_loaders(train=40, batch_size=size, shuffle=False)
        trainer = plain(accumulate=together, epochs=2)
        list(fit(trainer, model, loaders, augment=lambda inputs: inputs))
        assert trainer.step == 6  # 40 rows are two steps of 16 and one of 8
        weights[size] = [parameter.detach().clone() for parameter in trainer.network.parameters()]
    torch.testing.assert_close(weights[4], weights[16], rtol=1e-5, atol=1e-7)


def test_steps_end_a_training_within_an_epoch_which_is_judged(make_loaders: Make, make_model: Make) -> None:
    validated = []

    def validate(predictor: Predictor) -> dict[str, float]:
        validated.append(predictor)
        return {"valid/score": 0.0}

    trainer = plain(epochs=None, steps=11)
    passed = list(fit(trainer, make_model(), make_loaders(train=32, batch_size=4), validate=validate))
    assert [(p.epoch, p.epochs, p.step) for p in passed] == [(1, 2, 8), (2, 2, 11)]
    assert len(validated) == 2
    trainer = plain(epochs=1, steps=11)
    assert [p.step for p in fit(trainer, make_model(), make_loaders(train=32, batch_size=4))] == [8]


def test_minutes_end_a_training_after_the_step_in_which_they_run_out(
    make_loaders: Make, make_model: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = count()
    monkeypatch.setattr("harness.trainer.training_clock.perf_counter", lambda: float(next(seconds)))
    trainer = plain(epochs=50, minutes=0.25)
    passed = list(fit(trainer, make_model(), make_loaders(train=32, batch_size=4)))
    assert 0 < trainer.step < 16  # the clock is asked once a step and moves by a second each time
    assert len(passed) == math.ceil(trainer.step / 8)


def test_the_time_that_others_take_within_an_epoch_does_not_count(
    make_loaders: Make, make_model: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr("harness.trainer.training_clock.perf_counter", lambda: now[0])

    def augment(inputs: Tensor) -> Tensor:
        now[0] += 1.0
        return inputs

    trainer = plain(epochs=1)
    loaders, reports = make_loaders(train=32, batch_size=4), []
    for progress in fit(trainer, make_model(), loaders, augment=augment, due=lambda: True):
        now[0] += 100.0
        reports.append(progress)
    assert reports[-1].scores["time/epoch_seconds"] == 8.0


def test_the_average_of_the_weights_is_validated_and_kept(make_loaders: Make, make_model: Make) -> None:
    model, loaders = make_model(), make_loaders(train=32, batch_size=4)
    trainer, validated = plain(ema=0.9, epochs=1), []

    def validate(predictor: Predictor) -> dict[str, float]:
        validated.append(predictor.model.linear.weight.detach().clone())
        return {"valid/score": 0.0}

    start = model.linear.weight.detach().clone()
    live = [
        model.linear.weight.detach().clone()
        for _ in fit(trainer, model, loaders, validate=validate, due=lambda: True)
    ]
    average = start
    for step, weight in enumerate(live[:-1], start=1):
        average = torch.lerp(average, weight, 1 - min(0.9, (1 + step) / (10 + step)))
    torch.testing.assert_close(validated[0], average)
    assert torch.equal(model.linear.weight, validated[0])
    assert not torch.allclose(average, live[-1])


class Poisoned:
    """Augmentation whose batches of these numbers, 1 for the first, are NaN."""

    def __init__(self, *batches: int) -> None:
        self.batches, self.given = batches, 0

    def __call__(self, inputs: Tensor) -> Tensor:
        self.given += 1
        return inputs * float("nan") if self.given in self.batches else inputs


@pytest.mark.parametrize("late", [False, True], ids=["at once", "late"])
def test_after_the_first_bad_step_no_weight_changes_and_its_number_is_known(
    make_loaders: Make, make_model: Make, monkeypatch: pytest.MonkeyPatch, late: bool
) -> None:
    monkeypatch.setattr("harness.trainer.update.is_asynchronous", lambda device: late)
    model, loaders = make_model(), make_loaders(train=32, batch_size=4)
    weights: list[Tensor] = []
    trainer = plain(optimizer=ADAMW)
    steps = fit(trainer, model, loaders, augment=Poisoned(11), due=lambda: True)
    with pytest.raises(Diverged, match="became nan in step 11, epoch 2 "):
        weights.extend(model.linear.weight.detach().clone() for _ in steps)
    assert len(weights) == 17  # sixteen steps and the report after the first eight
    assert not torch.equal(weights[9], weights[10])
    assert all(torch.equal(weights[10], weight) for weight in weights[11:])


@pytest.mark.parametrize("late", [False, True], ids=["at once", "late"])
def test_up_to_a_set_number_of_bad_steps_is_skipped(
    make_loaders: Make, make_model: Make, monkeypatch: pytest.MonkeyPatch, late: bool
) -> None:
    monkeypatch.setattr("harness.trainer.update.is_asynchronous", lambda device: late)
    model, loaders = make_model(), make_loaders(train=32, batch_size=4)
    trainer, weights = plain(optimizer=ADAMW, skip=2, epochs=1), []
    reports = []
    for progress in fit(trainer, model, loaders, augment=Poisoned(2, 5), due=lambda: True):
        weights.append(model.linear.weight.detach().clone())
        reports.append(progress)
    assert reports[-1].scores["train/skipped_steps"] == 2
    assert math.isfinite(reports[-1].scores["train/loss"])
    moved = [not torch.equal(*pair) for pair in pairwise(weights[:8])]
    assert moved == [False, True, True, False, True, True, True]
    with pytest.raises(Diverged, match="in step 7, epoch 1 "):
        list(fit(plain(optimizer=ADAMW, skip=2), make_model(), loaders, augment=Poisoned(2, 5, 7)))


class Root(nn.Module):
    """The root of 0 is 0, and its slope infinite."""

    width = 4

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.zeros(4))

    def forward(self, inputs: Tensor) -> Tensor:
        return (inputs * self.scale).square().sqrt()


def test_a_gradient_may_be_bad_where_the_loss_is_not(make_loaders: Make) -> None:
    trainer = plain()
    with pytest.raises(Diverged, match=r"^a gradient became NaN or infinite in step 1, epoch 1 "):
        list(fit(trainer, Root(), make_loaders()))
    assert torch.equal(trainer.model.scale, torch.zeros(4))


def test_fp16_scales_the_loss_and_lowers_the_scale_where_a_gradient_overflows(
    make_loaders: Make, make_model: Make
) -> None:
    class Steep(nn.Module):
        """Its gradient does not fit beneath the first scale."""

        width = 4

        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(4))

        def forward(self, inputs: Tensor) -> Tensor:
            return inputs + 1e35 * inputs * (self.scale - self.scale.detach())

    trainer = plain(precision="fp16", epochs=2, optimizer=partial(SGD, lr=0.0))
    (first, last) = fit(trainer, Steep(), make_loaders(train=32, batch_size=4))
    assert 2.0 <= trainer.update.state_dict()["scale"].item() < 2.0**13
    assert first.scores["train/loss"] == pytest.approx(last.scores["train/loss"], rel=0.2)


def test_fp16_gives_up_where_no_scale_helps(make_loaders: Make) -> None:
    trainer = plain(precision="fp16", epochs=5)
    with pytest.raises(Diverged, match=r"^a gradient became NaN or infinite in step 32, epoch 4 "):
        list(fit(trainer, Root(), make_loaders(train=32, batch_size=4)))


def test_without_a_score_the_average_is_kept_all_the_same(make_loaders: Make, make_model: Make) -> None:
    model, averages = make_model(), []

    def validate(predictor: Predictor) -> dict[str, float]:
        averages.append(predictor.model.linear.weight.detach().clone())
        return {}

    trainer = plain(ema=0.9, epochs=2)
    list(fit(trainer, model, make_loaders(train=32, batch_size=4), validate=validate))
    assert torch.equal(model.linear.weight, averages[-1])

"""A member of a fused training is what it would be alone: at any group size, and beside the plain engine."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from harness.core.arrays import Arrays, Loaders
from harness.core.errors import Diverged
from harness.core.fold import Fold
from harness.core.predictor import Predictor
from harness.core.protocol import Augment
from harness.core.task import Task, TaskKind
from harness.data.augment.none import Identity
from harness.data.augment.tabular import FeatureCorruption
from harness.data.load.resident import Resident
from harness.model.mlp import MLP
from harness.model.transformer import Transformer
from harness.trainer.fused import stacked_members
from harness.trainer.fused.flat_members import FlatMembers
from harness.trainer.fused.fuse_rule import StepSize, is_faster, why_alone
from harness.trainer.fused.fused_member import Member
from harness.trainer.fused.fused_step import FusedStep
from harness.trainer.fused.group_memory import another_fits, fitting, member_bytes
from harness.trainer.fused.group_training import GroupTraining, fit_members
from harness.trainer.fused.step_parts import whole
from harness.trainer.fused.training_kind import kind_of
from harness.trainer.layers import Layers
from harness.trainer.mix import Unmixed
from harness.trainer.scheduler import WarmupCosine
from harness.trainer.speed import Speed
from harness.trainer.supervised import SupervisedTrainer
from harness.trainer.update import Update
from tests.service.fused_members import alone, equal, scores, together, weights

CLASSES: dict[TaskKind, tuple[str, ...]] = {"multiclass": ("a", "b", "c"), "binary": ("no", "yes")}
CRITERIA = {"multiclass": nn.CrossEntropyLoss, "binary": nn.BCEWithLogitsLoss, "regression": nn.MSELoss}
PLAIN = {"widths": [16, 8], "dropout": 0.0, "norm": "none", "activation": "relu"}
MODELS: dict[str, Callable[[], nn.Module]] = {
    "dropout": partial(MLP, (5,), **{**PLAIN, "dropout": 0.3}),
    "batch": partial(MLP, (5,), **{**PLAIN, "norm": "batch"}),
    "layer": partial(MLP, (5,), **{**PLAIN, "norm": "layer", "activation": "gelu"}),
    "codes": partial(MLP, (5,), (3, 3), **PLAIN),
    "transformer": partial(
        Transformer,
        (5,),
        width=8,
        depth=1,
        heads=2,
        mlp_ratio=2,
        dropout=0.2,
        position="learned",
        pooling="cls",
    ),
}
OPTIMIZERS: dict[str, Callable[..., Any]] = {
    "adamw": partial(torch.optim.AdamW, lr=0.01, fused=True),
    "adam": partial(torch.optim.Adam, lr=0.01, weight_decay=0.1, amsgrad=True),
    "nesterov": partial(torch.optim.SGD, lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.01, fused=True),
    "sgd": partial(torch.optim.SGD, lr=0.05),
    "dampened": partial(torch.optim.SGD, lr=0.05, momentum=0.9, dampening=0.5),
}
UNCHANGED, CORRUPTING = Identity(), FeatureCorruption(rate=0.3, weak_rate=0.1)
ROWS = [40, 41, 33, 40, 48, 25, 41, 40]
"""The training rows of each member: batches of 8, last ones of different size, epochs of different length."""


def member(
    number: int,
    model: str = "dropout",
    kind: TaskKind = "multiclass",
    dtype: torch.dtype = torch.float32,
    extreme: bool = False,
    augment: Augment = UNCHANGED,
    **changes: Any,
) -> Member:
    """Training `number`: with rows, weights and random numbers of its own."""
    inputs = torch.randn(64, 5, generator=torch.Generator().manual_seed(number), dtype=dtype)
    sums = inputs[:, 0] + inputs[:, 1]
    codes = (sums > -0.5).long() + (sums > 0.5) * (kind == "multiclass")
    if model == "codes":
        inputs[:, 3:] = inputs[:, 3:].abs().round().clamp(max=2)
    if extreme:
        inputs[0] = torch.inf
    targets = 152 + 77 * sums.double() if kind == "regression" else codes
    rows = np.arange(64)
    fold = Fold(0, rows[: ROWS[number]], rows[50:], rows[:0])
    load = Resident(batch_size=8, eval_batch_size=64, shuffle=True)
    arrays = Arrays(inputs, targets, Task(kind, CLASSES.get(kind, ())))
    arrays = replace(arrays, codes=(3, 3) if model == "codes" else ())
    loaders = load(arrays, fold, torch.device("cpu"))
    torch.manual_seed(number)
    network = MODELS[model]().to(dtype)
    update = {"accumulate": 1, "clip_norm": None, "ema": None, "skip": 0}
    update |= {name: changes.pop(name) for name in list(changes) if name in update}
    layers = {"freeze": 0, "head_first": 0, "decay": 1.0, "decay_all": False}
    layers |= {name: changes.pop(name) for name in list(changes) if name in layers}
    settings: dict[str, Any] = {
        "loss": CRITERIA[kind](),
        "class_weights": None,
        "mix": Unmixed(),
        "epochs": 2,
        "steps": None,
        "minutes": None,
        "optimizer": OPTIMIZERS["adamw"],
        "scheduler": partial(WarmupCosine, warmup=0.2, final=0.0),
        "monitor": "valid/loss",
        "patience": None,
        "update": Update(**update),
        "layers": Layers(**layers),
        "speed": Speed(channels_last=False, compile=False, tune=False, tf32=False, parallel="ddp"),
        "device": "cpu",
        "precision": "fp32",
    }
    trainer = Doubled if dtype == torch.float64 else SupervisedTrainer
    own = trainer(**(settings | changes))
    return Member(own, network, loaders, augment, partial(validate, loaders))


class Doubled(SupervisedTrainer):  # type: ignore[misc]  # final: a test's head in float64
    """With a head in float64."""

    def build_head(self, width: int, task: Task) -> nn.Module:
        return super().build_head(width, task).double()


def validate(loaders: Loaders, predictor: Predictor) -> dict[str, float]:
    valid = loaders.valid
    assert valid is not None
    assert valid.targets is not None
    assert predictor.loss is not None
    outputs = predictor.gather(valid).outputs
    assert outputs is not None
    return {"valid/loss": float(predictor.loss(outputs, valid.targets))}


CASES: list[dict[str, Any]] = [
    {"model": "dropout"},
    {"model": "batch", "optimizer": OPTIMIZERS["adam"], "scheduler": None},
    {"model": "layer", "optimizer": OPTIMIZERS["nesterov"], "clip_norm": 0.1},
    {"model": "transformer", "kind": "binary"},
    {"model": "codes"},
    {"model": "dropout", "kind": "regression", "ema": 0.9, "optimizer": OPTIMIZERS["sgd"]},
    {"model": "layer", "freeze": 1, "decay": 0.5, "optimizer": OPTIMIZERS["dampened"]},
    {"model": "dropout", "scheduler": partial(torch.optim.lr_scheduler.OneCycleLR, max_lr=0.02)},
    {"model": "dropout", "kind": "binary"},
    {"model": "dropout", "augment": CORRUPTING},
    {"model": "batch", "steps": 7, "patience": 1, "class_weights": "balanced"},
]
NAMES = [
    " ".join(str(value) for value in case.values() if isinstance(value, str | int | float)) for case in CASES
]


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_a_member_is_the_same_to_the_last_bit_at_any_group_size(case: dict[str, Any]) -> None:
    whole = [member(number, **case) for number in range(6)]
    curves = together(whole)
    for chosen in ([5], [2, 0, 4]):
        group = [member(number, **case) for number in chosen]
        assert together(group) == [curves[number] for number in chosen]
        assert all(equal(weights(one), weights(whole[n])) for one, n in zip(group, chosen, strict=True))


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_a_member_equals_the_plain_engine_in_float64(case: dict[str, Any]) -> None:
    """With dropout too: a member draws the masks that it would draw alone."""
    case = {**case, "class_weights": None}  # these are float32
    if case["model"] in (
        "batch",
        "transformer",
    ):
        # Some of their gradients are zero but for rounding, which Adam magnifies.
        case["optimizer"] = OPTIMIZERS["nesterov"]
    group = [member(number, dtype=torch.float64, **case) for number in range(3)]
    curves = together(group)
    for number, one in enumerate(group):
        plain = member(number, dtype=torch.float64, **case)
        expected = alone(plain)
        assert [list(epoch) for epoch in curves[number]] == [list(epoch) for epoch in expected]
        for epoch, right in zip(curves[number], expected, strict=True):
            # The mean of the training loss is computed in float32.
            assert {n: v for n, v in epoch.items() if n != "train/loss"} == pytest.approx(
                {n: v for n, v in right.items() if n != "train/loss"}, rel=1e-12
            )
            assert epoch["train/loss"] == pytest.approx(right["train/loss"], rel=1e-6)
        for name, value in weights(plain).items():
            torch.testing.assert_close(weights(one)[name], value, rtol=1e-12, atol=1e-12)
        assert one.random.generator.get_state().equal(plain.random.generator.get_state())


def test_a_member_that_diverges_leaves_and_changes_no_other() -> None:
    group = [member(number, extreme=number == 2) for number in range(4)]
    curves = together(group)
    assert [one.failure is None for one in group] == [True, True, False, True]
    assert isinstance(group[2].failure, Diverged)
    with pytest.raises(Diverged) as plain:
        alone(member(2, extreme=True))
    assert str(group[2].failure) == str(plain.value)
    others = [member(number) for number in (0, 1, 3)]
    assert together(others) == [curves[number] for number in (0, 1, 3)]
    assert curves[2] == []


def full_with(most: int, monkeypatch: pytest.MonkeyPatch, place: str) -> list[int]:
    """From here on the memory is full with more than `most` members at once; the numbers that were tried."""
    tried: list[int] = []

    def limited(count: int) -> None:
        tried.append(count)
        if count > most:
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: 8 bytes")

    if place == "stack":

        def stack(trainers: Sequence[Any], unused: frozenset[str]) -> FlatMembers:
            limited(len(trainers))
            return FlatMembers(trainers, unused)

        monkeypatch.setattr(stacked_members, "FlatMembers", stack)
        return tried
    grad = torch.autograd.grad

    def gradient(outputs: Tensor, inputs: Sequence[Tensor], **others: Any) -> Any:
        if not others:  # not that of `traced`
            limited(len(inputs[0]))
        return grad(outputs, inputs, **others)

    monkeypatch.setattr(torch.autograd, "grad", gradient)
    return tried


@pytest.mark.parametrize("model", ["dropout", "batch"])
@pytest.mark.parametrize("place", ["stack", "gradient"])
def test_a_group_that_does_not_fit_is_halved_and_changes_no_member(
    model: str, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    undivided = [member(number, model) for number in range(5)]
    curves = together(undivided)
    tried = full_with(2, monkeypatch, place)
    halved = [member(number, model) for number in range(5)]
    assert together(halved) == curves
    assert all(equal(weights(one), weights(other)) for one, other in zip(halved, undivided, strict=True))
    assert max(tried) > 2
    assert sum(count > 2 for count in tried) == 1  # from then on, at most two at once


def test_a_member_whose_step_does_not_fit_alone_leaves_and_changes_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    curves = together([member(number) for number in range(3)])
    real = FusedStep.__call__

    def step(self: FusedStep, first: int, parts: Sequence[Any], *others: Any) -> Any:
        if any(torch.equal(whole(own).data, large) for own in parts):
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return real(self, first, parts, *others)

    group = [member(number) for number in range(3)]
    with group[1].random.active():
        group[1].trainer.attach(group[1].model, group[1].loaders)
        large = next(group[1].trainer.begin_epoch()).inputs  # type: ignore[union-attr]  # a batch
    group[1] = member(1)
    monkeypatch.setattr(FusedStep, "__call__", step)
    seen = together(group)
    assert [type(one.failure) for one in group] == [type(None), torch.OutOfMemoryError, type(None)]
    assert seen == [curves[0], [], curves[2]]


def test_as_many_members_fit_as_half_of_the_free_memory_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    new, begun = member(0), [member(0), member(1)]
    for one in begun:
        one.begin()
    drawn = torch.get_rng_state()
    needed = member_bytes(begun[0])
    assert begun[0].traced is not None
    kept = begun[0].traced.saved
    assert kept >= 4 * 8 * (5 + 16 + 8)  # a batch of 8: its input, and the inputs of the other layers
    samples, weights = 64 * 5 * 4, 4 * (5 * 16 + 16 + 16 * 8 + 8 + 8 * 3 + 3)
    assert needed == samples + 7 * weights + kept

    def is_free(amount: int) -> None:
        monkeypatch.setattr("harness.trainer.fused.group_memory.free", lambda device: amount)

    for count, amount in ((3, 2 * 3 * needed), (2, 2 * 3 * needed - 2), (1, 0)):
        is_free(amount)
        assert fitting(new) == count
    for fits, amount in ((True, 2 * (needed + 2 * kept)), (False, 2 * (needed + 2 * kept) - 2)):
        is_free(amount)
        assert another_fits([begun]) is fits
    assert new.traced is begun[1].traced is None
    assert torch.equal(torch.get_rng_state(), drawn)


def stopped(members: Sequence[Member], steps: int) -> list[dict[str, Any]]:
    """Their states after so many steps."""
    calls = iter([False] * (steps - 1) + [True])
    states = [
        (members.index(one), progress.state()) for one, progress in fit_members(members, lambda: next(calls))
    ]
    return [state for _, state in sorted(states[-len(members) :], key=lambda pair: pair[0])]


@pytest.mark.parametrize("model", ["dropout", "batch"])
@pytest.mark.parametrize("steps", [3, 6, 8])
def test_a_stopped_member_goes_on_in_another_group_as_if_it_had_not_been_stopped(
    model: str, steps: int
) -> None:
    whole = [member(number, model) for number in range(3)]
    curves = together(whole)
    states = stopped([member(number, model) for number in range(3)], steps)
    for group in ([1], [2, 0]):
        resumed = [member(number, model) for number in group]
        for one, number in zip(resumed, group, strict=True):
            one.state = copy.deepcopy(states[number])
        seen = together(resumed)
        for one, number, rest in zip(resumed, group, seen, strict=True):
            assert equal(weights(one), weights(whole[number]))
            assert rest == curves[number][-len(rest) :]


def test_members_that_stop_early_leave_and_change_no_other() -> None:
    patient = [member(number, patience=1, epochs=12, scheduler=None) for number in range(6)]
    lengths = [len(curve) for curve in together(patient)]
    assert len(set(lengths)) > 1
    assert lengths == [len(alone(member(n, patience=1, epochs=12, scheduler=None))) for n in range(6)]


def test_the_state_of_a_member_is_that_of_the_plain_engine() -> None:
    state = stopped([member(0), member(1)], 6)[1]
    plain = member(1)
    calls = iter([False] * 5 + [True])
    with plain.random.active():
        fit = plain.trainer.fit(
            plain.model, plain.loaders, plain.augment, plain.validate, lambda: next(calls)
        )
        expected = [progress.state() for progress in fit][-1]
    assert state.keys() == expected.keys()
    assert state["optimizer"].keys() == expected["optimizer"].keys()
    assert state["generators"]["torch"].equal(expected["generators"]["torch"])
    for key, kept in expected["optimizer"]["state"].items():
        assert state["optimizer"]["state"][key].keys() == kept.keys()
        for name, value in kept.items():
            torch.testing.assert_close(state["optimizer"]["state"][key][name], value, rtol=1e-4, atol=1e-6)


class Noisy(nn.Module):
    """Draws random numbers by itself."""

    width = 5

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs + torch.randn_like(inputs)


class Branching(nn.Module):
    """Looks at values."""

    width = 5

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs if inputs.sum() > 0 else -inputs


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"accumulate": 2}, "accumulate"),
        ({"minutes": 1.0}, "minutes"),
        ({"head_first": 1}, "head_first"),
        ({"optimizer": partial(torch.optim.RMSprop, lr=0.01)}, "RMSprop"),
        ({"network": nn.LSTM(5, 5)}, "recurrent"),
        ({"model": "codes"}, None),
        ({"augment": CORRUPTING}, None),
        ({"model": "codes", "augment": CORRUPTING}, None),
        ({"network": nn.Conv2d(1, 1, 1)}, "convolutions"),
        ({"network": Noisy()}, "vectorised"),
        ({"network": Branching()}, "vectorised"),
    ],
)
def test_what_cannot_be_fused_is_named(changes: dict[str, Any], reason: str | None) -> None:
    network = changes.pop("network", None)
    one = member(0, **changes)
    found = why_alone(one.trainer, network or one.model, one.loaders, one.augment)
    assert found is None if reason is None else found is not None and reason in found


@pytest.mark.parametrize(
    ("parameters", "batch_size", "rows", "faster"),
    [
        (20_000, 64, [150] * 178, True),
        (20_000, 64, [435] * 9 + [436], True),  # 7 steps of 10 folds take 8 calls
        (20_000, 64, [150] * 5, False),
        (20_000, 64, [150] * 6, True),
        (20_000, 64, [60, 59, 58, 57, 56, 55, 54], False),  # no two batches have one size
        (75_000, 64, [128] * 6, False),
        (75_000, 16, [128] * 6, True),
        (100_000, 16, [128] * 6, False),
        (100_000, 64, [128] * 7, False),
        (100_000, 64, [128] * 8, True),
        (1_000_000, 64, [128] * 100, False),
    ],
)
def test_the_rule_counts_parameters_and_batches_of_one_size(
    parameters: int, batch_size: int, rows: list[int], faster: bool
) -> None:
    assert is_faster(StepSize(parameters), rows, batch_size) is faster


def test_the_rule_counts_the_batches_that_share_a_few_rows() -> None:
    rows = [128] * 6 + [130] * 6  # 64, 64 and 64, 64, 2, or 64, 33, 33
    assert is_faster(StepSize(100_000), rows, 64)
    assert not is_faster(StepSize(100_000), rows, 64, share_last=True)


class Scaled(nn.Module):
    """With a setting that is no plain value."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self._function = function


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (MLP((5,), **PLAIN), MLP((5,), **PLAIN), True),
        (MLP((5,), **{**PLAIN, "dropout": 0.1}), MLP((5,), **{**PLAIN, "dropout": 0.4}), True),
        (MLP((5,), **{**PLAIN, "dropout": 0.1}), MLP((5,), **PLAIN), False),
        (MODELS["batch"](), MODELS["layer"](), False),
        (nn.CrossEntropyLoss(label_smoothing=0.1), nn.CrossEntropyLoss(label_smoothing=0.2), False),
        (nn.CrossEntropyLoss(), nn.CrossEntropyLoss(torch.ones(3)), False),
        (nn.CrossEntropyLoss(torch.zeros(3)), nn.CrossEntropyLoss(torch.ones(3)), True),
        (Scaled(torch.relu), Scaled(torch.relu), True),
        (Scaled(partial(torch.clamp, min=0)), Scaled(partial(torch.clamp, min=1)), False),
        (Scaled(lambda values: values), Scaled(lambda values: values + 1), False),
    ],
)
def test_networks_are_of_one_kind_where_only_tensors_and_dropout_differ(
    one: nn.Module, other: nn.Module, same: bool
) -> None:
    assert (kind_of(one) == kind_of(other)) is same


def differing(number: int) -> Member:
    """A training whose settings differ from those of the others in whatever may differ within a group."""
    member_of = partial(member, number, epochs=2 + number % 3, patience=None if number % 2 else 2)
    one = member_of(
        optimizer=partial(
            torch.optim.AdamW, lr=0.002 * (number + 1), weight_decay=0.01 * (number + 1), fused=True
        ),
        scheduler=partial(WarmupCosine, warmup=0.1 * (number % 3), final=0.0),
        clip_norm=None if number % 3 else 0.1 * (number + 1),
        ema=0.9 if number % 2 else None,
    )
    for module in one.model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.1 * (number + 1)
    return one


def joined(
    arrivals: Sequence[Sequence[int]], leaving: int | None = None
) -> dict[int, list[dict[str, float]]]:
    """The curves of trainings that join before each epoch; one of them leaves within its second epoch."""
    group = GroupTraining()
    numbers: dict[int, int] = {}
    curves: dict[int, list[dict[str, float]]] = {}
    waiting = list(arrivals)
    while group.members or waiting:
        for number in waiting.pop(0) if waiting else ():
            one = differing(number)
            one.begin()
            group.add(one)
            numbers[id(one)] = number
        for one, progress in group.epoch(lambda: False, lambda: False):
            curves.setdefault(numbers[id(one)], []).append(scores(progress))
            if numbers[id(one)] == leaving:
                group.remove(one)
    return curves


@pytest.mark.parametrize(
    ("arrivals", "leaving"),
    [([[0, 1, 2, 3, 4]], None), ([[4], [2, 0], [], [1], [3]], None), ([[1, 0, 3]], 3)],
)
def test_a_training_is_the_same_whoever_joins_and_leaves(
    arrivals: list[list[int]], leaving: int | None
) -> None:
    curves = joined(arrivals, leaving)
    for number, curve in curves.items():
        (whole,) = together([differing(number)])
        assert curve == (whole[:1] if number == leaving else whole)
        assert len(whole) > 1

"""Contrastive trainings as members of a fused one: each as it would be alone."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from harness.config.compose import compose
from harness.config.instantiate import build
from harness.core.arrays import Arrays, Loaders
from harness.core.fold import Fold
from harness.core.predictor import Predictor
from harness.core.protocol import Augment
from harness.core.task import Task
from harness.data.augment.none import Identity
from harness.data.augment.tabular import FeatureCorruption
from harness.data.load.resident import Resident
from harness.model.mlp import MLP
from harness.trainer.contrastive import ContrastiveTrainer
from harness.trainer.contrastive_method import ContrastiveMethod
from harness.trainer.fused.fuse_rule import StepSize, is_faster, why_alone
from harness.trainer.fused.fused_member import Member
from harness.trainer.fused.fused_step import FusedStep
from harness.trainer.fused.group_training import fit_members
from harness.trainer.fused.training_kind import training_kind
from harness.trainer.layers import Layers
from harness.trainer.scheduler import WarmupCosine
from harness.trainer.speed import Speed
from harness.trainer.update import Update
from tests.service.fused_members import alone, equal, together, weights

METHODS = ["vicreg", "barlow", "byol", "simsiam", "simclr", "supcon", "column_pairs", "column_triplets"]
ROWS = [40, 41, 35, 40, 43]
"""The training rows of each member: batches of 8, last ones of different size."""
CORRUPTING = FeatureCorruption(rate=0.3, weak_rate=0.1)


def method(name: str, *words: str) -> ContrastiveMethod:
    """With heads of 8 outputs."""
    small = {"projection": "[12,8]"} | ({"prediction": "[12,8]"} if name in ("byol", "simsiam") else {})
    named = {"positive": "like", "negative": "unlike"} if name.startswith("column") else {}
    given = [f"trainer.method.{key}={value}" for key, value in (small | named).items()]
    cfg = compose(["trainer=contrastive", f"trainer/method={name}", *given, *words])
    made: ContrastiveMethod = build(cfg.trainer.method, "trainer.method")
    return made


class Doubled(ContrastiveTrainer):  # type: ignore[misc]  # final: a test's heads in float64
    """With heads in float64."""

    def build_companion(self, model: nn.Module, head: nn.Module | None, task: Task) -> nn.Module:
        return super().build_companion(model, head, task).double()


def member(
    number: int,
    name: str = "vicreg",
    *,
    dtype: torch.dtype = torch.float32,
    own: ContrastiveMethod | None = None,
    augment: Augment = CORRUPTING,
    extreme: bool = False,
    epochs: int = 2,
    **changes: Any,
) -> Member:
    """Training `number`: with rows, weights and random numbers of its own."""
    inputs = torch.randn(64, 5, generator=torch.Generator().manual_seed(number), dtype=dtype)
    targets = (inputs[:, 0] > 0).long() + (inputs[:, 1] > 0.5)
    targets[::7] = -1  # unlabelled
    if extreme:
        inputs[0] = torch.inf
    rows = np.arange(64)
    load = Resident(batch_size=8, eval_batch_size=64, shuffle=True)
    used = own or method(name)
    partners = [torch.arange(64).roll(3 + place) for place in range(len(used.columns))]
    pairs = torch.stack(partners, dim=1) if partners else None
    arrays = Arrays(inputs, targets, Task("multiclass", ("a", "b", "c")), pairs)
    loaders = load(arrays, Fold(0, rows[: ROWS[number]], rows[50:], rows[:0]), torch.device("cpu"))
    torch.manual_seed(number)
    network = MLP((5,), widths=[16, 8], dropout=0.2, norm="batch", activation="relu").to(dtype)
    trainer = Doubled if dtype == torch.float64 else ContrastiveTrainer
    settings: dict[str, Any] = {
        "method": used,
        "probe": True,
        "epochs": epochs,
        "steps": None,
        "minutes": None,
        "optimizer": partial(torch.optim.SGD, lr=0.02, momentum=0.9, nesterov=True, fused=True),
        "scheduler": partial(WarmupCosine, warmup=0.2, final=0.0),
        "monitor": "valid/spread",
        "patience": None,
        "update": Update(accumulate=1, clip_norm=1.0, ema=0.9, skip=0),
        "layers": Layers(freeze=0, head_first=0, decay=1.0, decay_all=False),
        "speed": Speed(channels_last=False, compile=False, tune=False, tf32=False, parallel="ddp"),
        "device": "cpu",
        "precision": "fp32",
    }
    return Member(trainer(**(settings | changes)), network, loaders, augment, partial(spread, loaders))


def spread(loaders: Loaders, predictor: Predictor) -> dict[str, float]:
    """Whatever depends on the representation of the validation rows."""
    assert loaders.valid is not None
    return {"valid/spread": float(predictor.gather(loaders.valid).representation.double().std())}


@pytest.mark.parametrize("name", METHODS)
def test_a_member_is_the_same_to_the_last_bit_at_any_group_size(name: str) -> None:
    whole = [member(number, name) for number in range(5)]
    curves = together(whole)
    assert {"train/probe_loss", "train/probe_accuracy", "train/loss"} <= curves[0][0].keys()
    for chosen in ([4], [2, 0, 3]):
        group = [member(number, name) for number in chosen]
        assert together(group) == [curves[number] for number in chosen]
        assert all(equal(weights(one), weights(whole[n])) for one, n in zip(group, chosen, strict=True))


@pytest.mark.parametrize("name", METHODS)
def test_a_member_equals_the_plain_engine_in_float64(name: str) -> None:
    """With the same views: a member draws the random numbers that it would draw alone."""
    group = [member(number, name, dtype=torch.float64) for number in range(3)]
    curves = together(group)
    for number, one in enumerate(group):
        plain = member(number, name, dtype=torch.float64)
        expected = alone(plain)
        assert [list(epoch) for epoch in curves[number]] == [list(epoch) for epoch in expected]
        for epoch, right in zip(curves[number], expected, strict=True):
            assert epoch["valid/spread"] == pytest.approx(right["valid/spread"], rel=1e-12)
            assert epoch == pytest.approx(right, rel=1e-6)  # means over the steps are float32
        for key, value in weights(plain).items():
            torch.testing.assert_close(weights(one)[key], value, rtol=1e-12, atol=1e-12)
        assert one.random.generator.get_state().equal(plain.random.generator.get_state())


def test_a_member_that_diverges_leaves_and_changes_no_other() -> None:
    group = [member(number, "byol", extreme=number == 1) for number in range(3)]
    curves = together(group)
    assert [one.failure is None for one in group] == [True, False, True]
    assert together([member(0, "byol"), member(2, "byol")]) == [curves[0], curves[2]]


@pytest.mark.parametrize("steps", [3, 7])
def test_a_stopped_member_goes_on_in_another_group_as_if_it_had_not_been_stopped(steps: int) -> None:
    """Within an epoch, and with the copy that follows the weights."""
    whole = [member(number, "byol") for number in range(3)]
    curves = together(whole)
    calls = iter([False] * (steps - 1) + [True])
    stopped = [member(number, "byol") for number in range(3)]
    states = {}
    for one, progress in fit_members(stopped, lambda: next(calls)):
        states[stopped.index(one)] = progress.state()
    resumed = member(1, "byol")
    resumed.state = copy.deepcopy(states[1])
    (rest,) = together([resumed])
    assert equal(weights(resumed), weights(whole[1]))
    assert rest == curves[1][-len(rest) :]


def test_a_step_that_is_computed_again_for_too_little_memory_has_the_same_views(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = [member(number, "simsiam") for number in range(4)]
    curves = together(whole)
    real = FusedStep.__call__
    tried: list[int] = []

    def step(self: FusedStep, first: int, parts: Sequence[Any], *others: Any) -> Any:
        tried.append(len(parts))
        if len(parts) > 2:
            raise torch.OutOfMemoryError("out of memory")
        return real(self, first, parts, *others)

    monkeypatch.setattr(FusedStep, "__call__", step)
    halved = [member(number, "simsiam") for number in range(4)]
    assert together(halved) == curves
    assert all(equal(weights(one), weights(other)) for one, other in zip(halved, whole, strict=True))
    assert max(tried) == 4


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        *((partial(member, 0, name), None) for name in METHODS),
        (partial(member, 0, "moco"), "the method Moco is not vectorised"),
        (partial(member, 0, "triplet"), "trainer.method.miner chooses pairs"),
        (
            partial(
                member,
                0,
                own=method(
                    "simclr",
                    "+trainer.method.loss.reducer._target_=pytorch_metric_learning.reducers.MeanReducer",
                ),
            ),
            "trainer.method.loss=SupConLoss is not vectorised",
        ),
    ],
)
def test_what_cannot_be_fused_is_named(make: Callable[[], Member], reason: str | None) -> None:
    one = make()
    augment = Identity() if one.trainer.columns else one.augment
    drawn = torch.get_rng_state()
    found = why_alone(one.trainer, one.model, one.loaders, augment)
    assert found is None if reason is None else found is not None and reason in found
    assert torch.equal(torch.get_rng_state(), drawn)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (partial(member, 0, "simclr"), partial(member, 1, "simclr"), True),
        (partial(member, 0, "byol"), partial(member, 1, "byol", augment=Identity()), True),
        (partial(member, 0, "simclr"), partial(member, 1, "supcon"), False),
        (partial(member, 0, probe=False), partial(member, 0), False),
        (partial(member, 0), partial(member, 0, own=method("vicreg", "trainer.method.variance=1")), False),
    ],
)
def test_trainings_are_of_one_kind_where_the_method_and_its_settings_are_equal(
    one: Callable[[], Member], other: Callable[[], Member], same: bool
) -> None:
    kinds = []
    for new in (one(), other()):
        new.begin()
        kinds.append(training_kind(new.trainer, new.loaders))
    assert (kinds[0] == kinds[1]) is same


@pytest.mark.parametrize(
    ("name", "augment", "size"),
    [
        # Model 5 x 16 + 16 + 32 + 16 x 8 + 8 + 16, head 8 x 12 + 12 + 24 + 12 x 8 + 8, probe 8 x 3 + 3.
        ("vicreg", CORRUPTING, StepSize(280 + 236 + 27, True)),
        # The copy of model and head, and a predictor like the head.
        ("byol", Identity(), StepSize(2 * (280 + 236) + 236 + 27, False)),
    ],
)
def test_the_size_of_a_step_counts_the_heads(name: str, augment: Augment, size: StepSize) -> None:
    one = member(0, name, augment=augment)
    drawn = torch.get_rng_state()
    assert StepSize.of(one.trainer, one.model, one.loaders, augment) == size
    assert torch.equal(torch.get_rng_state(), drawn)


@pytest.mark.parametrize(
    ("parameters", "members", "faster"), [(20_000, 7, False), (85_000, 8, True), (95_000, 99, False)]
)
def test_trainings_with_augmentation_are_together_where_that_was_measured(
    parameters: int, members: int, faster: bool
) -> None:
    assert is_faster(StepSize(parameters, True), [128] * members, 64) is faster

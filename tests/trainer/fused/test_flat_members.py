"""A member's tensors begin where its own would, so that its bits do not depend on its place in the group."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from harness.core.arrays import Arrays, Loaders
from harness.core.fold import Fold
from harness.core.predictor import Predictor
from harness.core.task import Task, TaskKind
from harness.data.load.resident import Resident
from harness.model.mlp import MLP
from harness.trainer.fused.flat_members import ALIGNMENT, FlatMembers
from harness.trainer.fused.fused_member import Member
from tests.service.fused_members import equal, together, weights
from tests.trainer.fused import test_group_training as group


def narrow(number: int, train_rows: int, valid_rows: int, kind: TaskKind, **changes: Any) -> Member:
    """A training of a network with tensors of 12 and 144 numbers; its scores show each bit of its outputs."""
    one = group.member(number, kind=kind, decay_all=True, **changes)
    inputs = torch.randn(train_rows + valid_rows, 7, generator=torch.Generator().manual_seed(number))
    codes = (inputs[:, 0] > 0).long() + (inputs[:, 1] > 1) * (kind == "multiclass")
    rows = np.arange(len(inputs))
    fold = Fold(0, rows[:train_rows], rows[train_rows:], rows[:0])
    arrays = Arrays(inputs, codes, Task(kind, group.CLASSES[kind]))
    load = Resident(batch_size=64, eval_batch_size=512, shuffle=True)
    torch.manual_seed(number)
    one.model = MLP((7,), **{**group.PLAIN, "widths": [12, 12], "dropout": 0.1})
    one.loaders = load(arrays, fold, torch.device("cpu"))
    one.validate = partial(exact, one.loaders)
    return one


def exact(loaders: Loaders, predictor: Predictor) -> dict[str, float]:
    """The loss, and a score that differs where any bit of any output does."""
    assert loaders.valid is not None
    outputs = predictor.gather(loaders.valid).outputs
    assert outputs is not None
    return {**group.validate(loaders, predictor), "valid/bits": float(hash(outputs.numpy().tobytes()) >> 12)}


@pytest.mark.parametrize(
    ("kind", "optimizer", "train_rows", "valid_rows"),
    [
        ("binary", "adamw", 121, 57),
        ("binary", "nesterov", 130, 91),
        ("binary", "adam", 131, 114),
        ("multiclass", "adamw", 65, 57),
        ("multiclass", "nesterov", 131, 64),
    ],
)
def test_weights_and_every_output_are_the_same_at_any_place_of_a_group(
    kind: TaskKind, optimizer: str, train_rows: int, valid_rows: int
) -> None:
    """With last batches of 57, 2, 3 and 1 rows."""
    member = partial(narrow, train_rows=train_rows, valid_rows=valid_rows, kind=kind)
    member = partial(member, optimizer=group.OPTIMIZERS[optimizer], clip_norm=0.5, ema=0.9)
    whole = [member(number) for number in range(5)]
    curves = together(whole)
    for chosen in ([4], [2, 0], [1, 3, 2]):
        some = [member(number) for number in chosen]
        assert together(some) == [curves[number] for number in chosen]
        for one, number in zip(some, chosen, strict=True):
            assert equal(weights(one), weights(whole[number]))


def tensors_of(one: Member) -> list[Tensor]:
    return [*one.trainer.network.parameters(), *one.trainer.network.buffers()]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("model", ["batch", "transformer"])
def test_each_tensor_of_each_member_begins_where_a_tensor_of_its_own_would(
    model: str, dtype: torch.dtype
) -> None:
    members = [group.member(number, model, dtype=dtype) for number in range(3)]
    for one in members:
        one.begin()
    before = [[tensor.detach().clone() for tensor in tensors_of(one)] for one in members]
    flat = FlatMembers([one.trainer for one in members])
    for place, (one, values) in enumerate(zip(members, before, strict=True)):
        named = [*one.trainer.network.named_parameters(), *one.trainer.network.named_buffers()]
        for (name, tensor), value in zip(named, values, strict=True):
            assert tensor.data_ptr() % ALIGNMENT == 0
            assert torch.equal(tensor, value)
            assert flat.stacked[name][place].data_ptr() == tensor.data_ptr()


def test_the_rows_of_the_optimizer_have_no_gaps_and_reach_the_networks() -> None:
    members = [group.member(number, "batch", decay_all=True) for number in range(2)]
    for one in members:
        one.begin()
    flat = FlatMembers([one.trainer for one in members])
    for names, rows in zip(flat.learned, flat.rows, strict=True):
        parameters = dict(members[1].trainer.network.named_parameters())
        assert len(rows[1]) == sum(parameters[name].numel() for name in names)
        flat.gather()
        assert torch.equal(rows[1], torch.cat([parameters[name].detach().flatten() for name in names]))
        rows[1].add_(1)
        kept = rows[1].clone()
        flat.scatter()
        assert torch.equal(kept, torch.cat([parameters[name].detach().flatten() for name in names]))


def test_a_network_without_gaps_shares_its_memory_with_the_optimizer() -> None:
    """Widths that are multiples of 16: nothing is copied at a step."""
    members = [narrow(number, 121, 57, "binary") for number in range(2)]
    for one in members:
        one.model = MLP((16,), **{**group.PLAIN, "widths": [16, 32]})
        one.trainer.attach(one.model, one.loaders)
    flat = FlatMembers([one.trainer for one in members])
    storages = {rows[0].untyped_storage().data_ptr() for rows in flat.rows}
    assert {p.untyped_storage().data_ptr() for p in members[0].trainer.network.parameters()} == storages

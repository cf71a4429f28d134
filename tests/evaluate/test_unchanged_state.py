from __future__ import annotations

import pytest
import torch
from torch import nn

from harness.core.predictor import Predictor
from harness.core.task import Task
from harness.evaluate.unchanged_state import unchanged


def predictor() -> Predictor:
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    model.register_buffer("queue", torch.ones(4, dtype=torch.bfloat16), persistent=False)
    return Predictor(model, nn.Linear(2, 1), Task("none"))


def test_looking_changes_nothing() -> None:
    watched = predictor()
    before = {name: tensor.clone() for name, tensor in watched.model.state_dict().items()}
    with unchanged(watched):
        looked = watched(torch.ones(5, 3))
    assert looked.representation.shape == (5, 2)
    assert all(torch.equal(before[name], tensor) for name, tensor in watched.model.state_dict().items())


@pytest.mark.parametrize(
    "name",
    ["model.0.weight", "model.1.running_mean", "model.1.num_batches_tracked", "model.queue", "head.bias"],
)
def test_the_change_of_any_number_is_named(name: str) -> None:
    watched = predictor()
    part, _, rest = name.partition(".")
    module = getattr(watched, part)
    tensor = dict(module.named_parameters()) | dict(module.named_buffers())
    message = f"scoring must not change the model, and it changed {name}$"
    with pytest.raises(RuntimeError, match=message), unchanged(watched), torch.no_grad():
        tensor[rest].view(-1)[0] += 1


def test_a_fault_within_is_not_hidden() -> None:
    with pytest.raises(KeyError), unchanged(predictor()):
        raise KeyError("fault")

"""Modules get the mode that torch's own methods would give them."""

from __future__ import annotations

import copy

import pytest
from torch import nn
from torch.fx import symbolic_trace

from harness.core.training_mode import modules_of, set_modes, set_training


class Frozen(nn.BatchNorm1d):
    """Stays in evaluation mode."""

    def train(self, mode: bool = True) -> Frozen:
        super().train(False)
        return self


class Counting(nn.Sequential):
    """Counts how often it was evaluated."""

    times = 0

    def eval(self) -> Counting:
        self.times += 1
        super().eval()
        return self


def networks() -> list[nn.Module]:
    inner = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5))
    traced = symbolic_trace(nn.Linear(2, 2))
    return [inner, nn.Sequential(inner, Frozen(2)), Counting(inner), nn.Sequential(traced, nn.Dropout())]


@pytest.mark.parametrize("number", range(4))
def test_the_mode_is_what_the_methods_of_the_modules_give(number: int) -> None:
    ours = networks()[number]
    theirs = copy.deepcopy(ours)
    for training in (False, True, False):
        set_training(ours, training)
        _ = theirs.train() if training else theirs.eval()
        assert [one.training for one in ours.modules()] == [one.training for one in theirs.modules()]
        assert ours.training is (training if not isinstance(ours, Frozen) else False)
        assert getattr(ours, "times", 0) == getattr(theirs, "times", 0)


@pytest.mark.parametrize("number", range(4))
def test_one_module_changes_and_those_below_it_do_not(number: int) -> None:
    ours = networks()[number].eval()
    below = [one.training for one in list(ours.modules())[1:]]
    set_modes([ours], True)
    assert [one.training for one in ours.modules()] == [True, *below]


def test_the_modules_of_a_part_are_those_that_torch_lists() -> None:
    shared = nn.Linear(2, 2)
    part = nn.Sequential(shared, nn.Sequential(nn.ReLU(), shared), nn.ModuleDict({"a": nn.Tanh()}))
    part.register_module("none", None)
    found = modules_of(part)
    assert set(found) == set(part.modules())
    assert len(found) == len(list(part.modules())) == 6

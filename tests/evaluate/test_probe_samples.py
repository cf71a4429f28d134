from __future__ import annotations

import torch
from torch import nn

from harness.core.predictor import Predictor
from harness.core.task import Task
from harness.evaluate.probe_samples import Sample, encode, flatten, some, some_labelled

TWO = Task("binary", ("left", "right"))
HALF = torch.arange(30) % 2


def test_chosen_places_are_those_rows_across_batches(make_loaders) -> None:  # type: ignore[no-untyped-def]
    inputs = torch.randn(30, 2, 3, generator=torch.Generator().manual_seed(0))
    part = make_loaders(TWO, (inputs, HALF)).train
    places = torch.tensor([0, 6, 7, 20, 29])  # batches are of seven rows; one has none of them
    found = flatten(part, places)
    assert torch.equal(found.features, inputs[places].flatten(1).double())
    assert torch.equal(found.targets, HALF[places])
    encoded = encode(Predictor(nn.Flatten(), None, TWO), part, places)
    assert torch.equal(encoded.features, found.features)
    assert torch.equal(flatten(part).features, inputs.flatten(1).double())


def test_a_part_without_targets_has_unknown_ones(make_loaders) -> None:  # type: ignore[no-untyped-def]
    part = make_loaders(Task("none"), (torch.ones(9, 2), None)).train
    assert flatten(part).targets.tolist() == [-1] * 9
    assert len(flatten(part).labelled().features) == 0


def test_where_all_rows_are_labelled_nothing_is_copied() -> None:
    whole = Sample(torch.ones(4, 2), torch.tensor([0, 1, 0, 1]))
    assert whole.labelled() is whole
    part = Sample(torch.arange(4.0)[:, None], torch.tensor([0.5, torch.nan, 1.0, torch.nan]))
    assert part.labelled().features.tolist() == [[0.0], [2.0]]


def test_some_are_drawn_from_all_and_always_the_same(make_loaders) -> None:  # type: ignore[no-untyped-def]
    targets = torch.full((30,), -1)
    targets[20:25] = 1
    part = make_loaders(TWO, (torch.ones(30, 2), targets)).train
    drawn = some(part, 12)
    assert len(set(drawn.tolist())) == 12
    assert drawn.tolist() == sorted(drawn.tolist())
    assert torch.equal(drawn, some(part, 12))
    assert drawn.tolist() != list(range(12))
    assert some(part, 99).tolist() == list(range(30))
    assert some_labelled(part, 99).tolist() == [20, 21, 22, 23, 24]

"""Rows are mixed with each other, and their targets by the same share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from harness.core.errors import UserError
from harness.trainer.mix import CutMix, Mixup, Unmixed

Make = Callable[..., Any]


def test_unmixed_rows_are_the_rows_themselves() -> None:
    inputs = torch.randn(4, 3)
    mixed = Unmixed()(inputs)
    assert mixed.inputs is inputs
    assert (mixed.partner, mixed.share) == (None, 1.0)


def test_mixup_blends_each_row_with_its_partner() -> None:
    inputs = torch.randn(6, 3, 2)
    kept = inputs.clone()
    mixed = Mixup(alpha=1.0, probability=1.0)(inputs)
    assert mixed.partner is not None
    assert sorted(mixed.partner.tolist()) == [0, 1, 2, 3, 4, 5]
    for row, partner in enumerate(mixed.partner.tolist()):
        blend = mixed.share * inputs[row] + (1 - mixed.share) * inputs[partner]
        torch.testing.assert_close(mixed.inputs[row], blend)
    assert torch.equal(inputs, kept)


def test_shares_follow_the_beta_distribution() -> None:
    torch.manual_seed(0)
    mix, inputs = Mixup(alpha=0.5, probability=1.0), torch.zeros(2, 1)
    shares = torch.tensor([mix(inputs).share for _ in range(4000)])
    assert shares.mean().item() == pytest.approx(0.5, abs=0.02)
    assert shares.var().item() == pytest.approx(1 / (4 * (2 * 0.5 + 1)), abs=0.01)  # of Beta(a, a)


def test_only_a_share_of_the_batches_is_mixed() -> None:
    torch.manual_seed(0)
    mix, inputs = Mixup(alpha=1.0, probability=0.25), torch.randn(3, 2)
    mixed = [mix(inputs) for _ in range(2000)]
    whole = [each for each in mixed if each.partner is None]
    assert len(whole) / 2000 == pytest.approx(0.75, abs=0.03)
    assert all(each.inputs is inputs and each.share == 1 for each in whole)


def test_cutmix_takes_a_rectangle_from_the_partner_and_returns_its_area() -> None:
    torch.manual_seed(0)
    inputs = torch.arange(8.0)[:, None, None, None].expand(8, 2, 6, 9).contiguous()
    seen = set()
    for _ in range(50):
        mixed = CutMix(alpha=1.0, probability=1.0)(inputs)
        assert mixed.partner is not None
        for row, partner in enumerate(mixed.partner.tolist()):
            taken = mixed.inputs[row] != row
            if partner == row:
                assert not taken.any()
                continue
            assert (mixed.inputs[row][taken] == partner).all()
            assert taken.float().mean().item() == pytest.approx(1 - mixed.share, abs=1e-6)
            _, ys, xs = torch.where(taken)
            if len(ys):
                area = (ys.max() - ys.min() + 1) * (xs.max() - xs.min() + 1)
                assert 2 * int(area) == int(taken.sum())  # a rectangle, the same in both channels
        seen.add(round(mixed.share, 6))
    assert len(seen) > 10


def test_the_same_generator_gives_the_same_mix() -> None:
    inputs = torch.randn(5, 1, 8, 8)
    torch.manual_seed(3)
    first = CutMix(alpha=1.0, probability=0.9)(inputs)
    torch.manual_seed(3)
    again = CutMix(alpha=1.0, probability=0.9)(inputs)
    assert torch.equal(first.inputs, again.inputs)
    assert first.share == again.share


def test_cutmix_is_for_images() -> None:
    CutMix(alpha=1.0, probability=1.0).check((3, 8, 8))
    words = (
        r"^trainer/mix=cutmix puts a rectangle of one image into another, and samples are of shape \(4,\); "
        r"use trainer/mix=mixup, or trainer/mix=none\.$"
    )
    with pytest.raises(UserError, match=words):
        CutMix(alpha=1.0, probability=1.0).check((4,))


def test_cutmix_on_a_table_is_refused_when_a_training_begins(
    make_trainer: Make, make_loaders: Make, make_model: Make
) -> None:
    with pytest.raises(UserError, match=r"^trainer/mix=cutmix puts "):
        make_trainer(mix=CutMix(alpha=1.0, probability=1.0)).attach(make_model(), make_loaders())


@pytest.mark.parametrize(
    ("alpha", "probability", "words"),
    [
        (0.0, 1.0, r"^alpha must be above 0, got 0\.0$"),
        (1.0, 0.0, r"^probability must be above 0 and at most 1, got 0\.0$"),
        (1.0, 1.5, r"^probability must be above 0 and at most 1, got 1\.5$"),
    ],
)
def test_values_out_of_range_are_refused(alpha: float, probability: float, words: str) -> None:
    for mix in (Mixup, CutMix):
        with pytest.raises(ValueError, match=words):
            mix(alpha=alpha, probability=probability)


def test_the_loss_of_mixed_classes_is_the_mix_of_their_losses(
    make_trainer: Make, make_loaders: Make, make_model: Make
) -> None:
    trainer, loaders = make_trainer(mix=Mixup(alpha=1.0, probability=1.0)), make_loaders()
    trainer.attach(make_model(), loaders)
    batch = next(iter(loaders.train))
    parts = trainer.unpack(batch, lambda inputs: inputs + 1)
    partner = torch.cdist(
        parts.data - parts.share * (batch.inputs + 1), (1 - parts.share) * (batch.inputs + 1)
    )
    nearest = partner.argmin(dim=1)
    assert torch.equal(parts.others, batch.targets[nearest])
    outputs = trainer.head(trainer.model(parts.data))
    own, others = cross_entropy(outputs, batch.targets), cross_entropy(outputs, batch.targets[nearest])
    torch.testing.assert_close(trainer.loss(parts), parts.share * own + (1 - parts.share) * others)


def test_the_target_of_mixed_numbers_is_the_mix_of_the_numbers(
    make_trainer: Make, make_loaders: Make, make_model: Make
) -> None:
    trainer = make_trainer("regression", mix=Mixup(alpha=1.0, probability=1.0))
    loaders = make_loaders("regression")
    trainer.attach(make_model(), loaders)
    batch = next(iter(loaders.train))

    def first(inputs: Tensor) -> Tensor:
        return batch.targets[:, None].expand(-1, 4)  # the inputs are the targets, so both mix alike

    parts = trainer.unpack(batch, first)
    assert parts.others is None
    torch.testing.assert_close(parts.labels, parts.data[:, 0])

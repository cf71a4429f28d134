from collections import Counter

import pytest
import torch

from harness.core.errors import UserError
from harness.data.load.sampler import ClassBalanced, ClassSamples, Shuffle

CODES = torch.tensor([0] * 30 + [1] * 6 + [-1] * 4 + [2] * 3)


def drawn(sampler, codes=CODES, seed=0) -> torch.Tensor:
    torch.manual_seed(seed)
    return sampler.draw(codes)


def test_shuffle_takes_every_row_once_in_the_order_of_randperm():
    torch.manual_seed(0)
    expected = torch.randperm(43)
    assert torch.equal(drawn(Shuffle()), expected)
    assert Shuffle().length(CODES) == 43
    assert Shuffle().sizes(CODES, 8) is None


def test_oversampling_takes_each_class_as_often_as_the_largest_and_leaves_no_row_out():
    sampler = ClassBalanced(replacement=False)
    rows = drawn(sampler)
    assert len(rows) == sampler.length(CODES) == 90
    assert Counter(CODES[rows].tolist()) == {0: 30, 1: 30, 2: 30}
    times = Counter(rows.tolist())
    assert {times[row] for row in range(30)} == {1}
    assert {times[row] for row in range(30, 36)} == {5}
    assert {times[row] for row in range(40, 43)} == {10}


def test_with_replacement_classes_and_the_rows_within_them_are_equally_likely():
    sampler, times = ClassBalanced(replacement=True), torch.zeros(43)
    torch.manual_seed(0)
    for _ in range(1000):
        rows = sampler.draw(CODES)
        assert len(rows) == sampler.length(CODES) == 39
        times += torch.bincount(rows, minlength=43)
    share = times / times.sum()
    for label, count in ((0, 30), (1, 6), (2, 3)):
        found = share[CODES.eq(label)]
        # 13,000 draws per class: five standard deviations of a row's count.
        assert torch.allclose(found, torch.tensor(1 / 3 / count), rtol=5 * (count / 13000) ** 0.5)
    assert (times[CODES == -1] == 0).all()


def test_every_batch_of_class_samples_holds_k_different_rows_of_p_classes():
    codes = torch.arange(5).repeat_interleave(torch.tensor([20, 4, 9, 7, 8]))
    sampler = ClassSamples(classes_per_batch=3, samples_per_class=4)
    assert sampler.sizes(codes, 12) == [12] * 4
    rows = drawn(sampler, codes)
    assert len(rows) == sampler.length(codes) == 48
    for batch in rows.split(12):
        assert sorted(Counter(codes[batch].tolist()).values()) == [4, 4, 4]
        assert all(len(set(part.tolist())) == 4 for part in batch.split(4))
    times = Counter(codes[rows].tolist())
    assert max(times.values()) - min(times.values()) <= 4


def test_a_class_with_too_few_rows_repeats_them():
    codes = torch.tensor([0, 0, 0, 0, 1])
    rows = drawn(ClassSamples(classes_per_batch=2, samples_per_class=3), codes)
    assert Counter(codes[rows].tolist()) == {0: 3, 1: 3}
    assert Counter(rows.tolist())[4] == 3


@pytest.mark.parametrize(
    "sampler",
    [
        Shuffle(),
        ClassBalanced(replacement=True),
        ClassBalanced(replacement=False),
        ClassSamples(classes_per_batch=2, samples_per_class=3),
    ],
    ids=["shuffle", "with replacement", "oversampling", "class samples"],
)
def test_an_epoch_depends_on_the_global_generator_alone(sampler):
    assert torch.equal(drawn(sampler, seed=4), drawn(sampler, seed=4))
    assert not torch.equal(drawn(sampler, seed=4), drawn(sampler, seed=5))


def test_a_batch_size_that_is_not_p_times_k_is_refused():
    words = r"data.load.batch_size must be classes_per_batch \* samples_per_class = 2 \* 3, got 64; set .*=6"
    with pytest.raises(UserError, match=words):
        ClassSamples(classes_per_batch=2, samples_per_class=3).sizes(CODES, 64)


def test_more_classes_than_the_training_rows_have_are_refused():
    words = r"a batch of 4 classes cannot be drawn from training rows of 3; set .*classes_per_batch=3"
    with pytest.raises(UserError, match=words):
        ClassSamples(classes_per_batch=4, samples_per_class=2).sizes(CODES, 8)


@pytest.mark.parametrize(
    "sampler",
    [ClassBalanced(replacement=True), ClassSamples(classes_per_batch=2, samples_per_class=2)],
    ids=["class balanced", "class samples"],
)
def test_rows_without_a_class_cannot_be_balanced(sampler):
    with pytest.raises(UserError, match="draws rows by their class, and no training row has one; set"):
        sampler.sizes(torch.full((9,), -1), 4)


@pytest.mark.parametrize("name", ["classes_per_batch", "samples_per_class"])
def test_no_class_and_no_sample_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} must be 1 or more, got 0"):
        ClassSamples(**({"classes_per_batch": 1, "samples_per_class": 1} | {name: 0}))

"""The methods of trainer=semi_supervised, each against its paper's equations."""

import math

import pytest
import torch
import torch.nn.functional as F

from harness.trainer.consistency.consistency_method import weak
from harness.trainer.consistency.fixmatch import FixMatch
from harness.trainer.consistency.flexmatch import FlexMatch
from harness.trainer.consistency.freematch import FreeMatch
from harness.trainer.consistency.mean_teacher import MeanTeacher
from harness.trainer.consistency.pi_model import PiModel
from harness.trainer.consistency.pseudo_label import PseudoLabel

ROWS = torch.tensor([3, 5, 8, 13])
SURE = torch.tensor([[9.0, 0.0, 0.0], [0.0, 9.0, 0.0], [0.2, 0.1, 0.0], [0.0, 0.0, 9.0]])
"""Of the third row nobody can tell what it is."""


class Doubling:
    """An augmentation that tells on itself: strong is times 2, weak is plus 1."""

    def __call__(self, inputs):
        return 2 * inputs

    def weak(self, inputs):
        return inputs + 1


def begun(method, classes=3, rows=ROWS):
    method.begin(classes, rows)
    return method


def strong(seed=0):
    return torch.randn(4, 3, generator=torch.Generator().manual_seed(seed))


def test_an_augmentation_without_a_weak_change_leaves_the_rows_as_they_are():
    inputs = torch.ones(2, 3)
    assert weak(lambda rows: rows + 1, inputs) is inputs
    assert torch.equal(weak(Doubling(), inputs), torch.full((2, 3), 2.0))


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        (PseudoLabel(weight=1.0, ramp=[0.0, 0.5], threshold=0.0), [4.0]),
        (PiModel(weight=1.0, ramp=0.3), [6.0, 6.0]),
        (MeanTeacher(weight=1.0, ramp=0.3, decay=0.99), [6.0, 6.0]),
        (FixMatch(weight=1.0, threshold=0.95), [6.0, 4.0]),
        (FlexMatch(weight=1.0, threshold=0.95), [6.0, 4.0]),
        (FreeMatch(weight=1.0, fairness=0.01, momentum=0.9), [6.0, 4.0]),
    ],
)
def test_a_method_makes_its_views_by_strong_and_weak_changes(method, expected):
    views = method.views(torch.full((2, 4), 3.0), Doubling())
    assert [view.unique().tolist() for view in views] == [[value] for value in expected]


def test_fixmatch_learns_the_confident_guesses_of_the_weak_view():
    term = FixMatch(weight=2.0, threshold=0.95)([strong(), SURE], ROWS, 0.0)
    naive = sum(-F.log_softmax(strong()[row], 0)[code] for row, code in ((0, 0), (1, 1), (3, 2)))
    assert term.loss.item() == pytest.approx(2 * naive.item() / 4)
    assert term.rate == 0.75


def test_fixmatch_sends_no_gradient_into_its_guess():
    logits, guessed = strong().requires_grad_(), SURE.clone().requires_grad_()
    FixMatch(weight=1.0, threshold=0.95)([logits, guessed], ROWS, 0.0).loss.backward()
    assert logits.grad[2].abs().sum() == 0
    assert (logits.grad[[0, 1, 3]].abs().sum(1) > 0).all()
    assert guessed.grad is None


def test_pseudo_labels_are_the_networks_own_and_their_weight_rises():
    method = PseudoLabel(weight=3.0, ramp=[0.2, 0.6], threshold=0.0)
    logits = strong()
    naive = F.cross_entropy(logits, logits.argmax(1))
    for share, weight in ((0.1, 0.0), (0.4, 1.5), (0.8, 3.0)):
        assert method([logits], ROWS, share).loss.item() == pytest.approx(weight * naive.item())
    assert method([logits], ROWS, 0.0).rate == 1


def test_pseudo_labels_below_the_threshold_do_not_count():
    method = PseudoLabel(weight=1.0, ramp=[0.0, 0.1], threshold=0.95)
    assert method([SURE], ROWS, 0.5).rate == 0.75


def test_the_pi_model_weighs_the_distance_of_its_views_by_its_ramp():
    method = PiModel(weight=10.0, ramp=0.5)
    distance = (strong(0).softmax(1) - strong(1).softmax(1)).square().mean().item()
    for share, weight in ((0.0, 10 * math.exp(-5)), (0.5, 10.0)):
        assert method([strong(0), strong(1)], ROWS, share).loss.item() == pytest.approx(weight * distance)


def test_the_mean_teacher_teaches_and_is_not_taught():
    student, teacher = strong(0).requires_grad_(), strong(1).requires_grad_()
    term = MeanTeacher(weight=5.0, ramp=0.0, decay=0.9)([student, teacher], ROWS, 0.0)
    assert term.loss.item() == pytest.approx(
        5 * (strong(0).softmax(1) - strong(1).softmax(1)).square().mean().item()
    )
    term.loss.backward()
    assert student.grad.abs().sum() > 0
    assert teacher.grad is None


def test_flexmatch_begins_with_every_guess_and_ends_with_the_threshold():
    method = begun(FlexMatch(weight=1.0, threshold=0.9))
    assert method.thresholds().tolist() == [0, 0, 0]
    assert method([strong(), SURE], ROWS, 0.0).rate == 1
    assert method.status.tolist() == [0, 1, -1, 2]
    # One row of each class and one of none: every class is as well learned as the best.
    assert method.thresholds().tolist() == pytest.approx([0.9] * 3)


def test_flexmatch_lowers_the_threshold_of_a_class_with_fewer_pseudo_labels():
    method = begun(FlexMatch(weight=1.0, threshold=0.9), rows=torch.arange(10))
    method.status.copy_(torch.tensor([0, 0, 0, 0, 1, 1, 2, -1, -1, -1]))
    # Shares of the largest class: 1, 1/2, 1/4; the convex map x / (2 - x) of equation 12.
    assert method.thresholds().tolist() == pytest.approx([0.9, 0.9 / 3, 0.9 / 7])
    method.status.copy_(torch.tensor([0, 0, 1, 1, 2, 2, -1, -1, -1, -1]))
    # While more rows are unused than the largest class has, these are what a class is measured by.
    assert method.thresholds().tolist() == pytest.approx([0.9 / 3] * 3)


def test_flexmatch_remembers_rows_by_their_place_in_the_table():
    method = begun(FlexMatch(weight=1.0, threshold=0.9))
    order = torch.tensor([3, 1, 0, 2])
    method([strong(), SURE[order]], ROWS[order], 0.0)
    assert method.status.tolist() == [0, 1, -1, 2]
    method([strong()[:1], SURE[1:2]], ROWS[:1], 0.0)
    assert method.status.tolist() == [1, 1, -1, 2]


def test_flexmatch_learns_from_the_guesses_above_the_threshold_of_their_class():
    method = begun(FlexMatch(weight=1.0, threshold=0.9), rows=torch.arange(10))
    method.status.copy_(torch.tensor([0, 0, 0, 0, 1, 1, 2, -1, -1, -1]))
    logits = torch.tensor([[0.8, 0.2], [0.4, 0.6]]).log()
    mild = torch.cat([logits, torch.full((2, 1), -40.0)], dim=1)
    term = method([strong()[:2], mild], torch.tensor([8, 9]), 0.0)
    # 0.8 is less than the 0.9 of class 0, 0.6 more than the 0.3 of class 1.
    assert term.loss.item() == pytest.approx(-F.log_softmax(strong()[1], 0)[1].item() / 2)
    assert term.rate == 0.5


def test_the_thresholds_of_freematch_follow_the_confidence_of_the_network():
    method = begun(FreeMatch(weight=1.0, fairness=0.0, momentum=0.8))
    assert method.thresholds().tolist() == pytest.approx([1 / 3] * 3)
    level, expected = 1 / 3, torch.full((3,), 1 / 3)
    for seed in (1, 2, 3):
        mild = 3 * strong(seed)
        term = method([strong(), mild], ROWS, 0.0)
        confidence, codes = mild.softmax(1).max(1)
        level = 0.8 * level + 0.2 * confidence.mean().item()
        expected = 0.8 * expected + 0.2 * mild.softmax(1).mean(0)
        thresholds = level * expected / expected.max()
        assert torch.allclose(method.thresholds(), thresholds)
        counts = confidence >= thresholds[codes]
        naive = (F.cross_entropy(strong(), codes, reduction="none") * counts).mean()
        assert torch.allclose(term.loss, naive)


def test_freematch_adds_its_fairness_by_its_weight():
    alike = [begun(FreeMatch(weight=0.0, fairness=weight, momentum=0.8)) for weight in (1.0, 0.5)]
    whole, half = (method([strong(), SURE], ROWS, 0.0).loss.item() for method in alike)
    assert whole < 0
    assert half == pytest.approx(whole / 2)


def test_the_gradient_of_freematch_outlives_the_next_step():
    method = begun(FreeMatch(weight=1.0, fairness=1.0, momentum=0.8))
    logits = strong().requires_grad_()
    first = method([logits, SURE], ROWS, 0.0).loss
    method([strong(), SURE], ROWS, 0.0)
    first.backward()
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize("make", [FlexMatch, lambda **w: FreeMatch(fairness=0.0, momentum=0.9, **w)])
def test_a_new_training_starts_without_the_state_of_the_last(make):
    keywords = {"threshold": 0.9} if make is FlexMatch else {}
    method = begun(make(weight=1.0, **keywords))
    fresh = {name: buffer.clone() for name, buffer in method.named_buffers()}
    method([strong(), SURE], ROWS, 0.0)
    assert any(not torch.equal(buffer, fresh[name]) for name, buffer in method.named_buffers())
    method.begin(3, ROWS)
    assert all(torch.equal(buffer, fresh[name]) for name, buffer in method.named_buffers())


FIX = {"weight": 1.0, "threshold": 0.95}
PSEUDO = {"weight": 1.0, "ramp": [0.1, 0.6], "threshold": 0.0}
PI = {"weight": 1.0, "ramp": 0.3}
FREE = {"weight": 1.0, "fairness": 0.01, "momentum": 0.9}


@pytest.mark.parametrize(
    ("make", "values", "words"),
    [
        (FixMatch, FIX | {"weight": -1.0}, "weight must be 0 or more, got -1.0"),
        (FixMatch, FIX | {"weight": math.inf}, "weight must be 0 or more, got inf"),
        (FixMatch, FIX | {"threshold": 1.5}, "threshold must be between 0 and 1, got 1.5"),
        (FlexMatch, FIX | {"threshold": -0.5}, "threshold must be between 0 and 1, got -0.5"),
        (FlexMatch, FIX | {"weight": -1.0}, "weight must be 0 or more, got -1.0"),
        (FreeMatch, FREE | {"fairness": -1.0}, "fairness must be 0 or more, got -1.0"),
        (FreeMatch, FREE | {"momentum": 1.1}, "momentum must be between 0 and 1, got 1.1"),
        (PseudoLabel, PSEUDO | {"threshold": 2.0}, "threshold must be between 0 and 1, got 2.0"),
        (PseudoLabel, PSEUDO | {"weight": -2.0}, "weight must be 0 or more, got -2.0"),
        (
            PseudoLabel,
            PSEUDO | {"ramp": [0.6, 0.1]},
            "ramp must be .begin, end. with 0 <= begin < end <= 1, got",
        ),
        (PseudoLabel, PSEUDO | {"ramp": [0.6]}, "ramp must be .begin, end. with 0 <= begin < end <= 1, got"),
        (PiModel, PI | {"ramp": 1.5}, "ramp must be between 0 and 1, got 1.5"),
        (PiModel, PI | {"weight": -1.0}, "weight must be 0 or more, got -1.0"),
        (MeanTeacher, PI | {"decay": 0.9, "ramp": -1.0}, "ramp must be between 0 and 1, got -1.0"),
        (MeanTeacher, PI | {"decay": 0.9, "weight": -1.0}, "weight must be 0 or more, got -1.0"),
        (MeanTeacher, PI | {"decay": 1.0}, "decay must be between 0 and 1, got 1.0"),
    ],
)
def test_values_out_of_range_are_refused(make, values, words):
    with pytest.raises(ValueError, match=words):
        make(**values)

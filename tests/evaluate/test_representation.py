from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from harness.core.errors import UserError
from harness.core.predictor import Predictor
from harness.core.task import Task
from harness.evaluate import representation
from harness.evaluate.representation import Representation

TWO = Task("binary", ("left", "right"))
NUMBER = Task("regression")


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


class Column(nn.Module):
    """Keeps one input; a buffer counts the forward passes if `restless`."""

    def __init__(self, index: int, restless: bool = False) -> None:
        super().__init__()
        self.index = index
        self.restless = restless
        self.register_buffer("passes", torch.zeros(()))

    def forward(self, inputs: Tensor) -> Tensor:
        if self.restless:
            self.passes += 1
        return inputs[:, self.index, None]


def keep(index: int, task: Task, restless: bool = False) -> Predictor:
    return Predictor(Column(index, restless), None, task)


def two_clouds(rows: int, seed: int) -> tuple[Tensor, Tensor]:
    """Input 0 tells the class, input 1 tells nothing."""
    targets = torch.arange(rows) % 2
    inputs = draw(rows, 2, seed=seed)
    inputs[:, 0] = 10.0 * targets + 0.1 * inputs[:, 0]
    return inputs, targets


def test_a_trained_representation_beats_a_blind_one(make_loaders) -> None:
    loaders = make_loaders(TWO, two_clouds(60, 0), test=two_clouds(41, 1))
    scores = Representation().score(keep(0, TWO), loaders, "test", lambda: keep(1, TWO)).values
    assert list(scores) == [
        "rankme",
        *(
            f"{name}{end}"
            for end in ("", "_baseline_random", "_baseline_raw")
            for name in ("knn_accuracy", "linear_accuracy")
        ),
    ]
    assert scores["knn_accuracy"] == scores["linear_accuracy"] == 1.0
    assert scores["knn_accuracy_baseline_raw"] == scores["linear_accuracy_baseline_raw"] == 1.0
    assert 0.25 < scores["knn_accuracy_baseline_random"] < 0.75
    assert scores["rankme"] == pytest.approx(1.0)


def test_judge_equals_score_where_the_bank_holds_every_row(make_loaders) -> None:
    inputs, targets = two_clouds(40, 0)
    inputs[:, 0] = inputs[:, 0] / 10 + 0.5 * draw(40, seed=5)
    loaders = make_loaders(TWO, (inputs, targets), valid=(inputs[:17] + 0.3, targets[:17]))
    evaluator, predictor = Representation(neighbours=3), keep(0, TWO)
    validated = evaluator.validate(predictor, loaders)
    scored = evaluator.score(predictor, loaders, "valid", lambda: predictor).values
    assert list(validated) == ["rankme", "knn_accuracy"]
    assert {name: scored[name] for name in validated} == validated
    assert validated["knn_accuracy"] < 1


def test_nearest_neighbours_equal_a_naive_loop(make_loaders) -> None:
    bank, queries = draw(30, 3), draw(25, 3, seed=1)
    known, asked = torch.arange(30) % 2, torch.arange(25) % 2
    loaders = make_loaders(TWO, (bank, known), valid=(queries, asked))
    validated = Representation(neighbours=5).validate(Predictor(nn.Identity(), None, TWO), loaders)
    mean, std = bank.double().mean(0), bank.double().std(0, correction=0)
    right = 0
    for query, answer in zip(queries, asked, strict=True):
        gaps = [
            (((query.double() - row) / std).square().sum().item(), place)
            for place, row in enumerate(bank.double())
        ]
        votes = sum(known[place].item() for _, place in sorted(gaps)[:5])
        right += (votes > 2) == answer.item()
    assert mean.shape == (3,)
    assert validated["knn_accuracy"] == pytest.approx(right / 25)


def test_a_number_as_target_is_probed_by_regression(make_loaders) -> None:
    train, test = draw(80, 2), draw(40, 2, seed=1)
    loaders = make_loaders(NUMBER, (train, 3 * train[:, 0] + 2), valid=(test, 3 * test[:, 0] + 2))
    evaluator = Representation(neighbours=1, l2=1e-6)
    scores = evaluator.score(keep(0, NUMBER), loaders, "valid", lambda: keep(1, NUMBER)).values
    assert scores["linear_r2"] == pytest.approx(1.0)
    assert scores["linear_r2_baseline_raw"] == pytest.approx(1.0)
    assert scores["linear_r2_baseline_random"] < 0.1
    assert 0.9 < scores["knn_r2"] < 1
    assert evaluator.validate(keep(0, NUMBER), loaders) == {
        name: scores[name] for name in ("rankme", "knn_r2")
    }


def test_several_numbers_are_probed_and_averaged(make_loaders) -> None:
    train, test = draw(80, 2), draw(40, 2, seed=1)
    both = Task("regression", columns=("a", "b"))
    loaders = make_loaders(both, (train, train * 3 + 2), valid=(test, test * 3 + 2))
    blind = Representation(l2=1e-6).score(keep(0, both), loaders, "valid", lambda: keep(1, both)).values
    alone = [
        Representation(l2=1e-6)
        .score(
            keep(0, NUMBER),
            make_loaders(NUMBER, (train, train[:, place]), valid=(test, test[:, place])),
            "valid",
            lambda: keep(1, NUMBER),
        )
        .values
        for place in (0, 1)
    ]
    for name in ("knn_r2", "linear_r2", "linear_r2_baseline_raw"):
        assert blind[name] == pytest.approx((alone[0][name] + alone[1][name]) / 2)


def test_several_labels_are_probed_one_by_one(make_loaders) -> None:
    labels = Task("multilabel", ("a", "b"))
    train, test = draw(80, 2), draw(41, 2, seed=1)
    loaders = make_loaders(labels, (train, (train > 0).float()), valid=(test, (test > 0).float()))
    found = Representation().score(keep(0, labels), loaders, "valid", lambda: keep(1, labels)).values
    alone = []
    for place in (0, 1):
        part = make_loaders(
            TWO, (train, (train[:, place] > 0).long()), valid=(test, (test[:, place] > 0).long())
        )
        alone.append(Representation().score(keep(0, TWO), part, "valid", lambda: keep(1, TWO)).values)
    for name in (
        "knn_accuracy",
        "linear_accuracy",
        "knn_accuracy_baseline_raw",
        "linear_accuracy_baseline_raw",
    ):
        assert found[name] == pytest.approx((alone[0][name] + alone[1][name]) / 2)
    assert Representation().validate(keep(0, labels), loaders)["knn_accuracy"] == found["knn_accuracy"]


def test_without_labels_the_effective_rank_remains(make_loaders) -> None:
    none = Task("none")
    loaders = make_loaders(none, (draw(30, 4), None), valid=(draw(20, 4, seed=1), None))
    predictor = Predictor(nn.Identity(), None, none)
    validated = Representation().validate(predictor, loaders)
    assert list(validated) == ["rankme"]
    assert 1 < validated["rankme"] <= 4
    assert Representation().score(predictor, loaders, "valid", lambda: predictor).values == validated


def test_unlabelled_rows_neither_vote_nor_count(make_loaders) -> None:
    inputs, targets = two_clouds(40, 0)
    hidden = targets.clone()
    hidden[::3] = -1
    known = hidden >= 0
    predictor, evaluator = keep(1, TWO), Representation()
    all_rows = make_loaders(TWO, (inputs, hidden), test=(inputs, hidden))
    labelled = make_loaders(TWO, (inputs[known], hidden[known]), test=(inputs[known], hidden[known]))
    first = evaluator.score(predictor, all_rows, "test", lambda: predictor).values
    second = evaluator.score(predictor, labelled, "test", lambda: predictor).values
    probes = [name for name in first if name != "rankme"]
    assert {name: first[name] for name in probes} == {name: second[name] for name in probes}


def test_a_part_without_labels_is_reported(make_loaders) -> None:
    inputs, targets = two_clouds(20, 0)
    loaders = make_loaders(TWO, (inputs, targets), test=(inputs, torch.full_like(targets, -1)))
    scores = Representation().score(keep(0, TWO), loaders, "test", lambda: keep(1, TWO))
    assert scores.notes == ("no row of the test part carries a label: its probes are undefined",)
    assert all(math.isnan(value) for name, value in scores.values.items() if name != "rankme")


def test_the_bank_of_judge_is_a_sample_of_all_classes_and_always_the_same(make_loaders) -> None:
    inputs, targets = two_clouds(400, 0)
    order = targets.argsort()  # all rows of a class together, as in a file
    train, valid = (inputs[order], targets[order]), two_clouds(30, 1)
    loaders = make_loaders(TWO, train, valid=valid)
    evaluator = Representation(bank=32)
    assert evaluator.validate(keep(0, TWO), loaders)["knn_accuracy"] == 1.0
    torch.manual_seed(3)
    first = evaluator.validate(keep(1, TWO), loaders)
    torch.manual_seed(4)
    assert evaluator.validate(keep(1, TWO), loaders) == first


def test_scoring_draws_no_random_number(make_loaders) -> None:
    loaders = make_loaders(TWO, two_clouds(40, 0), valid=two_clouds(20, 1))
    before = torch.get_rng_state()
    Representation(bank=16).validate(keep(0, TWO), loaders)
    Representation().score(keep(0, TWO), loaders, "valid", lambda: keep(1, TWO))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_model_that_changes_while_it_is_scored_is_reported(make_loaders) -> None:
    loaders = make_loaders(TWO, two_clouds(20, 0), test=two_clouds(20, 1))
    with pytest.raises(RuntimeError, match=r"must not change the model, and it changed model\.passes"):
        Representation().score(keep(0, TWO, restless=True), loaders, "test", lambda: keep(1, TWO))


def test_a_probe_that_ran_out_of_iterations_is_noted(make_loaders) -> None:
    inputs, targets = two_clouds(40, 0)
    loaders = make_loaders(TWO, (inputs, targets), test=(inputs, targets))
    scores = Representation(iterations=1, l2=1e-3).score(keep(0, TWO), loaders, "test", lambda: keep(1, TWO))
    assert scores.notes[0] == (
        "linear_accuracy: the probe had not converged after 1 iterations; raise evaluate.iterations"
    )


def test_inputs_too_many_to_hold_have_no_raw_baseline(make_loaders, monkeypatch) -> None:
    monkeypatch.setattr(representation, "_MOST_RAW", 119)
    loaders = make_loaders(TWO, two_clouds(40, 0), test=two_clouds(20, 1))
    scores = Representation().score(keep(0, TWO), loaders, "test", lambda: keep(1, TWO))
    assert scores.notes == ("no baseline of the raw input: the inputs are 120 numbers, over 119",)
    assert "knn_accuracy_baseline_random" in scores.values
    assert "knn_accuracy_baseline_raw" not in scores.values


def test_without_a_valid_part_there_is_nothing_to_judge_or_score(make_loaders) -> None:
    loaders = make_loaders(TWO, two_clouds(20, 0))
    assert Representation().validate(keep(0, TWO), loaders) == {}
    with pytest.raises(UserError, match=r"scores of the valid part need rows"):
        Representation().score(keep(0, TWO), loaders, "valid", lambda: keep(1, TWO))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"neighbours": 0}, "neighbours must be 1 or more, got 0"),
        ({"bank": 0}, "bank must be 1 or more, got 0"),
        ({"iterations": 0}, "iterations must be 1 or more, got 0"),
        ({"l2": 0.0}, r"l2 must be more than 0, got 0\.0"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Representation(**arguments)


def test_where_labels_are_scarce_the_bank_is_of_labelled_rows(make_loaders) -> None:  # type: ignore[no-untyped-def]
    inputs, targets = two_clouds(400, 0)
    scarce = torch.full_like(targets, -1)
    scarce[:10], scarce[-10:] = targets[:10], targets[-10:]
    loaders = make_loaders(TWO, (inputs, scarce), valid=two_clouds(20, 1))
    few, all_of_them = Representation(bank=20), Representation(bank=4096)
    assert few.validate(keep(0, TWO), loaders) == all_of_them.validate(keep(0, TWO), loaders)


def test_fewer_than_two_points_are_no_picture() -> None:
    with pytest.raises(ValueError, match="points must be 2 or more, got 1"):
        Representation(points=1)

from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from harness.core.errors import UserError
from harness.core.scores import direction
from harness.core.task import Task
from harness.evaluate.classification import Classification
from harness.evaluate.scored_rows import scores_of

THREE = Task("multiclass", ("cat", "dog", "fox"))
TWO = Task("binary", ("benign", "malignant"))


def never() -> None:
    raise AssertionError("no untrained model is needed")


def one_hot(codes: list[int]) -> torch.Tensor:
    return 2.0 * torch.nn.functional.one_hot(torch.tensor(codes), 3)


def test_scores_of_a_hand_counted_part(make_loaders, echo) -> None:
    train = (torch.zeros(6, 3), torch.tensor([0, 1, 1, 1, 2, -1]))
    test = (one_hot([0, 1, 1, 2]), torch.tensor([0, 1, 2, 2]))
    loaders = make_loaders(THREE, train, test=test)
    scores = Classification(bins=15).score(echo(THREE, cross_entropy), loaders, "test", never)
    right, wrong = math.exp(2) / (math.exp(2) + 2), 1 / (math.exp(2) + 2)
    assert scores.values == {
        "loss": pytest.approx(cross_entropy(*test).item()),
        "accuracy": 0.75,
        "f1": pytest.approx((1 + 2 / 3 + 2 / 3) / 3),
        # cat 1; dog (3 of 3 won, one a tie of two): 5/6; fox (2 x 2 pairs, one row ties the cats): 3/4
        "auroc": pytest.approx((1 + 5 / 6 + 3 / 4) / 3),
        "log_loss": pytest.approx(-(3 * math.log(right) + math.log(wrong)) / 4),
        "ece": pytest.approx(abs(0.75 - right)),
        "accuracy_baseline_majority": 0.25,
    }
    assert scores.confusion.tolist() == [[1, 0, 0], [0, 1, 0], [0, 1, 1]]
    assert scores.notes == ()


def test_judge_gives_the_named_scores_of_the_valid_part(make_loaders, echo) -> None:
    generator = torch.Generator().manual_seed(0)
    logits, targets = torch.randn(50, 1, generator=generator), torch.arange(50) % 2
    loaders = make_loaders(TWO, (logits, targets), valid=(logits, targets), test=(-logits, targets))
    loss = lambda outputs, codes: binary_cross_entropy_with_logits(outputs, codes.float())  # noqa: E731
    evaluator, predictor = Classification(), echo(TWO, loss)
    validated = evaluator.validate(predictor, loaders)
    assert tuple(validated) == evaluator.names
    assert validated["loss"] == pytest.approx(validated["log_loss"], rel=1e-6)
    scores = evaluator.score(predictor, loaders, "valid", never)
    assert {name: scores.values[name] for name in validated} == validated
    assert scores.values["accuracy_baseline_majority"] == 0.5
    mirrored = evaluator.score(predictor, loaders, "test", never)
    assert mirrored.values["auroc"] == pytest.approx(1 - validated["auroc"])


def test_unlabelled_rows_are_left_out(make_loaders, echo) -> None:
    logits, targets = one_hot([0, 1, 2, 0]), torch.tensor([0, 1, -1, -1])
    loaders = make_loaders(THREE, (logits, targets), valid=(logits, targets))
    validated = Classification().validate(echo(THREE, cross_entropy), loaders)
    assert validated["accuracy"] == 1.0
    assert validated["loss"] == pytest.approx(cross_entropy(logits[:2], targets[:2]).item())


def test_a_predictor_without_loss_has_every_score_but_loss(make_loaders, echo) -> None:
    part = (one_hot([0, 1]), torch.tensor([0, 1]))
    validated = Classification().validate(echo(THREE), make_loaders(THREE, part, valid=part))
    assert tuple(validated) == Classification.names[1:]


def test_a_prediction_that_is_no_number_leaves_every_score_undefined(make_loaders, echo) -> None:
    logits, targets = one_hot([0, 1, 2, 0]), torch.tensor([0, 1, 2, 0])
    logits[2] = torch.nan
    loaders = make_loaders(THREE, (logits, targets), valid=(logits, targets))
    validated = Classification().validate(echo(THREE), loaders)
    assert all(math.isnan(validated[name]) for name in Classification.names[1:])


def test_answers_of_several_networks_have_the_scores_of_each(make_loaders, echo) -> None:
    """Also where rows, classes, scores or bins differ, in the order of the answers."""
    generator = torch.Generator().manual_seed(1)
    two_loss = lambda outputs, codes: binary_cross_entropy_with_logits(outputs, codes.float())  # noqa: E731
    cases = [
        (Classification(bins=bins), task, loss, rows, names)
        for bins, task, loss, rows, names in [
            (15, THREE, cross_entropy, 20, None),
            (15, TWO, two_loss, 20, None),
            (15, THREE, cross_entropy, 20, None),
            (15, THREE, cross_entropy, 21, None),
            (15, THREE, None, 20, None),
            (4, THREE, cross_entropy, 20, None),
            (15, THREE, cross_entropy, 20, {"f1"}),
            (15, THREE, cross_entropy, 20, set()),
            (15, THREE, None, 20, set()),
        ]
    ]
    answered, expected = [], []
    for evaluator, task, loss, rows, names in cases:
        logits = torch.randn(rows, 1 if task is TWO else 3, generator=generator)
        part = (logits, torch.arange(rows) % task.outputs if task is THREE else torch.arange(rows) % 2)
        loaders, predictor = make_loaders(task, part, valid=part), echo(task, loss)
        answered.append(evaluator.answers(predictor, loaders.valid, names))
        expected.append(evaluator.validate(predictor, loaders, names))
    assert scores_of(answered) == expected
    assert [tuple(scores) for scores in expected[-4:]] == [
        Classification.names,
        ("loss", "f1"),
        ("loss",),
        (),
    ]
    assert expected[5]["ece"] != expected[0]["ece"]


def test_without_validation_rows_there_are_no_validation_scores(make_loaders, echo) -> None:
    loaders = make_loaders(THREE, (one_hot([0]), torch.tensor([0])))
    assert Classification().validate(echo(THREE), loaders) == {}


@pytest.mark.parametrize(
    ("targets", "note"),
    [
        ([-1, -1], "no row of the test part carries a label: its scores are undefined"),
        ([1, 1], "every row of the test part is of class dog: auroc is undefined"),
        ([0, 2], "no row of the test part is of class dog: f1 and auroc leave it out"),
    ],
)
def test_absent_classes_are_reported(make_loaders, echo, targets: list[int], note: str) -> None:
    part = (one_hot([0, 1]), torch.tensor(targets))
    scores = Classification().score(
        echo(THREE, cross_entropy), make_loaders(THREE, part, test=part), "test", never
    )
    assert scores.notes == (note,)
    assert math.isnan(scores.values["auroc"]) == ("undefined" in note)
    assert math.isnan(scores.values["accuracy"]) == ("no row of the test part carries" in note)


def test_a_number_as_target_is_refused(make_loaders, echo) -> None:
    part = (torch.zeros(2, 1), torch.tensor([0.5, 1.5]))
    with pytest.raises(
        UserError, match="needs a class as target, and this target is a number; use evaluate=regression"
    ):
        Classification().validate(
            echo(Task("regression")), make_loaders(Task("regression"), part, valid=part)
        )


def test_a_predictor_without_outputs_is_refused(make_loaders, echo) -> None:
    part = (one_hot([0]), torch.tensor([0]))
    with pytest.raises(
        UserError, match="this trainer learns a representation alone; use evaluate=representation"
    ):
        Classification().validate(echo(THREE, head=False), make_loaders(THREE, part, valid=part))


def test_a_data_set_without_target_is_refused(make_loaders, echo) -> None:
    part = (one_hot([0]), None)
    with pytest.raises(UserError, match=r"has no target column; name it with data\.extract\.target=COLUMN"):
        Classification().validate(echo(THREE), make_loaders(THREE, part, valid=part))


def test_a_part_without_rows_is_refused(make_loaders, echo) -> None:
    loaders = make_loaders(THREE, (one_hot([0]), torch.tensor([0])))
    with pytest.raises(UserError, match=r"this split gives it none; raise split\.test\."):
        Classification().score(echo(THREE), loaders, "test", never)


def test_bins_must_be_positive() -> None:
    with pytest.raises(ValueError, match="bins must be 1 or more, got 0"):
        Classification(bins=0)


def test_the_name_of_a_score_gives_its_direction() -> None:
    lower = {name for name in Classification.names if direction(f"valid/{name}") == "minimize"}
    assert lower == {"loss", "log_loss", "ece"}

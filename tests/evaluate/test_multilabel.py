from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn import metrics
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid

from harness.core.errors import UserError
from harness.core.scores import direction
from harness.core.task import Task
from harness.evaluate.classification import Classification
from harness.evaluate.multilabel import Multilabel, scores
from harness.evaluate.regression import Regression

LABELS = Task("multilabel", ("hot", "wet", "rare"))


def never() -> None:
    raise AssertionError("no untrained model is needed")


def draw(rows: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits and labels (rows, 3) that agree more often than not."""
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(rows, 3, generator=generator)
    return logits, (logits + torch.randn(rows, 3, generator=generator) > 0.5).float()


@pytest.mark.parametrize("seed", range(5))
def test_every_score_equals_scikit_learn(seed: int) -> None:
    logits, labels = draw(40, seed)
    found = scores(logsigmoid(logits.double()), labels.double())
    chances, truth = logits.double().sigmoid().numpy(), labels.numpy().astype(int)
    predicted = (chances > 0.5).astype(int)
    losses = [metrics.log_loss(truth[:, label], chances[:, label]) for label in range(3)]
    assert {name: value.item() for name, value in found.items()} == {
        "accuracy": pytest.approx(1 - metrics.hamming_loss(truth, predicted)),
        "exact_match": pytest.approx(metrics.accuracy_score(truth, predicted)),
        "f1": pytest.approx(metrics.f1_score(truth, predicted, average="macro")),
        "auroc": pytest.approx(metrics.roc_auc_score(truth, chances, average="macro")),
        "log_loss": pytest.approx(np.mean(losses)),
    }


def test_a_sure_answer_keeps_its_digits() -> None:
    logits = torch.tensor([[40.0, -40.0]], dtype=torch.float64)
    wrong = scores(logsigmoid(logits), torch.tensor([[0.0, 1.0]], dtype=torch.float64))
    right = scores(logsigmoid(logits), torch.tensor([[1.0, 0.0]], dtype=torch.float64))
    assert wrong["log_loss"].item() == pytest.approx(40.0)
    assert right["log_loss"].item() == pytest.approx(math.exp(-40), rel=1e-9)


def test_scores_of_a_hand_counted_part(make_loaders, echo) -> None:
    train = (torch.zeros(4, 3), torch.tensor([[1, 0, 0], [1, 0, 0], [0, 1, 0], [1, math.nan, 1]]))
    logits = torch.tensor([[2.0, -2.0, -2.0], [2.0, 2.0, -2.0], [-2.0, -2.0, -2.0]])
    labels = torch.tensor([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
    predictor = echo(LABELS, binary_cross_entropy_with_logits)
    found = Multilabel().score(predictor, make_loaders(LABELS, train, test=(logits, labels)), "test", never)
    high, low = math.log(1 + math.exp(-2)), math.log(1 + math.exp(2))
    assert found.values == {
        "loss": pytest.approx((5 * high + 4 * low) / 9),
        "accuracy": pytest.approx(5 / 9),
        "exact_match": pytest.approx(1 / 3),
        "f1": pytest.approx((2 * 2 / 5 + 0 + 0) / 3),
        # hot has no row without it; wet: its row ties one and loses to the other; rare: ties two
        "auroc": pytest.approx((0.25 + 0.5) / 2),
        "log_loss": pytest.approx((5 * high + 4 * low) / 9),
        # most labelled training rows are hot, neither wet nor rare
        "accuracy_baseline_majority": pytest.approx(7 / 9),
    }
    assert found.confusion is None
    assert found.notes == ("every row of the test part has the label hot: auroc leaves it out",)


def test_judge_gives_the_named_scores_of_the_valid_part(make_loaders, echo) -> None:
    part = draw(30)
    predictor, loaders = (
        echo(LABELS, binary_cross_entropy_with_logits),
        make_loaders(LABELS, part, valid=part),
    )
    validated = Multilabel().validate(predictor, loaders)
    assert tuple(validated) == Multilabel.names
    assert validated["loss"] == pytest.approx(validated["log_loss"], rel=1e-6)
    scored = Multilabel().score(predictor, loaders, "valid", never).values
    assert {name: scored[name] for name in validated} == validated
    assert Multilabel().validate(predictor, make_loaders(LABELS, part)) == {}


def test_rows_with_an_unknown_label_are_left_out(make_loaders, echo) -> None:
    logits, labels = draw(30)
    hidden = labels.clone()
    hidden[::3, 1] = math.nan
    known = ~hidden.isnan().any(dim=1)
    gaps = make_loaders(LABELS, (logits, hidden), valid=(logits, hidden))
    full = make_loaders(LABELS, (logits, labels), valid=(logits[known], labels[known]))
    predictor = echo(LABELS, binary_cross_entropy_with_logits)
    assert Multilabel().validate(predictor, gaps) == Multilabel().validate(predictor, full)


def test_pooled_scores_are_those_of_one_part() -> None:
    logits, labels = draw(30)
    hidden = labels.clone()
    hidden[4, 0] = math.nan
    known = torch.arange(30) != 4
    expected = scores(logsigmoid(logits[known].double()), labels[known].double())
    found = Multilabel().pool(logsigmoid(logits.double()), hidden)
    assert found == {name: value.item() for name, value in expected.items()}


@pytest.mark.parametrize(
    ("labels", "note"),
    [
        ([[math.nan, 1, 0]], "no row of the test part carries labels: its scores are undefined"),
        ([[1, 0, 0], [0, 1, 0]], "no row of the test part has the label rare: f1 and auroc leave it out"),
    ],
)
def test_labels_that_do_not_vary_are_reported(
    make_loaders, echo, labels: list[list[float]], note: str
) -> None:
    part = (torch.eye(3)[: len(labels)], torch.tensor(labels).float())
    scored = Multilabel().score(echo(LABELS), make_loaders(LABELS, part, test=part), "test", never)
    assert scored.notes == (note,)
    assert math.isnan(scored.values["f1"]) == ("undefined" in note)


def test_without_a_labelled_training_row_there_is_no_majority(make_loaders, echo) -> None:
    logits, labels = draw(5)
    loaders = make_loaders(LABELS, (logits, torch.full_like(labels, math.nan)), test=(logits, labels))
    scored = Multilabel().score(echo(LABELS), loaders, "test", never)
    assert math.isnan(scored.values["accuracy_baseline_majority"])
    assert 0 < scored.values["accuracy"] < 1


@pytest.mark.parametrize(
    ("task", "words"),
    [
        (Task("binary", ("no", "yes")), "this target is a class; use evaluate=classification."),
        (Task("regression"), "this target is a number; use evaluate=regression."),
    ],
)
def test_another_target_is_refused(make_loaders, echo, task: Task, words: str) -> None:
    part = (torch.zeros(2, 1), torch.zeros(2))
    with pytest.raises(
        UserError, match=f"^evaluate=multilabel needs several target columns of 0 and 1, and {words}$"
    ):
        Multilabel().validate(echo(task), make_loaders(task, part, valid=part))


def test_labels_are_refused_by_the_other_evaluations(make_loaders, echo) -> None:
    loaders = make_loaders(LABELS, draw(5), valid=draw(5))
    with pytest.raises(UserError, match=r"these targets are labels of which .*; use evaluate=multilabel\.$"):
        Classification().validate(echo(LABELS), loaders)
    with pytest.raises(UserError, match=r"these targets are labels; use evaluate=multilabel, or data\."):
        Regression().validate(echo(LABELS), loaders)


def test_the_name_of_a_score_gives_its_direction() -> None:
    lower = {name for name in Multilabel.names if direction(f"valid/{name}") == "minimize"}
    assert lower == {"loss", "log_loss"}

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import sklearn.metrics
import torch
import torchmetrics
from torch import Tensor

from harness.core.errors import UserError
from harness.core.task import Task
from harness.evaluate.classification import Classification
from harness.evaluate.representation import Representation
from harness.evaluate.user_metric import UserMetric, predictions_of, try_metric
from harness.evaluate.with_user_metrics import WithUserMetrics
from tests.evaluate.conftest import MakeLoaders, MakePredictor

THREE = Task("multiclass", ("a", "b", "c"))
TWO = Task("binary", ("a", "b"))
LABELS = Task("multilabel", ("x", "y", "z"))
NUMBER = Task("regression")
CODES = {THREE: 3, TWO: 2}


def bound(function: Any, task: Task, **keywords: Any) -> UserMetric:
    return UserMetric("own", function, keywords, task)


def sample(task: Task, rows: int = 40) -> tuple[Tensor, Tensor]:
    """Predictions and targets of a task, as a metric receives them."""
    generator = torch.Generator().manual_seed(3)
    if task is NUMBER:
        return torch.rand(rows, generator=generator).double(), torch.rand(rows, generator=generator).double()
    noise = torch.rand(rows, len(task.classes), generator=generator).double()
    if task is LABELS:
        return noise, torch.randint(2, noise.shape, generator=generator)
    return noise / noise.sum(1, keepdim=True), torch.randint(len(task.classes), (rows,), generator=generator)


MCC = sklearn.metrics.matthews_corrcoef
CLASSIFICATION = torchmetrics.classification
FUNCTIONAL = torchmetrics.functional


@pytest.mark.parametrize(
    ("function", "task"),
    [
        (CLASSIFICATION.MulticlassMatthewsCorrCoef, THREE),
        (CLASSIFICATION.MulticlassMatthewsCorrCoef, TWO),
        (CLASSIFICATION.BinaryMatthewsCorrCoef, TWO),
        (torchmetrics.MatthewsCorrCoef, THREE),
        (torchmetrics.MatthewsCorrCoef, TWO),
        (FUNCTIONAL.classification.multiclass_matthews_corrcoef, THREE),
        (FUNCTIONAL.classification.binary_matthews_corrcoef, TWO),
        (FUNCTIONAL.matthews_corrcoef, THREE),
        (FUNCTIONAL.matthews_corrcoef, TWO),
        (MCC, THREE),
        (MCC, TWO),
    ],
)
def test_the_same_metric_of_any_library_has_the_same_value(function: Any, task: Task) -> None:
    predictions, targets = sample(task)
    expected = MCC(targets.numpy(), predictions.argmax(1).numpy())
    assert bound(function, task)(predictions, targets) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("function", "other", "task"),
    [
        (CLASSIFICATION.BinaryAUROC, sklearn.metrics.roc_auc_score, TWO),
        (CLASSIFICATION.MultilabelAUROC, sklearn.metrics.roc_auc_score, LABELS),
        (CLASSIFICATION.MultilabelF1Score, sklearn.metrics.f1_score, LABELS),
        (torchmetrics.MeanSquaredError, sklearn.metrics.mean_squared_error, NUMBER),
        (FUNCTIONAL.mean_absolute_error, sklearn.metrics.mean_absolute_error, NUMBER),
    ],
)
def test_torchmetrics_and_scikit_learn_agree(function: Any, other: Any, task: Task) -> None:
    keywords = {"average": "macro"} if other is sklearn.metrics.f1_score else {}
    first, second = bound(function, task), bound(other, task, **keywords)
    assert first(*sample(task)) == pytest.approx(second(*sample(task)), abs=1e-6)


def test_log_loss_of_scikit_learn_receives_probabilities() -> None:
    predictions, targets = sample(THREE)
    expected = -predictions.log().gather(1, targets[:, None]).mean().item()
    assert bound(sklearn.metrics.log_loss, THREE)(predictions, targets) == pytest.approx(expected)


@pytest.mark.parametrize("task", [THREE, TWO])
def test_a_plain_function_receives_probabilities_of_all_classes_and_codes(task: Task) -> None:
    received: list[Tensor] = []

    def own(predictions: Tensor, targets: Tensor, scale: float) -> Tensor:
        received.extend([predictions, targets])
        return targets.double().mean() * scale

    predictions, targets = sample(task)
    assert bound(own, task, scale=2.0)(predictions, targets) == pytest.approx(
        2 * targets.double().mean().item()
    )
    assert received[0].shape == (40, len(task.classes))
    assert (received[1].dtype, received[1].shape) == (torch.int64, (40,))


def test_an_instance_of_a_class_is_called_and_num_classes_is_filled_in() -> None:
    class Own:
        def __init__(self, num_classes: int, power: int = 1) -> None:
            self.value = float(num_classes**power)

        def __call__(self, predictions: Tensor, targets: Tensor) -> float:
            return self.value

    assert bound(Own, THREE, power=2)(*sample(THREE)) == 9.0
    assert bound(Own, THREE, num_classes=5)(*sample(THREE)) == 5.0


def test_labels_reach_a_metric_as_whole_numbers() -> None:
    predictions, targets = sample(LABELS)
    assert bound(CLASSIFICATION.MultilabelAccuracy, LABELS)(predictions, targets.double()) > 0


def test_a_part_without_rows_has_no_value() -> None:
    predictions, targets = sample(THREE)
    assert math.isnan(bound(MCC, THREE)(predictions[:0], targets[:0]))


def test_predictions_are_probabilities_or_numbers_in_the_unit_of_the_target() -> None:
    logits = torch.tensor([[0.0, 1.0, 2.0]])
    assert torch.allclose(predictions_of(THREE, logits), logits.double().softmax(1))
    assert torch.allclose(predictions_of(TWO, torch.tensor([0.0])), torch.tensor([[0.5, 0.5]]).double())
    assert torch.allclose(predictions_of(LABELS, logits), logits.double().sigmoid())
    assert predictions_of(NUMBER, torch.tensor([3.5])).tolist() == [3.5]


def test_a_metric_without_a_target_is_refused() -> None:
    with pytest.raises(UserError) as refusal:
        bound(MCC, Task("none"))
    assert refusal.value.key == "evaluate.metrics.own"


def raising(predictions: Tensor, targets: Tensor) -> float:
    raise RuntimeError("no such thing")


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (raising, "RuntimeError: no such thing"),
        (lambda predictions, targets: predictions, "an array of shape (40, 3)"),
        (lambda predictions, targets: {"f1": 1.0}, "returned dict"),
        (lambda predictions, targets: None, "returned NoneType"),
        (lambda predictions, targets: float("nan"), "it returned NaN"),
        (lambda predictions: 0.0, "TypeError"),
        (CLASSIFICATION.MultilabelAccuracy, "TypeError"),
    ],
)
def test_a_metric_that_gives_no_number_is_refused_before_training(function: Any, reason: str) -> None:
    with pytest.raises(UserError) as refusal:
        try_metric(bound(function, THREE), sample(THREE)[1])
    assert refusal.value.key == "evaluate.metrics.own"
    assert reason in refusal.value.rule


@pytest.mark.parametrize(
    ("function", "task"),
    [
        (MCC, THREE),
        (sklearn.metrics.mean_squared_log_error, NUMBER),
        (CLASSIFICATION.MultilabelAUROC, LABELS),
    ],
)
def test_the_trial_call_passes_what_is_right_and_draws_no_random_number(function: Any, task: Task) -> None:
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    try_metric(bound(function, task), sample(task)[1])
    assert torch.equal(before, torch.random.get_rng_state())


LOGITS = torch.tensor([[3.0, 0, 0], [0, 3.0, 0], [0, 0, 3.0], [3.0, 0, 0]])
TRUE = torch.tensor([0, 1, 2, 1])


def test_an_evaluation_with_metrics_gives_its_own_scores_and_theirs(
    make_loaders: MakeLoaders, echo: MakePredictor
) -> None:
    loaders = make_loaders(THREE, (LOGITS, TRUE), (LOGITS, torch.tensor([0, 1, 2, -1])), (LOGITS, TRUE))
    evaluator = WithUserMetrics(Classification(), [bound(MCC, THREE)])
    plain = Classification()
    assert evaluator.names == (*plain.names, "own")
    assert evaluator.bins == 15
    valid = evaluator.validate(echo(THREE), loaders)
    assert valid == pytest.approx({**plain.validate(echo(THREE), loaders), "own": 1.0}, nan_ok=True)
    tested = evaluator.score(echo(THREE), loaders, "test", lambda: echo(THREE))
    assert tested.values["own"] == pytest.approx(MCC([0, 1, 2, 1], [0, 1, 2, 0]))
    assert tested.confusion is not None
    pooled = evaluator.pool(LOGITS.double().log_softmax(1), TRUE)
    assert pooled["own"] == tested.values["own"]
    assert pooled["accuracy"] == 0.75


def test_rows_are_predicted_once_however_many_scores_there_are(
    make_loaders: MakeLoaders, echo: MakePredictor
) -> None:
    loaders = make_loaders(THREE, (LOGITS, TRUE), (LOGITS, TRUE))
    predictor = echo(THREE)
    calls = []
    predictor.model.register_forward_hook(lambda *_: calls.append(1))
    WithUserMetrics(Classification(), [bound(MCC, THREE)]).validate(predictor, loaders)
    assert len(calls) == 1


def test_a_metric_that_fails_later_is_nan_and_noted(make_loaders: MakeLoaders, echo: MakePredictor) -> None:
    loaders = make_loaders(THREE, (LOGITS, TRUE), (LOGITS, TRUE), (LOGITS, TRUE))
    evaluator = WithUserMetrics(Classification(), [bound(raising, THREE), UserMetric("mcc", MCC, {}, THREE)])
    assert math.isnan(evaluator.validate(echo(THREE), loaders)["own"])
    scores = evaluator.score(echo(THREE), loaders, "test", lambda: echo(THREE))
    assert math.isnan(scores.values["own"])
    assert np.isfinite(scores.values["mcc"])
    assert scores.notes == (
        "evaluate.metrics.own is undefined, because the metric raised RuntimeError: no such thing",
    )


def test_a_representation_takes_metrics_too_and_keeps_its_picture(
    make_loaders: MakeLoaders, echo: MakePredictor
) -> None:
    loaders = make_loaders(THREE, (LOGITS, TRUE), (LOGITS, TRUE), (LOGITS, TRUE))
    evaluator = WithUserMetrics(Representation(neighbours=1), [bound(MCC, THREE)])
    assert set(evaluator.validate(echo(THREE), loaders)) == {"rankme", "knn_accuracy", "own"}
    assert evaluator.further == Representation.further
    assert evaluator.project(echo(THREE), loaders, "test", lambda: echo(THREE)) is not None


def test_a_metric_may_not_have_the_name_of_a_score(make_loaders: MakeLoaders) -> None:
    with pytest.raises(UserError) as refusal:
        WithUserMetrics(Classification(), [UserMetric("accuracy", MCC, {}, THREE)])
    assert (refusal.value.key, refusal.value.value) == ("evaluate.metrics.accuracy", "accuracy")

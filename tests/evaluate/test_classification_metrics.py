from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from harness.evaluate import classification_metrics

Parts = tuple[torch.Tensor, torch.Tensor]


def part(seed: int, rows: int, classes: int, rounded: bool = False) -> Parts:
    """Logits, (n,) for two classes, and targets; rounded logits have many ties."""
    generator = torch.Generator().manual_seed(seed)
    shape = (rows,) if classes == 2 else (rows, classes)
    logits = 2 * torch.randn(shape, generator=generator)
    targets = torch.randint(0, classes, (rows,), generator=generator)
    return (logits.round() if rounded else logits), targets


parts = st.builds(part, st.integers(0, 10**6), st.integers(1, 60), st.integers(2, 6), st.booleans())


@given(parts)
@settings(max_examples=60, deadline=None)
def test_every_measure_equals_scikit_learn(drawn: Parts) -> None:
    logits, targets = drawn
    log_p = classification_metrics.log_probabilities(logits)
    probabilities, truth = log_p.exp().numpy(), targets.numpy()
    classes = list(range(log_p.shape[1]))
    predicted = log_p.argmax(dim=1)
    counts = classification_metrics.confusion(predicted, targets, len(classes))
    present = np.unique(truth)

    assert counts.tolist() == metrics.confusion_matrix(truth, predicted, labels=classes).tolist()
    assert classification_metrics.accuracy(log_p, targets).item() == metrics.accuracy_score(truth, predicted)
    f1 = metrics.f1_score(truth, predicted, labels=present, average="macro", zero_division=0)
    assert classification_metrics.macro_f1(log_p, targets).item() == pytest.approx(f1, abs=1e-12)
    log_loss = metrics.log_loss(truth, probabilities, labels=classes)
    assert classification_metrics.log_loss(log_p, targets).item() == pytest.approx(log_loss, rel=1e-9)
    areas = [
        metrics.roc_auc_score(truth == code, log_p[:, code].numpy()) for code in present if len(present) > 1
    ]
    area = classification_metrics.macro_auroc(log_p, targets).item()
    assert area == pytest.approx(np.mean(areas), abs=1e-12) if areas else math.isnan(area)


@given(parts, st.integers(1, 20))
@settings(max_examples=40, deadline=None)
def test_calibration_error_equals_a_loop_over_bins(drawn: Parts, bins: int) -> None:
    logits, targets = drawn
    log_p = classification_metrics.log_probabilities(logits)
    confidence, predicted = log_p.exp().max(dim=1)
    expected = 0.0
    for index in range(bins):
        inside = [
            row for row, value in enumerate(confidence.tolist()) if index / bins < value <= (index + 1) / bins
        ]
        if inside:
            right = sum(float(predicted[row] == targets[row]) for row in inside) / len(inside)
            sure = sum(confidence[row].item() for row in inside) / len(inside)
            expected += len(inside) / len(targets) * abs(right - sure)
    found = classification_metrics.expected_calibration_error(log_p, targets, bins).item()
    assert found == pytest.approx(expected, abs=1e-12)


def test_one_logit_is_the_log_odds_of_class_one() -> None:
    log_p = classification_metrics.log_probabilities(torch.tensor([0.0, math.log(3.0)]))
    assert log_p.exp().tolist() == [[0.5, 0.5], [pytest.approx(0.25), pytest.approx(0.75)]]


def test_sure_logits_lose_no_order_to_rounding() -> None:
    log_p = classification_metrics.log_probabilities(torch.tensor([40.0, 50.0, 60.0, 45.0]))
    area = classification_metrics.macro_auroc(log_p, torch.tensor([0, 1, 1, 0])).item()
    assert area == 1.0


def test_the_auroc_of_many_classes_is_that_of_all_chunks_together() -> None:
    logits, targets = part(0, 400, 150)
    log_p = classification_metrics.log_probabilities(logits)
    areas = [metrics.roc_auc_score(targets == code, log_p[:, code]) for code in targets.unique()]
    assert classification_metrics.macro_auroc(log_p, targets).item() == pytest.approx(
        np.mean(areas), abs=1e-12
    )


def test_a_part_without_rows_has_undefined_measures() -> None:
    log_p, targets = torch.zeros(0, 3).double(), torch.zeros(0, dtype=torch.int64)
    found = [
        classification_metrics.accuracy(log_p, targets),
        classification_metrics.macro_f1(log_p, targets),
        classification_metrics.log_loss(log_p, targets),
        classification_metrics.expected_calibration_error(log_p, targets, 15),
        classification_metrics.macro_auroc(log_p, targets),
    ]
    assert all(math.isnan(value) for value in found)


@given(
    st.integers(0, 10**6),
    st.integers(1, 6),
    st.one_of(st.integers(0, 80), st.sampled_from([341, 1000, 4097])),
    st.sampled_from([2, 3, 5, 9, 70]),
    st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_networks_beside_each_other_have_the_bits_of_each_alone(
    seed: int, networks: int, rows: int, classes: int, rounded: bool
) -> None:
    drawn = [part(seed + number, rows, classes, rounded) for number in range(networks)]
    if seed % 5 == 0 and rows:
        drawn[0][0][0] = torch.nan
    outputs, targets = (torch.stack(same) for same in zip(*drawn, strict=True))
    log_p = classification_metrics.log_probabilities(outputs, one_logit=classes == 2)
    together = measures(log_p, targets)
    for number, (own, codes) in enumerate(drawn):
        alone = classification_metrics.log_probabilities(own)
        assert alone.numpy().tobytes() == log_p[number].numpy().tobytes()
        for name, value in measures(alone, codes).items():
            assert value.ndim == 0
            assert together[name][number].numpy().tobytes() == value.numpy().tobytes(), name


def measures(log_p: torch.Tensor, targets: torch.Tensor) -> dict[str, torch.Tensor]:
    values = {
        "accuracy": classification_metrics.accuracy(log_p, targets),
        "f1": classification_metrics.macro_f1(log_p, targets),
        "log_loss": classification_metrics.log_loss(log_p, targets),
        "ece": classification_metrics.expected_calibration_error(log_p, targets, 15),
        "auroc": classification_metrics.macro_auroc(log_p, targets),
    }
    return classification_metrics.unless_nan(values, log_p)

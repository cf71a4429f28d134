from typing import Any

import pytest
import torch

from harness.core.arithmetic_version import in_arithmetic
from harness.core.arrays import Arrays
from harness.core.task import Task

NUMBERS = torch.tensor([1_764_399_123.5, float("nan")], dtype=torch.float64)


@pytest.mark.parametrize(
    ("config", "precision"),
    [
        ({}, torch.float32),
        ({"harness": {"walk": False}}, torch.float32),
        ({"harness": {"arithmetic": 1}}, torch.float32),
        ({"harness": {"arithmetic": 2}}, torch.float64),
    ],
)
def test_numbers_to_predict_have_the_precision_of_the_version(
    config: dict[str, Any], precision: torch.dtype
) -> None:
    found = in_arithmetic(Arrays(torch.zeros(2, 1), NUMBERS, Task("regression")), config).targets
    assert found is not None
    torch.testing.assert_close(found, NUMBERS.to(precision), rtol=0, atol=0, equal_nan=True)


def test_classes_are_the_same_in_each_version() -> None:
    arrays = Arrays(torch.zeros(2, 1), torch.tensor([1, -1]), Task("binary", ("no", "yes")))
    assert in_arithmetic(arrays, {}) is arrays

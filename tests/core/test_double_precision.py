import pytest
import torch

from harness.core.double_precision import at_least_single, module_on_device, tensor_on_device


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (torch.float16, torch.float32),
        (torch.bfloat16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_numbers_below_float32_become_float32(given: torch.dtype, found: torch.dtype) -> None:
    assert at_least_single(torch.ones(2, dtype=given)).dtype == found


@pytest.mark.parametrize(
    ("device", "kind", "found"),
    [
        ("cpu", torch.float64, torch.float64),
        ("meta", torch.float64, torch.float64),
        ("cpu", torch.int64, torch.int64),
    ],
)
def test_a_device_that_has_float64_keeps_it(device: str, kind: torch.dtype, found: torch.dtype) -> None:
    moved = tensor_on_device(torch.ones(2, dtype=kind), torch.device(device))
    assert (moved.dtype, moved.device.type) == (found, device)
    assert (
        module_on_device(torch.nn.Linear(2, 1).double(), torch.device(device)).weight.dtype == torch.float64
    )

"""find_device takes the fastest device there is, or the one that was named; not all can do everything."""

from __future__ import annotations

import re
import warnings
from typing import Any, Literal

import pytest
import torch

from harness.core.errors import UserError
from harness.trainer.device import check_precision, find_device

Precision = Literal["fp32", "bf16", "fp16"]


@pytest.mark.parametrize(
    ("cuda", "mps", "chosen"), [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")]
)
def test_auto_takes_cuda_before_mps_before_the_cpu(
    monkeypatch: pytest.MonkeyPatch, cuda: bool, mps: bool, chosen: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert find_device("auto") == torch.device(chosen)


def test_a_device_by_name_is_that_device() -> None:
    assert find_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["gpu", "cuda:99", "cpu:x"])
def test_a_device_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(UserError, match=rf"^trainer\.device={name} cannot be used here \(.+\); use trainer"):
        find_device(name)


CPU = torch.device("cpu")


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_the_cpu_trains_in_every_precision_that_torch_has_for_it(precision: Precision) -> None:
    check_precision(CPU, precision)


def warn_of_type(device: torch.device, dtype: torch.dtype) -> torch.dtype:
    warnings.warn(f"In {device} autocast, but the target dtype is not supported.", stacklevel=2)
    return dtype


@pytest.mark.parametrize(
    ("attempt", "reason", "others"),
    [
        (warn_of_type, "In cpu autocast, but the target dtype is not supported", "fp32"),
        (
            lambda device, dtype: torch.bfloat16,
            "torch computes in torch.bfloat16 there",
            "fp32 or trainer.precision=bf16",
        ),
    ],
)
def test_a_precision_that_the_device_does_not_compute_in_is_refused(
    monkeypatch: pytest.MonkeyPatch, attempt: Any, reason: str, others: str
) -> None:
    monkeypatch.setattr("harness.trainer.device._try", attempt)
    with pytest.raises(UserError) as caught:
        check_precision(CPU, "fp16")
    assert str(caught.value) == (
        f"trainer.precision=fp16 cannot be had on cpu ({reason}); use trainer.precision={others}."
    )


def test_a_card_that_only_emulates_bfloat16_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: including_emulation)
    monkeypatch.setattr("harness.trainer.device._try", lambda device, dtype: dtype)
    sentence = (
        "trainer.precision=bf16 cannot be had on cuda:0 (it has no arithmetic of that type); "
        "use trainer.precision=fp32 or trainer.precision=fp16."
    )
    with pytest.raises(UserError, match=f"^{re.escape(sentence)}$"):
        check_precision(torch.device("cuda:0"), "bf16")

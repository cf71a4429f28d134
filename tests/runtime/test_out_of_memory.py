"""Too little memory is told from other errors, and answered with a batch size."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from harness.core.errors import OutOfMemory
from harness.runtime.out_of_memory import enough_memory, is_out_of_memory

CONFIG: dict[str, Any] = {"data": {"load": {"batch_size": 64}}, "trainer": {"update": {"accumulate": 1}}}


def test_an_error_of_the_allocator_of_the_cpu_names_a_batch_size() -> None:
    with pytest.raises(OutOfMemory) as raised, enough_memory(CONFIG):
        torch.empty(2**60, dtype=torch.uint8)
    assert "data.load.batch_size=32" in str(raised.value)
    assert "trainer.update.accumulate=2" in str(raised.value)


def test_other_errors_stay_as_they_are() -> None:
    with pytest.raises(RuntimeError, match="shapes"), enough_memory(CONFIG):
        torch.ones(2, 3) @ torch.ones(2, 3)
    assert [is_out_of_memory(e) for e in (MemoryError(), ValueError("DefaultCPUAllocator"))] == [True, False]

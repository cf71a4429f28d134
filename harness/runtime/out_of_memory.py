"""The error of a training that runs out of memory, with a batch size to try."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from harness.core.errors import OutOfMemory


@contextmanager
def enough_memory(config: Mapping[str, Any]) -> Iterator[None]:
    """Turns out-of-memory errors of the block into one that names the batch size to try.

    Args:
        config: the configuration as a plain container.

    Raises:
        OutOfMemory: the device or the machine has no more memory.
    """
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        size = config["data"]["load"].get("batch_size")
        accumulate = config["trainer"].get("update", {}).get("accumulate", 1)
        raise OutOfMemory(advice(size, accumulate)) from error


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the device or the machine had too little memory.

    On the CPU torch has no class for that; its allocator's name stands in the message.
    """
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)


def advice(size: int | None, accumulate: int) -> str:
    """Returns the message for batches of `size` rows, `accumulate` of which make one optimizer step."""
    if not isinstance(size, int) or size < 2:
        at = "" if size is None else f" with data.load.batch_size={size}"
        return f"the training ran out of memory{at}; use smaller samples or a smaller model."
    return (
        f"the training ran out of memory with data.load.batch_size={size}; try data.load.batch_size="
        f"{size // 2}, with trainer.update.accumulate={2 * accumulate} to keep the rows per optimizer step."
    )

"""Memory: what to say where a training does not fit into it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from harness.core.errors import OutOfMemory


@contextmanager
def enough_memory(config: Mapping[str, Any]) -> Iterator[None]:
    """Within it, running out of memory ends in a sentence with the batch size to try.

    Args:
        config: the configuration as a plain container.

    Raises:
        OutOfMemory: the device, or the machine, has no more memory.
    """
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        size = config["data"]["load"].get("batch_size")
        accumulate = config["trainer"].get("update", {}).get("accumulate", 1)
        raise OutOfMemory(advice(size, accumulate)) from error


def advice(size: int | None, accumulate: int) -> str:
    """What to try instead of batches of `size` rows, of which `accumulate` make a step."""
    if not isinstance(size, int) or size < 2:
        at = "" if size is None else f" with data.load.batch_size={size}"
        return f"the training ran out of memory{at}; take smaller samples, or a smaller model."
    return (
        f"the training ran out of memory with data.load.batch_size={size}; try data.load.batch_size="
        f"{size // 2}, with trainer.update.accumulate={2 * accumulate} for steps of as many rows as now."
    )

"""Identity: no augmentation."""

from __future__ import annotations

from torch import Tensor


class Identity:
    """Returns the batch itself."""

    def __call__(self, inputs: Tensor) -> Tensor:
        return inputs

"""MoCo: contrast with a queue of keys from a momentum encoder."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from harness.core.errors import UserError
from harness.loss.info_nce import info_nce
from harness.trainer.contrast.momentum_encoder import Momentum, require_momentum
from harness.trainer.contrast.projection_heads import mlp, require_above, require_widths
from harness.trainer.contrastive_method import Contrast, MomentumMethod


@final
class Moco(MomentumMethod):
    """Momentum contrast (arXiv 1911.05722) with the projection head of its second version (2003.04297).

    A row's query is to find the key of its other view among those of a queue, which holds the keys of
    earlier batches. Keys come of a copy of model and head that follows slowly. Shuffling the batch
    normalisation (section 3.3) is for batches that several devices share; on one it does nothing.

    Args:
        projection: widths of the projection head's layers, which is without batch normalisation.
        queue: keys that are kept, more than a batch has rows.
        temperature: what the similarities are divided by.
        momentum: share of its own weights that the copy keeps at each step.
    """

    queue: Tensor
    oldest: Tensor

    def __init__(self, *, projection: list[int], queue: int, temperature: float, momentum: float) -> None:
        super().__init__()
        self.projection = require_widths("projection", projection)
        self.size = int(require_above("queue", queue, 1))
        self.temperature = require_above("temperature", temperature)
        self.momentum = require_momentum(momentum)

    def build(self, model: nn.Module, width: int) -> None:
        self.projector = mlp(width, self.projection, norm="none")
        self.copy = Momentum(model, self.projector)
        # Random directions at first, as in the paper's code.
        self.register_buffer("queue", normalize(torch.randn(self.size, self.projection[-1]), dim=1))
        self.register_buffer("oldest", torch.zeros((), dtype=torch.long))

    def views(self, parts: Contrast) -> list[Tensor]:
        return [parts.data]

    def embed(self, representation: Tensor, parts: Contrast) -> tuple[Tensor, ...]:
        return self.projector(representation), self.copy(parts.positives)

    def compare(self, parts: Contrast, *embedded: Tensor) -> Tensor:
        queries, keys = embedded
        if len(keys) >= self.size:
            raise UserError(
                f"trainer.method.queue must hold more keys than a batch has rows, got {self.size} for "
                f"{len(keys)}",
                "raise it, or lower data.load.batch_size",
                key="trainer.method.queue",
            )
        # A copy of the queue, because the backward pass needs it as it was.
        loss = info_nce(queries, keys, self.queue.clone(), temperature=self.temperature)
        self._enqueue(keys)
        return loss

    @torch.no_grad()
    def _enqueue(self, keys: Tensor) -> None:
        """The newest keys take the place of the oldest."""
        places = (self.oldest + torch.arange(len(keys), device=keys.device)) % self.size
        self.queue.index_copy_(0, places, normalize(keys, dim=1))
        self.oldest.add_(len(keys)).remainder_(self.size)

    def follow(self, model: nn.Module, share: float) -> None:
        self.copy.follow(self.momentum, model, self.projector)

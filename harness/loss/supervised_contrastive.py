"""The supervised contrastive loss: rows of one label alike, all others apart."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import log_softmax, normalize


def supervised_contrastive(embeddings: Tensor, labels: Tensor, *, temperature: float) -> Tensor:
    """L_out of arXiv 2004.11362, eq. 2; NT-Xent (arXiv 2002.05709, eq. 1) where a label is that of two rows.

    The mean over the rows whose loss is above 0, and 0 where all labels are equal, as pytorch-metric-
    learning's `SupConLoss`: that one takes its decisions in Python, which torch cannot vectorise.

    Args:
        embeddings: (V, P) float32.
        labels: (V,) int64; equal labels belong together.
        temperature: what the cosine similarities are divided by.
    """
    unit = normalize(embeddings, dim=1)
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    same = labels[:, None] == labels
    positive = same & ~itself
    log_shares = log_softmax((unit @ unit.T / temperature).masked_fill(itself, -torch.inf), dim=1)
    losses = -torch.where(positive, log_shares, 0.0).sum(dim=1) / positive.sum(dim=1).clamp(min=1)
    counted = (losses > 0) & ~same.all()
    return torch.where(counted, losses, 0.0).sum() / counted.sum().clamp(min=1)

"""Pairs and triplets that the table itself names, by columns with the ids of other rows."""

from __future__ import annotations

from typing import final

from torch import Tensor
from torch.nn.functional import normalize, pairwise_distance, triplet_margin_loss

from harness.loss.info_nce import info_nce
from harness.trainer.contrast.projection_heads import require_above
from harness.trainer.contrast.single_projection import ProjectedMethod
from harness.trainer.contrastive_method import Contrast


@final
class ColumnPairs(ProjectedMethod):
    """A row is to find its positive among the positives of the batch and all named negatives
    (multiple negatives ranking, arXiv 1705.00652, section 4.4).

    The row itself, and a repetition of its positive, are not used as negatives.

    Args:
        positive: the column with the id of each row's positive.
        negative: the column with the id of each row's negative; None: the other rows of the batch are used.
        temperature: what the cosine similarities are divided by.
        projection: widths of the projection head's layers.
    """

    vectorised = True

    def __init__(
        self, *, positive: str | None, negative: str | None, temperature: float, projection: list[int]
    ) -> None:
        super().__init__(projection)
        self.columns = _named(positive=positive) + (() if negative is None else (negative,))
        self.temperature = require_above("temperature", temperature)

    def compare(self, parts: Contrast, *embedded: Tensor) -> Tensor:
        count = len(parts.data)
        (embeddings,) = embedded
        own, candidates = parts.rows[:count], parts.rows[count:]
        return info_nce(
            embeddings[:count],
            embeddings[count : 2 * count],
            embeddings[count:],
            temperature=self.temperature,
            excluded=(candidates == own[:, None]) | (candidates == candidates[:count, None]),
        )


@final
class ColumnTriplets(ProjectedMethod):
    """A row is to be closer to its positive than to its negative by a margin, both named by the table
    (arXiv 1503.03832, eq. 1, on distances of unit vectors).

    Args:
        positive: the column with the id of each row's positive.
        negative: the column with the id of each row's negative.
        margin: of the distance.
        projection: widths of the projection head's layers.
    """

    vectorised = True

    def __init__(
        self, *, positive: str | None, negative: str | None, margin: float, projection: list[int]
    ) -> None:
        super().__init__(projection)
        self.columns = _named(positive=positive, negative=negative)
        self.margin = require_above("margin", margin)

    def compare(self, parts: Contrast, *embedded: Tensor) -> Tensor:
        (embeddings,) = embedded
        anchors, positives, negatives = normalize(embeddings, dim=1).chunk(3)
        return triplet_margin_loss(anchors, positives, negatives, margin=self.margin)

    def compare_members(self, parts: Contrast, *embedded: Tensor) -> Tensor:
        (embeddings,) = embedded
        anchors, positives, negatives = normalize(embeddings, dim=1).chunk(3)
        near, far = (pairwise_distance(anchors, others) for others in (positives, negatives))
        return (near - far + self.margin).relu().mean()


def _named(**columns: str | None) -> tuple[str, ...]:
    for role, column in columns.items():
        if column is None:
            raise ValueError(f"{role} must name the column with the id of each row's {role}, got null")
    return tuple(column for column in columns.values() if column is not None)

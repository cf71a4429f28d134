"""Graph input: images, which the graph normalises."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from torch import Tensor

from harness.core.table import Table
from harness.data.transform.image import Image
from harness.deploy.export.graph_inputs import Feed, Inputs
from harness.deploy.export.tabular_input import fact

_SIZES = {
    "stretch": "stretched to it",
    "crop": "scaled to cover it, keeping its proportions, and the middle cut out",
    "pad": "scaled to fit into it, keeping its proportions, with zeros around",
}


class Images(Inputs):
    """`pixels` (B, C, H, W) float32 in the unit of the source, such as 0 to 255 of a file.

    Args:
        transform: as fitted.
        shape: (C, H, W).
        columns: of a raw row: the pixels, or a path.
    """

    def __init__(self, transform: Image, shape: tuple[int, ...], columns: dict[str, str]) -> None:
        super().__init__()
        self._transform = copy.copy(transform)
        self._transform.normalise = False  # reading, resizing and filling remain
        words = "pixels in the unit of the source; of a file, 0 to 255; channel, row, column"
        self.facts = [fact("pixels", "float32", list(shape), words, **_source(transform, columns, shape))]
        mean, deviation = transform.mean, transform.deviation if transform.normalise else None
        self.normalise = deviation is not None
        self.register_buffer("mean", torch.from_numpy(mean).float()[:, None, None])
        if deviation is not None:
            self.register_buffer("deviation", torch.from_numpy(deviation).float()[:, None, None])
        fill = "fill pixels that are NaN or infinite, per channel"
        self.steps = [{"step": fill, "values": mean.tolist()}]
        if deviation is not None:
            scale = "scale pixels per channel: (x - subtract) / divide"
            description = {"subtract": mean.tolist(), "divide": deviation.tolist()}
            self.steps.append({"step": scale, **description})

    def feed(self, table: Table) -> Feed:
        arrays = self._transform(table)
        return {"pixels": arrays.take(np.arange(len(table))).numpy()}

    def forward(self, *inputs: Tensor) -> Tensor:
        (pixels,) = inputs
        mean: Any = self.mean
        # Infinite or NaN; ONNX has no operator `isfinite`.
        pixels = torch.where(pixels.abs() <= torch.finfo(torch.float32).max, pixels, mean)
        return (pixels - mean) / self.deviation if self.normalise else pixels


def _source(transform: Image, columns: dict[str, str], shape: tuple[int, ...]) -> dict[str, Any]:
    """Describes how pixels are obtained from a raw row."""
    if len(columns) > 1:
        how = "the columns in this order, the columns of an image row beside each other"
        description: dict[str, Any] = {"made_of": how, "columns": list(columns)}
    else:
        description = {"made_of": "an image file or an array per row", "columns": list(columns)}
    shaping = transform.shaping
    if shaping.size is not None:
        height, width = shaping.size
        how = _SIZES[shaping.resize]
        description["size"] = (
            f"{height} x {width} pixels (height x width); an image of another size is {how}, bilinear"
        )
    if shaping.channels is not None:
        description["channels"] = "grey (ITU-R BT.601)" if shape[0] == 1 else "red, green, blue"
    return description

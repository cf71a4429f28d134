"""Export to PT2, for PyTorch without the code of the model."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from harness.deploy.export.graph_inputs import Feed
from harness.deploy.export.torch_export import traced

FILE = "model.pt2"


def write(graph: nn.Module, feed: Feed, outputs: tuple[str, ...], path: Path) -> dict[str, Any]:
    """Writes the file and returns its facts: the PyTorch version, which is the oldest that can read it.

    Raises:
        UserError: torch.export cannot trace the model.
    """
    del outputs  # a tuple in their order
    program = traced(graph, feed, "safetensors")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(program, path)
    return {"torch": torch.__version__.partition("+")[0]}


def run(path: Path, feed: Feed) -> list[np.ndarray]:
    """The outputs of the file."""
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        module = torch.export.load(path).module()
        outputs = module(*(torch.from_numpy(values) for values in feed.values()))
    return [values.numpy() for values in outputs]

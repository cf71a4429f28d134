"""Export to safetensors: only the weights, for a network that the reader builds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from harness.bundle.bundle import Bundle, network
from harness.bundle.row_predictor import built
from harness.core.errors import UserError
from harness.core.predictor import Predictor
from harness.deploy.export.graph_inputs import Feed, Inputs
from harness.deploy.export.model_graph import Graph

FILE = "model.safetensors"


def write(graph: nn.Module, path: Path) -> dict[str, Any]:
    """Writes the file and returns name, dtype and shape of each tensor.

    Raises:
        UserError: it is an ensemble, which has several sets of weights.
    """
    from safetensors.torch import save_model

    if not isinstance(graph, Graph):
        raise UserError(
            "--format safetensors holds the weights of one model, and this is an ensemble",
            "name one fold, such as RUN/fold-0, or use --format onnx",
        )
    whole = network(graph.model, graph.head)
    save_model(whole, str(path))
    tensors = {
        name: {"dtype": str(values.dtype).removeprefix("torch."), "shape": list(values.shape)}
        for name, values in whole.state_dict().items()
    }
    # The weights do not contain it: the logits are divided by it before the probabilities.
    return {"tensors": tensors, **({} if graph.temperature == 1 else {"temperature": graph.temperature})}


def run(path: Path, bundle: Bundle, inputs: Inputs, feed: Feed) -> list[np.ndarray]:
    """The outputs of a newly built network after loading these weights.

    Raises:
        RuntimeError: the weights do not fit this network.
    """
    from safetensors.torch import load_model

    model, head = built(bundle)
    load_model(network(model, head), path)
    fresh = Graph(inputs, Predictor(model, head, bundle.task, temperature=bundle.temperature))
    with torch.no_grad():
        outputs = fresh(*(torch.from_numpy(values) for values in feed.values()))
    return [values.numpy() for values in outputs]

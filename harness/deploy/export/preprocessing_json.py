"""Writes `preprocessing.json`, which explains how to use an exported file without this package."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from harness.bundle.bundle import Bundle
from harness.deploy.export.feature_input import Features
from harness.deploy.export.model_graph import Graph, Mean

FILE = "preprocessing.json"
SCHEMA = 1

_MEANINGS = {
    "probabilities": "the probability of each class, in the order of `classes`; they sum to one",
    "labels": "the probability of each label, in the order of `classes`, each for itself",
    "logits": "what a softmax makes probabilities of",
    "logit": "one number, of which a sigmoid makes the probability of the second class",
    "logits of labels": "what a sigmoid makes the probability of each label of",
    "prediction": "the predicted number in the target's own unit; no scaling is left to undo",
    "predictions": "the predicted number of each of `targets`, in its own unit; no scaling is left to undo",
    "representation": "the last layer before the head",
}

_HEADS = {
    "regression": "a linear layer, then multiplied by head.std and moved by head.mean in their precision",
    "classes": "a linear layer that gives the logits",
}

_SCALES = {
    "log": ", clipped to 0 … 345, and exp(x) - 1 of that",
    "quantile": ", clipped to head.scale.quantiles, and interpolated from these to head.scale.values",
}
"""The way from the scale on which numbers were learned to their unit."""


def describe(
    graph: Graph | Mean, bundle: Bundle, format: str, file: str, facts: dict[str, Any]
) -> dict[str, Any]:
    """The content of the file: inputs, steps with every constant, outputs and their meaning.

    Args:
        format: "onnx", "pt2" or "safetensors".
        file: the name of the exported file.
        facts: facts of the format, such as the opset.
    """
    graphs = [graph] if isinstance(graph, Graph) else [_graph(member) for member in graph.members]
    description: dict[str, Any] = {
        "schema": SCHEMA,
        "format": format,
        "file": file,
        **facts,
        "task": bundle.task.kind,
        "classes": list(bundle.task.classes),
        "targets": list(bundle.task.columns),
        "columns": [{"name": name, "dtype": dtype} for name, dtype in bundle.columns.items()],
        "inputs": graph.inputs.facts,
        "where": _where(graphs[0], format, file),
        "steps": graphs[0].inputs.steps,
        "network": {
            "takes": {"dtype": "float32", "shape": ["batch", *bundle.inputs]},
            "architecture": {**bundle.config["model"], "weights": None},
            "head": _head(bundle),
            "trained_in": bundle.autocast or "float32",
        },
        "outputs": [_output(name, bundle, graph.target_std) for name in graph.outputs],
    }
    if len(graphs) > 1:
        description["members"] = [{"steps": member.inputs.steps} for member in graphs]
        description["answer"] = (
            f"the mean over {len(graphs)} models, each with the steps of its own in `members`"
        )
        del description["steps"]
    return description


def _head(bundle: Bundle) -> str | None:
    if not bundle.head:
        return None
    words = _HEADS.get(bundle.task.kind, _HEADS["classes"])
    scale = _SCALES.get(bundle.task.scale, "")
    members = bundle.config["model"].get("members", 1)
    if members == 1:
        return words + scale
    averaged = "the numbers" if bundle.task.kind == "regression" else "the probabilities"
    layers = f"a linear layer for each of {members} members on its part of the representation"
    return f"{layers}, whose mean of {averaged} counts; each is {words}{scale}"


def _graph(member: Any) -> Graph:
    assert isinstance(member, Graph)
    return member


def _where(graph: Graph, format: str, file: str) -> str:
    if isinstance(graph.inputs, Features):
        return f"before {file}, which takes features that a transform of the training has made"
    if format == "safetensors":
        return "`steps` are for the reader to do, in this order; what they give is what the network takes"
    return f"`steps` are done within {file}, in this order; it is given `inputs` as they are"


def _output(name: str, bundle: Bundle, target_std: Tensor | None) -> dict[str, Any]:
    task = bundle.task
    shape: list[int | str] = ["batch"]
    meaning = name
    if name == "representation":
        shape.append(bundle.width)
    elif name == "prediction":
        shape += [len(task.columns)] if task.columns else []
        meaning = "predictions" if task.columns else name
    elif name == "probabilities":
        shape.append(len(task.classes))
        meaning = "labels" if task.kind == "multilabel" else name
    else:
        shape += [] if task.kind == "binary" else [len(task.classes)]
        meaning = {"binary": "logit", "multilabel": "logits of labels"}.get(task.kind, name)
    precision = torch.float32 if target_std is None or name != "prediction" else target_std.dtype
    dtype = str(precision).removeprefix("torch.")
    return {"name": name, "dtype": dtype, "shape": shape, "means": _MEANINGS[meaning]}

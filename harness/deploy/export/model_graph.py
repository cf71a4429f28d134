"""Preprocessing, network and output functions as one module that can be exported."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from harness.bundle.bundle import Bundle
from harness.bundle.ensemble import Ensemble
from harness.bundle.row_predictor import RowPredictor
from harness.core.errors import UserError
from harness.core.predictor import Predictor, probabilities
from harness.core.task import Task
from harness.data.transform.image import Image
from harness.data.transform.sequence import Sequence as SequenceTransform
from harness.data.transform.tabular import Tabular
from harness.deploy.export.feature_input import Features
from harness.deploy.export.graph_inputs import Inputs
from harness.deploy.export.image_input import Images
from harness.deploy.export.sequence_input import Sequences
from harness.deploy.export.sklearn_as_tensors import Opaque, read
from harness.deploy.export.tabular_input import Rows
from harness.trainer.supervised import Regressor


class Graph(nn.Module):
    """Inputs -> a tuple of outputs, named in `outputs`; in float32, even if trained in bfloat16.

    A classification gives `probabilities` (B, C), `logits` and `representation` (B, D), labels too; a
    regression `prediction` in the target's unit and `representation`; without a head, that alone.
    """

    def __init__(self, inputs: Inputs, predictor: Predictor) -> None:
        super().__init__()
        self.inputs, self.model, self.head = inputs, predictor.model, predictor.head
        self.task, self.temperature = predictor.task, predictor.temperature
        self.outputs = _outputs(self.task) if self.head is not None else ("representation",)
        self.eval()

    @property
    def target_std(self) -> Tensor | None:
        """The standard deviation of each number to predict, in the precision of a prediction; else None."""
        return self.head.unit_std if isinstance(self.head, Regressor) else None

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        representation = self.model(self.inputs(*inputs))
        if self.head is None:
            return (representation,)
        outputs = self.head(representation)
        if self.task.kind == "regression":
            return outputs, representation
        if self.temperature != 1:
            outputs = outputs / self.temperature
        chances = outputs.sigmoid() if self.task.kind == "multilabel" else probabilities(outputs)
        # A copy for each output: an exported graph may not contain the same tensor twice.
        return chances, outputs, representation


class Mean(nn.Module):
    """Several graphs with the same inputs; the output is their mean."""

    def __init__(self, members: Sequence[Graph]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.inputs, self.outputs = members[0].inputs, members[0].outputs[:1]
        self.eval()

    @property
    def target_std(self) -> Tensor | None:
        """As that of the first member."""
        first = self.members[0]
        assert isinstance(first, Graph)
        return first.target_std

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (torch.stack([member(*inputs)[0] for member in self.members]).mean(dim=0),)


def graph(reader: RowPredictor | Ensemble) -> Graph | Mean:
    """The predictor of raw rows as one module.

    Raises:
        UserError: the members of an ensemble need different inputs.
    """
    if isinstance(reader, RowPredictor):
        return Graph(inputs(reader), reader.predictor)
    members = [Graph(inputs(member), member.predictor) for member in reader.members]
    if any(member.inputs.facts != members[0].inputs.facts for member in members) or isinstance(
        members[0].inputs, Features
    ):
        raise UserError(
            "one graph holds an ensemble whose members are given the same numbers, and these have codes or "
            "dates of their own",
            "name one fold, such as RUN/fold-0, or train with production.refit=true",
        )
    return Mean(members)


def inputs(reader: RowPredictor) -> Inputs:
    """The preprocessing; whatever is not plain arithmetic stays outside the graph."""
    transform: Any = reader.transform
    bundle = reader.bundle
    why = f"{type(transform).__module__}.{type(transform).__qualname__} is not written down as arithmetic"
    if type(transform) is Image:
        return Images(transform, bundle.inputs, bundle.columns)
    try:
        if type(transform) in (Tabular, SequenceTransform):
            return _of_columns(transform, bundle)
    except Opaque as part:
        why = f"data.transform holds {part}, which does more than fill, scale and look up each column"
    return Features(transform, bundle.inputs, why)


def _of_columns(transform: Any, bundle: Bundle) -> Inputs:
    settings = bundle.config["data"]["transform"]
    columns = read(transform.chains, settings["cyclic"])
    if isinstance(transform, Tabular):
        return Rows(columns, bundle.columns)
    order = {"joined_by": bundle.id, "ordered_by": bundle.time}
    grouping = {key: value for key, value in order.items() if value is not None}
    return Sequences(columns, bundle.columns, transform.length, transform.pad, transform.mask, grouping)


def _outputs(task: Task) -> tuple[str, ...]:
    if task.kind == "regression":
        return ("prediction", "representation")
    return ("probabilities", "logits", "representation")

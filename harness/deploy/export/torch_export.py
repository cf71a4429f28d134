"""Traces a module with torch.export, for any batch size."""

from __future__ import annotations

import warnings

import torch
from torch import nn

from harness.core.errors import UserError
from harness.deploy.export.graph_inputs import Feed


def traced(graph: nn.Module, feed: Feed, instead: str) -> torch.export.ExportedProgram:
    """The traced program of the module.

    Args:
        feed: more than one row; with a single row the batch size would become a constant.
        instead: the format that the error message recommends.

    Raises:
        UserError: it branches on values, or requires a fixed batch size.
    """
    batch = torch.export.Dim("batch")
    given = tuple(torch.from_numpy(values) for values in feed.values())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with torch.no_grad():
                return torch.export.export(
                    graph, given, dynamic_shapes=(tuple({0: batch} for _ in given),), strict=False
                )
        except Exception as error:
            line = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
            raise UserError(
                "the model must do the same for any rows and any number of them, and torch.export "
                f"finds: {line}",
                f"export it with --format {instead}",
            ) from error

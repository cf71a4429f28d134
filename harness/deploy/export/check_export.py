"""Checks that an exported file gives the same outputs as the model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from harness.bundle.bundle import Bundle
from harness.deploy.export.graph_inputs import Feed
from harness.deploy.export.model_graph import Graph, Mean

TOLERANCE = 1e-4
"""Tolerance: two summation orders in float32, in a network of about ten layers, differ by less."""

HALF = 0.05
"""Tolerance between outputs in bfloat16 (8 bits) and in float32."""

_MANY = 16


@dataclass(frozen=True)
class Checked:
    """Largest differences, relative to the largest value of the output if that is above 1.

    Those of predicted numbers are in standard deviations of the training targets.

    rows        number of different rows
    batches     batch sizes of the check
    difference  between the file and the model in float32
    answers     between the file and the predictions of `predict` for the raw rows
    allowed     the tolerance for `answers`; larger if the model runs in bfloat16
    """

    rows: int
    batches: tuple[int, ...]
    difference: float
    answers: float
    allowed: float

    @property
    def passed(self) -> bool:
        """False also if a difference is NaN."""
        return bool(self.difference <= TOLERANCE and self.answers <= self.allowed)

    @property
    def facts(self) -> dict[str, Any]:
        return {**vars(self), "batches": list(self.batches), "tolerance": TOLERANCE}


def repeated(feed: Feed, count: int) -> Feed:
    """The rows, repeated from the first until there are `count`."""
    return {name: values[np.arange(count) % len(values)] for name, values in feed.items()}


def check(
    run: Callable[[Feed], list[np.ndarray]],
    graph: Graph | Mean,
    feed: Feed,
    answers: pd.DataFrame,
    bundle: Bundle,
) -> Checked:
    """Runs the exported file on one row, on two, and on all (at least 16).

    Args:
        run: the exported file.
        graph: the graph that was exported.
        feed: real rows.
        answers: the model's predictions for them.
    """
    rows = len(next(iter(feed.values())))
    sizes = (1, 2, max(_MANY, rows))
    wanted = numbers(answers, bundle)
    difference = apart = 0.0
    unit = None if graph.target_std is None else graph.target_std.cpu().numpy()
    for size in sizes:
        part = repeated(feed, size)
        with torch.no_grad():
            direct = [out.numpy() for out in graph(*(torch.from_numpy(values) for values in part.values()))]
        outputs = run(part)
        apiece = [largest(ours, theirs) for ours, theirs in zip(outputs[1:], direct[1:], strict=True)]
        difference = _worst(difference, largest(outputs[0], direct[0], unit), *apiece)
        apart = _worst(apart, largest(outputs[0], wanted[np.arange(size) % rows], unit))
    return Checked(rows, sizes, difference, apart, TOLERANCE if bundle.autocast is None else HALF)


def numbers(answers: pd.DataFrame, bundle: Bundle) -> np.ndarray:
    """A predictor's frame as the first output of a graph: probabilities, prediction or representation."""
    if bundle.head and bundle.task.kind != "regression":
        return answers[[f"probability_{name}" for name in bundle.task.classes]].to_numpy(dtype=np.float64)
    values = answers.to_numpy(dtype=np.float64)
    return values[:, 0] if bundle.head and not bundle.task.columns else values


def largest(outputs: np.ndarray, wanted: np.ndarray, unit: np.ndarray | None = None) -> float:
    """The largest difference; NaN if the shapes differ.

    Args:
        unit: what is a difference of 1, a scalar or (T,); None: the largest expected value above 1.
    """
    if outputs.shape != wanted.shape:
        return float("nan")
    scale = max(1.0, float(np.abs(wanted).max(initial=0.0))) if unit is None else unit
    return float((np.abs(outputs.astype(np.float64) - wanted) / scale).max(initial=0.0))


def _worst(*values: float) -> float:
    return float(np.max(values))  # NaN if one of them is NaN

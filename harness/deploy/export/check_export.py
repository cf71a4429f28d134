"""Check: whether what was exported gives what the model gives."""

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
"""Two orders of summation of float32, in a network of some ten layers, differ by less."""

HALF = 0.05
"""What a model says in bfloat16, of 8 bits, and in float32 may differ by this much."""

_MANY = 16


@dataclass(frozen=True)
class Checked:
    """Largest differences, each relative to the largest value of its output where that is above 1.

    rows        how many different ones
    batches     sizes in which they were given
    difference  between the file and the model in float32
    answers     between the file and what the model answers for the raw rows, as `predict` gives it
    allowed     for the answers: more where the model runs in bfloat16
    """

    rows: int
    batches: tuple[int, ...]
    difference: float
    answers: float
    allowed: float

    @property
    def passed(self) -> bool:
        """False as well where a difference is NaN."""
        return bool(self.difference <= TOLERANCE and self.answers <= self.allowed)

    @property
    def facts(self) -> dict[str, Any]:
        return {**vars(self), "batches": list(self.batches), "tolerance": TOLERANCE}


def repeated(feed: Feed, count: int) -> Feed:
    """The rows one after the other, and again from the first, until there are `count`."""
    return {name: values[np.arange(count) % len(values)] for name, values in feed.items()}


def check(
    run: Callable[[Feed], list[np.ndarray]],
    graph: Graph | Mean,
    feed: Feed,
    answers: pd.DataFrame,
    bundle: Bundle,
) -> Checked:
    """Runs what was exported on one row, on two, and on all, at least 16.

    Args:
        run: the exported file.
        graph: what it was made of.
        feed: real rows.
        answers: what the model says of them.
    """
    rows = len(next(iter(feed.values())))
    sizes = (1, 2, max(_MANY, rows))
    wanted = numbers(answers, bundle)
    difference = apart = 0.0
    for size in sizes:
        part = repeated(feed, size)
        with torch.no_grad():
            direct = [out.numpy() for out in graph(*(torch.from_numpy(values) for values in part.values()))]
        found = run(part)
        apiece = [largest(ours, theirs) for ours, theirs in zip(found, direct, strict=True)]
        difference = _worst(difference, *apiece)
        apart = _worst(apart, largest(found[0], wanted[np.arange(size) % rows]))
    return Checked(rows, sizes, difference, apart, TOLERANCE if bundle.autocast is None else HALF)


def numbers(answers: pd.DataFrame, bundle: Bundle) -> np.ndarray:
    """A predictor's frame as the first output of a graph: probabilities, prediction or representation."""
    if bundle.head and bundle.task.kind != "regression":
        return answers[[f"probability_{name}" for name in bundle.task.classes]].to_numpy(dtype=np.float64)
    values = answers.to_numpy(dtype=np.float64)
    return values[:, 0] if bundle.head and not bundle.task.columns else values


def largest(found: np.ndarray, wanted: np.ndarray) -> float:
    """The largest difference, relative to the largest wanted value above 1; NaN of another shape."""
    if found.shape != wanted.shape:
        return float("nan")
    scale = max(1.0, float(np.abs(wanted).max(initial=0.0)))
    return float(np.abs(found.astype(np.float64) - wanted).max(initial=0.0) / scale)


def _worst(*values: float) -> float:
    return float(np.max(values))  # NaN where one is

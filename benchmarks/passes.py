"""Passes over the training rows of the harness's loaders, in a process of its own.

    python -m benchmarks.passes EPOCHS WORD …

prints the seconds of each pass, and the MB held after it, as JSON; what comes before the first pass
is not counted.
"""

from __future__ import annotations

import json
import sys
from time import perf_counter

import torch

from benchmarks.memory import held
from harness.config.compose import compose
from harness.prepare import data_pipeline
from harness.prepare.plan import make_plan


def main(epochs: int, words: list[str]) -> None:
    """Prints a list of each."""
    plan = make_plan(compose(words))
    _, arrays = data_pipeline.fit_transform(plan.parts, plan.table, plan.folds[0], plan.cache)
    loaders = plan.parts.load(arrays, plan.folds[0], torch.device("cpu"))
    seconds, megabytes = [], []
    for _ in range(epochs):
        began = perf_counter()
        seen = sum(len(batch.inputs) for batch in loaders.train)
        seconds.append(perf_counter() - began)
        megabytes.append(held())
    print(json.dumps({"images": seen, "seconds": seconds, "megabytes": megabytes}))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])

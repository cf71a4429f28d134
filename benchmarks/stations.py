"""The data's way through the harness, in a process of its own.

    python -m benchmarks.stations FOLDS WORD …

goes with the command line's words from the source to the loaders of the first FOLDS folds, one after
the other as `harness.run` does, and prints what that cost as JSON. Imports are not counted: the
libraries are there before the clock starts, as they are in `bare/data.py`.
"""

from __future__ import annotations

import json
import sys
from time import perf_counter

import pandas  # noqa: F401
import pyarrow.parquet  # noqa: F401
import sklearn.impute
import sklearn.pipeline
import sklearn.preprocessing  # noqa: F401
import skops.io  # noqa: F401  # by which the cache keeps a fitted transform
import torch

from benchmarks.memory import peak
from harness.config.compose import compose
from harness.prepare import data_pipeline
from harness.prepare.plan import make_plan


def main(folds: int, words: list[str]) -> None:
    """Prints seconds and the process's largest memory in MB."""
    began = perf_counter()
    plan = make_plan(compose(words))
    for fold in plan.folds[:folds]:
        _, arrays = data_pipeline.fit_transform(plan.parts, plan.table, fold, plan.cache)
        loaders = plan.parts.load(arrays, fold, torch.device("cpu"))
        del arrays, loaders  # no fold's data stays while the next is prepared
    print(json.dumps({"seconds": perf_counter() - began, "megabytes": peak()}))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])

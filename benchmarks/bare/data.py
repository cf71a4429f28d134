"""Rows from a file to float32 tensors of three parts, as one writes it with pandas and scikit-learn.

    python data.py FILE

prints what it cost as JSON. Imports are not counted.
"""

import json
import sys
import time
from pathlib import Path

import pandas as pd
import pyarrow.parquet  # noqa: F401
import torch
from sklearn.impute import SimpleImputer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def main(path):
    began = time.perf_counter()
    frame = pd.read_parquet(path) if path.endswith(".parquet") else pd.read_csv(path)
    targets = frame.pop("target")
    rest, test, rest_targets, test_targets = train_test_split(
        frame, targets, test_size=0.2, stratify=targets, random_state=0
    )
    del frame, targets
    train, valid, train_targets, valid_targets = train_test_split(
        rest, rest_targets, test_size=0.15, stratify=rest_targets, random_state=0
    )
    del rest, rest_targets
    transform = make_pipeline(SimpleImputer(strategy="median"), StandardScaler()).fit(train)
    parts = {}  # all three stay, as for a training
    for name, rows, labels in (
        ("train", train, train_targets),
        ("valid", valid, valid_targets),
        ("test", test, test_targets),
    ):
        inputs = torch.from_numpy(transform.transform(rows).astype("float32"))
        parts[name] = torch.utils.data.TensorDataset(inputs, torch.from_numpy(labels.to_numpy(copy=True)))
    seconds = time.perf_counter() - began
    status = Path("/proc/self/status").read_text().splitlines()
    peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
    print(json.dumps({"seconds": seconds, "megabytes": peak / 1000}))


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Passes over a folder of images, a folder per class, by a Dataset and torch's DataLoader.

    python images.py FOLDER BATCH WORKERS EPOCHS

prints the seconds of each pass, and the MB held after it, as JSON. Imports are not counted.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset


class Images(Dataset):
    """Each image decoded and normalised when it is asked for."""

    def __init__(self, folder):
        self.paths = sorted(Path(folder).glob("*/*.jpg"))
        classes = sorted({path.parent.name for path in self.paths})
        self.targets = [classes.index(path.parent.name) for path in self.paths]
        self.mean = torch.full((3, 1, 1), 127.5)
        self.deviation = torch.full((3, 1, 1), 50.0)

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, row):
        with Image.open(self.paths[row]) as image:
            pixels = np.asarray(image.convert("RGB"))
        inputs = torch.from_numpy(pixels.copy()).permute(2, 0, 1).float()
        return (inputs - self.mean) / self.deviation, self.targets[row]


def megabytes(process):
    """What a process and those that it has started hold together."""
    lines = (process / "smaps_rollup").read_text().splitlines()
    own = next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1000
    children = (process / "task" / process.name / "children").read_text().split()
    return own + sum(megabytes(process.parent / child) for child in children)


def main(folder, batch, workers, epochs):
    loader = DataLoader(
        Images(folder),
        batch_size=int(batch),
        shuffle=True,
        num_workers=int(workers),
        persistent_workers=int(workers) > 0,
    )
    seconds, held = [], []
    for _ in range(int(epochs)):
        began = time.perf_counter()
        seen = sum(len(inputs) for inputs, _ in loader)
        seconds.append(time.perf_counter() - began)
        held.append(megabytes(Path("/proc/self").resolve()))
    print(json.dumps({"images": seen, "seconds": seconds, "megabytes": held}))


if __name__ == "__main__":
    main(*sys.argv[1:])

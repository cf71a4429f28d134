"""Records the learning curves from which `benchmarks/sweep_regret.py` replays sweeps; minutes, once.

216 networks of two hidden layers on each of six sets: every combination of `SPACE`, trained with AdamW and a
cosine after a warm-up of a tenth of the steps, in five folds of three quarters of the rows. All networks
of one width are one batch of matrices; they share initial weights and order of batches, as the trials of a
sweep share their seed.

A curve is what a pruner sees: the mean over folds of the best score so far. Losses are the log-loss of
classes, and the RMSE of a standardised number.
"""

from __future__ import annotations

import argparse
import itertools
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

SPACE: dict[str, tuple[float, ...]] = {
    "lr": tuple(float(rate) for rate in np.geomspace(1e-4, 1e-1, 12)),
    "width": (16, 32, 64),
    "dropout": (0.0, 0.2, 0.4),
    "weight_decay": (0.01, 1.0),
}
DEFAULT = (6, 1, 0, 0)
"""The place of the default configuration in each key of `SPACE`: lr .0043, width 32, no dropout."""

FOLDS = 5
PATH = Path(__file__).with_name("sweep_curves.npz")

WARMUP = 0.1
"""The share of the steps in which the learning rate rises."""

_FINE, _COARSE = 1000.0, 20.0
"""Steps of a stored logarithm: a loss is exact to .1 %, a standard error to 5 %."""

_LEAST = 1e-6
"""A smaller loss or error is stored as this one."""

Rows = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Set:
    """A data set: its rows, whether the target is a number, and how the networks are trained."""

    load: Callable[[], Rows]
    number: bool
    epochs: int
    batch: int


@dataclass(frozen=True)
class Curves:
    """The curves of all configurations of a set, in the order of `itertools.product` of `SPACE`.

    loss      (configurations, epochs): the mean over folds of the least validation loss so far
    error     (configurations, epochs): its standard error over folds
    accuracy  (configurations, epochs): the same for the share of validation rows that are right; of numbers
              zero
    test      (configurations,): the loss of the test rows at the epochs of the least validation loss
    steps     of an epoch
    """

    loss: np.ndarray
    error: np.ndarray
    accuracy: np.ndarray
    test: np.ndarray
    steps: int


def _sklearn(name: str, *arguments: Any, **settings: Any) -> Callable[[], Rows]:
    def load() -> Rows:
        from sklearn import datasets

        made: Rows = getattr(datasets, name)(*arguments, **settings)
        return made

    return load


SETS = {
    "breast_cancer": Set(_sklearn("load_breast_cancer", return_X_y=True), False, 40, 32),
    "digits": Set(_sklearn("load_digits", return_X_y=True), False, 27, 64),
    "diabetes": Set(_sklearn("load_diabetes", return_X_y=True), True, 40, 32),
    "classes": Set(
        _sklearn("make_classification", 1500, 20, n_informative=8, flip_y=0.1, class_sep=0.7, random_state=0),
        False,
        40,
        64,
    ),
    "hastie": Set(_sklearn("make_hastie_10_2", 1000, random_state=0), False, 40, 64),
    "friedman": Set(_sklearn("make_friedman1", 1000, noise=1.0, random_state=0), True, 60, 64),
}


def main(words: Sequence[str] = ()) -> int:
    """Records the sets that are named, or all, into `PATH`."""
    parser = argparse.ArgumentParser("python -m benchmarks sweep_curves")
    parser.add_argument("--sets", nargs="*", choices=[*SETS], help="some alone; the others stay as they are")
    options = parser.parse_args(words)
    torch.set_num_threads(1)
    stored = dict(np.load(PATH)) if PATH.exists() else {}
    for name in options.sets or SETS:
        begun = time.process_time()
        stored |= {f"{name}/{key}": value for key, value in _packed(record(SETS[name])).items()}
        print(f"{name}: {time.process_time() - begun:.0f} s of CPU", flush=True)
    np.savez_compressed(PATH, **stored)  # type: ignore[arg-type]
    print(f"{PATH.stat().st_size / 1000:.0f} kB")
    return 0


def read(name: str, path: Path = PATH) -> Curves:
    """The curves of a set.

    Raises:
        FileNotFoundError: nothing was recorded.
        KeyError: not this set.
    """
    with np.load(path) as stored:
        loss, error, right = (
            np.cumsum(stored[f"{name}/{key}"].astype(np.int64), axis=1)
            for key in ("loss", "error", "accuracy")
        )
        test, rows, steps = (stored[f"{name}/{key}"] for key in ("test", "rows", "steps"))
    return Curves(
        np.exp(loss / _FINE), np.exp(error / _COARSE), right / float(rows), np.exp(test / _FINE), int(steps)
    )


def _packed(made: tuple[Curves, int]) -> dict[str, np.ndarray]:
    """Whole numbers with small differences along the epochs, which a file holds in about a byte each."""
    curves, rows = made
    loss = np.rint(np.log(np.maximum(curves.loss, _LEAST)) * _FINE)
    error = np.rint(np.log(np.maximum(curves.error, _LEAST)) * _COARSE)
    right = np.rint(curves.accuracy * rows)
    small = {
        key: np.diff(values, axis=1, prepend=0).astype(np.int16)
        for key, values in {"loss": loss, "error": error, "accuracy": right}.items()
    }
    test = np.rint(np.log(curves.test) * _FINE).astype(np.int16)
    return {**small, "test": test, "rows": np.array(rows), "steps": np.array(curves.steps)}


def record(data: Set) -> tuple[Curves, int]:
    """Trains all configurations of a set; the curves, and how many rows are validation rows of a fold."""
    features, target = data.load()
    order = np.random.default_rng(0).permutation(len(features))
    kept = len(order) * 3 // 4 // FOLDS * FOLDS
    parts = order[:kept].reshape(FOLDS, -1)
    train = np.stack([np.concatenate([*parts[:fold], *parts[fold + 1 :]]) for fold in range(FOLDS)])
    scaled = [_scaled(features, target, data.number, rows) for rows in train]
    rows = _Rows(
        torch.stack([one[0] for one in scaled]),
        torch.stack([one[1] for one in scaled]),
        *(torch.from_numpy(part) for part in (train, parts, np.tile(order[kept:], (FOLDS, 1)))),
    )
    points = list(itertools.product(*SPACE.values()))
    scores = np.empty((3, len(points), data.epochs, FOLDS))
    for width in SPACE["width"]:
        places = [place for place, point in enumerate(points) if point[1] == width]
        scores[:, places] = _train(data, rows, [points[place] for place in places])
    return _curves(*scores, steps=_steps(rows, data)), parts.shape[1]


@dataclass(frozen=True)
class _Rows:
    """Inputs (F, n, d) and targets (F, n), standardised by the training rows of each fold.

    Positions of the rows of a part are (F, m).
    """

    inputs: Tensor
    targets: Tensor
    train: Tensor
    valid: Tensor
    test: Tensor

    def at(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """The rows at positions (F, m)."""
        folds = torch.arange(FOLDS)[:, None]
        return self.inputs[folds, positions], self.targets[folds, positions]


def _scaled(
    features: np.ndarray, target: np.ndarray, number: bool, rows: np.ndarray
) -> tuple[Tensor, Tensor]:
    mean, deviation = features[rows].mean(0), features[rows].std(0)
    inputs = torch.from_numpy((features - mean) / np.where(deviation > 0, deviation, 1)).float()
    if not number:
        return inputs, torch.from_numpy(np.unique(target, return_inverse=True)[1])
    return inputs, torch.from_numpy((target - target[rows].mean()) / target[rows].std()).float()


def _steps(rows: _Rows, data: Set) -> int:
    return math.ceil(rows.train.shape[1] / data.batch)


def _curves(losses: np.ndarray, right: np.ndarray, tests: np.ndarray, steps: int) -> Curves:
    """From (configurations, epochs, folds) of each score."""
    best = np.minimum.accumulate(losses, 1)
    error = best.std(2, ddof=1) / math.sqrt(FOLDS)
    chosen = np.take_along_axis(tests, losses.argmin(1, keepdims=True), 1)[:, 0].mean(1)
    return Curves(best.mean(2), error, np.maximum.accumulate(right, 1).mean(2), chosen, steps)


def _train(data: Set, rows: _Rows, points: Sequence[tuple[float, ...]]) -> np.ndarray:
    """(loss, share of right validation rows, test loss; configurations; epochs; folds) of one width."""
    random = torch.Generator().manual_seed(0)
    rates, _, dropout, decay = (
        torch.tensor(values).repeat_interleave(FOLDS)[:, None, None] for values in zip(*points, strict=True)
    )
    outputs = 1 if data.number else int(rows.targets.max()) + 1
    sizes = [rows.inputs.shape[2], int(points[0][1]), int(points[0][1]), outputs]
    network = _Networks(sizes, len(points), random)
    steps, scores = _steps(rows, data), []
    for epoch in range(data.epochs):
        shuffled = torch.stack([one[torch.randperm(len(one), generator=random)] for one in rows.train])
        for step, positions in enumerate(shuffled.split(data.batch, 1)):
            inputs, targets = rows.at(positions)
            loss = _losses(network(inputs, dropout, random), targets, data.number).mean(1).sum()
            network.step(loss, rates * _share(epoch * steps + step, steps * data.epochs), decay)
        with torch.no_grad():
            scores.append(
                [*_scores(network, rows, rows.valid, data), *_scores(network, rows, rows.test, data)[:1]]
            )
    stacked = torch.stack([torch.stack(one) for one in scores], 1)
    return stacked.reshape(3, data.epochs, len(points), FOLDS).transpose(1, 2).double().numpy()


def _share(step: int, steps: int) -> float:
    """Of the learning rate: a linear warm-up, then a cosine to zero."""
    warm = WARMUP * steps
    if step < warm:
        return (step + 1) / (warm + 1)
    return 0.5 + 0.5 * math.cos(math.pi * (step - warm) / (steps - warm))


def _losses(outputs: Tensor, targets: Tensor, number: bool) -> Tensor:
    """Of outputs (configurations * F, m, classes) and targets (F, m): (configurations * F, m)."""
    targets = targets.repeat(len(outputs) // FOLDS, 1)
    if number:
        return (outputs[..., 0] - targets) ** 2
    return functional.cross_entropy(outputs.transpose(1, 2), targets, reduction="none")


def _scores(network: _Networks, rows: _Rows, positions: Tensor, data: Set) -> tuple[Tensor, Tensor]:
    """The loss and the share of right rows, each (configurations * F,)."""
    inputs, targets = rows.at(positions)
    outputs = network(inputs)
    loss = _losses(outputs, targets, data.number).mean(1)
    if data.number:
        return loss.sqrt(), torch.zeros(len(loss))
    right = outputs.argmax(2) == targets.repeat(len(outputs) // FOLDS, 1)
    return loss, right.float().mean(1)


class _Networks:
    """Networks of the same sizes as one batch of matrices, with AdamW.

    Args:
        sizes: inputs, units of each hidden layer, outputs.
        count: of configurations; each has one network for each fold, and all begin with the same weights.
    """

    def __init__(self, sizes: Sequence[int], count: int, random: torch.Generator) -> None:
        self.parameters: list[Tensor] = []
        for fan_in, fan_out in itertools.pairwise(sizes):
            limit = fan_in**-0.5
            for shape in ((fan_in, fan_out), (1, fan_out)):
                one = (torch.rand(shape, generator=random) * 2 - 1) * limit
                self.parameters.append(one.repeat(count * FOLDS, 1, 1).requires_grad_())
        self._mean = [torch.zeros_like(one) for one in self.parameters]
        self._square = [torch.zeros_like(one) for one in self.parameters]
        self._steps = 0
        self._count = count

    def __call__(
        self, inputs: Tensor, dropout: Tensor | None = None, random: torch.Generator | None = None
    ) -> Tensor:
        """(F, m, d) -> (configurations * F, m, outputs); in training with `dropout`, one of each network."""
        values = inputs.repeat(self._count, 1, 1)
        weights, biases = self.parameters[::2], self.parameters[1::2]
        for layer, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
            values = torch.baddbmm(bias, values, weight)
            if layer == len(weights) - 1:
                return values
            values = values.relu()
            if dropout is not None:
                drawn = torch.rand((FOLDS, *values.shape[1:]), generator=random).repeat(self._count, 1, 1)
                values = values * (drawn >= dropout) / (1 - dropout)
        return values

    def step(self, loss: Tensor, rates: Tensor, decay: Tensor) -> None:
        """A step of AdamW; rates and weight decay are (configurations * F, 1, 1)."""
        self._steps += 1
        first, second = 1 - 0.9**self._steps, 1 - 0.999**self._steps
        gradients = torch.autograd.grad(loss, self.parameters)
        with torch.no_grad():
            for one, gradient, mean, square in zip(
                self.parameters, gradients, self._mean, self._square, strict=True
            ):
                mean.lerp_(gradient, 0.1)
                square.mul_(0.999).addcmul_(gradient, gradient, value=0.001)
                one.mul_(1 - rates * decay)
                one.sub_(rates * (mean / first) / ((square / second).sqrt_() + 1e-8))

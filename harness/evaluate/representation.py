"""Representation: what a frozen model has learned, asked by probes that learn little themselves."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import NamedTuple

import torch
from torch import Tensor

from harness.arrays import Loader, Loaders
from harness.evaluate import probe
from harness.evaluate.part import exact, known, loader_of, to_floats
from harness.evaluate.regression import r2
from harness.evaluate.unchanged import unchanged
from harness.predictor import Predictor
from harness.scores import Scores
from harness.task import Task

_MOST_RAW = 2**27  # numbers in the flattened training inputs, 1 GiB as float64


class Representation:
    """Probes fitted on the frozen representation of the training rows, scored on another part.

    knn_accuracy     a majority vote of the nearest training rows
    linear_accuracy  multinomial logistic regression
    knn_r2           the mean of the nearest training rows, where the target is a number
    linear_r2        ridge regression, where the target is a number
    rankme           effective rank of the part's representation (arXiv 2210.02885), higher is
                     better; needs no label

    Of several labels, each is probed by itself and the accuracy is the share of labels that are right;
    of several numbers, R2 is the mean over them.

    Features are standardised by the training rows. `score` sets beside each probe the same probe on
    the representation of an untrained model (`_random`) and on the flattened inputs (`_raw`): what
    training added is the difference.
    """

    names: tuple[str, ...] = ("knn_accuracy", "knn_r2", "rankme")
    """Of these, `judge` gives `rankme` and the one that fits the target, if there is a target."""

    def __init__(
        self, *, neighbours: int = 5, bank: int = 4096, l2: float = 1.0, iterations: int = 1000
    ) -> None:
        for name, value in (("neighbours", neighbours), ("bank", bank), ("iterations", iterations)):
            if value < 1:
                raise ValueError(f"{name} must be 1 or more, got {value}")
        if l2 <= 0:
            raise ValueError(f"l2 must be more than 0, got {l2}")
        self.neighbours = neighbours
        self.bank = bank
        self.l2 = l2
        self.iterations = iterations

    def judge(self, predictor: Predictor, loaders: Loaders) -> dict[str, float]:
        """`rankme` of the valid part and, with labels, the score of its nearest neighbours.

        At most `bank` labelled training rows are asked, the same in every epoch. {} where the split
        keeps no valid rows.
        """
        if loaders.valid is None:
            return {}
        queries = _encode(predictor, loaders.valid)
        values = {"rankme": probe.rankme(queries.features)}
        if predictor.task.labelled:
            bank = _encode(predictor, loaders.train, self.bank)
            values |= self._neighbours(predictor.task, bank.labelled(), queries.labelled())
        return to_floats(values)

    def score(
        self, predictor: Predictor, loaders: Loaders, part: str, untrained: Callable[[], Predictor]
    ) -> Scores:
        """All probes on `part`, learned from every training row, and their baselines.

        Raises:
            UserError: the part has no rows.
            RuntimeError: a weight or buffer of the model changed.
        """
        loader = loader_of(loaders, part)
        notes: list[str] = []
        with unchanged(predictor):
            queries = _encode(predictor, loader)
            values = {"rankme": probe.rankme(queries.features)}
            if predictor.task.labelled:
                bank = _encode(predictor, loaders.train)
                values |= self._probes(predictor.task, bank, queries, "", notes)
                values |= self._baselines(loaders, loader, untrained, notes)
        if len(queries.labelled().features) == 0 and predictor.task.labelled:
            notes.append(f"no row of the {part} part carries a label: its probes are undefined")
        return Scores(to_floats(values), notes=tuple(notes))

    def _baselines(
        self, loaders: Loaders, loader: Loader, untrained: Callable[[], Predictor], notes: list[str]
    ) -> dict[str, Tensor]:
        """The same probes on a random representation and on the inputs as they are."""
        random, task, train = untrained(), loaders.task, loaders.train
        values = self._probes(task, _encode(random, train), _encode(random, loader), "_random", notes)
        size = len(train.rows) * prod(loaders.shape)
        if size > _MOST_RAW:
            notes.append(f"no _raw baseline: the training inputs are {size:,} numbers, over {_MOST_RAW:,}")
            return values
        return values | self._probes(task, _flatten(train), _flatten(loader), "_raw", notes)

    def _probes(
        self, task: Task, bank: _Sample, queries: _Sample, suffix: str, notes: list[str]
    ) -> dict[str, Tensor]:
        """Both probes by name, `suffix` appended; adds to `notes` where a fit did not converge."""
        bank, queries = bank.labelled(), queries.labelled()
        values = self._neighbours(task, bank, queries)
        if len(bank.features) and len(queries.features):
            inputs, asked = probe.standardise(bank.features, queries.features)
            if _classes(task):
                predicted, converged = self._logistic(inputs, bank.targets, asked)
                values["linear_accuracy"] = (predicted == queries.targets).double().mean()
                if not converged:
                    notes.append(
                        f"linear_accuracy{suffix}: the probe had not converged after {self.iterations} "
                        "iterations; raise evaluate.iterations"
                    )
            else:
                values["linear_r2"] = r2(probe.ridge(inputs, bank.targets, asked, self.l2), queries.targets)
        else:
            values["linear_accuracy" if _classes(task) else "linear_r2"] = _undefined(bank)
        return {name + suffix: value for name, value in values.items()}

    def _logistic(self, inputs: Tensor, targets: Tensor, asked: Tensor) -> tuple[Tensor, bool]:
        """The predicted codes, (m,) or of several labels (m, C), and whether every fit converged."""
        if targets.ndim == 1:
            return probe.logistic(inputs, targets, asked, self.l2, self.iterations)
        fits = [probe.logistic(inputs, one, asked, self.l2, self.iterations) for one in targets.unbind(1)]
        return torch.stack([said for said, _ in fits], dim=1), all(converged for _, converged in fits)

    def _neighbours(self, task: Task, bank: _Sample, queries: _Sample) -> dict[str, Tensor]:
        """`knn_accuracy` or `knn_r2`, NaN where one side has no rows."""
        name = "knn_accuracy" if _classes(task) else "knn_r2"
        if len(bank.features) == 0 or len(queries.features) == 0:
            return {name: _undefined(bank)}
        rows = probe.nearest(*probe.standardise(bank.features, queries.features), self.neighbours)
        answers = bank.targets[rows]
        if not _classes(task):
            return {name: r2(answers.mean(dim=1), queries.targets)}
        labels = answers.unbind(2) if task.several else [answers]
        said = torch.stack([probe.vote(one) for one in labels], dim=1)
        return {name: (said == queries.targets.reshape(said.shape)).double().mean()}


class _Sample(NamedTuple):
    """Features (n, D) float64 and targets (n,), of several (n, T), int64 or float64, row by row."""

    features: Tensor
    targets: Tensor

    def labelled(self) -> _Sample:
        rows = known(self.targets)
        return _Sample(self.features[rows], self.targets[rows])


def _classes(task: Task) -> bool:
    """Whether what is probed is right or wrong, not near or far."""
    return task.classification or task.kind == "multilabel"


def _undefined(like: _Sample) -> Tensor:
    return like.features.new_tensor(float("nan"))


def _encode(predictor: Predictor, loader: Loader, most: int | None = None) -> _Sample:
    """The representation of a part, or of `most` of its labelled rows, the same at each call."""
    chosen = torch.arange(len(loader.rows)) if most is None else _choose(loader, most)
    features, targets = [], []
    first = 0
    for batch in loader.ordered():
        rows = chosen[(chosen >= first) & (chosen < first + len(batch.rows))] - first
        first += len(batch.rows)
        if len(rows) < len(batch.rows):
            rows = rows.to(batch.inputs.device)
            batch = batch._replace(
                inputs=batch.inputs[rows], targets=None if batch.targets is None else batch.targets[rows]
            )
        if len(rows):
            features.append(exact(predictor(batch.inputs).representation))
            targets.append(_targets(batch.targets, features[-1]))
    return _Sample(torch.cat(features), torch.cat(targets))


def _choose(loader: Loader, most: int) -> Tensor:
    """Sorted positions of labelled rows, at random but always the same; leaves the global generators alone.

    Rows often come in the order of their class, and so the first ones would not do. Where no row has a
    label, the positions of unlabelled ones.
    """
    rows = torch.arange(len(loader.rows))
    if loader.targets is not None and bool(known(loader.targets).any()):
        rows = rows[known(loader.targets).cpu()]
    if len(rows) <= most:
        return rows
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))
    return rows[order[:most].sort().values]


def _flatten(loader: Loader) -> _Sample:
    """The inputs of a part, each row flattened."""
    batches = list(loader.ordered())
    features = torch.cat([exact(batch.inputs).flatten(start_dim=1) for batch in batches])
    targets = [_targets(batch.targets, features) for batch in batches]
    return _Sample(features, torch.cat(targets))


def _targets(targets: Tensor | None, features: Tensor) -> Tensor:
    """Targets beside their features; -1, unknown, for each row of a part without targets."""
    if targets is None:
        return torch.full((len(features),), -1, device=features.device)
    return exact(targets) if targets.is_floating_point() else targets.to(features.device)

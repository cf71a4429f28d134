"""Evaluates a frozen representation with kNN and linear probes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from math import prod
from typing import Literal

import torch
from torch import Tensor

from harness.core.arrays import Loader, Loaders
from harness.core.baseline_names import baseline_name
from harness.core.code_columns import one_hot_width
from harness.core.predictor import Predictor
from harness.core.scores import Scores
from harness.core.task import Task
from harness.evaluate import probes
from harness.evaluate.probe_samples import Sample, encode, flatten, some, some_labelled
from harness.evaluate.projection_2d import Projection, project, require_umap
from harness.evaluate.regression import r2
from harness.evaluate.scored_rows import loader_of, selected, to_floats
from harness.evaluate.unchanged_state import unchanged

_MOST_RAW = 2**28  # flattened input numbers, 2 GiB as float64: CIFAR-10 fits, photographs of 224 px do not


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
    the representation of an untrained model (`…_baseline_random`) and on the flattened inputs
    (`…_baseline_raw`): what training added is the difference. `project` shows the same three in two
    dimensions.

    Args:
        neighbours: training rows that vote.
        bank: largest number of labelled training rows that `validate` uses.
        l2: weight penalty of both linear probes.
        iterations: most steps of the logistic regression.
        projection: the method of `project`; "none": there is no projection.
        points: most rows that a projection is learned from, and most that it shows.

    Raises:
        ValueError: a value is out of range.
        UserError: projection="umap", and umap-learn is not installed.
    """

    names: tuple[str, ...] = ("knn_accuracy", "knn_r2", "rankme")
    """The scores of `validate`: `rankme` and the one that fits the target, if there is a target."""

    further: tuple[str, ...] = ("linear_accuracy", "linear_r2")
    """The additional scores of `score`."""

    def __init__(
        self,
        *,
        neighbours: int = 5,
        bank: int = 4096,
        l2: float = 1.0,
        iterations: int = 1000,
        projection: Literal["pca", "umap", "none"] = "pca",
        points: int = 2000,
    ) -> None:
        for name, value in (("neighbours", neighbours), ("bank", bank), ("iterations", iterations)):
            if value < 1:
                raise ValueError(f"{name} must be 1 or more, got {value}")
        if l2 <= 0:
            raise ValueError(f"l2 must be more than 0, got {l2}")
        if points < 2:
            raise ValueError(f"points must be 2 or more, got {points}")
        if projection == "umap":
            require_umap()
        self.neighbours = neighbours
        self.bank = bank
        self.l2 = l2
        self.iterations = iterations
        self.projection = projection
        self.points = points

    def validate(
        self, predictor: Predictor, loaders: Loaders, names: Collection[str] | None = None
    ) -> dict[str, float]:
        """`rankme` of the valid part and, with labels, the score of its nearest neighbours.

        At most `bank` labelled training rows are used, the same in every epoch. {} if the split has no
        valid rows.
        """
        if loaders.valid is None:
            return {}
        queries = encode(predictor, loaders.valid)
        values = selected({"rankme": lambda: probes.rankme(queries.features)}, names)
        if predictor.task.labelled and (names is None or any(name.startswith("knn_") for name in names)):
            bank = encode(predictor, loaders.train, some_labelled(loaders.train, self.bank))
            values |= self._neighbours(predictor.task, *_fair(bank, queries))
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
            queries = encode(predictor, loader)
            values = {"rankme": probes.rankme(queries.features)}
            if predictor.task.labelled:
                labelled = len(queries.labelled().targets)
                sides = _fair(encode(predictor, loaders.train), queries)
                values |= self._probes(predictor.task, *sides, None, notes)
                del queries, sides  # frees the memory for the baselines
                values |= self._baselines(loaders, loader, untrained, notes)
                if labelled == 0:
                    notes.append(f"no row of the {part} part carries a label: its probes are undefined")
        return Scores(to_floats(values), notes=tuple(notes))

    def project(
        self, predictor: Predictor, loaders: Loaders, part: str, untrained: Callable[[], Predictor]
    ) -> Projection | None:
        """Projects rows of `part` to two dimensions: by the trained model, an untrained model, and as raw
        input.

        The projections are fitted on training rows. None if none is wanted, or if no features are finite. The
        raw input is left out if it is too large.

        Raises:
            UserError: the part has no rows.
        """
        method = self.projection
        if method == "none":
            return None
        loader = loader_of(loaders, part)
        places = some(loader, self.points)
        panels = [
            project(method, name, *probes.standardise(bank.features, queries.features))
            for name, bank, queries in self._sides(predictor, loaders, loader, untrained)
            if bool(bank.features.isfinite().all()) and bool(queries.features.isfinite().all())
        ]
        task, targets = loaders.task, loader.targets
        plain = targets is not None and not task.several
        shown = targets.cpu()[places].numpy() if plain and targets is not None else None
        return Projection(method, part, tuple(panels), shown, task.classes) if panels else None

    def _sides(
        self, predictor: Predictor, loaders: Loaders, loader: Loader, untrained: Callable[[], Predictor]
    ) -> Iterator[tuple[str, Sample, Sample]]:
        """What a projection is learned from and what it shows, of one representation after the other."""
        learned, shown = some(loaders.train, self.points), some(loader, self.points)
        yield "trained", encode(predictor, loaders.train, learned), encode(predictor, loader, shown)
        random = untrained()
        yield "random encoder", encode(random, loaders.train, learned), encode(random, loader, shown)
        width, codes = one_hot_width(prod(loaders.shape), loaders.codes), loaders.codes
        if (len(learned) + len(shown)) * width <= _MOST_RAW:
            yield "raw input", flatten(loaders.train, learned, codes), flatten(loader, shown, codes)

    def _baselines(
        self, loaders: Loaders, loader: Loader, untrained: Callable[[], Predictor], notes: list[str]
    ) -> dict[str, Tensor]:
        """The same probes on a random representation and on the inputs as they are."""
        random, task, train = untrained(), loaders.task, loaders.train
        sides = _fair(encode(random, train), encode(random, loader))
        values = self._probes(task, *sides, "random", notes)
        del sides
        codes = loaders.codes
        size = (len(train.rows) + len(loader.rows)) * one_hot_width(prod(loaders.shape), codes)
        if size > _MOST_RAW:
            notes.append(f"no baseline of the raw input: the inputs are {size:,} numbers, over {_MOST_RAW:,}")
            return values
        sides = _fair(flatten(train, codes=codes), flatten(loader, codes=codes))
        return values | self._probes(task, *sides, "raw", notes)

    def _probes(
        self, task: Task, bank: Sample, queries: Sample, baseline: str | None, notes: list[str]
    ) -> dict[str, Tensor]:
        """Both probes of what `_fair` made, with the names of a baseline if given; a failed fit is noted."""

        def named(score: str) -> str:
            return score if baseline is None else baseline_name(score, baseline)

        values = self._neighbours(task, bank, queries)
        inputs, asked = bank.features, queries.features
        if len(inputs) and len(asked):
            if _classes(task):
                predicted, converged = self._logistic(inputs, bank.targets, asked)
                values["linear_accuracy"] = (predicted == queries.targets).double().mean()
                if not converged:
                    notes.append(
                        f"{named('linear_accuracy')}: the probe had not converged after {self.iterations} "
                        "iterations; raise evaluate.iterations"
                    )
            else:
                values["linear_r2"] = r2(probes.ridge(inputs, bank.targets, asked, self.l2), queries.targets)
        else:
            values["linear_accuracy" if _classes(task) else "linear_r2"] = _undefined(bank)
        return {named(name): value for name, value in values.items()}

    def _logistic(self, inputs: Tensor, targets: Tensor, asked: Tensor) -> tuple[Tensor, bool]:
        """The predicted codes, (m,) or of several labels (m, C), and whether every fit converged."""
        if targets.ndim == 1:
            return probes.logistic(inputs, targets, asked, self.l2, self.iterations)
        fits = [probes.logistic(inputs, one, asked, self.l2, self.iterations) for one in targets.unbind(1)]
        return torch.stack([codes for codes, _ in fits], dim=1), all(converged for _, converged in fits)

    def _neighbours(self, task: Task, bank: Sample, queries: Sample) -> dict[str, Tensor]:
        """`knn_accuracy` or `knn_r2` of what `_fair` made, NaN where one side has no rows."""
        name = "knn_accuracy" if _classes(task) else "knn_r2"
        if len(bank.features) == 0 or len(queries.features) == 0:
            return {name: _undefined(bank)}
        rows = probes.nearest(bank.features, queries.features, self.neighbours)
        answers = bank.targets[rows]
        if not _classes(task):
            return {name: r2(answers.mean(dim=1), queries.targets)}
        labels = answers.unbind(2) if task.several else [answers]
        votes = torch.stack([probes.vote(one) for one in labels], dim=1)
        return {name: (votes == queries.targets.reshape(votes.shape)).double().mean()}


def _fair(bank: Sample, queries: Sample) -> tuple[Sample, Sample]:
    """Returns the labelled rows of both, with features standardised by those of the bank."""
    bank, queries = bank.labelled(), queries.labelled()
    if len(bank.features) == 0 or len(queries.features) == 0:
        return bank, queries
    inputs, asked = probes.standardise(bank.features, queries.features)
    return Sample(inputs, bank.targets), Sample(asked, queries.targets)


def _classes(task: Task) -> bool:
    """Whether the targets are classes or labels, not numbers."""
    return task.classification or task.kind == "multilabel"


def _undefined(like: Sample) -> Tensor:
    return like.features.new_tensor(float("nan"))

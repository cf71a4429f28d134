"""Errors of predicted numbers."""

from __future__ import annotations

from collections.abc import Callable, Collection

import torch
from torch import Tensor

from harness.core.arrays import Loader, Loaders
from harness.core.baseline_names import baseline_name
from harness.core.errors import UserError
from harness.core.name_list import listed
from harness.core.predictor import Predictor
from harness.core.scores import Scores
from harness.core.task import Task
from harness.evaluate.scored_rows import answers, exact, known, loader_of, mean_loss, selected, to_floats


class Regression:
    """Scores of predicted numbers, over the labelled rows of a part.

    loss  as the trainer defines it
    rmse  root of the mean squared error, in the target's unit
    mae   mean absolute error, in the target's unit
    r2    1 - squared error / squared distance from the part's own mean; NaN where all targets are
          equal

    Of several targets each score is the plain mean over them (scikit-learn's "uniform_average"): where
    their units do not compare, read `r2`, which has none. A target that does not vary is left out of
    `r2`, and named.

    `score` adds `rmse_baseline_mean` and `mae_baseline_mean`, the errors of always answering the mean of the
    training part.
    """

    names: tuple[str, ...] = ("loss", "rmse", "mae", "r2")

    def validate(
        self, predictor: Predictor, loaders: Loaders, names: Collection[str] | None = None
    ) -> dict[str, float]:
        """The named scores of the valid part, and its loss; {} where the split keeps no valid rows.

        Raises:
            UserError: the target is no number, or the trainer learned no outputs.
        """
        if loaders.valid is None:
            return {}
        outputs, targets = _answers(predictor, loaders.valid)
        measured = errors(exact(outputs), exact(targets), names)
        return to_floats(mean_loss(predictor, outputs, targets) | measured)

    def pool(
        self, outputs: Tensor, targets: Tensor, *, names: Collection[str] | None = None
    ) -> dict[str, float]:
        """The scores of out-of-fold predictions, all but the loss.

        Args:
            outputs: (n,) numbers, or (n, T).
            targets: of the same shape, NaN where unknown.
            names: of the scores to compute; None: all.
        """
        rows = known(targets)
        return to_floats(errors(exact(outputs[rows]), exact(targets[rows]), names))

    def score(
        self, predictor: Predictor, loaders: Loaders, part: str, untrained: Callable[[], Predictor]
    ) -> Scores:
        """The scores of `part`, and the baselines of the training part's mean.

        Raises:
            UserError: as `validate`, or the part has no rows.
        """
        outputs, targets = _answers(predictor, loader_of(loaders, part))
        truth = exact(targets)
        values = mean_loss(predictor, outputs, targets) | errors(exact(outputs), truth)
        constant = errors(_training_mean(loaders.train, truth).expand_as(truth), truth)
        values |= {baseline_name(name, "mean"): constant[name] for name in ("rmse", "mae")}
        return Scores(to_floats(values), notes=_notes(truth, predictor.task, part))


def errors(predicted: Tensor, truth: Tensor, names: Collection[str] | None = None) -> dict[str, Tensor]:
    """`rmse`, `mae` and `r2` of float64 numbers, (n,) or (n, T), scalars; NaN without rows.

    Args:
        names: of those to compute; None: all.
    """
    gap = predicted - truth
    values = {
        "rmse": lambda: gap.square().mean(dim=0).sqrt().mean(),
        "mae": lambda: gap.abs().mean(),
        "r2": lambda: r2(predicted, truth),
    }
    return selected(values, names)


def r2(predicted: Tensor, truth: Tensor) -> Tensor:
    """The coefficient of determination, a scalar, the mean over the columns of (n, T).

    A column of `truth` that does not vary is left out; NaN where none does.
    """
    spread = (truth - truth.mean(dim=0)).square().sum(dim=0)
    score = 1 - (predicted - truth).square().sum(dim=0) / spread
    return torch.where(spread > 0, score, torch.nan).nanmean()


def _answers(predictor: Predictor, loader: Loader) -> tuple[Tensor, Tensor]:
    task = predictor.task
    if task.classification or task.kind == "multilabel":
        actual, choice = "this target is a class", "classification"
        if task.several:
            actual, choice = "these targets are labels", "multilabel"
        raise UserError(
            f"evaluate=regression needs a number as target, and {actual}",
            f"use evaluate={choice}, or data.extract.task=regression",
        )
    return answers(predictor, loader, "regression")


def _training_mean(train: Loader, like: Tensor) -> Tensor:
    """A scalar, or (T,), with the device and type of `like`; NaN where no training row has a target."""
    if train.targets is None:
        return like.new_tensor(float("nan"))
    return exact(train.targets[known(train.targets)]).mean(dim=0)


def _notes(truth: Tensor, task: Task, part: str) -> tuple[str, ...]:
    if len(truth) == 0:
        return (f"no row of the {part} part carries a target: its scores are undefined",)
    constant = (truth == truth[0]).all(dim=0)
    if not task.several:
        note = f"every target of the {part} part is {truth[0].item():g}: r2 is undefined"
        return (note,) if constant else ()
    names = [name for name, same in zip(task.columns, constant.tolist(), strict=True) if same]
    if not names:
        return ()
    consequence = "is undefined" if len(names) == len(task.columns) else "leaves it out"
    return (f"every row of the {part} part has the same {listed(names, most=10)}: r2 {consequence}",)

"""Regression: how far the predicted numbers lie from the true ones."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from harness.arrays import Loader, Loaders
from harness.errors import UserError
from harness.evaluate.part import answers, exact, known, loader_of, mean_loss, to_floats
from harness.predictor import Predictor
from harness.scores import Scores


class Regression:
    """Scores of predicted numbers, over the labelled rows of a part.

    loss  as the trainer defines it
    rmse  root of the mean squared error, in the target's unit
    mae   mean absolute error, in the target's unit
    r2    1 - squared error / squared distance from the part's own mean; NaN where all targets are
          equal

    `score` adds `rmse_mean` and `mae_mean`, the errors of always answering the mean of the
    training part.
    """

    names: tuple[str, ...] = ("loss", "rmse", "mae", "r2")

    def judge(self, predictor: Predictor, loaders: Loaders) -> dict[str, float]:
        """All scores of the valid part but baselines; {} where the split keeps no valid rows.

        Raises:
            UserError: the target is no number, or the trainer learned no outputs.
        """
        if loaders.valid is None:
            return {}
        outputs, targets = _answers(predictor, loaders.valid)
        return to_floats(mean_loss(predictor, outputs, targets) | errors(exact(outputs), exact(targets)))

    def score(
        self, predictor: Predictor, loaders: Loaders, part: str, untrained: Callable[[], Predictor]
    ) -> Scores:
        """The scores of `part`, and the baselines of the training part's mean.

        Raises:
            UserError: as `judge`, or the part has no rows.
        """
        outputs, targets = _answers(predictor, loader_of(loaders, part))
        truth = exact(targets)
        values = mean_loss(predictor, outputs, targets) | errors(exact(outputs), truth)
        constant = errors(_training_mean(loaders.train, truth).expand_as(truth), truth)
        values |= {f"{name}_mean": constant[name] for name in ("rmse", "mae")}
        return Scores(to_floats(values), notes=_notes(truth, part))


def errors(predicted: Tensor, truth: Tensor) -> dict[str, Tensor]:
    """`rmse`, `mae` and `r2` of (n,) float64 numbers, scalars; NaN without rows."""
    gap = predicted - truth
    return {
        "rmse": gap.square().mean().sqrt(),
        "mae": gap.abs().mean(),
        "r2": r2(predicted, truth),
    }


def r2(predicted: Tensor, truth: Tensor) -> Tensor:
    """The coefficient of determination, a scalar; NaN where `truth` does not vary."""
    spread = (truth - truth.mean()).square().sum()
    score = 1 - (predicted - truth).square().sum() / spread
    return torch.where(spread > 0, score, torch.nan)


def _answers(predictor: Predictor, loader: Loader) -> tuple[Tensor, Tensor]:
    if predictor.task.classification:
        raise UserError(
            "evaluate=regression needs a number as target, and this target is a class; "
            "use evaluate=classification, or data.extract.task=regression."
        )
    return answers(predictor, loader, "regression")


def _training_mean(train: Loader, like: Tensor) -> Tensor:
    """A scalar with the device and type of `like`; NaN where no training row has a target."""
    if train.targets is None:
        return like.new_tensor(float("nan"))
    return exact(train.targets[known(train.targets)]).mean()


def _notes(truth: Tensor, part: str) -> tuple[str, ...]:
    if len(truth) == 0:
        return (f"no row of the {part} part carries a target: its scores are undefined",)
    if bool((truth == truth[0]).all()):
        return (f"every target of the {part} part is {truth[0].item():g}: r2 is undefined",)
    return ()

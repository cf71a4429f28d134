"""Scores of predicted labels, of which a row may have any number."""

from __future__ import annotations

from collections.abc import Callable, Collection

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from harness.core.arrays import Loader, Loaders
from harness.core.baseline_names import baseline_name
from harness.core.errors import UserError
from harness.core.name_list import listed
from harness.core.predictor import Predictor
from harness.core.scores import Scores
from harness.evaluate import classification_metrics
from harness.evaluate.scored_rows import answers, exact, known, loader_of, mean_loss, selected, to_floats


class Multilabel:
    """Scores of labels that are each present or absent, over the rows of a part whose labels are known.

    A label is predicted where its probability is above one half.

    loss         as the trainer defines it
    accuracy     the share of labels that are right, over all rows (1 - Hamming loss)
    exact_match  the share of rows of which every label is right
    f1           macro F1: the mean over the labels that some row has, each with presence as positive
    auroc        macro area under the ROC curve, over the labels that some rows have and some have not
    log_loss     mean negative log-probability of what each label is, in nats

    `score` adds `accuracy_baseline_majority`, the accuracy of always answering, for each label,
    what most of the training rows have.
    """

    names: tuple[str, ...] = ("loss", "accuracy", "exact_match", "f1", "auroc", "log_loss")

    def validate(
        self, predictor: Predictor, loaders: Loaders, names: Collection[str] | None = None
    ) -> dict[str, float]:
        """The named scores of the valid part, and its loss; {} where the split keeps no valid rows.

        Raises:
            UserError: the target is not several labels, or the trainer learned no outputs.
        """
        if loaders.valid is None:
            return {}
        return self._measure(predictor, loaders.valid, names)[0]

    def score(
        self, predictor: Predictor, loaders: Loaders, part: str, untrained: Callable[[], Predictor]
    ) -> Scores:
        """The scores of `part`, and the baseline of each label's majority.

        Raises:
            UserError: as `validate`, or the part has no rows.
        """
        values, truth = self._measure(predictor, loader_of(loaders, part))
        assumed = _majority(loaders.train)
        right = float("nan") if assumed is None else (truth == assumed.to(truth)).double().mean().item()
        values[baseline_name("accuracy", "majority")] = right
        return Scores(values, notes=_notes(truth, predictor.task.classes, part))

    def pool(
        self, outputs: Tensor, targets: Tensor, *, names: Collection[str] | None = None
    ) -> dict[str, float]:
        """The scores of out-of-fold predictions, all but the loss.

        Args:
            outputs: (n, C) float64 log-probabilities that a label is present.
            targets: (n, C) 0 and 1, NaN where unknown.
            names: of the scores to compute; None: all.
        """
        rows = known(targets)
        return to_floats(scores(outputs[rows], exact(targets[rows]), names))

    def _measure(
        self, predictor: Predictor, loader: Loader, names: Collection[str] | None = None
    ) -> tuple[dict[str, float], Tensor]:
        """The scores of a part by name, and its labels (n, C)."""
        task = predictor.task
        if task.labelled and task.kind != "multilabel":
            actual, right = (
                ("a class", "classification") if task.classification else ("a number", "regression")
            )
            raise UserError(
                f"evaluate=multilabel needs several target columns of 0 and 1, and this target is {actual}",
                f"use evaluate={right}",
            )
        outputs, targets = answers(predictor, loader, "multilabel")
        truth = exact(targets)
        values = mean_loss(predictor, outputs, targets) | scores(logsigmoid(exact(outputs)), truth, names)
        return to_floats(values), truth


def scores(log_p: Tensor, truth: Tensor, names: Collection[str] | None = None) -> dict[str, Tensor]:
    """Scalars by name; NaN without rows.

    Args:
        log_p: (n, C) float64 log-probabilities that a label is present.
        truth: (n, C) float64, 0 and 1.
        names: of the scores to compute; None: all.
    """
    present = truth == 1
    predicted = log_p.exp() > 0.5
    right = predicted == present
    values = {
        "accuracy": lambda: right.double().mean(),
        "exact_match": lambda: right.all(dim=1).double().mean(),
        "f1": lambda: _macro_f1(predicted, present),
        "auroc": lambda: classification_metrics.roc_areas(log_p.T.contiguous(), present.T).nanmean(),
        "log_loss": lambda: _log_loss(log_p, present),
    }
    return classification_metrics.unless_nan(selected(values, names), log_p)


def _log_loss(log_p: Tensor, present: Tensor) -> Tensor:
    absent_log_p = torch.log(-torch.expm1(log_p))  # exact also where the probability is close to 1
    return -torch.where(present, log_p, absent_log_p).mean()


def _macro_f1(predicted: Tensor, present: Tensor) -> Tensor:
    """The mean of 2 TP / (2 TP + FP + FN) over the labels that a row of the part has."""
    support = present.sum(dim=0)
    f1 = 2 * (predicted & present).sum(dim=0).double() / (support + predicted.sum(dim=0))
    return torch.where(support > 0, f1, torch.nan).nanmean()


def _majority(train: Loader) -> Tensor | None:
    """(C,) bool, what most training rows have, False among equals."""
    targets = train.targets
    if targets is None or not known(targets).any():
        return None
    return exact(targets[known(targets)]).mean(dim=0) > 0.5


def _notes(truth: Tensor, labels: tuple[str, ...], part: str) -> tuple[str, ...]:
    """Returns remarks about labels that are the same in every row."""
    if len(truth) == 0:
        return (f"no row of the {part} part carries labels: its scores are undefined",)
    shares = dict(zip(labels, truth.mean(dim=0).tolist(), strict=True))
    notes = []
    for share, quantity, omitting in ((0, "no", "f1 and auroc leave"), (1, "every", "auroc leaves")):
        names = [name for name, value in shares.items() if value == share]
        if names:
            notes.append(
                f"{quantity} row of the {part} part has the label {listed(names, most=10)}: {omitting} it out"
            )
    return tuple(notes)

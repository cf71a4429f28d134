"""Scores of predicted classes and of the calibration of their probabilities."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial

import torch
from torch import Tensor

from harness.core.arrays import Loader, Loaders
from harness.core.baseline_names import baseline_name
from harness.core.errors import UserError
from harness.core.name_list import listed
from harness.core.predictor import Predictor
from harness.core.scores import Scores
from harness.evaluate import classification_metrics
from harness.evaluate.scored_rows import (
    Answers,
    answers,
    known,
    loader_of,
    mean_loss,
    selected,
    to_floats,
)


class Classification:
    """Scores of predicted classes, over the labelled rows of a part.

    loss      as the trainer defines it (label smoothing and class weights included)
    accuracy  the share of rows whose most probable class is the true one
    f1        macro F1, over the classes present
    auroc     macro one-against-the-rest area under the ROC curve, over the classes present
    log_loss  mean negative log-probability of the true class, in nats
    ece       expected calibration error over `bins` bins (arXiv 1706.04599)

    `score` adds `accuracy_baseline_majority`, the accuracy of always answering the most frequent class of
    the training part, and the confusion matrix.
    """

    names: tuple[str, ...] = ("loss", "accuracy", "f1", "auroc", "log_loss", "ece")

    def __init__(self, *, bins: int = 15) -> None:
        if bins < 1:
            raise ValueError(f"bins must be 1 or more, got {bins}")
        self.bins = bins

    def validate(
        self, predictor: Predictor, loaders: Loaders, names: Collection[str] | None = None
    ) -> dict[str, float]:
        """The named scores of the valid part, and its loss; {} where the split keeps no valid rows.

        Raises:
            UserError: the target is no class, or the trainer learned no outputs.
        """
        return {} if loaders.valid is None else self.answers(predictor, loaders.valid, names).scores()

    @torch.inference_mode()
    def answers(self, predictor: Predictor, loader: Loader, names: Collection[str] | None = None) -> Answers:
        """What `scores_of` makes the named scores of a part from, and its loss.

        Raises:
            UserError: as `validate`.
        """
        outputs, targets = self._predicted(predictor, loader)
        loss = mean_loss(predictor, outputs, targets)
        kind = (type(self), self.bins, None if names is None else frozenset(names))
        scored = partial(self._scored, one_logit=outputs.ndim == 1, names=names)
        return Answers(outputs, targets, loss, scored, kind)

    def score(
        self, predictor: Predictor, loaders: Loaders, part: str, untrained: Callable[[], Predictor]
    ) -> Scores:
        """Returns the scores of `part`, the majority baseline and the confusion matrix.

        Raises:
            UserError: as `validate`, or the part has no rows.
        """
        values, log_p, targets = self._measure(predictor, loader_of(loaders, part))
        counts = classification_metrics.confusion(log_p.argmax(dim=1), targets, log_p.shape[1])
        support = counts.sum(dim=1)
        rows = support.sum().item()
        assumed = _majority(loaders.train)
        values[baseline_name("accuracy", "majority")] = (
            support[assumed].item() / rows if assumed is not None and rows else float("nan")
        )
        return Scores(values, counts.cpu().numpy(), _notes(support, predictor.task.classes, part))

    @torch.inference_mode()
    def _measure(self, predictor: Predictor, loader: Loader) -> tuple[dict[str, float], Tensor, Tensor]:
        """The scores of a part by name, its log-probabilities (n, C) and its codes (n,), on the device."""
        outputs, targets = self._predicted(predictor, loader)
        log_p = classification_metrics.log_probabilities(outputs)
        codes = targets.to(log_p.device)
        return to_floats(mean_loss(predictor, outputs, targets) | self._values(log_p, codes)), log_p, codes

    def _predicted(self, predictor: Predictor, loader: Loader) -> tuple[Tensor, Tensor]:
        """The outputs and the codes (n,) of the labelled rows of a part."""
        kind = predictor.task.kind
        if kind == "multilabel":
            raise UserError(
                "evaluate=classification needs one class for each row, and these targets are labels of "
                "which a row may have several",
                "use evaluate=multilabel",
            )
        if kind == "regression":
            raise UserError(
                "evaluate=classification needs a class as target, and this target is a number",
                "use evaluate=regression, or data.extract.task=classification",
            )
        return answers(predictor, loader, "classification")

    def _scored(
        self, outputs: Tensor, targets: Tensor, *, one_logit: bool, names: Collection[str] | None
    ) -> dict[str, Tensor]:
        """The scores of one network, or of K."""
        log_p = classification_metrics.log_probabilities(outputs, one_logit)
        return self._values(log_p, targets.to(log_p.device), names)

    def pool(
        self, outputs: Tensor, targets: Tensor, *, names: Collection[str] | None = None
    ) -> dict[str, float]:
        """The scores of out-of-fold predictions, all but the loss.

        Args:
            outputs: (n, C) float64 log-probabilities.
            targets: (n,) int64 codes, -1 where unknown.
            names: of the scores to compute; None: all.
        """
        rows = known(targets)
        return to_floats(self._values(outputs[rows], targets[rows], names))

    def _values(
        self, log_p: Tensor, codes: Tensor, names: Collection[str] | None = None
    ) -> dict[str, Tensor]:
        """Scalars by name, or (K,) of log-probabilities (K, n, C) and codes (K, n) of K networks."""
        values = {
            "accuracy": lambda: classification_metrics.accuracy(log_p, codes),
            "f1": lambda: classification_metrics.macro_f1(log_p, codes),
            "auroc": lambda: classification_metrics.macro_auroc(log_p, codes),
            "log_loss": lambda: classification_metrics.log_loss(log_p, codes),
            "ece": lambda: classification_metrics.expected_calibration_error(log_p, codes, self.bins),
        }
        return classification_metrics.unless_nan(selected(values, names), log_p)


def _majority(train: Loader) -> int | None:
    """The most frequent class of the training part, the lowest code among equals."""
    targets = train.targets
    if targets is None or not known(targets).any():
        return None
    return int(torch.bincount(targets[known(targets)].cpu()).argmax())


def _notes(support: Tensor, classes: tuple[str, ...], part: str) -> tuple[str, ...]:
    """Returns remarks about classes that are missing in the part."""
    present = [name for name, count in zip(classes, support.tolist(), strict=True) if count]
    absent = [name for name in classes if name not in present]
    if not present:
        return (f"no row of the {part} part carries a label: its scores are undefined",)
    if len(present) == 1:
        return (f"every row of the {part} part is of class {present[0]}: auroc is undefined",)
    if absent:
        return (
            f"no row of the {part} part is of class {listed(absent, most=10)}: f1 and auroc leave it out",
        )
    return ()

"""Contract of trainers, methods and losses: see `harness.trainer.training_method`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

from harness.config.compose import compose
from harness.prepare.experiment import Experiment, prepare
from harness.prepare.plan import make_plan
from harness.testing.suite_choices import Suite

TWO_STEPS = ("split.test=0.9", "data.load.batch_size=80", "trainer.epochs=1")
"""Of the digits, 1797 images, some 150 training rows in two batches."""


class TestTrainers(Suite):
    """Every yaml of `trainer`, and of the groups below it: methods, losses, optimizers, schedulers.

    words   further overrides that a choice needs, by its name, or by group and name where several groups
            have one of that name: {"mine": [...], "trainer/loss/mine": ["data/extract=diabetes"]}
    still   choices that leave the weights of the model alone in the first epoch
    """

    group: ClassVar[str] = "trainer"
    words: ClassVar[Mapping[str, Sequence[str]]] = {}
    still: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def yamls(cls) -> dict[str, Path]:
        """By group and name: `trainer/method/simclr`."""
        assert cls.conf is not None
        files = sorted((cls.conf / cls.group).rglob("*.yaml"))
        choices = {path.relative_to(cls.conf).with_suffix("").as_posix(): path for path in files}
        return {name: path for name, path in choices.items() if path.stem not in cls.left_out}

    def chosen_by(self, choice: str) -> list[str]:
        """The overrides that choose it, with the trainer that it belongs to."""
        group, _, name = choice.rpartition("/")
        text = self.yamls()[choice].read_text(encoding="utf-8")
        families = {".contrast.": "trainer=contrastive", ".consistency.": "trainer=semi_supervised"}
        trainer = [word for place, word in families.items() if place in text]
        return [*trainer, f"{'+' if group == 'trainer/head' else ''}{group}={name}"]

    def data_for(self, choice: str) -> Sequence[str]:
        """The overrides of data that it can learn from in two steps."""
        return [*TWO_STEPS, *self.words.get(choice, self.words.get(choice.rpartition("/")[2], ()))]

    def experiment(self, *words: str) -> Experiment:
        """Everything that is prepared before the first step."""
        return experiment_of(*words)

    @pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")  # torch's compiler's own
    def test_every_choice_trains_and_says_how_well(self, choice: str) -> None:
        experiment = self.experiment(*self.chosen_by(choice), *self.data_for(choice))
        before = [weight.detach().clone() for weight in experiment.model.parameters()]
        trainer, loaders = experiment.trainer, experiment.loaders
        (progress,) = trainer.fit(
            experiment.model, loaders, experiment.augment, experiment.validate, lambda: False
        )
        assert progress.step >= 1, "no optimizer step was taken"
        loss = progress.scores["train/loss"]
        assert 0 < loss < 1000, f"the loss is {loss}"  # barlow's is a sum over hundreds of dimensions
        assert trainer.monitor in progress.scores, f"there is no score {trainer.monitor} to monitor"
        moved = [not torch.equal(*pair) for pair in zip(before, experiment.model.parameters(), strict=True)]
        still = choice.rpartition("/")[2] in self.still
        assert not any(moved) if still else all(moved), (
            f"{sum(moved)} of {len(moved)} weights changed; name it in `still` if none should"
        )
        self.check_steps(progress.step)
        self.check_predictions(trainer, loaders)

    def check_steps(self, steps: int) -> None:
        """Checks the number of steps; a subclass may define it."""

    def check_predictions(self, trainer: Any, loaders: Any) -> None:
        """The valid part has finite representations, and outputs where the trainer learns any."""
        if loaders.valid is None:
            return
        prediction = trainer.predictor().gather(loaders.valid)
        assert prediction.representation.isfinite().all(), "the representation is not finite"
        assert (prediction.outputs is None) == (trainer.learns == "representation"), (
            "a trainer has outputs exactly if `learns` is not 'representation'"
        )
        assert prediction.outputs is None or prediction.outputs.isfinite().all(), "an output is not finite"


def experiment_of(*words: str) -> Experiment:
    """Everything that is prepared before the first step, on the CPU; nothing is tracked."""
    cfg = compose(["trainer.device=cpu", "trainer.epochs=1", "tracking=none", "split.guard=off", *words])
    plan = make_plan(cfg)
    return prepare(plan, plan.folds[0])

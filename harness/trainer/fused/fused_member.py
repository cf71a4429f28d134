"""One of the trainings that are trained as one."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from torch import nn

from harness.core.arrays import Loaders
from harness.core.errors import Diverged
from harness.core.predictor import Predictor
from harness.core.progress import Progress
from harness.core.protocol import Augment
from harness.data.augment.none import Identity
from harness.data.load.resident import ResidentPart
from harness.evaluate.scored_rows import Answers
from harness.trainer.batch_source import StepBatch
from harness.trainer.best_epoch import Best
from harness.trainer.fused.flat_members import release
from harness.trainer.fused.fused_step import DropoutUses, Traced, traced
from harness.trainer.fused.member_random import MemberRandom
from harness.trainer.universal import UniversalTrainer, Validate


class JointValidation(NamedTuple):
    """A validation in two parts, of which the second is done for several networks at once.

    answers  gives what is scored of a network; None: this validation has one part
    scores   of each network, what `validate` gives for it, to the last bit
    """

    answers: Callable[[Predictor], Answers | None]
    scores: Callable[[Sequence[Answers]], list[dict[str, float]]]


@dataclass(eq=False)
class Member:
    """One of the trainings, with what `UniversalTrainer.fit` takes.

    random   its random numbers from here on: made when the process has the state that `fit` would begin with
    state    of an earlier, interrupted training; None: a new one
    failure  why it ended early: it diverged, or not even its own step fits into the memory; None: it did not
    kind     see `training_kind`; None: not known yet
    traced   what a forward pass shows, which does not depend on the group; None: not known yet
    joint    a validation in two parts, with the same scores as `validate`; None: there is none
    """

    trainer: UniversalTrainer
    model: nn.Module
    loaders: Loaders
    augment: Augment
    validate: Validate
    state: dict[str, Any] | None = None
    random: MemberRandom = field(default_factory=MemberRandom)
    failure: Exception | None = None
    kind: Hashable | None = None
    traced: Traced | None = None
    joint: JointValidation | None = None

    def begin(self) -> None:
        """Builds what `fit` builds before its first step."""
        with self.random.active():
            self.trainer.attach(self.model, self._training_loaders())
            self.best: Best = self.trainer.new_best()
            if self.state is not None:
                self.trainer.restore(self.state, self.best)
        self.state = None
        self.dropout = DropoutUses(self.trainer)

    def _training_loaders(self) -> Loaders:
        """The loaders; where nothing changes the inputs of a batch, one copy takes those of all members."""
        train = self.loaders.train
        unchanged = self.trainer.passes_inputs_on and type(self.augment) is Identity
        if not unchanged or not isinstance(train, ResidentPart):
            return self.loaders
        return replace(self.loaders, train=train.copied_later())

    def unpack(self, batch: StepBatch) -> Any:
        """The parts of a step; an augmentation draws from this training's own random numbers."""
        if type(self.augment) is Identity:
            return self.trainer.unpack(batch, self.augment)
        with self.random.active():
            return self.trainer.unpack(batch, self.augment)

    def trace(self, parts: Any) -> Traced:
        """What a forward pass of such parts shows; looked up once."""
        if self.traced is None:
            self.traced = traced(self.trainer, parts)
        return self.traced

    def answers(self) -> Answers | None:
        """The first part of the validation; None where both parts must be done at once."""
        if self.joint is None or self.trainer.update.failed:
            return None
        with self.random.active(), self.trainer.update.averaged():
            return self.joint.answers(self.trainer.predictor())

    def end_epoch(self, scores: dict[str, float] | None) -> Progress | None:
        """Validates; None where the training failed.

        Args:
            scores: of the validation, where it is done; None: it is not.
        """
        validate = self.validate if scores is None else lambda predictor: scores
        try:
            return self.trainer.end_epoch(self.trainer, self.best, validate)
        except Diverged as error:
            self.failure = error
            return None

    def finish(self) -> None:
        """Ends the training with the weights of its best epoch, in tensors of its own."""
        release(self.trainer.network)
        self.trainer.finish(self.best)

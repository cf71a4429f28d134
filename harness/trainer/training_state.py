"""The state of a training: what a checkpoint holds, and what a training that resumes restores."""

from __future__ import annotations

from functools import partial
from typing import Any, final

import torch
from torch import nn

from harness.core.epoch_ranking import EpochRanking
from harness.core.progress import Progress
from harness.trainer.batch_source import EpochIterator
from harness.trainer.best_epoch import Best
from harness.trainer.data_parallel import Replicas
from harness.trainer.fsdp_shards import FsdpShards
from harness.trainer.random_state import copied, generators, set_generators
from harness.trainer.scheduler import Schedule
from harness.trainer.training_budget import Budget
from harness.trainer.training_clock import Clock
from harness.trainer.training_method import TrainingMethod
from harness.trainer.update import Update


class TrainingState(TrainingMethod):
    """The parts of a training that have a state; `UniversalTrainer` builds and moves them."""

    ranking: EpochRanking
    device: torch.device
    budget: Budget
    optimizer: torch.optim.Optimizer
    schedule: Schedule
    update: Update
    clock: Clock
    epoch: int
    step: int
    _spread: Replicas | FsdpShards
    _epochs: EpochIterator
    _kept: nn.ModuleDict

    @final
    def new_best(self) -> Best:
        """The best epoch of a training that begins."""
        return Best(self.ranking, self._kept, self.update.averages)

    @final
    def progress(
        self, best: Best, scores: dict[str, float] | None = None, improved: bool = False
    ) -> Progress:
        """The progress after an epoch with these scores; without scores, after a step within an epoch."""
        state = partial(self._state, best)
        whole = scores is not None
        epoch = self.epoch if whole else self.epoch + 1
        return Progress(epoch, self.budget.epochs, self.step, scores or {}, improved, state, whole)

    def _state(self, best: Best) -> dict[str, Any]:
        parts = {name: part.state_dict() for name, part in self._stateful(best).items()}
        live = {**parts, "generators": generators(self.device)}
        return {"epoch": self.epoch, "step": self.step, **copied(live)}

    def _stateful(self, best: Best) -> dict[str, Any]:
        return {
            "network": self.network,
            "optimizer": self.optimizer,
            "schedule": self.schedule,
            "update": self.update,
            "course": self._epochs,
            "meters": self.meters,
            "clock": self.clock,
            "best": best,
        }

    @final
    def restore(self, state: dict[str, Any], best: Best) -> None:
        """Restores the training, which is attached, from `state`."""
        for name, part in self._stateful(best).items():
            self._spread.load(
                part, copied(state[name])
            )  # a copy: training must not change the caller's tensors
        set_generators(state["generators"], self.device)  # last: the epoch iterator draws random orders
        self.epoch, self.step = int(state["epoch"]), int(state["step"])

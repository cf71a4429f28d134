"""The training engine that all training methods share."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any, Literal, final

import torch
from torch import Tensor, nn

from harness.core.arrays import Loaders
from harness.core.epoch_ranking import EpochRanking
from harness.core.predictor import Predictor
from harness.core.progress import Progress
from harness.core.protocol import Augment
from harness.core.training_mode import set_training
from harness.runtime.distributed import Agreed
from harness.runtime.process_group import broadcast, world
from harness.trainer.batch_source import EpochIterator, StepBatch
from harness.trainer.best_epoch import Best
from harness.trainer.data_parallel import Replicas, check_device, set_process_seed, weak_loss, weight_of
from harness.trainer.device import AUTOCAST, Precision, check_precision, find_device, under_autocast
from harness.trainer.divergence_advice import require_finite
from harness.trainer.fsdp_shards import FsdpShards
from harness.trainer.global_batch_norm import norm_globally
from harness.trainer.layers import Layers, new_optimizer
from harness.trainer.network import as_module_dict, members_for, width_of
from harness.trainer.optimizer_check import check_optimizer, require_validation_rows
from harness.trainer.random_state import generators, set_generators
from harness.trainer.scheduler import Schedule, schedule
from harness.trainer.speed import Speed
from harness.trainer.step_meters import Meters
from harness.trainer.training_budget import Budget
from harness.trainer.training_clock import Clock
from harness.trainer.training_state import TrainingState
from harness.trainer.update import Update

Validate = Callable[[Predictor], dict[str, float]]


class UniversalTrainer(TrainingState):
    """Trains a model with data, optimizer, scheduler and loss, and yields `Progress` once per epoch.

    A subclass is one training method and defines the hooks of `TrainingMethod` only. A trainer does not use
    MLflow, files or the screen; their code consumes what `fit` yields.

    Args:
        epochs: passes over the training rows at most; None: as many as `steps` take.
        steps: optimizer steps at most, also within an epoch, which is then validated; None: no limit.
        minutes: of training at most, summed over all processes of a resumed run; None: unlimited.
        optimizer: parameter groups -> optimizer; a partial node.
        scheduler: optimizer [, total_steps] -> scheduler; a partial node, or None for a constant rate.
        monitor: the `valid/…` score that stands for the training in comparisons and sweeps.
        best_by: the `valid/…` score or scores by which the best epoch is chosen, see `EpochRanking`; early
            stopping and plateau schedulers follow the first. None: `monitor`, the later of equal epochs.
        patience: epochs without improvement before stopping early; None: never.
        update: the optimizer step: accumulation, clipping, averaged weights.
        layers: which parameters learn, and at which rate.
        speed: memory layout, compilation and distribution of the network.
        device: "auto" takes CUDA, then Apple's MPS, then the CPU.
        precision: "bf16" and "fp16" run the forward pass under autocast, "fp16" with a scaled loss;
            weights stay in fp32.

    Raises:
        ValueError: a value is out of range.
        UserError: there is no such device, or it cannot do that precision.
    """

    def __init__(
        self,
        *,
        epochs: int | Literal["auto"] | None,
        steps: int | None,
        minutes: float | None,
        optimizer: Callable[..., torch.optim.Optimizer],
        scheduler: Callable[..., Any] | None,
        monitor: str,
        patience: int | None,
        update: Update,
        layers: Layers,
        speed: Speed,
        device: str,
        precision: Precision,
        best_by: str | list[str] | None = None,  # no argument of runs of earlier versions
    ) -> None:
        if patience is not None and patience < 1:
            raise ValueError(f"patience must be at least 1 epoch or null, got {patience}")
        self.budget = Budget(epochs, steps, minutes)
        self.monitor = monitor
        self.best_by = best_by
        self.ranking = EpochRanking.of(monitor, best_by)
        self.patience = patience
        self.update, self.layers, self.speed = update, layers, speed
        self.device = find_device(device)
        check_device(self.device)
        check_precision(self.device, precision)
        self.autocast = AUTOCAST[precision]
        self.meters = Meters(self.device, finite_only=update.skip > 0)
        self._new_optimizer = optimizer
        self._new_scheduler = scheduler

    @final
    def fit(
        self,
        model: nn.Module,
        loaders: Loaders,
        augment: Augment,
        validate: Validate,
        stop: Callable[[], bool],
        state: dict[str, Any] | None = None,
        due: Callable[[], bool] = lambda: False,
    ) -> Iterator[Progress]:
        """Trains and yields one `Progress` per epoch; at the end the model has the best epoch's weights.

        `train/loss` is the mean over the epoch's batches, `lr` the highest rate after the last batch,
        and `time/epoch_seconds` the time of training without validation. `Progress.state` must be called
        before the next step is taken; the state that it returns does not change afterwards.

        Args:
            model: shape of the data -> (B, `model.width`); moved to the device and trained in place.
            validate: returns the scores of the validation part, by `valid/…` name; called once per epoch.
            stop: called after every step; if true, the training ends after a `Progress` of this step.
            state: of `Progress.state()` in an earlier, interrupted training.
            due: called after every step; if true, a `Progress` is yielded within the epoch.

        Raises:
            Diverged: the loss or its gradient became NaN or infinite.
        """
        twin = self._divided_twin(model, loaders) if self.speed.divides else None
        if twin is None:
            self.attach(model, loaders)
        yield from (twin or self)._train(self, augment, validate, stop, due, state)

    def _train(
        self,
        whole: UniversalTrainer,
        augment: Augment,
        validate: Validate,
        stop: Callable[[], bool],
        due: Callable[[], bool],
        state: dict[str, Any] | None,
    ) -> Iterator[Progress]:
        """The part of `fit` after everything is built; `whole` has the network that is validated and kept."""
        stop, due = (stop, due) if world() == 1 else (Agreed(stop), Agreed(due, lasting=False))
        best = whole.new_best()
        if state is not None:
            self.restore(state, best)
        while not self.is_over(best):
            for stopping in self._train_epoch(augment, stop, due):
                yield self.progress(best)
                if stopping:
                    self.finish(best)
                    return
            yield self.end_epoch(whole, best, validate)
        self.finish(best)

    @final
    def is_over(self, best: Best) -> bool:
        """Whether no step is left to take and no epoch to end."""
        return not self._epochs.under_way and self._is_finished(best)

    @final
    def end_epoch(self, whole: UniversalTrainer, best: Best, validate: Validate) -> Progress:
        """Validates after the last step of an epoch.

        Args:
            whole: has the network that is validated and kept.

        Raises:
            Diverged: the loss or its gradient became NaN or infinite.
        """
        trained = self._epoch_means()
        with self.update.averaged(), self._spread.whole():
            scores = broadcast({**trained, **validate(whole.predictor()), **self._rate_and_time()})
            improved = best.see(scores)
        self._end_epoch(scores.get(self.ranking.first))
        return replace(self.progress(best, scores, improved), last=self.is_over(best))

    @final
    def finish(self, best: Best) -> None:
        """Restores the best epoch's weights, undivided in every process."""
        self._spread.release()
        best.restore()

    def _divided_twin(self, model: nn.Module, loaders: Loaders) -> UniversalTrainer:
        """A copy of this trainer that trains a divided copy of the network."""
        twin, twin_model = copy.deepcopy((self, model))
        drawn = generators(self.device)
        self._build(model, loaders)
        set_generators(drawn, self.device)  # so that the twin draws the same heads
        twin.attach(twin_model, loaders, self.network)
        return twin

    @final
    def attach(self, model: nn.Module, loaders: Loaders, whole_network: nn.Module | None = None) -> None:
        """Adds heads to the model, moves everything to the device, and builds optimizer and scheduler.

        Args:
            whole_network: an undivided network of the same kind; this one is then divided over the processes.
        """
        others = self._build(model, loaders)
        parts = (model, self.network, weak_loss(self))
        self._spread = Replicas(*parts) if whole_network is None else FsdpShards(*parts, whole_network)
        groups = self.layers.groups(model, others)
        self.optimizer = self._spread.suited(new_optimizer(self._new_optimizer, groups))
        self._epochs = EpochIterator(self.batch_source(loaders))
        self.budget.plan(len(self._epochs), self.update.accumulate)
        self.schedule = self._schedule(self.optimizer)
        learned = [p for group in self.optimizer.param_groups for p in group["params"]]
        self.update.attach(learned, self.optimizer, self._kept, self.device, self.autocast is torch.float16)
        self.meters.clear()
        self.clock = Clock()
        self._late = Agreed(partial(self.budget.late, self.clock))
        self._seed = torch.initial_seed()
        self._spread_loss = self._spread.loss()
        self.epoch = self.step = 0

    def _build(self, model: nn.Module, loaders: Loaders) -> nn.ModuleDict:
        """Builds the network on its device; returns the modules that learn beside the model."""
        self.task = loaders.task
        self.model = model
        self.members = members_for(self, model)
        self.head = self.build_head(width_of(model), self.task)
        self.companion = self.build_companion(model, self.head, self.task)
        self._kept = as_module_dict(model=model, head=self.head, criterion=self.criterion)
        others = as_module_dict(head=self.head, criterion=self.criterion, companion=self.companion)
        self.network = as_module_dict(model=model, **others)
        self.network.to(self.device)
        norm_globally(self.network, self.device)
        self.speed.prepare(model, self.device)
        self.prepare(loaders)
        return others

    @final
    def preflight(self, model: nn.Module, loaders: Loaders) -> None:
        """Checks, without changing anything, that `fit` can run.

        Optimizer and scheduler are tried on a separate parameter.

        Raises:
            UserError: model, heads, optimizer and scheduler do not fit each other, the data or the split.
        """
        self.members = members_for(self, model)
        with torch.random.fork_rng(devices=[]):
            head = self.build_head(width_of(model), loaders.task)
            self.build_companion(model, head, loaders.task)
        self.budget.plan(len(self.batch_source(loaders).leading), self.update.accumulate)
        schedule = check_optimizer(self._new_optimizer, self._new_scheduler, self._schedule, self.device)
        require_validation_rows(schedule.needs_score, self.patience, self.ranking.first, loaders)

    @property
    def progress_share(self) -> float:
        """The share of the training's steps that is done, in [0, 1), for schedules of a method."""
        return self.step / self.budget.steps

    def _schedule(self, optimizer: torch.optim.Optimizer) -> Schedule:
        by = self.ranking
        return schedule(self._new_scheduler, optimizer, self.budget.steps, by.first, by.first_direction)

    def _is_finished(self, best: Best) -> bool:
        impatient = self.patience is not None and best.epochs_since >= self.patience
        return impatient or self.epoch >= self.budget.epochs or self.budget_used

    @property
    def budget_used(self) -> bool:
        """Whether the limit of steps or minutes is reached."""
        return self.step >= self.budget.steps or (self.budget.timed and self._late())

    def _train_epoch(
        self, augment: Augment, stop: Callable[[], bool], due: Callable[[], bool]
    ) -> Iterator[bool]:
        """Trains the rest of an epoch; the program waits for the device only at its end.

        Yields after a step where a `Progress` is due: true if the training stops there.
        """
        batches = self.begin_epoch()
        epochs, update, meters = self._epochs, self.update, self.meters
        loss_of = self._loss_of(augment)
        self.clock.run()
        for batch in batches:
            loss = loss_of(batch)
            update.backward(loss, epochs.step_size(update.accumulate))
            meters.add("train/loss", loss)
            if epochs.awaits_more(update.accumulate):
                continue
            update.step()
            self.count_step()
            stopping = stop()
            if stopping or due():
                self.clock.halt()
                yield stopping
                self.clock.run()
            if self.budget_used:
                break

    @final
    def begin_epoch(self) -> Iterator[StepBatch]:
        """Puts the network into training mode; returns the batches of the rest of the epoch."""
        set_training(self.network, True)
        if self.layers.begin(self.epoch + 1, self.model):
            self._spread_loss = self._spread.loss()
        return iter(()) if self._epochs.under_way and self.budget_used else iter(self._epochs)

    @final
    def count_step(self) -> None:
        """Must be called after each optimizer step: moves what follows the steps."""
        self.step += 1
        if self.schedule.step is not None:
            self.schedule.step()
        self.follow()

    def _loss_of(self, augment: Augment) -> Callable[[Any], Tensor]:
        """The loss of a batch, or this process's contribution to its mean over several processes."""
        loss = under_autocast(self._spread_loss, self.device, self.autocast)
        if world() == 1:
            return lambda batch: loss(self.unpack(batch, augment))

        def share_of(batch: Any) -> Tensor:
            set_process_seed(self._seed, self.step)
            return loss(self.unpack(batch, augment)) * weight_of(batch)

        return share_of

    def _epoch_means(self) -> dict[str, float]:
        """The means over the steps of the epoch, read from the device.

        Raises:
            Diverged: one of them was not finite.
        """
        means = self.meters.means()
        self.clock.halt()
        rate = self.optimizer.defaults["lr"]
        require_finite(means["train/loss"], self.update, self.step, self.epoch + 1, rate)
        if self.update.skip:
            means["train/skipped_steps"] = float(self.update.skipped)
        return means

    def _rate_and_time(self) -> dict[str, float]:
        rates = [float(group["lr"]) for group in self.optimizer.param_groups]
        return {"lr": max(rates), "time/epoch_seconds": self.clock.epoch}

    def _end_epoch(self, score: float | None) -> None:
        self.schedule.epoch(score)
        self.epoch += 1
        self._epochs.end()
        self.meters.clear()
        self.clock.turn()

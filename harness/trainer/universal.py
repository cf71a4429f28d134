"""UniversalTrainer: everything that all ways of learning have in common."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from functools import partial
from time import perf_counter
from typing import Any, ClassVar, Literal, final

import torch
from torch import Tensor, nn

from harness.arrays import Batch, Loaders
from harness.errors import Diverged, UserError
from harness.predictor import Predictor
from harness.progress import Progress
from harness.protocol import Augment
from harness.task import Task
from harness.trainer.best import Best
from harness.trainer.device import find_device
from harness.trainer.rehearsal import rehearse_step
from harness.trainer.scheduler import Schedule, schedule
from harness.trainer.state import copied, generators, set_generators

Precision = Literal["fp32", "bf16"]
Judge = Callable[[Predictor], dict[str, float]]


class UniversalTrainer(ABC):
    """Ties a model to data, optimizer, scheduler and loss, and yields `Progress` once per epoch.

    A subclass is one way of learning. It sets `criterion` and says which heads it puts on the
    representation, how a batch comes apart, what the loss of those parts is, and how its network
    predicts; it changes nothing else. A trainer knows nothing of MLflow, files or the screen; those
    read what `fit` yields.

    Args:
        epochs: passes over the training rows.
        optimizer: parameters -> optimizer; a partial node.
        scheduler: optimizer [, total_steps] -> scheduler; a partial node, or None for a constant rate.
        monitor: the `valid/…` score whose best epoch is kept; its direction follows from its name.
        patience: epochs without improvement before stopping early; None: never.
        clip_norm: largest 2-norm of the gradient of all parameters together; None: no clipping.
        device: "auto" takes CUDA, then Apple's MPS, then the CPU.
        precision: "bf16" runs the forward pass under autocast; weights stay in fp32.

    Raises:
        ValueError: a value is out of range.
        UserError: there is no such device.
    """

    needs_labels: ClassVar[bool] = False
    """Whether data without a target is useless to every training of this class."""

    learns: ClassVar[Literal["outputs", "representation"]] = "outputs"
    """What is worth evaluating afterwards: predictions, or the representation itself."""

    criterion: nn.Module
    """The loss, set by the subclass; parameters of its own (proxies, class centres) are learned too."""

    # What `attach` sets.
    task: Task
    model: nn.Module
    head: nn.Module | None
    training_head: nn.Module | None
    network: nn.ModuleDict
    optimizer: torch.optim.Optimizer
    schedule: Schedule
    step: int

    def __init__(
        self,
        *,
        epochs: int,
        optimizer: Callable[..., torch.optim.Optimizer],
        scheduler: Callable[..., Any] | None,
        monitor: str,
        patience: int | None,
        clip_norm: float | None,
        device: str,
        precision: Precision,
    ) -> None:
        if epochs < 1:
            raise ValueError(f"epochs must be at least 1, got {epochs}")
        if patience is not None and patience < 1:
            raise ValueError(f"patience must be at least 1 epoch or null, got {patience}")
        if clip_norm is not None and not clip_norm > 0:
            raise ValueError(f"clip_norm must be above 0 or null, got {clip_norm}")
        self.epochs = epochs
        self.monitor = monitor
        self.patience = patience
        self.clip_norm = clip_norm
        self.device = find_device(device)
        self.autocast = torch.bfloat16 if precision == "bf16" else None
        self._new_optimizer = optimizer
        self._new_scheduler = scheduler

    # What a way of learning says for itself.

    @abstractmethod
    def build_head(self, width: int, task: Task) -> nn.Module | None:
        """The part above the representation that prediction needs: (B, width) -> outputs, or None.

        Raises:
            UserError: this way of learning has no use for such a task.
        """

    @abstractmethod
    def build_training_head(self, width: int, task: Task) -> nn.Module | None:
        """A further head that only the loss needs, such as a projection; thrown away afterwards."""

    @abstractmethod
    def prepare(self, loaders: Loaders) -> None:
        """Asked once before training, with the network on its device: what is read off the targets."""

    @abstractmethod
    def unpack(self, batch: Batch, augment: Augment) -> Any:
        """The parts of a batch that the loss is about, augmented."""

    @abstractmethod
    def loss(self, parts: Any) -> Tensor:
        """The scalar loss of what `unpack` gave, through `self.model` and the heads."""

    @abstractmethod
    def predictor(self) -> Predictor:
        """The network as it stands: inputs -> representation and outputs."""

    # What all share.

    @final
    def fit(
        self,
        model: nn.Module,
        loaders: Loaders,
        augment: Augment,
        judge: Judge,
        stop: Callable[[], bool],
        state: dict[str, Any] | None = None,
    ) -> Iterator[Progress]:
        """Trains, one `Progress` per epoch; afterwards the best epoch's weights are in place.

        `train/loss` is the mean over the epoch's steps, `lr` the rate after the last of them, and
        `time/epoch_seconds` that of training alone. `Progress.state` is to be called before the next
        epoch is asked for; what it gives stays as it is.

        Args:
            model: shape of the data -> (B, `model.width`); moved to the device and trained in place.
            judge: scores the valid part, by `valid/…` name; asked once per epoch.
            stop: asked after every step; true ends the training kindly.
            state: what `Progress.state()` of an earlier, interrupted training gave.

        Raises:
            Diverged: the loss became NaN or infinite.
        """
        self.attach(model, loaders)
        best = Best(self.monitor, self.network)
        begun = 0 if state is None else self._restore(state, best)
        for epoch in range(begun + 1, self.epochs + 1):
            if self.patience is not None and best.epochs_since >= self.patience:
                break
            started = perf_counter()
            loss = self._train_epoch(loaders, augment, stop)
            if stop():
                break
            seconds = perf_counter() - started
            if not math.isfinite(loss):
                raise Diverged(self._advice(loss, epoch))
            scores = {
                "train/loss": loss,
                **judge(self.predictor()),
                "lr": self.optimizer.param_groups[0]["lr"],
                "time/epoch_seconds": seconds,
            }
            improved = best.see(scores)
            self.schedule.epoch(scores.get(self.monitor))
            yield Progress(epoch, self.epochs, self.step, scores, improved, partial(self._state, epoch, best))
        best.restore()

    @final
    def attach(self, model: nn.Module, loaders: Loaders) -> None:
        """Puts heads on the model, everything on the device, and builds optimizer and scheduler."""
        self.task = loaders.task
        self.model = model
        self.head = self.build_head(_width(model), self.task)
        self.training_head = self.build_training_head(_width(model), self.task)
        parts = {
            "model": model,
            "head": self.head,
            "training_head": self.training_head,
            "criterion": self.criterion,
        }
        self.network = nn.ModuleDict({name: part for name, part in parts.items() if part is not None})
        self.network.to(self.device)
        self.prepare(loaders)
        self._parameters = [p for p in self.network.parameters() if p.requires_grad]
        self.optimizer = self._new_optimizer(self._parameters)
        self.schedule = self._schedule(self.optimizer, loaders)
        self.step = 0

    @final
    def rehearse(self, model: nn.Module, loaders: Loaders) -> None:
        """Refuses what `fit` would only stumble over, before a run is opened; nothing is changed by it.

        Optimizer and scheduler are tried on a parameter of no account.

        Raises:
            UserError: model, heads, optimizer and scheduler do not fit each other, the data or the split.
        """
        with torch.random.fork_rng(devices=[]):
            self.build_head(_width(model), loaders.task)
            self.build_training_head(_width(model), loaders.task)
        schedule = rehearse_step(self._new_optimizer, partial(self._schedule, loaders=loaders), self.device)
        for key, waits, remedy in (
            ("trainer.scheduler", schedule.needs_score, "choose another trainer/scheduler"),
            ("trainer.patience", self.patience is not None, "set trainer.patience=null"),
        ):
            if waits and loaders.valid is None:
                raise UserError(
                    f"{key} waits for {self.monitor}, and the split leaves no validation rows; "
                    f"set split.valid above 0, or {remedy}."
                )

    def _schedule(self, optimizer: torch.optim.Optimizer, loaders: Loaders) -> Schedule:
        steps = self.epochs * len(loaders.train)
        return schedule(self._new_scheduler, optimizer, total_steps=steps, monitor=self.monitor)

    def _train_epoch(self, loaders: Loaders, augment: Augment, stop: Callable[[], bool]) -> float:
        """One pass over the training rows; the mean loss of its steps.

        The device is waited for once, at the end.
        """
        self.network.train()
        optimizer, parameters, move = self.optimizer, self._parameters, self.schedule.step
        loss_of = self.loss if self.autocast is None else self._cast(self.loss)
        total = torch.zeros((), device=self.device)
        steps = 0
        for batch in loaders.train:
            loss = loss_of(self.unpack(batch, augment))
            loss.backward()  # type: ignore[no-untyped-call]
            if self.clip_norm is not None:
                nn.utils.clip_grad_norm_(parameters, self.clip_norm)
            optimizer.step()
            for parameter in parameters:
                parameter.grad = None
            if move is not None:
                move()
            total += loss.detach()
            steps += 1
            if stop():
                break
        self.step += steps
        return total.item() / max(steps, 1)

    def _cast(self, function: Callable[[Any], Tensor]) -> Callable[[Any], Tensor]:
        """The function under autocast; around the loop's other verbs it would cast the augmentation too."""
        casting: Any = torch.autocast(self.device.type, dtype=self.autocast)
        cast: Callable[[Any], Tensor] = casting(function)
        return cast

    def _advice(self, loss: float, epoch: int) -> str:
        rate = self.optimizer.defaults["lr"]
        clipping = "" if self.clip_norm is not None else " or trainer.clip_norm=1"
        return (
            f"the training loss became {loss} in epoch {epoch} (trainer.optimizer.lr={rate:g}); "
            f"try trainer.optimizer.lr={rate / 10:g}{clipping}, and look for extreme values in the data."
        )

    def _state(self, epoch: int, best: Best) -> dict[str, Any]:
        live = {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "best": best.state_dict(),
            "generators": generators(self.device),
        }
        return {"epoch": epoch, "step": self.step, **copied(live)}

    def _restore(self, state: dict[str, Any], best: Best) -> int:
        """Takes up where `state` left off; the number of epochs that are done."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(copied(state["optimizer"]))  # or it would train the caller's tensors
        self.schedule.load_state_dict(state["schedule"])
        best.load_state_dict(state["best"])
        set_generators(state["generators"], self.device)
        self.step = int(state["step"])
        return int(state["epoch"])


def _width(model: nn.Module) -> int:
    width = getattr(model, "width", None)
    if not isinstance(width, int):
        raise UserError(
            f"a model says the width of its representation in an attribute `width`, and "
            f"{type(model).__name__} has {width!r}; set self.width to D where forward returns (B, D)."
        )
    return width

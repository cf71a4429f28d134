"""What is refused before training, and in which words."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn

from harness.core.errors import UserError
from harness.trainer.scheduler import WarmupCosine

Make = Callable[..., Any]
SGD = partial(torch.optim.SGD, lr=0.1)


class OwnSGD(torch.optim.SGD):
    """An optimizer of the user's, whose numbers have ranges of its own."""


class OwnSchedule(torch.optim.lr_scheduler.StepLR):
    """A scheduler of the user's."""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"epochs": 0}, "epochs must be auto, null or at least 1, got 0"),
        ({"epochs": None}, "epochs must be auto or a number where steps is null, got null"),
        ({"steps": 0}, "steps must be null or at least 1, got 0"),
        ({"minutes": 0.0}, "minutes must be above 0 or null, got 0.0"),
        ({"accumulate": 0}, "accumulate must be 1 or more batches, got 0"),
        ({"ema": 1.0}, "ema must be between 0 and 1, or null, got 1.0"),
        ({"skip": -1}, "skip must be 0 or more steps, got -1"),
        ({"patience": 0}, "patience must be at least 1 epoch or null, got 0"),
        ({"clip_norm": 0.0}, "clip_norm must be above 0 or null, got 0.0"),
        ({"clip_norm": float("nan")}, "clip_norm must be above 0 or null, got nan"),
    ],
)
def test_a_value_out_of_range_is_refused(make_trainer: Make, change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=f"^{words}$"):
        make_trainer(**change)


def test_a_model_without_a_width_is_refused(make_trainer: Make, make_loaders: Make) -> None:
    words = (
        "^a model needs an attribute `width`, the width of its representation, and Linear has None; "
        r"set self\.width to D where forward returns \(B, D\)\.$"
    )
    for meet in (make_trainer().attach, make_trainer().preflight):
        with pytest.raises(UserError, match=words):
            meet(nn.Linear(4, 8), make_loaders())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"optimizer": partial(OwnSGD, lr=-1.0)}, r"trainer\.optimizer: Invalid learning rate: -1\.0\."),
        (
            {"optimizer": partial(OwnSGD, lr=float("inf"))},
            r"trainer\.optimizer\.lr must be finite, got inf\.",
        ),
        (
            {"optimizer": partial(SGD, fused=True, foreach=True)},
            r"trainer\.optimizer: `fused` and `foreach` cannot be `True` together\.",
        ),
        ({"optimizer": partial(torch.optim.LBFGS)}, r"trainer\.optimizer: .*argument: 'closure'\."),
        (
            {"scheduler": partial(WarmupCosine, warmup=2.0, final=0.0)},
            r"trainer\.scheduler\.warmup must be a share of the steps, at least 0 and below 1, got 2\.0\.",
        ),
        (
            {"scheduler": partial(OwnSchedule, step_size=0)},
            r"trainer\.scheduler: integer modulo by zero\.",
        ),
        (
            {"scheduler": partial(torch.optim.lr_scheduler.StepLR)},
            r"trainer\.scheduler: .*missing 1 required positional argument: 'step_size'\.",
        ),
        (
            {
                "optimizer": partial(torch.optim.Adagrad, lr=0.1),
                "scheduler": partial(torch.optim.lr_scheduler.OneCycleLR, max_lr=0.1),
            },
            r"trainer\.scheduler: .*must support momentum or beta1.*",
        ),
    ],
)
def test_errors_of_optimizer_and_scheduler_come_before_training(
    make_trainer: Make, make_loaders: Make, make_model: Make, change: dict[str, Any], words: str
) -> None:
    with pytest.raises(UserError, match=f"^{words}$"):
        make_trainer(**change).preflight(make_model(), make_loaders())


PLATEAU = partial(torch.optim.lr_scheduler.ReduceLROnPlateau, factor=0.5)


@pytest.mark.parametrize(
    ("change", "key", "remedy"),
    [
        ({"scheduler": PLATEAU}, "trainer.scheduler", "choose another trainer/scheduler"),
        ({"patience": 3}, "trainer.patience", "set trainer.patience=null"),
    ],
)
def test_what_needs_a_validation_score_is_refused_without_validation_rows(
    make_trainer: Make, make_loaders: Make, make_model: Make, change: dict[str, Any], key: str, remedy: str
) -> None:
    trainer = make_trainer(**change)
    words = (
        f"^{key} waits for valid/score, and the split leaves no validation rows; "
        rf"set split\.valid above 0, or {remedy}\.$"
    )
    with pytest.raises(UserError, match=words):
        trainer.preflight(make_model(), make_loaders(valid=0))
    trainer.preflight(make_model(), make_loaders())


def test_a_head_that_does_not_fit_the_target_is_refused_before_training(
    make_trainer: Make, make_loaders: Make, make_model: Make
) -> None:
    with pytest.raises(UserError, match="the data has no target"):
        make_trainer().preflight(make_model(), make_loaders("none"))


def test_a_rehearsal_leaves_model_and_generators_as_they_were(
    make_trainer: Make, make_loaders: Make, make_model: Make
) -> None:
    model = make_model()
    before, random = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    make_trainer("contrastive").preflight(model, make_loaders())
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)


class Stateless:
    """A scheduler of which no checkpoint can be made."""

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self.optimizer = optimizer

    def step(self) -> None:
        pass


class Odd(Stateless):
    def state_dict(self) -> dict[str, Any]:
        return {"seen": {1}}


@pytest.mark.parametrize(
    ("scheduler", "words"),
    [
        (Stateless, "'Stateless' object has no attribute 'state_dict'"),
        (Odd, "seen is a set, which a checkpoint cannot store"),
    ],
)
def test_a_scheduler_that_could_not_be_resumed_is_refused(
    make_trainer: Make, make_model: Make, make_loaders: Make, scheduler: type, words: str
) -> None:
    with pytest.raises(UserError, match=rf"^trainer\.scheduler: {words}\.$"):
        make_trainer(scheduler=scheduler).preflight(make_model(), make_loaders())


def test_a_model_whose_state_no_file_of_weights_can_hold_is_refused(
    make_trainer: Make, make_model: Make, make_loaders: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make_model()
    monkeypatch.setattr(type(model), "get_extra_state", lambda self: {"seen": 1})
    words = r"^the state of a model must be tensors, .*, and _extra_state of this Net is a dict; return "
    with pytest.raises(UserError, match=words):
        make_trainer().preflight(model, make_loaders())

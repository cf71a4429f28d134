"""One step of the loop is the step written by hand, and nothing is waited for."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from harness.trainer.scheduler import WarmupCosine

Make = Callable[..., Any]
SGD = partial(torch.optim.SGD, lr=0.1)


@pytest.mark.parametrize("kind", ["multiclass", "binary", "regression"])
@pytest.mark.parametrize("clip_norm", [None, 0.05])
def test_a_step_is_the_step_written_by_hand(
    make_trainer: Make, make_loaders: Make, make_model: Make, train: Make, kind: str, clip_norm: float | None
) -> None:
    loaders, model = make_loaders(kind, batch_size=32, shuffle=False), make_model()
    by_hand = copy.deepcopy(model)
    torch.manual_seed(1)
    head = nn.Linear(8, loaders.task.outputs)
    (batch,) = loaders.train

    outputs, targets = head(by_hand(batch.inputs)), batch.targets
    if kind == "multiclass":
        loss = nn.functional.cross_entropy(outputs, targets)
    elif kind == "binary":
        loss = nn.functional.binary_cross_entropy_with_logits(outputs[:, 0], targets.float())
    else:
        unit = (targets - targets.mean()) / targets.std(correction=0)
        loss = nn.functional.mse_loss(outputs[:, 0], unit)
    weights = [*by_hand.parameters(), *head.parameters()]
    gradients = torch.autograd.grad(loss, weights)
    norm = torch.cat([gradient.flatten() for gradient in gradients]).norm()
    assert norm > 0.05
    share = 1.0 if clip_norm is None else clip_norm / norm
    expected = [weight - 0.1 * share * gradient for weight, gradient in zip(weights, gradients, strict=True)]

    torch.manual_seed(1)
    trainer = make_trainer(kind, epochs=1, clip_norm=clip_norm)
    (progress,) = train(trainer, model, loaders)
    torch.testing.assert_close(
        [*model.parameters(), *trainer.head.parameters()], expected, rtol=1e-4, atol=1e-6
    )
    assert progress.scores["train/loss"] == pytest.approx(loss.item(), rel=1e-5)


def test_momentum_and_schedule_continue_from_step_to_step(
    make_trainer: Make, make_loaders: Make, make_model: Make, train: Make
) -> None:
    loaders, model = make_loaders(shuffle=False), make_model()
    by_hand = copy.deepcopy(model)
    torch.manual_seed(1)
    head = nn.Linear(8, 3)
    weights = [*by_hand.parameters(), *head.parameters()]
    momenta, losses = [torch.zeros_like(weight) for weight in weights], []
    for step, batch in enumerate(loaders.train):
        loss = nn.functional.cross_entropy(head(by_hand(batch.inputs)), batch.targets)
        losses.append(loss.item())
        rate = 0.1 * (step + 1) / 2 if step < 2 else 0.1 * (1 - (step - 2) / 2)
        with torch.no_grad():
            for weight, momentum, gradient in zip(
                weights, momenta, torch.autograd.grad(loss, weights), strict=True
            ):
                momentum.mul_(0.9).add_(gradient)
                weight.sub_(rate * momentum)

    torch.manual_seed(1)
    scheduler = partial(WarmupCosine, warmup=0.5, final=0.0)
    trainer = make_trainer(epochs=1, optimizer=partial(SGD, momentum=0.9), scheduler=scheduler)
    (progress,) = train(trainer, model, loaders)
    torch.testing.assert_close([*model.parameters(), *trainer.head.parameters()], weights)
    assert progress.scores["train/loss"] == pytest.approx(sum(losses) / 4, rel=1e-6)
    assert progress.scores["lr"] == pytest.approx(0.0, abs=1e-12)


class Waits(TorchDispatchMode):
    """Counts the operations for whose answer the program waits."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function in (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.nonzero.default):
            self.count += 1
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("kind", ["multiclass", "binary", "regression", "contrastive"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("skip", [0, 2])
def test_no_step_waits_for_a_device_that_answers_late(
    make_trainer: Make,
    make_loaders: Make,
    make_model: Make,
    train: Make,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    precision: str,
    skip: int,
) -> None:
    def refuse(self: Tensor, *_: object, **__: object) -> None:
        raise AssertionError("a tensor is brought to the CPU")

    counts = {}
    adamw = partial(torch.optim.AdamW, lr=0.1, fused=True)
    scheduler = partial(WarmupCosine, warmup=0.5, final=0.0)
    monkeypatch.setattr("harness.trainer.update.is_asynchronous", lambda device: True)
    for name in ("cpu", "numpy"):
        monkeypatch.setattr(torch.Tensor, name, refuse)
    for batch_size in (8, 16):
        loaders = make_loaders("multiclass" if kind == "contrastive" else kind, batch_size=batch_size)
        settings = {"clip_norm": 1.0, "ema": 0.9, "skip": skip, "precision": precision}
        trainer = make_trainer(kind, epochs=2, optimizer=adamw, scheduler=scheduler, **settings)
        with Waits() as waiting:
            train(trainer, make_model(), loaders)
        counts[trainer.step] = waiting.count
    assert list(counts) == [8, 4]
    assert len(set(counts.values())) == 1


@pytest.mark.parametrize("kind", ["multiclass", "regression", "contrastive"])
def test_bf16_casts_the_forward_pass_and_keeps_the_weights_in_float32(
    make_trainer: Make, make_loaders: Make, make_model: Make, train: Make, kind: str
) -> None:
    seen, model = set(), make_model()
    model.linear.register_forward_hook(lambda module, inputs, output: seen.add(output.dtype))
    loaders = make_loaders("regression" if kind == "regression" else "multiclass", batch_size=32)
    trainer = make_trainer(kind, epochs=3, precision="bf16")
    losses = [progress.scores["train/loss"] for progress in train(trainer, model, loaders)]
    assert seen == {torch.bfloat16}
    assert {parameter.dtype for parameter in trainer.network.parameters()} == {torch.float32}
    assert losses[-1] < losses[0] or kind == "contrastive"
    assert trainer.predictor().autocast == torch.bfloat16

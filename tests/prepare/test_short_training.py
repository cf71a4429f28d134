"""harness/prepare/short_training.py"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from omegaconf import OmegaConf

from harness.config.compose import compose
from harness.prepare.short_training import short_training_note


def noted(
    steps: int = 40, epochs: int = 40, shape: tuple[int, ...] = (1, 8, 8), kind: str = "multiclass"
) -> str:
    cfg = compose(["trainer=semi_supervised", f"trainer.epochs={epochs}"])
    budget = SimpleNamespace(steps=steps, epochs=epochs)
    trainer = SimpleNamespace(learns="outputs", budget=budget)
    rows = SimpleNamespace(rows=range(100))
    loaders = SimpleNamespace(shape=shape, task=SimpleNamespace(kind=kind), train=rows)
    experiment: Any = SimpleNamespace(cfg=cfg, trainer=trainer, loaders=loaders, before=None)
    return short_training_note(experiment)


def test_a_short_training_is_named_with_the_epochs_that_are_enough() -> None:
    note = noted()
    assert "40 epochs of 100 training rows are 40 steps" in note
    assert "trainer.epochs=300 takes 300" in note
    assert noted(shape=(10,), kind="regression")


@pytest.mark.parametrize(
    "training", [{"steps": 200}, {"epochs": 39}, {"shape": (10,)}, {"shape": (10,), "kind": "binary"}]
)
def test_others_are_not(training: dict[str, Any]) -> None:
    assert not noted(**training)


def test_weights_that_were_learned_before_need_fewer_steps() -> None:
    cfg = OmegaConf.merge(compose(["model=mlp"]), {"model": {"weights": "last"}})
    trainer = SimpleNamespace(learns="outputs", budget=SimpleNamespace(steps=40, epochs=20))
    loaders = SimpleNamespace(shape=(1, 8, 8), task=SimpleNamespace(kind="binary"))
    experiment: Any = SimpleNamespace(cfg=cfg, trainer=trainer, loaders=loaders, before=None)
    assert not short_training_note(experiment)

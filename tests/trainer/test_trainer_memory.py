"""A training that is over leaves nothing in memory, so that many folds fit into one process."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any
from weakref import ref

import pytest

IRIS = ("data/extract=iris", "model.widths=[8]", "trainer.epochs=2", "split.test=0.5")
WORDS = {
    "supervised": (),
    "a timed training": ("trainer.minutes=5",),
    "torch's scheduler": ("trainer/scheduler=step",),
    "a momentum encoder": ("trainer=contrastive", "trainer/method=moco", "trainer.method.queue=128"),
    "a teacher": ("trainer=semi_supervised", "trainer/method=mean_teacher", "split.labelled=10"),
}


@pytest.fixture
def without_collector() -> Iterator[None]:
    """Objects that refer to each other in a circle stay, as they do for long in a large program."""
    # The first optimizer of a process imports this, and an error kept by one of torch's modules keeps the
    # frames that were open meanwhile.
    import_module("torch._dynamo")
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("without_collector")
@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS)
def test_a_trained_network_is_freed_with_its_last_reference(
    make_experiment: Callable[..., Any], words: tuple[str, ...]
) -> None:
    experiment = make_experiment(*IRIS, *words)
    trainer = experiment.trainer
    for progress in trainer.fit(
        experiment.model, experiment.loaders, experiment.augment, experiment.validate, lambda: False
    ):
        progress.state()
    held = {name: ref(getattr(trainer, name)) for name in ("model", "network", "optimizer")}
    del experiment, trainer, progress
    assert [name for name, reference in held.items() if reference() is not None] == []

"""Every model trains two steps with every trainer and method that fits it, from the command line's words."""

from __future__ import annotations

from collections import Counter
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.config.choice_files import CONF
from harness.model import resnet
from harness.runtime.config_nodes import load_config
from harness.testing.trainer_suite import experiment_of

pytestmark = pytest.mark.slow

# auto is one of the others; timm is an optional dependency with a test of its own.
MODELS = sorted({path.stem for path in (CONF / "model").glob("*.yaml")} - {"auto", "timm"})
FAMILIES = {
    "contrast": ["trainer=contrastive"],
    "consistency": ["trainer=semi_supervised", "split.labelled=30"],
}


@cache
def method_of(yaml: Path) -> Any:
    return load_config(yaml)


def family_of(yaml: Path) -> str:
    """`contrast` of harness.trainer.contrast.byol.Byol."""
    return str(method_of(yaml)._target_).split(".")[2]


METHODS = {
    yaml.stem: yaml
    for yaml in sorted((CONF / "trainer" / "method").glob("*.yaml"))
    if not yaml.stem.startswith("column_")  # whose tables name pairs; they have tests of their own
}
WAYS = {
    "supervised": ["trainer=supervised"],
    **{name: [*FAMILIES[family_of(yaml)], f"trainer/method={name}"] for name, yaml in METHODS.items()},
}
# Of each form of sample, a data set cut down to a few dozen training rows, and the batches to halve it.
DATA = {
    "image": ["data/extract=digits", "split.test=0.95", "data.load.batch_size=40"],
    "row": ["data/extract=breast_cancer", "split.test=0.85", "data.load.batch_size=40"],
    "number": ["data/extract=diabetes", "split.test=0.8", "data.load.batch_size=40"],
}
# One block of each kind, and few channels: more of them repeat what a method has met already. The suite of
# models builds them whole.
SHALLOW = {
    "resnet18": ["model.layers=[1,1,1,1]", "model.stem=imagenet"],
    "resnet50": ["model.layers=[1,1,1,1]", "model.stem=imagenet"],
    "transformer": ["model.depth=1"],
    "vit": ["model.depth=1"],
}


@cache
def model_of(name: str) -> Any:
    return load_config(CONF / "model" / f"{name}.yaml")


def takes(model: str) -> tuple[str, ...]:
    module, _, name = str(model_of(model)._target_).rpartition(".")
    forms: tuple[str, ...] = getattr(import_module(module), name).takes
    return forms


def trains(model: str, way: str) -> bool:
    """Whether the way gives each member of an ensemble a loss of its own, where the model is one."""
    return way == "supervised" or "members" not in model_of(model)


def fits(way: str, data: str) -> bool:
    """Whether the way has a use for the target; a number has no classes to pull together."""
    if data != "number" or way == "supervised":
        return True
    return family_of(METHODS[way]) == "contrast" and not method_of(METHODS[way]).get("labels", False)


def fitting(model: str, way: str) -> list[str]:
    """The data that both have a use for."""
    forms = takes(model)
    return [data for data in DATA if ("row" if data == "number" else data) in forms and fits(way, data)]


def cases() -> list[tuple[str, str, str]]:
    """Each model with each way: supervised with all data that fit both, else with what the way met least."""
    found = []
    for way in WAYS:
        met: Counter[str] = Counter()
        for model in MODELS:
            data = sorted(fitting(model, way), key=lambda name: met[name]) if trains(model, way) else []
            chosen = data if way == "supervised" else data[:1]
            met.update(chosen)
            found += [(model, way, name) for name in chosen]
    return found


CASES = cases()


def test_each_model_meets_each_way_of_learning_and_each_way_all_data_that_fit() -> None:
    pairs = {(model, way) for model in MODELS for way in WAYS if trains(model, way)}
    assert {(model, way) for model, way, _ in CASES} == pairs
    for way in WAYS:
        fit = {data for model in MODELS if trains(model, way) for data in fitting(model, way)}
        assert {data for _, other, data in CASES if other == way} == fit


@pytest.mark.parametrize(("model", "way", "data"), CASES)
def test_the_two_train_two_steps_and_give_finite_answers(
    model: str, way: str, data: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resnet, "_PLANES", 8)
    experiment = experiment_of(f"model={model}", *SHALLOW.get(model, ()), *WAYS[way], *DATA[data])
    before = [weight.detach().clone() for weight in experiment.model.parameters()]
    trainer, loaders = experiment.trainer, experiment.loaders
    (progress,) = trainer.fit(
        experiment.model, loaders, experiment.augment, experiment.validate, lambda: False
    )
    assert progress.step == 2
    assert 0 < progress.scores["train/loss"] < 1000  # barlow's is a sum over hundreds of dimensions
    moved = [not torch.equal(*pair) for pair in zip(before, experiment.model.parameters(), strict=True)]
    assert all(moved)
    assert loaders.valid is not None
    prediction = trainer.predictor().gather(loaders.valid)
    assert prediction.representation.isfinite().all()
    assert (prediction.outputs is None) == (trainer.learns == "representation")
    assert prediction.outputs is None or prediction.outputs.isfinite().all()

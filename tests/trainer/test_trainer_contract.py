"""What every yaml of conf/trainer keeps: it is described, whole, and trains."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf

from harness import testing
from harness.config.choice_files import CONF
from harness.prepare.experiment import Experiment
from harness.testing.trainer_suite import TWO_STEPS

pytestmark = pytest.mark.slow

Make = Callable[..., Experiment]

YAMLS = sorted((CONF / "trainer").rglob("*.yaml"))
every_yaml = pytest.mark.parametrize("yaml", YAMLS, ids=lambda path: str(path.relative_to(CONF))[:-5])

GIVEN_BY_THE_TRAINER = {"params", "optimizer", "total_steps", "mode", "width", "outputs"}
GIVEN_WITH_PLUS = {"unpack", "head"}  # keys of the yaml would change the settings of every stored run
OF_A_LOSS = {
    "weight",  # follows from trainer.class_weights
    "pos_weight",
    "ignore_index",
    "reduction",  # a trainer wants the mean
    "reduce",
    "size_average",
}
LEFT_OUT = {
    "epochs",  # OneCycleLR's other way to say total_steps
    "steps_per_epoch",
    "last_epoch",  # resume restores it
    "foreach",  # how a step is computed, beside `fused`
    "capturable",
    "differentiable",
}


def words(yaml: Path) -> list[str]:
    """What chooses this yaml on the command line."""
    group, choice = yaml.parent.relative_to(CONF), yaml.stem
    if group.name == "length":
        return ["trainer=contrastive", f"+{group}@trainer={choice}"]
    if group.name == "head":
        return [f"+{group}={choice}"]
    families = {".contrast.": "trainer=contrastive", ".consistency.": "trainer=semi_supervised"}
    trainer = [word for place, word in families.items() if place in yaml.read_text()]
    return [*trainer, f"{group}={choice}"]


def nodes(node: Any) -> list[dict[str, Any]]:
    """A node and those within it."""
    if not isinstance(node, dict):
        return []
    inner = [found for value in node.values() for found in nodes(value)]
    return [node, *inner] if "_target_" in node else inner


def arguments(target: str) -> set[str]:
    """What the constructor takes by name, and its parents' where it passes keywords on."""
    module, _, name = target.rpartition(".")
    found: set[str] = set()
    own_package = target.startswith("harness.")
    for cls in getattr(import_module(module), name).__mro__:
        if "__init__" in vars(cls):
            parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]
            found |= {p.name for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}
            # A library's keywords are its own affair; ours are all listed.
            if not own_package or not any(p.kind is p.VAR_KEYWORD for p in parameters):
                break
    return found


@every_yaml
def test_a_yaml_opens_with_a_description_and_the_command_that_runs_it(yaml: Path) -> None:
    lines = [line for line in yaml.read_text().splitlines() if not line.startswith("# @package")]
    description, command, *_ = lines
    assert description.startswith("# ")
    assert not description.endswith(".")
    assert command.startswith("# python -m harness ")
    assert set(words(yaml)) <= set(command.split())


@every_yaml
def test_a_yaml_lists_every_argument(yaml: Path) -> None:
    content: Any = OmegaConf.to_container(OmegaConf.load(yaml))
    chosen = {next(iter(choice)) for choice in content.get("defaults", []) if isinstance(choice, dict)}
    chosen = {group for group in chosen if "_global_" not in group}
    for node in nodes(content):
        listed = {name for name in node if not name.startswith("_") and name != "defaults"}
        extra = chosen if node is content else set()
        left_out = GIVEN_BY_THE_TRAINER | LEFT_OUT if node.get("_partial_") else set()
        left_out |= OF_A_LOSS if yaml.parent.name == "loss" else set()
        left_out |= GIVEN_WITH_PLUS if node is content and yaml.stem == "supervised" else set()
        assert listed | extra == arguments(node["_target_"]) - left_out


SEMI_SUPERVISED = [yaml.stem for yaml in YAMLS if "semi_supervised" in " ".join(words(yaml))]
NUMBERS = ["data/extract=diabetes", "split.test=0.65"]


class TestTrainers(testing.TestTrainers):
    conf = CONF
    # The tables of some name pairs. torch.compile takes a minute and a C++ compiler: see test_speed.py.
    left_out = frozenset(
        yaml.stem
        for yaml in YAMLS
        if "column_" in yaml.stem or (yaml.parent.name == "speed" and yaml.stem != "default")
    )
    words = {  # noqa: RUF012
        **{name: ["split.labelled=40"] for name in SEMI_SUPERVISED},
        **dict.fromkeys(("mean_squared_error", "mean_absolute_error", "huber"), NUMBERS),
        "binary_cross_entropy": ["data/extract=breast_cancer", "split.test=0.75"],
    }
    still = frozenset({"linear_probe", "finetune"})  # in whose first epoch the head alone learns

    def chosen_by(self, choice):
        return words(CONF / f"{choice}.yaml")

    def check_steps(self, steps):
        assert steps == 2


@pytest.mark.parametrize(
    ("group", "node", "kind"),
    [
        ("optimizer", "{_target_: torch.optim.Adagrad, _partial_: true, lr: 0.01}", torch.optim.Adagrad),
        ("optimizer", "{_target_: torch.optim.NAdam, _partial_: true, lr: 0.01}", torch.optim.NAdam),
        (
            "scheduler",
            "{_target_: torch.optim.lr_scheduler.MultiStepLR, _partial_: true, milestones: [1], gamma: 0.5}",
            torch.optim.lr_scheduler.MultiStepLR,
        ),
    ],
)
def test_a_class_of_the_user_replaces_a_choice(
    make_experiment: Make, group: str, node: str, kind: type
) -> None:
    experiment = make_experiment(f"~trainer/{group}", f"+trainer.{group}={node}", *TWO_STEPS)
    (progress,) = experiment.trainer.fit(
        experiment.model, experiment.loaders, experiment.augment, experiment.validate, lambda: False
    )
    trainer = experiment.trainer
    made = trainer.optimizer if group == "optimizer" else trainer.schedule._scheduler
    assert isinstance(made, kind)
    assert progress.step == 2
    assert 0 < progress.scores["train/loss"] < 10


def test_null_in_place_of_a_scheduler_is_a_constant_rate(make_experiment: Make) -> None:
    experiment = make_experiment("trainer.scheduler=null", "trainer.epochs=2", *TWO_STEPS[:2])
    passed = experiment.trainer.fit(
        experiment.model, experiment.loaders, experiment.augment, experiment.validate, lambda: False
    )
    assert [progress.scores["lr"] for progress in passed] == [0.003, 0.003]

"""Folds as one training, against the same folds one after another.

The trainings alone, over a grid of models, batches and numbers of folds: from it comes the table of
`harness/trainer/fused/fuse_rule.py`, by which `fuse=auto` decides. Counted is the CPU time of one thread.
And whole commands.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time

import torch

from benchmarks.measure import Comparison, seconds_on_a_terminal, take_turns
from harness.config.compose import compose
from harness.prepare.experiment import prepare
from harness.prepare.plan import make_plan
from harness.trainer.fused.fuse_rule import StepSize, is_faster
from harness.trainer.fused.fused_member import Member
from harness.trainer.fused.group_training import fit_members

ROUNDS = 3

_CANCER = ("data/extract=breast_cancer", "split=stratified_kfold", "trainer.epochs=5")
GRID = [
    (*_CANCER, f"model.widths=[{width},{width}]", f"data.load.batch_size={batch}", f"split.folds={folds}")
    for width in (64, 128, 256)
    for batch in (16, 64)
    for folds in (3, 6, 10, 30)
] + [
    (*_CANCER, "model.norm=batch", "split.folds=10"),
    (
        "data/extract=wine",
        "model=transformer",
        "split=stratified_kfold",
        "trainer.epochs=2",
        "split.folds=10",
    ),
]

_METHODS = {
    "vicreg": "projection",
    "barlow": "projection",
    "simclr": "projection",
    "supcon": "projection",
    "byol": "projection prediction",
    "simsiam": "projection prediction",
}
"""Contrastive methods, and the heads of each."""

_TEN = ("split.folds=10", "trainer.epochs=2")
GRID += [
    (
        *_CANCER,
        "data/augment=tabular",
        f"model.widths=[{width},{width}]",
        f"data.load.batch_size={batch}",
        *_TEN,
    )
    for width in (64, 128, 256)
    for batch in (16, 64)
]
GRID += [
    (
        "data/extract=digits",
        "model=mlp",
        "trainer=supervised",
        "data/augment=image",
        "split=stratified_kfold",
        *_TEN,
    )
]
GRID += [
    (
        *_CANCER,
        "trainer=contrastive",
        f"trainer/method={method}",
        *(f"trainer.method.{head}=[64,64]" for head in heads.split()),
        f"data.load.batch_size={batch}",
        *_TEN,
    )
    for method, heads in _METHODS.items()
    for batch in (16, 64)
]
GRID += [(*_CANCER, "trainer=contrastive", f"trainer/method={method}", *_TEN) for method in _METHODS]

_QUIET = ("tracking=none", "baseline=off", "report=false", "trainer.device=cpu")
COMMANDS = {
    "leave one out of wine, 178 folds": (("data/extract=wine", "split=leave_one_out"), "fuse=off", 0.36),
    "ten folds of breast cancer": (
        ("data/extract=breast_cancer", "split=stratified_kfold", "split.folds=10"),
        "split.fold=0",
        1.2,
    ),
}
"""Words, the word that makes the reference, and the aim."""


def main(rounds: int = ROUNDS) -> list[Comparison]:
    """The trainings of the grid, and the whole commands."""
    torch.set_num_threads(1)
    trainings = [compare(words, rounds) for words in GRID]
    return [*trainings, *(whole(name, *command, rounds) for name, command in COMMANDS.items())]


def compare(words: tuple[str, ...], rounds: int) -> Comparison:
    """What the trainings of all folds cost as `auto` trains them; no more than 1.1 of the other way."""
    plan = make_plan(compose([*words, *_QUIET, "split.guard=off"]))
    sizes = [len(fold.train) for fold in plan.folds]
    first = prepare(plan, plan.folds[0])
    step = StepSize.of(first.trainer, first.model, first.loaders, first.augment)
    fused = is_faster(step, sizes, plan.cfg.data.load.batch_size)

    def members() -> list[Member]:
        return [
            Member(e.trainer, e.model, e.loaders, e.augment, e.validate)
            for e in (prepare(plan, fold) for fold in plan.folds)
        ]

    def together() -> float:
        own = members()
        began = process_time()
        for _ in fit_members(own, lambda: False):
            pass
        return process_time() - began

    def alone() -> float:
        own = members()
        began = process_time()
        for one in own:
            for _ in one.trainer.fit(one.model, one.loaders, one.augment, one.validate, lambda: False):
                pass
        return process_time() - began

    costs = take_turns({"together": together, "one after another": alone}, rounds)
    chosen, other = costs if fused else reversed(costs)
    work = f"{len(plan.folds)} folds, {step.parameters:,} parameters, {' '.join(words)}"
    ordered = {way: costs[way] for way in (chosen, other)}
    return Comparison(work, "CPU s", other, 1.1, ordered, [f"`fuse=auto` trains them {chosen}"])


def whole(name: str, words: tuple[str, ...], reference: str, aim: float, rounds: int) -> Comparison:
    """What a whole command costs, and the same with another word."""
    with TemporaryDirectory() as made:
        folder = Path(made)
        command = [sys.executable, "-m", "harness", *words, *_QUIET]
        path = {"PYTHONPATH": str(Path(__file__).parents[1])}
        cost = partial(seconds_on_a_terminal, folder=folder, environment=path)
        contenders = {"fuse=auto": partial(cost, command), reference: partial(cost, [*command, reference])}
        return Comparison(name, "s", reference, aim, take_turns(contenders, rounds))

"""The loss of each of the first ten steps on the CPU is what it was when `golden.json` was written.

The tolerance tells another algorithm from another BLAS: inputs that differ in the last bit move these
losses by 5e-7, another seed by 0.08. Whoever means to change the numbers writes
the file anew, and says so in the commit:

    .venv/bin/python tests/trainer/test_golden.py
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from harness.config.compose import compose
from harness.prepare.experiment import prepare
from harness.prepare.plan import make_plan

GOLDEN = Path(__file__).with_name("golden.json")

TEN_STEPS = [
    "data/extract=breast_cancer",
    "model.dropout=0",  # its random numbers come from MKL, where there is one
    "data.load.batch_size=39",
    "trainer.epochs=1",
    "trainer.device=cpu",
    "tracking=none",
]
CURVES = {
    "supervised": ["trainer=supervised"],
    "simclr": ["trainer=contrastive", "trainer/method=simclr"],
    "supcon": ["trainer=contrastive", "trainer/method=supcon"],
}
"""Not triplet: which triplets are semi-hard jumps with the last bit, and the loss by 4e-4."""


def curve(name: str) -> list[float]:
    cfg = compose([*CURVES[name], *TEN_STEPS])
    plan = make_plan(cfg)
    experiment = prepare(plan, plan.folds[0])
    trainer, losses = experiment.trainer, []
    loss_of = trainer.loss

    def kept(parts: object) -> Tensor:
        loss = loss_of(parts)
        losses.append(loss.item())
        return loss

    trainer.loss = kept
    list(trainer.fit(experiment.model, experiment.loaders, experiment.augment, lambda p: {}, lambda: False))
    return losses


@pytest.mark.parametrize("name", CURVES)
def test_the_first_ten_losses_are_the_golden_ones(name: str) -> None:
    golden = json.loads(GOLDEN.read_text())
    assert len(golden[name]) == 10
    assert curve(name) == pytest.approx(golden[name], rel=1e-4)


if __name__ == "__main__":
    torch.set_num_threads(1)
    GOLDEN.write_text(json.dumps({name: curve(name) for name in CURVES}, indent=1) + "\n")

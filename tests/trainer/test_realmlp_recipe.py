"""conf/experiment/realmlp.yaml, and its schedule, head and loss"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
import yaml
from torch import nn

from harness.bundle.row_predictor import RowPredictor
from harness.loss.smoothed_cross_entropy import SmoothedCrossEntropy
from harness.trainer.cosine_log import CosineLog
from harness.trainer.ntk_head import NTKHead
from harness.trainer.scheduler import schedule


def test_the_rate_rises_and_falls_in_waves_and_the_decay_at_the_end() -> None:
    groups = [
        {"params": [nn.Parameter(torch.zeros(1))], "lr": 0.2, "weight_decay": decay} for decay in (0.5, 0)
    ]
    optimizer = torch.optim.SGD(groups, lr=0.2)
    moves = schedule(partial(CosineLog, waves=4, falling_decay=True), optimizer, 60, "valid/rmse")
    rates, decays = [], []
    for _ in range(60):
        rates.append(optimizer.param_groups[0]["lr"])
        decays.append(optimizer.param_groups[0]["weight_decay"])
        assert optimizer.param_groups[1]["weight_decay"] == 0
        assert moves.step is not None
        moves.step()
    waves = [math.log2(1 + 15 * step / 60) for step in range(60)]
    assert rates == pytest.approx([0.1 * (1 - math.cos(2 * math.pi * wave)) for wave in waves], abs=1e-12)
    assert [rates[step] for step in (0, 4, 12, 28)] == pytest.approx([0, 0, 0, 0], abs=1e-12)  # 2^k - 1 of 15
    assert decays[:30] == [0.5] * 30
    assert decays[45] == pytest.approx(0.25)
    other = CosineLog(optimizer, total_steps=60, waves=4, falling_decay=False)
    other.load_state_dict({"steps": 45})
    assert optimizer.param_groups[0]["weight_decay"] == pytest.approx(0, abs=1e-9)  # left as it was


def test_a_head_is_linear_with_the_gain_of_its_width() -> None:
    head, inputs = NTKHead(16, 3), torch.randn(5, 16)
    nn.init.constant_(head.bias, 2.0)
    torch.testing.assert_close(head(inputs), inputs @ head.weight.T / 4 + 0.2)
    assert NTKHead(16, 1)(inputs).shape == (5,)


def test_smoothed_labels_of_two_classes_are_those_of_several() -> None:
    logits, targets = torch.randn(7), torch.tensor([0, 1, 1, 0, 1, 0, 0])
    pair = torch.stack([torch.zeros_like(logits), logits], dim=1)
    loss = SmoothedCrossEntropy(label_smoothing=0.1)
    torch.testing.assert_close(loss(logits, targets.float()), loss(pair, targets))
    wanted = nn.functional.cross_entropy(pair, targets, label_smoothing=0.1)
    torch.testing.assert_close(loss(pair, targets), wanted)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: SmoothedCrossEntropy(label_smoothing=1.0), "label_smoothing must be at least 0 and below 1"),
        (
            lambda: CosineLog(
                torch.optim.SGD([torch.zeros(1)], lr=1), total_steps=5, waves=0, falling_decay=False
            ),
            "waves must be at least 1",
        ),
    ],
)
def test_a_value_out_of_range_is_refused(build: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()


@pytest.mark.parametrize(
    ("experiment", "data", "rate"), [("realmlp", "iris", 0.04), ("realmlp_regression", "diabetes", 0.2)]
)
def test_the_recipe_trains_and_is_stored(experiment: str, data: str, rate: float, run_cli: Any, here) -> None:
    answer = run_cli(
        f"experiment={experiment}",
        f"data/extract={data}",
        "model.widths=[16]",
        "trainer.epochs=4",
        "tracking=none",
        "report=false",
        f"hydra.run.dir={here / 'run'}",
    )
    assert answer.status == 0, answer.err
    cfg = yaml.safe_load((here / "run" / "config.yaml").read_text())
    assert (cfg["trainer"]["optimizer"]["lr"], cfg["trainer"]["optimizer"]["betas"]) == (rate, [0.9, 0.95])
    assert cfg["model"]["activation"] == ("selu" if data == "iris" else "mish")
    reader = RowPredictor(here / "run" / "model")
    assert isinstance(reader.predictor.head, NTKHead) or isinstance(reader.predictor.head.linear, NTKHead)

"""harness/trainer/target_scale.py, conf/data/transform/target"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.preprocessing import QuantileTransformer

from harness.bundle.row_predictor import RowPredictor
from harness.core.task import Task
from harness.trainer.member_heads import MemberHeads
from harness.trainer.supervised import Regressor
from harness.trainer.target_scale import LogScale, QuantileScale

RunCli = Callable[..., Any]


def test_the_logarithm_is_that_of_one_plus_the_target_and_its_inverse_stays_in_bounds() -> None:
    scale, values = LogScale(), torch.tensor([0.0, 1.0, 1e9 + 0.25]).double()
    torch.testing.assert_close(scale(values), torch.tensor(np.log1p(values.numpy())))
    torch.testing.assert_close(scale.inverse(scale(values)), values, rtol=1e-14, atol=0)
    assert scale.inverse(torch.tensor([-3.0, 1e6]).double()).tolist() == pytest.approx([0, 6.7e149], rel=0.05)


def test_quantiles_are_those_of_scikit_learn() -> None:
    targets = np.random.default_rng(0).gamma(2.0, size=5001)
    scale = QuantileScale(1)
    scale.fit_targets(torch.from_numpy(targets))
    reference = QuantileTransformer(n_quantiles=101, output_distribution="normal").fit(targets[:, None])
    middle = np.quantile(targets, np.linspace(0.05, 0.95, 37))
    wanted = torch.from_numpy(reference.transform(middle[:, None])[:, 0])
    # Linear between quantiles of the normal distribution, where scikit-learn is linear between ranks.
    torch.testing.assert_close(scale(torch.from_numpy(middle)), wanted, atol=0.02, rtol=0)


@pytest.mark.parametrize("shape", [(300,), (300, 2)], ids=["one target", "two targets"])
def test_quantiles_are_inverted_exactly_and_hold_the_range(shape: tuple[int, ...]) -> None:
    targets = 1e9 + torch.rand(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    scale = QuantileScale(len(shape))
    scale.fit_targets(targets)
    torch.testing.assert_close(scale.inverse(scale(targets)), targets, rtol=0, atol=1e-6)
    least, most = targets.min(dim=0).values, targets.max(dim=0).values
    torch.testing.assert_close(scale.inverse(scale(least - 5)), least)
    torch.testing.assert_close(scale.inverse(scale(most + 5)), most)
    torch.testing.assert_close(scale(targets).mean(dim=0), torch.zeros(shape[1:]).double(), atol=0.01, rtol=0)


def test_a_value_that_many_rows_share_is_at_the_middle_of_their_ranks() -> None:
    scale = QuantileScale(1)
    scale.fit_targets(torch.tensor([0.0] * 50 + list(range(1, 51))).double())
    low = scale(torch.tensor([0.0]).double()).item()
    assert low == pytest.approx((scale.quantiles[0] + scale.quantiles[50]).item() / 2, abs=0.05)
    assert scale.inverse(torch.tensor([-2.0, -0.5]).double()).tolist() == [0, 0]


@pytest.mark.parametrize("scale", ["log", "quantile"])
@pytest.mark.parametrize("members", [1, 3])
def test_a_head_learns_on_the_scale_and_predicts_in_the_unit(scale: Any, members: int) -> None:
    own = MemberHeads(6, members, Task("regression")) if members > 1 else None
    head = Regressor(6, 1, own, scale)
    targets = torch.linspace(0, 1e6, 40, dtype=torch.float64) ** 2
    head.fit_unit(targets)
    inputs = torch.randn(5, 6)
    assert head.scale is not None
    learned = head.train()(inputs)
    predicted = head.eval()(inputs)
    scaled = learned if members == 1 else learned.mean(dim=1)
    torch.testing.assert_close(predicted, head.scale.inverse(scaled), rtol=1e-5, atol=1e-2)
    torch.testing.assert_close(head.standardise(targets).mean(), torch.tensor(0.0), atol=1e-6, rtol=0)
    fresh = Regressor(6, 1, MemberHeads(6, members, Task("regression")) if members > 1 else None, scale)
    fresh.load_state_dict(head.state_dict())
    assert torch.equal(fresh.eval()(inputs), predicted)


@pytest.mark.parametrize(("scale", "format"), [("log", "safetensors"), ("quantile", "onnx")])
def test_a_run_predicts_exports_and_caches_in_the_unit(
    scale: str, format: str, run_cli: RunCli, here
) -> None:
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"x": random.uniform(-1, 1, 300)})
    frame["y"] = 1000 * np.exp(3 * frame["x"])
    frame.to_csv(here / "rows.csv", index=False)
    words = ["data/extract=csv", "data.extract.path=rows.csv", "data.extract.target=y", "tracking=none"]
    words += [
        "report=false",
        "split=kfold",
        "split.folds=2",
        "model.widths=[32]",
        "trainer.epochs=40",
        "baseline=off",
    ]
    words += [
        "trainer.optimizer.lr=0.03",
        "model.dropout=0",
        "data.cache.worth=0",
        f"data/transform/target={scale}",
    ]
    scores = {}
    for name in ("made", "cached"):
        answer = run_cli(*words, f"hydra.run.dir={here / name}")
        assert answer.status == 0, answer.err
        scores[name] = json.loads((here / name / "result.json").read_text())["scores"]["test/r2"]["folds"]
    assert scores["made"] == scores["cached"]
    assert min(scores["made"]) > 0.9
    made = RowPredictor(here / "made" / "fold-0" / "model")(frame)["prediction"]
    assert made.dtype == np.float64
    assert made.between(0, frame["y"].max() * 2).all()
    answer = run_cli("export", str(here / "made" / "fold-0"), "--format", format, "--out", "exported")
    assert answer.status == 0, answer.err  # it compares the file's predictions with the model's


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["data/extract=iris", "data/transform/target=log"], "a number to predict, and it is a class"),
        (
            [
                "data/extract=csv",
                "data.extract.path=t.csv",
                "data.extract.target=y",
                "data/transform/target=log",
            ],
            "needs targets of at least 0, and 'y' is -2.5 in row 7",
        ),
    ],
)
def test_a_scale_that_does_not_fit_is_refused(words: list[str], message: str, refusal: Any, here) -> None:
    frame = pd.DataFrame({"x": np.arange(40.0), "y": np.arange(40.0) + 0.5})
    frame.loc[7, "y"] = -2.5
    frame.to_csv(here / "t.csv", index=False)
    assert message in refusal(*words, "tracking=none")

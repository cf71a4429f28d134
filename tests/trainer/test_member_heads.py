"""harness/trainer/member_heads.py, and a model with members in a run"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from harness.bundle.row_predictor import RowPredictor
from harness.config.compose import compose
from harness.core.task import Task
from harness.prepare.plan import make_plan
from harness.trainer.member_heads import MemberHeads, per_member

KINDS = {
    "multiclass": Task("multiclass", ("a", "b", "c")),
    "binary": Task("binary", ("a", "b")),
    "multilabel": Task("multilabel", ("a", "b", "c")),
    "regression": Task("regression"),
    "several": Task("regression", (), ("y", "z")),
}
SHAPES = {
    "multiclass": (7, 4, 3),
    "binary": (7, 4),
    "multilabel": (7, 4, 3),
    "regression": (7, 4),
    "several": (7, 4, 2),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_member_has_a_linear_layer_on_its_own_part(kind: str) -> None:
    torch.manual_seed(0)
    heads = MemberHeads(20, 4, KINDS[kind])
    representation = torch.randn(7, 20)
    outputs = heads(representation)
    assert outputs.shape == SHAPES[kind]
    for member in range(4):
        own = representation[:, 5 * member : 5 * member + 5] @ heads.weight[member] + heads.bias[member]
        torch.testing.assert_close(outputs[:, member].reshape(7, -1), own)


@pytest.mark.parametrize("kind", KINDS)
def test_the_ensemble_averages_probabilities_or_numbers(kind: str) -> None:
    torch.manual_seed(0)
    heads = MemberHeads(20, 4, KINDS[kind])
    representation = 3 * torch.randn(7, 20)
    members, together = heads.train()(representation), heads.eval()(representation)
    if kind == "multiclass":
        torch.testing.assert_close(together.softmax(dim=1), members.softmax(dim=2).mean(dim=1))
    elif kind in ("binary", "multilabel"):
        torch.testing.assert_close(together.sigmoid(), members.sigmoid().mean(dim=1))
    else:
        torch.testing.assert_close(together, members.mean(dim=1))


def test_logits_beyond_float32s_range_of_exp_stay_finite() -> None:
    heads = MemberHeads(2, 2, KINDS["binary"]).eval()
    assert heads(torch.tensor([[1e6, 1e6], [-1e6, 1e6]])).isfinite().all()


CASES: list[tuple[nn.Module, int, Any, Any]] = [
    (nn.CrossEntropyLoss(), 2, (6, 4, 3), torch.tensor([0, 1, 2, 0, 1, 2])),
    (nn.CrossEntropyLoss(reduction="none"), 2, (6, 4, 3), torch.tensor([0, 1, 2, 0, 1, 2])),
    (nn.BCEWithLogitsLoss(), 1, (6, 4), torch.tensor([0.0, 1, 1, 0, 1, 0])),
    (nn.MSELoss(), 1, (6, 4), torch.arange(6.0)),
    (nn.MSELoss(), 2, (6, 4, 2), torch.arange(12.0).reshape(6, 2)),
]


@pytest.mark.parametrize(("criterion", "dimensions", "shape", "targets"), CASES)
def test_the_loss_is_the_mean_of_the_members_own(criterion, dimensions, shape, targets) -> None:
    outputs = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    compare = per_member(criterion, dimensions)
    own = torch.stack([criterion(outputs[:, member], targets) for member in range(4)], dim=-1)
    made = compare(outputs, targets)
    assert made.shape == (own.shape if own.ndim == 2 else ())
    torch.testing.assert_close(made, own if own.ndim == 2 else own.mean())
    torch.testing.assert_close(compare(outputs[:, 0], targets), criterion(outputs[:, 0], targets))


SMALL = (
    "model=tabm",
    "model.members=3",
    "model.widths=[8]",
    "trainer.epochs=2",
    "tracking=none",
    "report=false",
)


@pytest.mark.parametrize("data", ["iris", "breast_cancer", "diabetes"])
def test_a_stored_ensemble_predicts_as_in_its_run(run_cli, only_run, data: str) -> None:
    answer = run_cli(f"data/extract={data}", *SMALL)
    assert answer.status == 0, answer.err
    kept = pd.read_csv(only_run() / "predictions.csv").set_index("row")
    table = make_plan(compose([f"data/extract={data}"])).table
    rows = table.frame.loc[kept.index, list(table.features)]
    made = RowPredictor(only_run() / "model")(rows)
    for name in made.columns:
        if name != "prediction" or data == "diabetes":
            np.testing.assert_allclose(made[name], kept[name], rtol=1e-5)


@pytest.mark.parametrize(
    "words", [("trainer=contrastive",), ("trainer=semi_supervised", "split.labelled=40")]
)
def test_a_trainer_without_a_use_for_members_refuses_them(run_cli, here, words) -> None:
    answer = run_cli("data/extract=breast_cancer", *SMALL, *words)
    assert answer.status == 2
    assert "has no use for the 3 members of TabM" in answer.err
    assert not (here / "outputs" / "runs").exists()


def test_an_exported_ensemble_says_what_its_head_is(run_cli, here) -> None:
    folder = here / "run"
    assert run_cli("data/extract=iris", *SMALL, f"hydra.run.dir={folder}").status == 0
    answer = run_cli("export", str(folder), "--format", "safetensors", "--out", "exported")
    assert answer.status == 0, answer.err
    network = json.loads((here / "exported" / "preprocessing.json").read_text())["network"]
    assert network["head"] == (
        "a linear layer for each of 3 members on its part of the representation, whose mean of the "
        "probabilities counts; each is a linear layer that gives the logits"
    )

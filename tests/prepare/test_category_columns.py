"""Columns of categories with many values: learned, refused, stored, and read by the baselines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from omegaconf import OmegaConf
from torch import Tensor, nn

from harness.bundle.row_predictor import RowPredictor
from harness.config.compose import compose
from harness.core.code_columns import one_hot
from harness.core.errors import UserError
from harness.deploy.export.model_graph import graph
from harness.evaluate.fitted_baselines import fitted, labelled_rows
from harness.evaluate.probe_samples import flatten
from harness.prepare.experiment import Experiment, prepare
from harness.prepare.parts import plain
from harness.prepare.plan import Plan, make_plan

MANY = "data.transform.one_hot_up_to=8"
TOWNS = 12


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    """A table of two numbers and a town, which decides the class."""
    random = np.random.default_rng(0)
    towns = random.integers(TOWNS, size=180)
    frame = pd.DataFrame({"x": random.normal(size=180), "z": random.normal(size=180)})
    frame["town"] = [f"town {number}" for number in towns]
    frame["y"] = np.where(towns % 2, "odd", "even")
    frame.loc[:3, "town"] = ["once", None, None, "twice"]
    frame.to_csv(tmp_path / "towns.csv", index=False)
    typed = ["data/extract=csv", f"data.extract.path={tmp_path / 'towns.csv'}", "data.extract.target=y"]
    return [*typed, "trainer.device=cpu", "tracking=none", "data.cache=off", "split.guard=off", MANY]


def planned(*overrides: str, **parts: dict[str, Any]) -> Plan:
    cfg = compose(list(overrides))
    for key, node in parts.items():
        OmegaConf.update(cfg, key.replace("__", "."), node, merge=False)
    return make_plan(cfg)


def prepared(*overrides: str, **parts: dict[str, Any]) -> Experiment:
    plan = planned(*overrides, **parts)
    return prepare(plan, plan.folds[0])


def trained(experiment: Experiment) -> Experiment:
    """After all its steps."""
    made = experiment
    list(made.trainer.fit(made.model, made.loaders, made.augment, made.validate, lambda: False))
    return made


class Plain(nn.Module):
    """A model of the user's, which knows nothing of codes."""

    width = 3

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.linear = nn.Linear(shape[0], 3)

    def forward(self, inputs: Tensor) -> Tensor:
        made: Tensor = self.linear(inputs)
        return made


def noise(inputs: Tensor) -> Tensor:
    """An augmentation of the user's."""
    return inputs + 0.1 * torch.randn_like(inputs)


@pytest.mark.parametrize("model", ["mlp", "realmlp", "tabm", "ft_transformer"])
def test_a_model_of_tables_learns_vectors_as_its_twin_would(words: list[str], model: str) -> None:
    made = prepared(*words, f"model={model}")
    codes = (1 + TOWNS,)  # `once` and `twice` are too rare, and missing values share code 0
    assert made.loaders.codes == made.model.category.codes == codes  # type: ignore[union-attr]  # as all four
    assert made.loaders.shape == (3,)
    twin, own = made.untrained().model.state_dict(), made.model.state_dict()
    assert {name: value.shape for name, value in twin.items()} == {n: v.shape for n, v in own.items()}


def test_one_hot_is_the_default_and_codes_need_no_other_setting(words: list[str]) -> None:
    made = prepared(*words[:-1])
    assert made.loaders.codes == ()
    assert made.loaders.shape == (2 + TOWNS + 1,)


OWN = {"_target_": f"{__name__}.Plain", "_partial_": True}
NOISE = {"_target_": f"{__name__}.noise", "_partial_": True}
ADVICE = (
    "model=transformer has no argument `codes`, and 1 column of towns became codes of categories; set "
    "data.transform.one_hot_up_to=null, or use model=ft_transformer or model=mlp or model=realmlp or "
    "model=tabm."
)
BLENDED = "trainer/mix blends rows, and 1 of their features are codes"
CHANGED = "the last 1 features are codes of categories, whole numbers, and data.augment makes other"


@pytest.mark.parametrize(
    ("overrides", "parts", "key", "sentence"),
    [
        (["model=transformer"], {}, "data.transform.one_hot_up_to", ADVICE),
        ([], {"model": OWN}, "data.transform.one_hot_up_to", "model="),
        (["trainer/mix=mixup"], {}, "trainer.mix", BLENDED),
        ([], {"data__augment": NOISE}, "data.augment", CHANGED),
    ],
    ids=["transformer", "own", "mixup", "noise"],
)
def test_what_codes_do_not_go_with_is_refused(
    words: list[str], overrides: list[str], parts: dict[str, Any], key: str, sentence: str
) -> None:
    with pytest.raises(UserError) as caught:
        prepared(*words, *overrides, **parts)
    assert caught.value.key == key
    assert str(caught.value).startswith(sentence)
    assert "data.transform.one_hot_up_to=null" in str(caught.value)


@pytest.mark.parametrize(
    "overrides",
    [["trainer=contrastive"], ["trainer=semi_supervised", "split.labelled=60", "data.load.batch_size=32"]],
    ids=["contrastive", "semi_supervised"],
)
def test_views_of_a_row_have_whole_codes_of_other_rows(words: list[str], overrides: list[str]) -> None:
    made = prepared(*words, *overrides, "trainer.steps=2")
    batch = next(iter(made.loaders.train)).inputs
    view = made.augment(batch)
    assert set(view[:, -1].tolist()) <= set(batch[:, -1].tolist())
    assert not torch.equal(view, batch)
    moved = made.model.category.table.detach().clone()  # type: ignore[union-attr]  # of the perceptron
    trained(made)
    assert not torch.equal(made.model.category.table, moved)  # type: ignore[union-attr]


def test_a_bundle_predicts_rows_with_unseen_and_missing_categories_alike(
    words: list[str], tmp_path: Path
) -> None:
    plan = planned(*words, "model.widths=[16]", "trainer.epochs=8", "trainer.optimizer.lr=0.02")
    made = trained(prepare(plan, plan.folds[0]))
    made.save(tmp_path / "bundle", plan.table, plain(plan.cfg))
    reader = RowPredictor(tmp_path / "bundle")
    assert reader.bundle.codes == made.loaders.codes
    rows = plan.table.frame[["x", "z", "town"]]
    arrays = made.transform(plan.table)
    wanted = made.predictor()(arrays.inputs).outputs
    chances = reader(rows)[f"probability_{plan.table.task.classes[1]}"]
    assert chances.to_numpy() == pytest.approx(wanted.sigmoid().double().numpy(), abs=1e-6)
    assert (reader(rows)["prediction"] == plan.table.frame["y"]).mean() > 0.9
    odd = reader(rows.iloc[[5] * 4].assign(town=["elsewhere", None, "once", "town 3"]))["probability_odd"]
    assert odd.iloc[0] == odd.iloc[1] == odd.iloc[2] != odd.iloc[3]
    assert reader.unseen(rows.assign(town="elsewhere")) == {"town": ["elsewhere"]}
    assert reader.beyond(rows).columns.tolist() == ["x", "z"]
    whole = graph(reader)
    feed = whole.inputs.feed(reader.table(rows))
    shares = whole(*(torch.from_numpy(values) for values in feed.values()))[0].detach()
    assert shares[:, 1].numpy() == pytest.approx(chances.to_numpy(), abs=1e-6)


@pytest.mark.parametrize("name", ["linear", "boosting"])
def test_the_baselines_read_the_same_rows(words: list[str], name: str) -> None:
    made = prepared(*words)
    loaders = made.loaders
    train, valid = (labelled_rows(part, loaders.codes) for part in (loaders.train, loaders.valid))
    test = labelled_rows(loaders.test, loaders.codes)
    assert train is not None
    assert test is not None
    baseline = fitted(name, loaders.task, train, valid, 0)
    found = baseline(test).argmax(dim=1).numpy()
    assert (found == test.targets).mean() > 0.8  # the order of the codes says nothing of the class
    estimator = baseline._estimators[0]
    if name == "linear":
        assert estimator[0].n_features_in_ == 2 + 1 + TOWNS
    else:
        assert estimator.is_categorical_.tolist() == [False, False, True]


def test_the_raw_input_of_a_probe_is_one_hot(words: list[str]) -> None:
    loaders = prepared(*words, "trainer=contrastive").loaders
    assert loaders.test is not None
    inputs = torch.cat([batch.inputs for batch in loaders.test.ordered()])
    made = flatten(loaders.test, codes=loaders.codes).features
    assert torch.equal(made, one_hot(inputs, loaders.codes).double())

"""harness/prepare/numeric_choice.py"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from omegaconf import OmegaConf

from harness.config.choice_files import choice
from harness.config.compose import compose
from harness.model.numeric_embedding import embedding_of
from harness.prepare.initial_weights import InitialWeights
from harness.prepare.numeric_choice import with_embedded_numbers
from harness.prepare.plan import Plan, make_plan

EMBEDDING = choice("model/numeric", "piecewise_linear")


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1,600 rows: two numbers, a column of two values, a number and a class to predict."""
    draw = np.random.default_rng(0)
    frame = pd.DataFrame({"a": draw.normal(size=1600), "b": draw.normal(size=1600), "flag": [0, 1] * 800})
    frame["price"] = frame["a"] ** 2 + frame["b"]
    frame["kind"] = np.where(frame["price"] > 0, "high", "low")
    path = tmp_path_factory.mktemp("rows") / "rows.csv"
    frame.to_csv(path, index=False)
    return path


def planned(rows: Path, *words: str) -> Plan:
    given = [f"data.extract.path={rows}", "data/extract=csv", "data.cache=off", "tracking=none"]
    model = [] if any(word.startswith("model=") for word in words) else ["model=mlp"]
    given_one = model == ["model=mlp"] or any("numeric=" in word for word in words)
    numeric = [] if given_one else ["model/numeric=auto"]
    target = [] if any(word.startswith("data.extract.target") for word in words) else ["price"]
    chosen = [*model, *numeric, *(f"data.extract.target={name}" for name in target)]
    return make_plan(compose([*given, *chosen, *words]))


@pytest.mark.parametrize("target", ["price", "kind"])
def test_numbers_of_many_rows_are_embedded_where_targets_are_learned(rows: Path, target: str) -> None:
    plan = planned(rows, f"data.extract.target={target}", "data.extract.features=[a,b,flag]")
    assert OmegaConf.to_container(plan.cfg.model.numeric) == EMBEDDING
    assert plan.chosen["model.numeric"] == "piecewise_linear"


def test_a_number_is_learned_so_from_fewer_rows_than_classes(rows: Path) -> None:
    plan = planned(rows, "split.test=0.4")
    assert OmegaConf.to_container(plan.cfg.model.numeric) == EMBEDDING


@pytest.mark.parametrize(
    "words",
    [
        ["split.test=0.6"],  # fewer than 600 training rows
        ["data.extract.target=kind", "data.extract.features=[a,b]", "split.test=0.4"],  # than 1,000
        ["model/numeric=none"],
        ["pretrain.words=trainer=contrastive"],
        ["trainer=contrastive"],
        ["data.extract.features=[flag]"],  # no column of numbers
        ["model.numeric=null"],
    ],
)
def test_the_rest_is_left_as_it_is_and_says_nothing(rows: Path, words: list[str]) -> None:
    plan = planned(rows, *words)
    assert plan.cfg.model.numeric is None
    assert "model.numeric" not in plan.chosen


@pytest.mark.parametrize(("columns", "expected"), [(20, EMBEDDING), (21, None)])
def test_numbers_of_many_columns_are_left_as_they_are(tmp_path: Path, columns: int, expected: object) -> None:
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(1000, columns))).add_prefix("x")
    frame["price"] = frame["x0"] ** 2
    frame.to_csv(tmp_path / "rows.csv", index=False)
    assert planned(tmp_path / "rows.csv").cfg.model.numeric == expected


def test_any_model_of_tables_has_the_choice_and_only_perceptrons_the_default(rows: Path) -> None:
    for name in ("tabm", "ft_transformer"):
        plan = planned(rows, f"model={name}")
        assert OmegaConf.to_container(plan.cfg.model.numeric) == EMBEDDING
        assert compose(["data/extract=diabetes", f"model={name}"]).model.numeric is None
    for name in ("mlp", "realmlp"):
        assert compose(["data/extract=diabetes", f"model={name}"]).model.numeric == "auto"
    assert embedding_of("auto", 3) is None, "a model that is built outside a run"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["split.test=0.6"], "pbld"),
        (["trainer=contrastive"], "pbld"),
        (["data.extract.features=[flag]"], None),
        (["model/numeric=linear"], None),
    ],
)
def test_a_model_with_an_embedding_of_its_own_gets_it_where_there_are_numbers(
    rows: Path, words: list[str], expected: str | None
) -> None:
    plan = planned(rows, "model=realmlp", "model/numeric=auto", *words)
    assert plan.chosen.get("model.numeric") == expected
    if expected is not None:
        assert OmegaConf.to_container(plan.cfg.model.numeric) == choice("model/numeric", expected)


def test_another_embedding_that_is_named_stays(rows: Path) -> None:
    plan = planned(rows, "model/numeric=linear")
    assert OmegaConf.to_container(plan.cfg.model.numeric) == choice("model/numeric", "linear")
    assert "model.numeric" not in plan.chosen


def test_weights_have_the_embedding_of_their_run(rows: Path, tmp_path: Path) -> None:
    plan = planned(rows)
    fold = plan.folds[0]
    for stored, expected in ((EMBEDDING, EMBEDDING), (None, None), ({**EMBEDDING, "bins": 7}, None)):
        cfg = OmegaConf.create({"model": {"numeric": stored}})
        OmegaConf.save(cfg, tmp_path / "config.yaml")
        weights = {fold.number: InitialWeights(tmp_path / "fold-0", tmp_path)}
        started = compose(
            ["data/extract=diabetes", "model=mlp", "model/numeric=auto", "model.weights=somewhere"]
        )
        made, chosen = with_embedded_numbers(started, {}, plan.table, plan.folds, weights)
        assert made.model.numeric == expected
        assert ("model.numeric" in chosen) is (expected is not None)
    made, _ = with_embedded_numbers(started, {}, plan.table, plan.folds, {})
    assert made.model.numeric is None, "a file from elsewhere"
    own = compose(["data/extract=diabetes", "model=realmlp", "model.weights=somewhere"])
    made, _ = with_embedded_numbers(own, {}, plan.table, plan.folds, {})
    assert made.model.numeric == choice("model/numeric", "pbld"), "weights of the authors"

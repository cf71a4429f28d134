"""A contract suite fails for a part that breaks its contract, and says what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from omegaconf import OmegaConf
from torch import Tensor, nn

from harness import testing
from harness.config.compose import compose_exactly
from harness.core.errors import UserError
from harness.core.fold import Fold
from harness.core.scores import Scores
from harness.core.table import Table
from harness.data.transform.tabular import Tabular
from harness.testing.suite_choices import Suite

CALLS = iter(range(10**9))


class Linear(nn.Module):
    """A right model, from which the wrong ones below differ in one point."""

    takes = ("row",)

    def __init__(self, shape: tuple[int, ...], *, width: int = 4) -> None:
        super().__init__()
        self.width = width
        self.layer = nn.Linear(shape[0], width)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.layer(inputs)


class KnowsClasses(Linear):
    def __init__(self, shape: tuple[int, ...], classes: int = 2, *, width: int = 4) -> None:
        super().__init__(shape, width=width)


class OtherWidth(Linear):
    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs)[:, 1:]


class Random(Linear):
    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs) + torch.rand(())


class Detached(Linear):
    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs).detach() + self.layer.bias


class Everywhere:
    """Each labelled row is trained, and tested as well."""

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def __call__(self, table: Table) -> list[Fold]:
        rows = np.flatnonzero(table.labelled)
        return [Fold(0, rows, rows[:3], rows[3:6], np.flatnonzero(~table.labelled))]


class NoSeed(Everywhere):
    """Draws from NumPy's global generator."""

    def __call__(self, table: Table) -> list[Fold]:
        rows = np.random.permutation(np.flatnonzero(table.labelled))
        parts = (np.sort(part) for part in (rows[6:], rows[:3], rows[3:6]))
        return [Fold(0, *parts, np.flatnonzero(~table.labelled))]


class Source:
    def __init__(self, kind: str = "table") -> None:
        self.kind = kind


class Growing(Source):
    """A source with other rows at each reading."""

    def __call__(self) -> Table:
        frame = pd.DataFrame({"x": [next(CALLS), 2, 3], "y": ["a", "b", "a"]})
        return Table(frame, ("x",), target=("y",))


class TargetAsFeature(Source):
    def __call__(self) -> Table:
        return Table(pd.DataFrame({"x": [1, 2], "y": ["a", "b"]}), ("x", "y"), target=("y",))


class FitsAll(Tabular):
    """Reads the test rows as well."""

    def fit(self, table: Table, rows: Any, task: Any) -> Any:
        return super().fit(table, np.arange(len(table)), task)


class Touching:
    """Changes the model while it scores."""

    names = ("loss",)

    def validate(self, predictor: Any, loaders: Any) -> dict[str, float]:
        with torch.no_grad():
            next(iter(predictor.model.parameters())).add_(1)
        return {"loss": 0.5}

    def score(self, predictor: Any, loaders: Any, part: str, baseline: Any) -> Scores:
        return Scores({"test/loss": 0.5})


class OtherNames(Touching):
    def validate(self, predictor: Any, loaders: Any) -> dict[str, float]:
        return {"other": 0.5}


def undefined(predictions: Tensor, targets: Tensor) -> float:
    return float("nan")


class Failing:
    def __call__(self, fold: Any, progress: Any) -> None:
        raise KeyError("epoch")


TABULAR = OmegaConf.to_yaml(
    OmegaConf.masked_copy(
        compose_exactly(["data/transform=tabular"]).data.transform,
        ["numeric", "categorical", "dates", "cyclic"],
    )
)
LINEAR = "_partial_: true\nwidth: 4"
NO_CLASSES = "test_a_model_takes_the_shape_but_no_number_of_classes"
REPRESENTATION = "test_the_representation_is_finite_has_the_width_and_is_the_same_each_time"
GRADIENT = "test_the_gradient_reaches_every_parameter"
PARTS = "test_the_parts_are_disjoint_sorted_cover_every_labelled_row_and_keep_what_the_split_promises"
SEED = "test_the_same_seed_gives_the_same_folds_whatever_the_global_generators_do"
KIND = "test_a_source_gives_a_table_of_the_kind_that_its_yaml_names"
TWICE = "test_a_source_that_is_read_twice_gives_the_same_rows"
BLIND = "test_a_transform_is_blind_to_test_rows"
VALIDATE = "test_validate_returns_the_scores_in_names_and_score_returns_finite_scores"
METRIC = "test_a_run_reports_the_metric_as_a_number"
CALLBACK = "test_a_callback_is_called_in_the_order_of_a_run_and_raises_nothing"

WRONG = [
    (testing.TestModels, NO_CLASSES, "KnowsClasses", LINEAR, "classes"),
    (testing.TestModels, REPRESENTATION, "OtherWidth", LINEAR, r"a batch of 4 gave \(4, 3\)"),
    (testing.TestModels, REPRESENTATION, "Random", LINEAR, "the same inputs gave another"),
    (testing.TestModels, GRADIENT, "Detached", LINEAR, r"no gradient reaches \['layer.weight'\]"),
    (testing.TestSplits, PARTS, "Everywhere", "seed: 0", "a row is in two parts"),
    (testing.TestSplits, SEED, "NoSeed", "seed: 0", "the same seed gave other folds"),
    (testing.TestExtractors, KIND, "TargetAsFeature", "kind: table", r"\{'y'\} are features and also"),
    (testing.TestExtractors, TWICE, "Growing", "kind: table", "other rows when read again"),
    (
        testing.TestTransforms,
        BLIND,
        "FitsAll",
        TABULAR,
        "other values of test rows changed",
    ),
    (testing.TestEvaluators, VALIDATE, "Touching", "", "must not change the model"),
    (testing.TestEvaluators, VALIDATE, "OtherNames", "", "exactly the scores that `names` lists"),
    (testing.TestMetrics, METRIC, "undefined", "_partial_: true", "it returned NaN"),
    (testing.TestCallbacks, CALLBACK, "Failing", "", "epoch"),
]


@pytest.fixture
def own_yaml(here: Path) -> Any:
    """Writes `conf/GROUP/TARGET.yaml` of a project, and gives the suite for it."""

    def write(suite: type[Suite], target: str, arguments: str) -> Any:
        folder = here / "conf" / suite.group
        folder.mkdir(parents=True)
        text = f"_target_: {__name__}.{target}\n{arguments}\n"
        (folder / f"{target}.yaml").write_text(text, encoding="utf-8")
        (here / "pyproject.toml").write_text('[tool.harness]\nconf = "conf"\n', encoding="utf-8")
        return type(suite.__name__, (suite,), {"conf": here / "conf"})()

    return write


@pytest.mark.parametrize(
    ("suite", "test", "target", "arguments", "sentence"),
    WRONG,
    ids=[f"{suite.__name__}-{target}" for suite, _, target, *_ in WRONG],
)
def test_a_wrong_part_is_found(
    own_yaml: Any, tmp_path: Path, suite: type[Suite], test: str, target: str, arguments: str, sentence: str
) -> None:
    method = getattr(own_yaml(suite, target, arguments), test)
    more: dict[str, Any] = {}
    if suite is testing.TestModels and test is not NO_CLASSES:
        more = {"shape": (30,)}
    elif suite in (testing.TestExtractors, testing.TestCallbacks):
        more = {"tmp_path": tmp_path}
    with pytest.raises((AssertionError, KeyError, UserError), match=sentence):
        method(choice=target, **more)

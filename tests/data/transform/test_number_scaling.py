"""harness/data/transform/number_scaling.py, conf/data/transform/numeric"""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.preprocessing import QuantileTransformer, RobustScaler

from harness.bundle.row_predictor import RowPredictor
from harness.config.compose import compose
from harness.config.instantiate import build
from harness.core.table import Table
from harness.data.transform.number_scaling import Quantiles, RobustScale, SmoothClip, TrainingRange


def numbers(rows: int = 200) -> np.ndarray:
    return np.random.default_rng(0).lognormal(size=(rows, 4))


def test_robust_scale_is_that_of_the_quartiles() -> None:
    expected = RobustScaler().fit_transform(numbers())
    np.testing.assert_allclose(RobustScale().fit(numbers()).transform(numbers()), expected, rtol=1e-12)


def test_equal_quartiles_give_half_the_range_and_a_constant_gives_0() -> None:
    column = np.array([0.0] * 9 + [8.0])
    values = np.column_stack([column, np.full(10, 3.0)])
    made = RobustScale().fit(values).transform(values)
    assert made[:, 0].tolist() == [0.0] * 9 + [2.0]
    assert not made[:, 1].any()


@pytest.mark.parametrize("value", [0.0, 0.1, -2.0, 50.0, 3e38, -3e38])
def test_a_clipped_number_stays_within_the_limit(value: float) -> None:
    made = SmoothClip(limit=3.0).fit(np.zeros((1, 1))).transform(np.array([[value]]))[0, 0]
    assert made == pytest.approx(value / (1 + (value / 3) ** 2) ** 0.5)
    assert abs(made) <= 3


def test_numbers_beyond_the_training_range_become_its_ends() -> None:
    made = TrainingRange().fit(np.array([[1.0, -2.0], [3.0, 5.0]]))
    assert made.transform(np.array([[0.0, 6.0], [2.5, -1e300], [3.0, 5.0]])).tolist() == [
        [1.0, 5.0],
        [2.5, -2.0],
        [3.0, 5.0],
    ]


def test_a_margin_widens_the_range_on_each_side() -> None:
    made = TrainingRange(margin=0.5).fit(np.array([[1.0, -2.0, 4.0], [3.0, 6.0, 4.0]]))
    assert made.transform(np.array([[0.5, 9.0, 5.0], [-1e300, 1e300, 4.0]])).tolist() == [
        [0.5, 9.0, 4.0],
        [0.0, 10.0, 4.0],
    ]


def test_a_margin_below_0_is_refused() -> None:
    with pytest.raises(ValueError, match=r"margin must be 0 or more, got -0\.1"):
        TrainingRange(margin=-0.1).fit(np.zeros((1, 1)))


def test_a_limit_is_above_0() -> None:
    with pytest.raises(ValueError, match="limit must be above 0"):
        SmoothClip(limit=0.0).fit(np.zeros((1, 1)))


@pytest.mark.parametrize(("rows", "count"), [(200, 10), (900, 30), (8, 8)])
def test_quantiles_are_as_many_as_the_rows_bear(rows: int, count: int) -> None:
    own = Quantiles().fit(numbers(rows))
    theirs = QuantileTransformer(n_quantiles=count, output_distribution="normal").fit(numbers(rows))
    np.testing.assert_allclose(own.transform(numbers()), theirs.transform(numbers()))


def table(rows: int = 60) -> Table:
    random = np.random.default_rng(1)
    frame = pd.DataFrame(random.normal(size=(rows, 2)), columns=["a", "b"])
    frame.loc[::7, "b"] = np.nan
    frame["y"] = np.where(frame["a"] > 0, "up", "down")
    return Table(frame, ("a", "b"), target=("y",))


@pytest.mark.parametrize("choice", ["standard", "bounded", "robust", "quantile"])
def test_a_variant_is_stored_and_restored(choice: str) -> None:
    cfg = compose(["data/extract=breast_cancer", f"data/transform/numeric={choice}"])
    transform, fresh = (build(cfg.data.transform, "data.transform") for _ in range(2))
    transform.fit(table(), np.arange(40), table().task)
    fresh.restore(transform.state())
    made = transform(table()).inputs
    assert torch.equal(fresh(table()).inputs, made)
    indicators = choice in ("robust", "quantile")
    assert made.shape[1] == 2 + indicators
    if indicators:  # the last feature says that a value was missing
        missing = torch.tensor(table().frame["b"].isna().tolist())
        assert len(set(made[missing, 2].tolist())) == len(set(made[~missing, 2].tolist())) == 1


def test_one_absurd_input_keeps_the_prediction_near_the_others(run_cli, here) -> None:
    """A house of 160,000 in place of 160: standardised it is extrapolated, bounded it is not."""
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"size": random.normal(160, 30, 200), "age": random.uniform(0, 60, 200)})
    frame["price"] = 3 * frame["size"] - frame["age"] + random.normal(0, 5, 200)
    frame.to_csv(here / "houses.csv", index=False)
    words = ("data/extract=csv", "data.extract.path=houses.csv", "data.extract.target=price", "tracking=none")
    wild = frame[["size", "age"]].head(1).assign(size=160_000.0)
    made = {}
    for choice in ("standard", "robust", "default"):
        folder = here / choice
        chosen = [] if choice == "default" else [f"data/transform/numeric={choice}"]
        answer = run_cli(*words, *chosen, "report=false", f"hydra.run.dir={folder}")
        assert answer.status == 0, answer.err
        made[choice] = float(RowPredictor(folder / "model")(wild)["prediction"].iloc[0])
    for choice in ("robust", "default"):
        assert made[choice] < 2 * frame["price"].max() < 10 * frame["price"].max() < made["standard"]


@pytest.mark.parametrize("format", ["onnx", "safetensors"])
@pytest.mark.parametrize(
    ("numeric", "step"), [("robust", "clip numbers smoothly"), ("bounded", "bound numbers")]
)
def test_an_exported_model_clips_as_the_bundle_does(
    run_cli, here, format: str, numeric: str, step: str
) -> None:
    answer = run_cli(
        "data/extract=iris",
        f"data/transform/numeric={numeric}",
        "trainer.epochs=1",
        "tracking=none",
        "report=false",
        f"hydra.run.dir={here / 'run'}",
    )
    assert answer.status == 0, answer.err
    answer = run_cli("export", str(here / "run"), "--format", format, "--out", "exported")
    assert answer.status == 0, answer.err
    steps = json.loads(next(here.rglob("preprocessing.json")).read_text())["steps"]
    assert [each for each in steps if each["step"].startswith(step)]

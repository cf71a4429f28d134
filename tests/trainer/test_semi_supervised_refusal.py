"""What the semi-supervised trainer refuses before a run, and what the corridor chooses for it."""

import numpy as np
import pandas as pd
import pytest
import torch

from harness.config.compose import compose
from harness.core.errors import UserError
from harness.evaluate.classification import Classification
from harness.prepare.experiment import prepare
from harness.prepare.plan import make_plan
from harness.trainer.consistency.fixmatch import FixMatch

WORDS = [
    "trainer=semi_supervised",
    "trainer.device=cpu",
    "tracking=none",
    "split.guard=off",
    "data.cache=off",
]
TABLE = ["data/extract=csv", "data.extract.target=y", "data.extract.features=[a,b]", "data.load.batch_size=8"]


def experiment(*words):
    plan = make_plan(compose([*WORDS, *words]))
    return prepare(plan, plan.folds[0])


def table(tmp_path, **columns):
    rng = np.random.RandomState(0)
    rows = {"a": rng.randn(60), "b": rng.randn(60), "y": rng.choice(["no", "yes"], 60)}
    path = tmp_path / "rows.csv"
    pd.DataFrame(rows | columns).to_csv(path, index=False)
    return [*TABLE, f"data.extract.path={path}"]


def test_digits_with_few_labels_are_images_that_are_augmented_and_classified():
    made = experiment("split.labelled=40")
    assert type(made.augment).__name__ == "ImageAugment"
    assert isinstance(made.evaluator, Classification)
    assert made.trainer.monitor == "valid/accuracy"
    assert isinstance(made.trainer.method, FixMatch)
    assert (len(made.fold.train), len(made.fold.unlabelled)) == (40, 1182)


@pytest.mark.parametrize(
    "method", ["pseudo_label", "pi_model", "mean_teacher", "fixmatch", "flexmatch", "freematch"]
)
def test_every_method_is_whole_and_trains(method):
    made = experiment("split.labelled=40", f"trainer/method={method}", "trainer.steps=2")
    progress = [*made.trainer.fit(made.model, made.loaders, made.augment, made.validate, lambda: False)]
    assert progress[-1].step == 2
    assert 0 <= progress[-1].scores["valid/accuracy"] <= 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "from unlabelled rows .*, and this split leaves none; hide labels with split.labelled=40"),
        (
            ["split.labelled=40", "trainer/method=simclr"],
            "must be a ConsistencyMethod, .*; there are fixmatch",
        ),
        (
            ["split.labelled=40", "trainer/method=triplet"],
            "must be a ConsistencyMethod, .*; there are fixmatch",
        ),
        (
            ["trainer=contrastive", "trainer/method=fixmatch"],
            "got harness.trainer.consistency.fixmatch.FixMatch",
        ),
        (["split.labelled=40", "trainer.method.threshold=1.5"], "threshold must be between 0 and 1, got 1.5"),
        (
            ["split.labelled=40", "trainer/method=mean_teacher", "trainer.update.ema=null"],
            "trainer.method.decay",
        ),
    ],
)
def test_a_method_that_cannot_learn_from_these_rows_is_refused(words, sentence):
    with pytest.raises(UserError, match=sentence):
        experiment(*words)


def test_rows_without_a_target_are_unlabelled_rows(tmp_path):
    classes = np.array(["no", "yes"] * 30, dtype=object)
    classes[20:] = None
    made = experiment(*table(tmp_path, y=classes))
    assert len(made.fold.unlabelled) == 40
    assert type(made.augment).__name__ == "FeatureCorruption"


@pytest.mark.parametrize(
    ("columns", "words", "sentence"),
    [
        ({"y": np.linspace(0, 1, 60)}, ["split.labelled=20"], "and the target is a number; name a column"),
        (
            {"y": np.arange(60) % 2, "z": np.arange(1, 61) % 2},
            ["data.extract.target=[y,z]", "split.labelled=20"],
            "the target is several labels of each row",
        ),
        ({}, ["data.extract.target=null"], "learns from labels here, and the data has no target"),
    ],
)
def test_a_target_that_is_no_class_is_refused(tmp_path, columns, words, sentence):
    with pytest.raises(UserError, match=sentence):
        experiment(*table(tmp_path, **columns), *words)


def test_the_transform_is_fitted_on_labelled_and_unlabelled_rows(tmp_path):
    values = np.zeros(60)
    values[20:] = 100.0
    classes = np.array(["no", "yes"] * 30, dtype=object)
    classes[20:] = None
    made = experiment(*table(tmp_path, a=values, y=classes))
    own, other = made.loaders.train, made.loaders.unlabelled
    seen = torch.cat([batch.inputs for part in (own, other) for batch in part.ordered()])
    assert seen.mean(0).abs().max() < 1e-5  # standardised by both parts, not by the first alone
    assert abs(seen[:, 0].max() - seen[:, 0].min()) > 1


def test_hidden_labels_stay_hidden():
    made = experiment("split.labelled=40")
    assert (made.loaders.unlabelled.targets == -1).all()
    assert (made.loaders.train.targets >= 0).all()

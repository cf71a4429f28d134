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


def test_data_without_unlabelled_rows_are_refused():
    words = (
        "learns from unlabelled rows as well, and this split leaves none; hide labels with split.labelled=40"
    )
    with pytest.raises(UserError, match=words):
        experiment()


def test_rows_without_a_target_are_unlabelled_rows(tmp_path):
    classes = np.array(["no", "yes"] * 30, dtype=object)
    classes[20:] = None
    made = experiment(*table(tmp_path, y=classes))
    assert len(made.fold.unlabelled) == 40
    assert type(made.augment).__name__ == "FeatureCorruption"


def test_a_number_is_refused(tmp_path):
    with pytest.raises(
        UserError, match="learns one class of each row, and the target is a number; name a column"
    ):
        experiment(*table(tmp_path, y=np.random.RandomState(1).randn(60)), "split.labelled=20")


def test_several_labels_of_a_row_are_refused(tmp_path):
    flags = np.arange(60) % 2
    words = [*table(tmp_path, y=flags, z=flags[::-1]), "data.extract.target=[y,z]", "split.labelled=20"]
    with pytest.raises(UserError, match="the target is several labels of each row"):
        experiment(*words)


def test_data_without_a_target_are_refused(tmp_path):
    with pytest.raises(
        UserError, match="trainer=semi_supervised learns from labels here, and the data has no target"
    ):
        experiment(*table(tmp_path), "data.extract.target=null")


@pytest.mark.parametrize("method", ["simclr", "triplet"])
def test_a_method_of_the_contrastive_trainer_is_refused_with_those_that_fit(method):
    with pytest.raises(
        UserError, match=r"trainer.method must be a ConsistencyMethod, got harness.*; there are fixmatch"
    ):
        experiment("split.labelled=40", f"trainer/method={method}")


def test_a_method_of_this_trainer_is_refused_by_the_contrastive_one():
    with pytest.raises(
        UserError, match=r"trainer.method must be a .*, got harness.trainer.consistency.fixmatch.FixMatch"
    ):
        experiment("trainer=contrastive", "trainer/method=fixmatch")


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


def test_a_mistake_in_the_method_is_told_by_its_key():
    with pytest.raises(UserError, match=r"trainer.method.threshold must be between 0 and 1, got 1.5"):
        experiment("split.labelled=40", "trainer.method.threshold=1.5")


def test_a_teacher_needs_an_average_to_follow():
    with pytest.raises(UserError, match=r"trainer.method.decay"):
        experiment("split.labelled=40", "trainer/method=mean_teacher", "trainer.update.ema=null")

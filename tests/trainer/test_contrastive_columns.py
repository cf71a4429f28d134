"""Pairs and triplets that a table names by column, from the file to the trained representation."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from harness.core.errors import UserError
from harness.prepare.experiment import Experiment

Make = Callable[..., Experiment]


@pytest.fixture
def items(tmp_path: Path) -> list[str]:
    """Sixty rows of three kinds; each names a row of its kind, and one of another."""
    rng = np.random.default_rng(0)
    kind = np.repeat([0, 1, 2], 20)
    codes = rng.normal(size=(60, 4)) + np.eye(3, 4)[kind]
    like = [f"i{rng.choice(np.flatnonzero(kind == k))}" for k in kind]
    unlike = [f"i{rng.choice(np.flatnonzero(kind != k))}" for k in kind]
    frame = pd.DataFrame(codes, columns=list("abcd")).assign(
        item=[f"i{row}" for row in range(60)], like=like, unlike=unlike, kind=kind
    )
    frame.loc[5, "like"] = None
    path = tmp_path / "items.csv"
    frame.to_csv(path, index=False)
    return [
        "data/extract=csv",
        f"data.extract.path={path}",
        "data.extract.target=kind",
        "data.extract.id=item",
        "data.extract.keep=[like, unlike]",
        "data.load.batch_size=8",
        "data.cache=off",
        "trainer=contrastive",
        "trainer.epochs=2",
        "trainer.method.positive=like",
    ]


@pytest.mark.parametrize(
    ("method", "width"),
    [
        (["trainer/method=column_pairs"], 2),
        (["trainer/method=column_pairs", "trainer.method.negative=unlike"], 3),
        (["trainer/method=column_triplets", "trainer.method.negative=unlike"], 3),
    ],
)
def test_it_learns_from_the_rows_that_the_columns_name(
    make_experiment: Make, items: list[str], method: list[str], width: int
) -> None:
    experiment = make_experiment(*items, *method)
    frame = pd.read_csv(items[1].partition("=")[2])
    for batch in experiment.loaders.train:
        rows, *pairs = batch.rows.chunk(width)
        for column, named in zip(["like", "unlike"], pairs, strict=False):
            assert frame["item"][named.numpy()].tolist() == frame[column][rows.numpy()].tolist()
    (note,) = experiment.notes
    assert re.fullmatch(r"\d+ of \d+ training rows learn as anchors: .*", note)
    before = [weight.detach().clone() for weight in experiment.model.parameters()]
    courses = list(
        experiment.trainer.fit(
            experiment.model, experiment.loaders, experiment.augment, experiment.validate, lambda: False
        )
    )
    assert len(courses) == 2
    assert all(0 < progress.scores["train/loss"] < 5 for progress in courses)
    assert any((old != new).any() for old, new in zip(before, experiment.model.parameters(), strict=True))


def test_a_column_that_would_be_a_feature_is_refused(make_experiment: Make, items: list[str]) -> None:
    words = [word for word in items if "keep" not in word]
    with pytest.raises(UserError, match=r"set 'data\.extract\.keep=\[like\]'\.$"):
        make_experiment(*words, "data.extract.keep=[unlike]", "trainer/method=column_pairs")


def test_a_method_by_columns_needs_its_column(make_experiment: Make) -> None:
    with pytest.raises(UserError, match=r"^trainer\.method\.positive must name the column .*, got null\.$"):
        make_experiment("trainer=contrastive", "trainer/method=column_pairs")


def test_a_batch_of_one_row_is_refused_before_the_training(make_experiment: Make) -> None:
    with pytest.raises(UserError, match=r"a batch has 1; set data\.load\.batch_size to 2 or more\.$"):
        make_experiment("trainer=contrastive", "data.load.batch_size=1")


def test_a_queue_that_a_batch_would_fill_is_refused_before_the_training(make_experiment: Make) -> None:
    words = ["trainer=contrastive", "trainer/method=moco", "trainer.method.queue=64"]
    with pytest.raises(UserError, match=r"^trainer\.method\.queue must hold more keys .*, got 64 for 64; "):
        make_experiment(*words)

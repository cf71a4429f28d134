"""harness/stages/fold_importance.py, and what a run leaves of the importance of columns"""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from harness.runs.stored_importance import CURVES, IMPORTANCE, read_importance
from harness.runtime.stored_file import DamagedFile

pytestmark = pytest.mark.usefixtures("column_importance")

QUICK = ("tracking=none", "trainer.epochs=2", "split.guard=off")


@pytest.fixture
def rows(here) -> pd.DataFrame:
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"size": random.normal(size=120), "idle": random.normal(size=120)})
    frame["colour"] = random.choice(["red", "green"], 120)
    frame["day"] = pd.date_range("2021-01-01", periods=120).astype(str)
    frame["y"] = np.where(frame["size"] > 0, "yes", "no")
    frame.to_csv("rows.csv", index=False)
    return frame


CSV = ("data/extract=csv", "data.extract.path=rows.csv", "data.extract.target=y", "data.extract.dates=[day]")


def test_a_run_of_two_folds(run_cli, only_run, rows) -> None:
    answer = run_cli(*CSV, *QUICK, "split=kfold", "split.folds=2", "trainer.optimizer.lr=0.02")
    assert answer.status == 0, answer.err
    folder = only_run()
    stored = json.loads((folder / "result.json").read_text())["importance"]
    assert stored["score"] == "log_loss"
    assert stored["columns"][0]["column"] == "size"
    assert len(stored["columns"]) == 4  # raw columns, not the features made of them
    ranked, curves = read_importance(folder, IMPORTANCE), read_importance(folder, CURVES)
    assert ranked is not None
    assert curves is not None
    assert set(ranked["permutations"]) == {10}
    assert stored["columns"][0]["mean"] == pytest.approx(ranked["mean"][0])
    assert list(curves["column"].drop_duplicates()) == list(ranked["column"][:3])
    assert set(curves["output"]) == {"yes"}
    size = curves[curves["column"] == "size"]["prediction"]
    assert size.iloc[-1] > size.iloc[0]
    page = (folder / "report.html").read_text()
    assert "Importance of columns" in page
    assert "effect of size" in page
    (folder / IMPORTANCE).write_text(",".join(ranked.columns) + "\nsize,log_loss,many,1,1,1,1\n")
    with pytest.raises(DamagedFile, match="column 'mean' must be numbers"):
        read_importance(folder, IMPORTANCE)


def test_settings_are_refused_before_the_training(refusal, rows) -> None:
    for setting, words in (
        ("evaluate.importance.score=acuracy", ("acuracy", "accuracy")),
        ("evaluate.importance.repeats=0", ("repeats must be 1 or more",)),
        ("evaluate.importance.row=5", ("evaluate.importance", "rows")),
    ):
        sentence = refusal(*CSV, *QUICK, setting)
        assert all(word in sentence for word in words)


@pytest.mark.parametrize(
    "words", [("evaluate/importance=off",), ("split=kfold", "split.folds=30", "data.load.batch_size=120")]
)
def test_none(run_cli, only_run, rows, words) -> None:
    answer = run_cli(*CSV, "tracking=none", "trainer.epochs=1", "split.guard=off", "report=false", *words)
    assert answer.status == 0, answer.err
    assert not (only_run() / IMPORTANCE).exists()
    assert "importance" not in json.loads((only_run() / "result.json").read_text())

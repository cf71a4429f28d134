"""harness/data/transform/number_ranges.py, and what `predict` says of such rows"""

from __future__ import annotations

import numpy as np
import pandas as pd

from harness.data.transform.number_ranges import beyond, find_ranges


def test_a_value_is_beyond_the_lowest_and_the_highest_training_value() -> None:
    ranges = find_ranges(np.array([[1.0, 5.0], [3.0, np.nan]]), ["a", "b"])
    assert ranges == {"a": [1.0, 3.0], "b": [5.0, 5.0]}
    new = pd.DataFrame({"b": [5.0, 5.1, np.inf, np.nan], "a": [0.9, 1.0, 3.0, 3.5], "c": 9})
    found = beyond(new, ranges)
    assert found["a"].tolist() == [True, False, False, True]
    assert found["b"].tolist() == [False, True, False, False]
    assert list(found) == ["a", "b"]
    assert beyond(new, {}).shape == (4, 0)


def test_predict_counts_them_by_column(run_cli, here) -> None:
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"size": random.normal(160, 30, 60), "age": random.uniform(0, 60, 60)})
    frame.assign(price=frame["size"] - frame["age"] + random.normal(0, 9, 60)).to_csv(
        "houses.csv", index=False
    )
    words = ("data/extract=csv", "data.extract.path=houses.csv", "data.extract.target=price")
    answer = run_cli(
        *words, "trainer.epochs=1", "tracking=none", "report=false", f"hydra.run.dir={here / 'run'}"
    )
    assert answer.status == 0, answer.err
    new = frame.head(4).assign(size=[160.0, 160_000.0, -5.0, 150.0], age=[30.0, 90.0, 30.0, 30.0])
    new.to_csv("new.csv", index=False)
    answer = run_cli("predict", str(here / "run"), "new.csv", "made.csv")
    assert answer.status == 0, answer.err
    assert "beyond the range of the training rows, in 'size' (2) and 'age' (1)" in answer.err
    table = ("data/extract=csv", "data.extract.path=new.csv", "data.extract.target=price")
    new.assign(price=1.5 + new["age"]).to_csv("new.csv", index=False)
    answer = run_cli("evaluate", str(here / "run"), *table, "tracking=none")
    assert answer.status == 0, answer.err
    assert "! 2 of 4 rows have values beyond the range" in answer.out + answer.err
    frame.head(3).assign(size=160.0, age=30.0).to_csv("new.csv", index=False)
    assert "beyond" not in run_cli("predict", str(here / "run"), "new.csv", "made.csv").err

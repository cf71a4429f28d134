"""A sweep that takes the trials of an earlier one into account (`sweep.from`)."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

pytestmark = pytest.mark.slow

WORDS = [
    *("-m", "hydra/launcher=basic", "data/extract=iris", "trainer.device=cpu", "model.widths=[4]"),
    *("tracking=none", "split.guard=off", "data.cache=off", "baseline=off", "fuse=off", "trainer.epochs=2"),
    *("sweep=tpe", "sweep.test=none", "trainer.optimizer.lr=tag(log,interval(1e-3,1e-1))"),
]


def points(sweep: Path) -> list[str]:
    with (sweep / "trials.csv").open() as file:
        return [row["trainer.optimizer.lr"] for row in csv.DictReader(file)]


def test_a_sweep_goes_on_where_an_earlier_one_ended_and_counts_its_own_trials_alone(
    run_cli: Callable[..., Any], here: Path
) -> None:
    def sweep(name: str, *words: str) -> Any:
        answer = run_cli(*WORDS, f"sweep.name={name}", *words)
        assert answer.status == 0, answer.err
        return answer, json.loads((sweeps / f"{name}-0" / "result.json").read_text())

    sweeps = here / "outputs" / "sweeps"
    _, first = sweep("first", "sweep.trials=5")
    assert first["earlier"] == []
    sentence = "from first-0: 5 trials as observations; the best point is tried first; keys: "
    answer, second = sweep("second", "sweep.trials=3", "sweep.from=last")
    assert f"! {sentence}" in answer.out
    assert sentence in (sweeps / "second-0" / "report.html").read_text()
    (entry,) = second["earlier"]
    assert (entry["sweep"], entry["kind"], entry["observations"]) == ("first-0", "observations", 5)
    assert (second["trials"]["complete"], second["selection"]["trials"]) == (3, 3)
    assert second["objective"]["value"] == first["objective"]["value"]  # the best point again, as one of ours
    assert yaml.safe_load((sweeps / "second-0" / "best.yaml").read_text())["number"] in (0, 1, 2)
    assert points(sweeps / "second-0")[0] in points(sweeps / "first-0")
    assert points(sweeps / "second-0")[2] not in points(sweeps / "first-0")

    # What was taken is stored: neither a new look nor the earlier sweep is needed to go on.
    again = ("sweep.trials=4", "sweep.from=last", "sweep.name=second", "resume=second-0")
    shutil.rmtree(sweeps / "first-0")
    assert run_cli(*WORDS, *again).status == 0
    assert json.loads((sweeps / "second-0" / "result.json").read_text())["earlier"] == second["earlier"]
    assert len(points(sweeps / "second-0")) == 4

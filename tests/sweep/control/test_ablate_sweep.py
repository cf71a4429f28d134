"""The way from the default to the best trial of a sweep, one key after the other."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

WORDS = [
    *("data/extract=iris", "trainer.device=cpu", "model.widths=[16]", "tracking=none", "split.guard=off"),
    *(
        "report=false",
        "data.cache=off",
        "baseline=off",
        "fuse=off",
        "trainer.epochs=3",
        "hydra/launcher=basic",
    ),
]
RATE, DECAY = "trainer.optimizer.lr", "trainer.optimizer.weight_decay"
SWEEP = [
    "sweep=random",
    "sweep.test=none",
    "sweep.objectives=valid/log_loss",
    f"{RATE}=tag(log,interval(1e-4,1e-1))",
]
SWEEP += [f"{DECAY}=interval(0,0.02)"]


def result(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return content


def test_the_key_that_did_all_is_found_and_the_ends_are_those_of_the_sweep(
    run_cli: Callable[..., Any], here: Path
) -> None:
    queued = f"sweep.enqueue=[{{{RATE}: 0.08, {DECAY}: 0.0101}}]"
    words = ("-m", *WORDS, *SWEEP, "sweep.trials=2", queued)
    refused = run_cli(*words, "sweep.ablate=true")
    assert refused.status == 2
    assert (
        "sweep.ablate explains the best trial of a finished sweep, and there is none of this" in refused.err
    )
    assert run_cli(*words).status == 0
    (earlier,) = (here / "outputs" / "sweeps").iterdir()

    answer = run_cli(*words, "sweep.ablate=true")
    assert answer.status == 0, answer.err
    (folder,) = set((here / "outputs" / "sweeps").iterdir()) - {earlier}
    with (folder / "trials.csv").open() as file:
        trials = list(csv.DictReader(file))
    assert [(float(trial[RATE]), float(trial[DECAY])) for trial in trials] == [
        (0.003, 0.01),
        (0.08, 0.01),
        (0.08, 0.0101),
    ]
    made = result(folder)
    kinds = [(statement["kind"], statement["key"]) for statement in made["why"]]
    assert kinds == [("path", None), ("gain", RATE), ("gain", DECAY)]
    assert made["why"][1]["text"].startswith("lr 0.003 -> 0.08 brings -")
    assert "chance" not in made["why"][1]["text"]
    assert "\n".join(statement["text"] for statement in made["why"]) in answer.out
    assert (made["selection"], made["scores"].keys() & {"test/log_loss"}) == (None, set())
    # The ends are the trials of the sweep, trained again.
    ends = [result(folder / name)["scores"]["valid/log_loss"]["mean"] for name in ("0", "2")]
    assert ends == [result(earlier / name)["scores"]["valid/log_loss"]["mean"] for name in ("1", "0")]

    assert run_cli("why", folder.name).out.splitlines() == [statement["text"] for statement in made["why"]]


def test_a_sweep_whose_best_is_the_default_and_one_without_it_are_refused(
    run_cli: Callable[..., Any], here: Path
) -> None:
    words = ("-m", *WORDS, *SWEEP, "sweep.trials=1")
    assert run_cli(*words).status == 0
    (folder,) = (here / "outputs" / "sweeps").iterdir()
    answer = run_cli(*words, "sweep.ablate=true")
    assert answer.status == 2
    assert "is the default; there is nothing to explain: leave it out." in answer.err
    other = run_cli(*words, "sweep.ablate=true", "sweep.enqueue_default=false", f"resume={folder.name}")
    assert other.status == 2
    assert (
        "has no complete trial with the default values; run it with sweep.enqueue_default=true" in other.err
    )
    assert list((here / "outputs" / "sweeps").iterdir()) == [folder]

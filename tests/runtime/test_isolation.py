from __future__ import annotations

import logging
import os
import random
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from harness.config.compose import compose
from harness.core.errors import Pruned
from harness.core.fold import Fold
from harness.core.progress import Progress
from harness.run import run
from harness.runs.journal import read
from harness.runs.trial import Trial
from harness.runtime.isolation import isolated

pytestmark = pytest.mark.slow

TREE = ["data/extract=iris", "model.widths=[8]", "trainer.epochs=2", "trainer.device=cpu", "tracking=none"]
OTHER = ["data/extract=digits", "model=convnet", "trainer.epochs=1", "trainer.device=cpu", "tracking=none"]


def state() -> dict[str, Any]:
    """Of everything that `disturb` changes."""
    return {
        "threads": torch.get_num_threads(),
        "dtype": torch.get_default_dtype(),
        "precision": torch.get_float32_matmul_precision(),
        "grad": torch.is_grad_enabled(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "warns": torch.is_deterministic_algorithms_warn_only_enabled(),
        "benchmark": torch.backends.cudnn.benchmark,
        "anomaly": torch.is_anomaly_enabled(),
        "python": random.getstate(),
        "numpy": np.random.get_state()[1].tolist(),  # type: ignore[index, union-attr]
        "torch": torch.get_rng_state().tolist(),
        "filters": list(warnings.filters),
        "handlers": list(logging.getLogger().handlers),
        "level": logging.getLogger().level,
        "environment": dict(os.environ),
        "folder": os.getcwd(),
    }


def disturb() -> None:
    torch.set_num_threads(torch.get_num_threads() + 1)
    torch.set_default_dtype(torch.float64)
    torch.set_float32_matmul_precision("medium")
    torch.set_grad_enabled(False)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = not torch.backends.cudnn.benchmark
    torch.autograd.set_detect_anomaly(True)
    random.seed(99)
    np.random.seed(99)
    torch.manual_seed(99)
    warnings.simplefilter("ignore")
    logging.getLogger().addHandler(logging.NullHandler())
    logging.getLogger().setLevel(logging.CRITICAL)
    os.environ["A_NEW_ONE"] = "1"
    os.environ["AN_OLD_ONE"] = "changed"
    del os.environ["ONE_TO_GO"]
    os.chdir("/")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AN_OLD_ONE", "as it was")
    monkeypatch.setenv("ONE_TO_GO", "here")


def different(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    return {name for name in before if before[name] != after[name]}


def test_everything_that_is_changed_within_is_as_it_was_afterwards() -> None:
    before = state()
    with isolated():
        disturb()
        assert different(before, state()) == set(before)
    assert different(before, state()) == set()


def test_it_is_also_after_an_error() -> None:
    @isolated()
    def fail() -> None:
        disturb()
        raise ValueError("within")

    before = state()
    with pytest.raises(ValueError, match="within"):
        fail()
    assert different(before, state()) == set()


def test_a_run_leaves_the_process_as_it_was(tmp_path: Path) -> None:
    before = state()
    run(compose([*TREE, "trainer.speed.tune=true", "trainer.speed.tf32=true"]), tmp_path)
    assert different(before, state()) == set()


def epochs(folder: Path) -> list[dict[str, float]]:
    rows = [event["values"] for event in read(folder)[0] if event["event"] == "metrics"]
    return [{name: value for name, value in row.items() if not name.startswith("time/")} for row in rows]


def test_trials_in_one_process_have_the_scores_of_separate_processes(tmp_path: Path) -> None:
    def naughty(fold: Fold, progress: Progress) -> None:
        disturb()
        raise Pruned("enough")

    run(compose(TREE), tmp_path / "alone", trial=Trial(0))
    with pytest.raises(Pruned):
        run(compose(OTHER), tmp_path / "other", [naughty], trial=Trial(1))
    run(compose([*TREE, "seed=5"]), tmp_path / "more", trial=Trial(2))
    run(compose(TREE), tmp_path / "again", trial=Trial(3))
    assert epochs(tmp_path / "again") == epochs(tmp_path / "alone")
    assert epochs(tmp_path / "more") != epochs(tmp_path / "alone")
    weights = [
        (tmp_path / name / "model" / "weights.safetensors").read_bytes() for name in ("again", "alone")
    ]
    assert weights[0] == weights[1]

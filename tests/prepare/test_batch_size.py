"""data.load.batch_size=auto becomes the largest power of two that should fit, and then does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from torch import nn

from harness.config.compose import compose
from harness.core.arrays import Arrays, Batch
from harness.core.errors import UserError
from harness.core.fold import Fold
from harness.core.task import Task
from harness.data.load.resident import Resident
from harness.prepare import batch_size
from harness.prepare.batch_size import SHARE, power_of_two, saved, sized
from harness.prepare.experiment import Experiment, prepare
from harness.prepare.plan import Plan, make_plan
from harness.run import run
from harness.runs.journal import read
from harness.trainer.batch_source import EpochIterator
from harness.trainer.saved_tensors import counted

pytestmark = pytest.mark.slow

IRIS = [
    *("data/extract=iris", "model.widths=[8]", "trainer.device=cpu", "trainer.epochs=2"),
    *("data.cache=off", "tracking=none", "report=false"),
]


def plan(size: int | str = "auto") -> Plan:
    cfg = compose(IRIS)
    cfg.data.load.batch_size = size
    return make_plan(cfg)


def has_free(monkeypatch: pytest.MonkeyPatch, size: float) -> None:
    monkeypatch.setattr(batch_size, "free", lambda device: size)


def needed(rows: int) -> int:
    """The bytes that a step of so many rows keeps for its gradient, and those of the gradient itself."""
    made = plan(rows)
    experiment = prepare(made, made.folds[0])
    trainer = experiment.trainer
    trainer.attach(experiment.model, experiment.loaders)
    batch = next(iter(EpochIterator(trainer.batch_source(experiment.loaders))))
    weights = sum(weight.numel() for weight in trainer.network.parameters())
    return saved(experiment, batch) + 4 * weights


def losses(folder: Path) -> list[float]:
    """Those of the epochs of a run."""
    values = [event["values"] for event in read(folder)[0] if event["event"] == "metrics"]
    return [row["train/loss"] for row in values if "lr" in row]


@pytest.mark.parametrize(
    ("most", "size"), [(1, 1), (2, 2), (3, 2), (64, 64), (127.9, 64), (4096, 4096), (0, 1)]
)
def test_the_power_of_two_is_the_largest_that_is_not_above(most: float, size: int) -> None:
    assert power_of_two(most) == size


def test_what_autograd_keeps_is_counted_once_and_without_the_weights() -> None:
    layer = nn.Linear(4, 8)
    inputs = torch.ones(3, 4)
    with counted(layer.parameters()) as sizes:
        hidden = layer(inputs).relu()  # keeps the inputs, for the weight, and its own result
        (hidden * hidden).sum()  # keeps the result twice more
    assert sum(sizes.values()) == 3 * 4 * 4 + 3 * 8 * 4


@pytest.mark.parametrize(("spare", "size"), [(1.001, 32), (0.999, 16)])
def test_the_largest_size_whose_step_fits_in_the_share_is_taken(
    monkeypatch: pytest.MonkeyPatch, spare: float, size: int
) -> None:
    has_free(monkeypatch, spare * needed(32) / SHARE)
    made = sized(plan())
    assert made.cfg.data.load.batch_size == size
    assert made.chosen["data.load.batch_size"] == str(size)


@pytest.mark.parametrize(("free", "size"), [(1e15, 64), (0, 8)])
def test_it_is_at_most_the_training_rows_and_at_least_eight(
    monkeypatch: pytest.MonkeyPatch, free: float, size: int
) -> None:
    has_free(monkeypatch, free)
    made = plan()
    assert len(made.folds[0].train) == 102
    assert sized(made).cfg.data.load.batch_size == size


def test_it_is_at_most_as_large_as_a_rate_can_do_without_care(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_size, "LARGEST", 16)
    has_free(monkeypatch, 1e15)
    assert sized(plan()).cfg.data.load.batch_size == 16


@pytest.mark.parametrize("most", [32, 8])
def test_where_memory_runs_out_the_size_is_halved_until_a_step_fits(
    monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    step, tried = batch_size._take_step, []

    def short(experiment: Experiment, batch: Batch) -> None:
        tried.append(len(batch.rows))
        if tried[-1] > most:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        step(experiment, batch)

    monkeypatch.setattr(batch_size, "_take_step", short)
    monkeypatch.setattr(batch_size, "find_device", lambda name: torch.device("cuda"))
    has_free(monkeypatch, 1e15)
    assert sized(plan()).cfg.data.load.batch_size == most
    assert tried == {32: [16, 64, 32], 8: [16, 8]}[most]


def test_a_device_on_which_nothing_fits_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_size, "_fits", lambda plan, size: False)
    has_free(monkeypatch, 1e15)
    message = (
        r"^data\.load\.batch_size=auto found no size that fits: not even 8 rows at once do on this device; "
        r"choose a smaller model, or trainer\.precision=bf16\.$"
    )
    with pytest.raises(UserError, match=message):
        sized(plan())


def test_a_size_that_was_given_stays_and_nothing_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_size, "_expected", lambda plan, most: pytest.fail("tried"))
    made = plan(24)
    assert sized(made) is made


def test_a_run_with_auto_is_the_run_with_that_size(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    has_free(monkeypatch, 1e15)
    for size in ("auto", 64):
        cfg = compose(IRIS)
        cfg.data.load.batch_size = size
        run(cfg, tmp_path / str(size))
        if size == "auto":
            assert "data.load.batch_size=64" in capsys.readouterr().out
    config = yaml.safe_load((tmp_path / "auto" / "config.yaml").read_text())
    assert config["data"]["load"]["batch_size"] == 64
    first, second = (losses(tmp_path / size) for size in ("auto", "64"))
    assert first == second
    assert len(first) == 2


def test_a_loader_cannot_be_made_of_a_size_that_is_not_known() -> None:
    arrays = Arrays(torch.zeros(4, 2), None, Task("none"))
    rows = np.arange(4)
    load = Resident(batch_size="auto", eval_batch_size=8, shuffle=True)
    assert load.holds(10, torch.device("cpu"))
    with pytest.raises(ValueError, match=r"^batch_size must be a number where a loader is made, got auto$"):
        load(arrays, Fold(0, rows, rows[:0], rows[:0]), torch.device("cpu"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda_a_step_of_the_size_is_taken() -> None:
    made = make_plan(compose([*IRIS, "trainer.device=cuda", "data.load.batch_size=auto"]))
    assert batch_size._fits(made, 64)

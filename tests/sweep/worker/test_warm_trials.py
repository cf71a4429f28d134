"""A trial in a worker that has run others equals the same trial in a process that has run none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra.core.hydra_config import HydraConfig

from harness.config import instantiate, known_settings
from harness.config.check_memory import CheckMemory
from harness.config.choice_files import CONF
from harness.config.node_replay import NodeReplay
from harness.data.cache.command_scope import command
from harness.run import run
from harness.runs.journal import read
from harness.runs.trial import Trial
from harness.sweep.worker import trial_config
from harness.sweep.worker.trial_config import TrialComposer

COMPOSER = TrialComposer(
    (("main", f"file://{CONF}"), ("hydra", "pkg://hydra.conf"), ("schema", "structured://"))
)
WORDS = ["data/extract=iris", "trainer.epochs=1", "tracking=none", "data.cache=off"]
SHARED = frozenset(WORDS)


@pytest.fixture(autouse=True)
def _hydra_forgets() -> Iterator[None]:
    """A task's node of Hydra becomes that of the process."""
    before = HydraConfig.instance().cfg
    yield
    HydraConfig.instance().cfg = before


def _forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes this process one that has run nothing, but for what it has imported and composed."""
    monkeypatch.setattr(instantiate, "_replay", NodeReplay(instantiate.target))
    monkeypatch.setattr(instantiate, "_checks", CheckMemory())
    monkeypatch.setattr(known_settings, "_passed", set())
    trial_config._with_values.cache_clear()
    trial_config._secrets.cache_clear()


def _trial(folder: Path, number: int, *swept: str) -> dict[str, Any]:
    """Scores, curves, weights and configuration of a trial."""
    words = COMPOSER.whole([*WORDS, *(word for words in swept for word in words.split())])
    cfg = COMPOSER.task(words, SHARED)
    result = run(cfg, folder, trial=Trial(number))
    lines = [yaml.safe_load(line) for line in (folder / "journal.jsonl").read_text().splitlines()]
    curves = [line["values"] for line in lines if line["event"] == "metrics"]
    times = [name for curve in curves for name in curve if name.startswith("time/")]
    return {
        "scores": {name: score for name, score in result.scores.items() if name not in times},
        "curves": [{name: value for name, value in curve.items() if name not in times} for curve in curves],
        "weights": [path.read_bytes() for path in sorted(folder.rglob("model/weights.safetensors"))],
        "transform": [path.read_text() for path in sorted(folder.rglob("model/transform/state.json"))],
        "config": (folder / "config.yaml").read_text(),
        "folds": (folder / "folds.npz").read_bytes(),
        "columns": (folder / "columns.json").read_text(),
        "checks": (folder / "checks.json").read_text(),
    }


SWEPT = [
    "trainer.optimizer.lr=0.05",
    "trainer/optimizer=sgd",
    "trainer.epochs=2",
    "model.widths=[16,8]",
    "model.dropout=0.4",
    "model=tabm",
    "data.load.batch_size=32",
    "data.transform.numeric.1._target_=sklearn.preprocessing.MinMaxScaler",
    "data.extract.infinite=missing",
    "split.seed=3",
    "split=stratified_kfold split.folds=2",
    "seed=7",
]


def test_each_swept_key_changes_what_depends_on_it_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with command(many=True):  # one worker, one trial after the other
        _trial(tmp_path / "first", 0)
        warm = {swept: _trial(tmp_path / f"warm-{n}", n, swept) for n, swept in enumerate(SWEPT, start=1)}
    for number, swept in enumerate(SWEPT, start=1):
        _forget(monkeypatch)
        with command(many=True):
            alone = _trial(tmp_path / f"alone-{number}", number, swept)
        assert (swept, warm[swept]) == (swept, alone)


def test_a_trial_computes_in_each_epoch_what_is_followed_and_ends_as_one_that_computes_all(
    tmp_path: Path,
) -> None:
    words = COMPOSER.whole([*WORDS, "trainer.epochs=2"])
    results = {}
    for name, follows in (("all", None), ("few", frozenset({"valid/f1"}))):
        trial = Trial(0, follows=follows)
        scores = run(COMPOSER.task(words, SHARED), tmp_path / name, trial=trial).scores
        assert scores.pop("time/training_seconds")["mean"] == 2 * scores.pop("time/epoch_seconds")["mean"]
        results[name] = scores
    assert results["all"] == results["few"]
    curves = {
        name: [event["values"] for event in read(tmp_path / name)[0] if event["event"] == "metrics"]
        for name in results
    }
    validated = [[key for key in values if key.startswith("valid/")] for values in curves["few"][:2]]
    assert validated == [["valid/loss", "valid/accuracy", "valid/f1", "valid/log_loss"]] * 2
    assert "valid/auroc" in curves["all"][0]

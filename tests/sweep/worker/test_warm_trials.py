"""A trial in a worker that has run others equals the same trial in a process that has run none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import OmegaConf

from harness.config import instantiate, known_settings
from harness.config.check_memory import CheckMemory
from harness.config.choice_files import CONF
from harness.config.node_replay import NodeReplay
from harness.core.errors import UserError
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
    """Scores, curves, weights and configuration of a trial; or why it was refused."""
    try:
        words = COMPOSER.whole([*WORDS, *swept])
        result = run(COMPOSER.task(words, SHARED), folder, trial=Trial(number))
    except (UserError, HydraException) as error:
        assert not folder.exists()
        return {"refused": str(error)}
    lines = [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]
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


OTHER = {
    "seed": "7",
    "name": "other",
    "checkpoint.keep": "1",
    "checkpoint.share": "0",
    "checkpoint.minutes": "null",
    "checkpoint.finished": "all",
    "data.extract.name": "wine",
    "data.extract.kind": "image",
    "data.extract.shape": "[1,2,2]",
    "data.extract.target": "'sepal length (cm)'",
    "data.extract.group": "'petal width (cm)'",
    "data.extract.id": "'petal width (cm)'",
    "data.extract.time": "'petal width (cm)'",
    "data.extract.time_features": "[year]",
    "data.extract.features": "['petal width (cm)']",
    "data.extract.keep": "['petal width (cm)']",
    "data.extract.drop": "['petal width (cm)']",
    "data.extract.task": "regression",
    "data.extract.positive": "setosa",
    "data.extract.infinite": "missing",
    "data.transform.numeric.0.strategy": "mean",
    "data.transform.numeric.1._target_": "sklearn.preprocessing.MinMaxScaler",
    "data.transform.numeric.2.margin": "0.5",
    "data.transform.target": "log",
    "data.transform.categorical.0.strategy": "constant",
    "data.transform.categorical.1.handle_unknown": "ignore",
    "data.transform.categorical.1.min_frequency": "3",
    "data.transform.categorical.1.max_categories": "9",
    "data.transform.categorical.1.sparse_output": "true",
    "data.transform.dates": "[year]",
    "data.transform.one_hot_up_to": "8",
    "data.transform.min_frequency": "3",
    "data.transform.cyclic": "false",
    "data.load.batch_size": "32",
    "data.load.unlabelled_batch_size": "8",
    "data.load.eval_batch_size": "16",
    "data.load.shuffle": "false",
    "data.load.passes": "2",
    "data.load.share_last": "true",
    "data.load.share": "0.25",
    "data.load.workers": "0",
    "data.load.prefetch": "3",
    "split.guard": "'off'",
    "split.labelled": "40",
    "split.ensemble": "2",
    "split.test": "0.3",
    "split.valid": "0.25",
    "split.stratify": "false",
    "split.grouped": "true",
    "split.shuffle": "false",
    "split.seed": "3",
    "pretrain.scratch": "true",
    "production.calibrate": "temperature",
    "baseline": "'off'",
    "fuse": "'off'",
    "harness.arithmetic": "1",
    "model.widths": "[16,8]",
    "model.dropout": "0.4",
    "model.norm": "batch",
    "model.activation": "gelu",
    "model.category_width": "4",
    "model.weights": "nowhere",
    "trainer.optimizer._target_": "torch.optim.Adam",
    "trainer.optimizer.lr": "0.05",
    "trainer.optimizer.betas": "[0.8,0.99]",
    "trainer.optimizer.eps": "0.01",
    "trainer.optimizer.weight_decay": "0.5",
    "trainer.optimizer.amsgrad": "true",
    "trainer.optimizer.maximize": "true",
    "trainer.optimizer.fused": "false",
    "trainer.scheduler.warmup": "0.5",
    "trainer.scheduler.final": "0.5",
    "trainer.update.accumulate": "2",
    "trainer.update.clip_norm": "0.1",
    "trainer.update.ema": "0.5",
    "trainer.update.skip": "2",
    "trainer.layers.freeze": "1",
    "trainer.layers.head_first": "1",
    "trainer.layers.decay": "0.5",
    "trainer.layers.decay_all": "true",
    "trainer.speed.channels_last": "false",
    "trainer.speed.tf32": "true",
    "trainer.speed.parallel": "fsdp",
    "trainer.epochs": "2",
    "trainer.steps": "1",
    "trainer.minutes": "5",
    "trainer.class_weights": "balanced",
    "trainer.monitor": "valid/f1",
    "trainer.best_by": "valid/ece",
    "trainer.patience": "1",
    "trainer.device": "cuda:7",
    "trainer.precision": "bf16",
    "evaluate.importance.score": "accuracy",
    "evaluate.importance.repeats": "2",
    "evaluate.importance.rows": "20",
    "evaluate.importance.cells": "1000",
    "evaluate.importance.curves": "1",
    "evaluate.importance.points": "5",
}
"""Another value of each key of a trial of the default configuration; some are refused, in both processes."""

CHOICES = [
    ["+tags.a=b"],
    ["data/extract=wine"],
    ["data/transform/numeric=robust"],
    ["data/load/sampler=class_balanced"],
    ["split=stratified_kfold", "split.folds=2"],
    ["split.grouped=true", "data.extract.group='petal width (cm)'"],
    ["model=tabm"],
    ["model/numeric=periodic"],
    ["trainer/loss=focal"],
    ["trainer/mix=mixup"],
    ["trainer/optimizer=sgd"],
    ["trainer/scheduler=none"],
    ["evaluate=regression"],
]
"""Words that change what one key alone does not."""

TOGETHER = [
    ("checkpoint.",),
    (
        "data.transform.categorical.",
        "data.transform.one_hot_up_to",
        "data.transform.min_frequency",
        "data.transform.dates",
        "data.transform.cyclic",
        "model.category_width",
    ),
    ("data.load.eval_batch_size", "data.load.share", "data.load.workers", "data.load.prefetch"),
    ("trainer.speed.", "trainer.minutes", "trainer.patience"),
    ("evaluate.importance.",),
]
"""Keys that are, or begin so, get another value together: they change no number of a trial of this table."""

ELSEWHERE = {
    "data.cache": "see tests/data/cache",
    "outputs": "the sweep chooses the folder of a trial",
    "report": "a trial has no page",
    "pretrain.words": "words for a training of its own, see tests/stages/test_pretrain.py",
    "production.": "made when the sweep is over",
    "resume.": "the sweep sets it",
    "harness.": "how the command prints",
    "split.sealed": "test rows of a trial are not scored; see tests/stages/test_sealed_test.py",
    "sweep.": "not of a trial",
    "trainer.speed.compile": "it takes half a minute",
    "trainer.speed.tune": "for convolutions on a GPU",
}
"""Keys that have no other value here, or all keys that begin so; and why."""


def _keys(value: Any, key: str) -> Iterator[str]:
    """The keys of all values below a node; a list of values is one."""
    items = list(
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    if items and (isinstance(value, dict) or any(isinstance(item, dict) for _, item in items)):
        for name, item in items:
            yield from _keys(item, f"{key}.{name}".lstrip("."))
    else:
        yield key


def _is_elsewhere(key: str) -> bool:
    return any(key == name or (name.endswith(".") and key.startswith(name)) for name in ELSEWHERE)


def test_every_key_of_a_default_trial_has_another_value_here() -> None:
    cfg = OmegaConf.to_container(COMPOSER.task(COMPOSER.whole(WORDS), SHARED))
    keys = {key for key in _keys(cfg, "") if key.rpartition(".")[2] not in instantiate._OWN_KEYS}
    changed = {*OTHER, "tags", "data.load.sampler", "model.numeric", "trainer.loss", "evaluate._auto_"}
    assert {key for key in keys if not _is_elsewhere(key)} - changed == set()
    assert {key for key in OTHER if not key.endswith("._target_")} - keys == set()
    assert {name for name in ELSEWHERE if not any(key.startswith(name) for key in keys)} == set()


def _swept() -> list[list[str]]:
    """The words of each trial that differs from the default one."""
    groups: dict[Any, list[str]] = {}
    for key, value in OTHER.items():
        group = next((names for names in TOGETHER if key.startswith(names)), key)
        groups.setdefault(group, []).append(f"{key}={value}")
    return [*groups.values(), *CHOICES]


@pytest.mark.slow  # two trials for each key
def test_each_swept_key_changes_what_depends_on_it_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    swept = _swept()
    with command(many=True):  # one worker, one trial after the other
        first = _trial(tmp_path / "first", 0)
        warm = [_trial(tmp_path / f"warm-{n}", n, *words) for n, words in enumerate(swept)]
        assert _trial(tmp_path / "again", 0) == first
    assert sum("refused" in trial for trial in warm) < 12
    for number, (words, together) in enumerate(zip(swept, warm, strict=True)):
        _forget(monkeypatch)
        with command(many=True):
            alone = _trial(tmp_path / f"alone-{number}", number, *words)
        assert (words, together) == (words, alone)


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

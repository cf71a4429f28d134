"""Sweeps over a program that has its own configuration and nothing of harness."""

from __future__ import annotations

import csv
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hydra
import pytest
import yaml
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from harness.sweep import Pruned, folder, report

CONF = {
    "train.yaml": {
        "defaults": ["_self_", {"optimizer": "adam"}],
        "epochs": 9,
        "double": "${twice:${epochs}}",
        "out": "${hydra:runtime.output_dir}",
        "tracking": {"uri": "none"},
        "hydra": {
            "job": {"chdir": True},
            "job_logging": {"version": 1},
            "hydra_logging": {"version": 1},
            "sweep": {"dir": "logs/multiruns/${now:%Y-%m-%d}_${now:%H-%M-%S}"},
        },
    },
    "optimizer/adam.yaml": {"name": "adam", "lr": 0.1},
    "optimizer/sgd.yaml": {"name": "sgd", "lr": 0.1, "momentum": 0.9},
}
LR = "optimizer.lr=interval(0.001,1)"
Sweep = Callable[..., int]

pytestmark = pytest.mark.slow


@pytest.fixture
def sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sweep]:
    """`sweep(task, "lr=1,2")` is `python train.py -m hydra/sweeper=harness lr=1,2`; its exit status."""
    for name, content in CONF.items():
        file = tmp_path / "conf" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(yaml.safe_dump(content))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)  # `python -m harness` sets it
    OmegaConf.register_new_resolver("twice", lambda number: 2 * number, replace=True)
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", None)  # a file is run, and no `python -m`
    before = HydraConfig.instance().cfg

    def run(task: Callable[[DictConfig], Any], *words: str, name: str = "train") -> int:
        typed = ["hydra/sweeper=harness", *words]
        monkeypatch.setattr(sys, "argv", [str(tmp_path / "train.py"), "-m", *typed])
        with hydra.initialize_config_dir(str(tmp_path / "conf"), version_base="1.3", job_name="train"):
            main: Any = GlobalHydra.instance().hydra
            try:
                main.multirun(name, task, [*typed, "hydra.mode=MULTIRUN"])
            except SystemExit as left:
                return int(str(left.code))
        return 0

    yield run
    HydraConfig.instance().cfg = before
    OmegaConf.clear_resolver("twice")


def made(tmp_path: Path) -> Path:
    (only,) = (tmp_path / "logs" / "multiruns").iterdir()
    return only


def rows(where: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((where / "trials.csv").read_text().splitlines()))


def result(where: Path) -> Any:
    return json.loads((where / "result.json").read_text())


def train(cfg: DictConfig) -> float:
    """A training of `epochs` epochs with checkpoints."""
    file = folder() / "checkpoint.json"
    epoch = json.loads(file.read_text()) if file.exists() else 0
    assert Path.cwd() == folder() == Path(cfg.out)
    assert (cfg.double, cfg.tracking.uri) == (2 * cfg.epochs, "none")
    while epoch < cfg.epochs:
        epoch += 1
        loss = float(cfg.optimizer.lr) + 1 / epoch
        file.write_text(json.dumps(epoch))
        if report(epoch, loss, last=epoch == cfg.epochs):
            break
    return loss


def test_a_program_is_swept_with_its_own_configuration(sweep: Sweep, tmp_path: Path) -> None:
    words = ("+sweep=median", "sweep.trials=7", "optimizer=adam,sgd", LR, "tracking.uri=none")
    assert sweep(train, *words) == 0
    where = made(tmp_path)
    trials = rows(where)
    assert len(trials) == 7
    states = [trial["state"] for trial in trials]
    assert set(states) == {"complete", "pruned"}
    best = yaml.safe_load((where / "best.yaml").read_text())
    complete = [trial for trial in trials if trial["state"] == "complete"]
    lowest = min(complete, key=lambda trial: float(trial["objective"]))
    assert best["number"] == int(lowest["number"])
    assert best["values"]["objective"] == pytest.approx(float(lowest["optimizer.lr"]) + 1 / 9)
    assert best["command"].startswith("python train.py tracking.uri=none optimizer=")
    assert "sweep" not in best["command"]
    assert not any(trial["error"] for trial in trials)
    assert trials[0]["optimizer"] == "adam"  # the program's own configuration comes first
    assert float(trials[0]["optimizer.lr"]) == 0.1
    stopped = where / str(states.index("pruned"))
    assert json.loads((stopped / "checkpoint.json").read_text()) < 9
    written = OmegaConf.load(stopped / ".hydra" / "config.yaml")
    assert written.optimizer.lr == pytest.approx(float(trials[states.index("pruned")]["optimizer.lr"]))
    assert "report.html" in {file.name for file in where.iterdir()}
    assert result(where)["mlflow"] is None
    assert result(where)["command"].startswith("python train.py -m hydra/sweeper=harness +sweep=median")


def test_a_stopped_sweep_continues_with_its_trial_in_the_same_folder(sweep: Sweep, tmp_path: Path) -> None:
    calls: list[str] = []

    def interrupted(cfg: DictConfig) -> float:
        calls.append(folder().name)
        if len(calls) == 2:
            (folder() / "checkpoint.json").write_text("4")
            report(4, 0.5)
            os.kill(os.getpid(), signal.SIGTERM)
        return train(cfg)

    words = ("+sweep=random", "sweep.trials=3", LR)
    assert sweep(interrupted, *words) == 143
    assert result(made(tmp_path))["status"] == "interrupted"
    assert sweep(interrupted, *words) == 0
    assert calls == ["0", "1", "1", "2"]
    assert [trial["state"] for trial in rows(made(tmp_path))] == ["complete"] * 3
    assert sweep(interrupted, *words[:1], "sweep.trials=1", LR) == 0  # what is finished is not continued
    assert sorted(path.name[-2:] for path in (tmp_path / "logs" / "multiruns").iterdir()) == ["-0", "-1"]


def test_keys_of_the_program_that_have_our_names_are_swept(sweep: Sweep, tmp_path: Path) -> None:
    at = "hydra.sweeper.sweep"
    file = tmp_path / "conf" / "train.yaml"
    own = {"outputs": "x", "resume": False, "sweep": {"low": 1}}
    file.write_text(yaml.safe_dump(CONF["train.yaml"] | own))

    def task(cfg: DictConfig) -> float:
        assert set(cfg.sweep) == {"low"}
        return float(cfg.sweep.low + 10 * cfg.resume + 100 * (cfg.outputs == "x"))

    words = (f"+sweep@{at}=grid", "sweep.low=2,3", "outputs=x,y", "resume=true,false", "tracking.uri=none,a")
    assert sweep(task, *words) == 0
    where = made(tmp_path)
    assert sorted(float(trial["objective"]) for trial in rows(where)[::2]) == [
        2,
        3,
        12,
        13,
        102,
        103,
        112,
        113,
    ]
    best = yaml.safe_load((where / "best.yaml").read_text())
    assert best["command"] == "python train.py sweep.low=2 outputs=y resume=false tracking.uri=none"
    assert sweep(task, f"+sweep@{at}=grid,tpe", "sweep.low=2,3") == 2
    assert sweep(task, f"+sweep@{at}=grid", "sweep.low=4,5") == 0  # another sweep, in another folder
    assert len(list((tmp_path / "logs" / "multiruns").iterdir())) == 2


@dataclass
class Optimizer:
    lr: float = 0.1


@dataclass
class Typed:
    optimizer: Optimizer = field(default_factory=Optimizer)
    width: int = 1


def test_a_structured_configuration_has_several_objectives_and_errors(sweep: Sweep, tmp_path: Path) -> None:
    ConfigStore.instance().store(name="typed", node=Typed)

    def task(cfg: Any) -> dict[str, float]:
        assert set(cfg) == {"optimizer", "width"}
        if cfg.width == 3:
            raise RuntimeError("no such width")
        if cfg.width == 4:
            raise Pruned("too wide")
        if cfg.width == 5:
            sys.exit(3)
        return {"accuracy": 1 - cfg.width / 10, "size": cfg.width}

    at = "hydra.sweeper.sweep"
    status = sweep(
        task,
        f"+sweep@{at}=random",
        f"{at}.sampler._target_=optuna.samplers.RandomSampler",
        f"{at}.trials=5",
        f"{at}.objectives={{accuracy: maximize, size: minimize}}",
        f"{at}.constraints=['accuracy > 0.8']",
        f"{at}.enqueue=[{{width: 2}},{{width: 3}},{{width: 4}},{{width: 5}}]",
        "width=range(1,6)",
        "hydra.sweep.dir=mine",
        name="typed",
    )
    assert status == 0
    trials = rows(tmp_path / "mine")
    assert [trial["state"] for trial in trials] == ["complete", "failed", "pruned", "failed", "complete"]
    assert "no such width" in trials[1]["error"]
    assert "sys.exit(3)" in trials[3]["error"]
    (best,) = yaml.safe_load((tmp_path / "mine" / "best.yaml").read_text())
    assert (best["parameters"], best["values"]) == ({"width": 1}, {"accuracy": 0.9, "size": 1.0})


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("hydra.sweeper.n_trials=3", LR), "use sweep.trials=N"),
        (("optimizer=adam",), "no key is swept"),
        (("+sweep=tpe", LR), "a sweep needs an end"),
        (
            ("+sweep=asha", "sweep.trials=3", "sweep.objectives=[minimize,maximize]", LR),
            "a pruner compares one",
        ),
        (("+sweep=tpe", "sweep.trials=3", "sweep.objectives=accuracy", LR), "minimised or maximised"),
        (("+sweep=tpe", "sweep.trials=3", "optimizer=adam,lamb"), "optimizer"),
        (("optimizer.momentum=1,2",), "optimizer.momentum=1 cannot be composed"),
        ((LR,), "optimizer.lr"),
    ],
)
def test_a_mistake_is_one_sentence_and_leaves_no_folder(
    sweep: Sweep, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    def never(cfg: DictConfig) -> float:
        raise AssertionError

    assert sweep(never, *words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert said in line
    assert [path.name for path in tmp_path.iterdir()] == ["conf"]

"""Makes the files beside it: what harness at commit d625819 left on a disk, for tests/test_before.py.

They are meant to stay as that commit wrote them, so this shows how they were made. It was run
with that commit's checkout at /home/user/harness, in the empty folder /home/user/project, on a machine called
"example" (a namespace of its own, so that no file holds a path or a name of the machine it was made on):

    OMP_NUM_THREADS=1 PYTHONPATH=/home/user/harness python make.py
"""

from __future__ import annotations

import csv
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

QUICK = ["tracking=none", "trainer.device=cpu", "model=mlp", "model.widths=[8]", "trainer.optimizer.lr=0.03"]
IRIS = ["data/extract=iris", "data.load.batch_size=16", *QUICK]
SHORT = [*IRIS, "trainer.epochs=2"]
FOLDS = ["split=kfold", "split.folds=2"]
LONG = [*IRIS, "trainer.epochs=6", "checkpoint.share=1"]
SPACE = "trainer.optimizer.lr=tag(log,interval(1e-3,1e-1))"
SWEEP = ["-m", "sweep=tpe", "sweep.trials=3", SPACE, *(word for word in SHORT if "lr=" not in word)]

RUNS = {
    "plain": SHORT,
    "folds": [*SHORT, *FOLDS, "production.refit=true", "production.ensemble=true"],
    "contrastive": [*SHORT, "trainer=contrastive"],
    "semi_supervised": [*SHORT, "trainer=semi_supervised", "split.labelled=30"],
    "diabetes": ["data/extract=diabetes", "data.load.batch_size=64", *QUICK, "trainer.epochs=2"],
}

STOPPED = {  # the words, the signal, and in which training step it came
    "stopped": (LONG, signal.SIGINT, 17),
    "killed": ([*LONG, *FOLDS], signal.SIGKILL, 34),
}

STOPPED_TRIAL = 36
"""The training step, of all trials of a sweep, in which the signal came."""

PREDICTED = {
    "plain": "iris",
    "folds": "iris",
    "folds/fold-1": "iris",
    "semi_supervised": "iris",
    "contrastive": "iris",
    "diabetes": "diabetes",
    "rates-0/best": "iris",
}
"""Runs, and the rows that they predict."""

COMPARED = {"compared_runs": ["plain", "folds", "semi_supervised"], "compared_trials": ["rates-0"]}

DIES = """
import os, sys
from harness.__main__ import door
from harness.model.mlp import MLP

forward, steps = MLP.forward, 0

def mortal(self, inputs):
    global steps
    if self.training:
        steps += 1
        if steps == {step}:
            os.kill(os.getpid(), {signum})
    return forward(self, inputs)

MLP.forward = mortal
sys.argv = ["harness", *{words!r}]
sys.exit(door({words!r}))
"""

OUTPUTS = Path("outputs")
BEFORE = Path("before")
"""What is to be committed, in the end."""


def harness(*words: str) -> None:
    command = [sys.executable, "-m", "harness", *words]
    print("$ harness", *words, flush=True)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"


def dies(words: list[str], signum: int, step: int) -> None:
    print("$ dies", *words, flush=True)
    text = DIES.format(words=words, signum=int(signum), step=step)
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)
    assert done.returncode in (-signum, 128 + signum), f"{words}\n{done.stdout}\n{done.stderr}"


def scores(folder: Path) -> dict[str, Any]:
    """Every score of a run, or of an evaluation; what the clock gives is left out."""
    found = json.loads((folder / "result.json").read_text())["scores"]
    return {name: score for name, score in found.items() if not name.startswith("time/")}


def lines(path: Path) -> list[dict[str, str]]:
    """A CSV file as the texts that it holds."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def points(sweep: Path) -> list[dict[str, str]]:
    """Of each trial of a sweep its state, value and parameters."""
    kept = ("number", "state", "valid/accuracy", "trainer.optimizer.lr")
    return [{name: row[name] for name in kept} for row in lines(sweep / "trials.csv")]


def write_rows() -> None:
    """Raw rows with their targets, a gap, and a column that no model knows."""
    from harness.build import build
    from harness.compose import compose

    for name in ("iris", "diabetes"):
        frame = build(compose([f"data/extract={name}"]).data.extract, "data.extract")().frame
        frame = frame.iloc[:: len(frame) // 12].copy()
        frame.iloc[2, 1] = np.nan
        frame.insert(0, "number", [f"{count:03}" for count in range(len(frame))])
        frame.to_csv(f"{name}.csv", index=False)


def evaluated(name: str, run: str, *words: str) -> dict[str, Any]:
    harness("evaluate", run, "tracking=none", f"outputs=elsewhere/{name}", *words)
    return scores(only(Path("elsewhere", name, "runs")))


def only(folder: Path) -> Path:
    (found,) = folder.iterdir()
    return found


def make_runs() -> dict[str, Any]:
    for name, words in RUNS.items():
        harness(*words, f"hydra.run.dir=outputs/runs/{name}")
    harness(*SWEEP, "sweep.name=rates")
    weights = "model.weights=outputs/runs/plain"
    harness(*SHORT, weights, "outputs=elsewhere/tuned", "hydra.run.dir=elsewhere/tuned/runs/tuned")
    return {
        "runs": {
            name: {"words": words, "scores": scores(OUTPUTS / "runs" / name)} for name, words in RUNS.items()
        },
        "sweep": {"words": [*SWEEP, "sweep.name=rates"], "points": points(OUTPUTS / "sweeps" / "rates-0")},
        "tuned": {"words": [*SHORT, weights], "scores": scores(Path("elsewhere/tuned/runs/tuned"))},
    }


def make_stopped() -> dict[str, Any]:
    """What was stopped, and its result where nobody stops it."""
    results: dict[str, Any] = {}
    for name, (words, signum, step) in STOPPED.items():
        dies([*words, f"hydra.run.dir=outputs/runs/{name}"], signum, step)
        harness(*words, f"outputs=elsewhere/{name}", f"hydra.run.dir=elsewhere/{name}/runs/whole")
        results[name] = {"words": words, "scores": scores(Path(f"elsewhere/{name}/runs/whole"))}
    words = [*SWEEP, "sweep.name=halved", "sweep.trials=4"]
    dies(words, signal.SIGINT, STOPPED_TRIAL)
    harness(*words, "outputs=elsewhere/halved")
    results["halved"] = {"words": words, "points": points(Path("elsewhere/halved/sweeps/halved-0"))}
    return results


def make_answers() -> dict[str, Any]:
    """The predictions go to files; the results of evaluations and comparisons are returned."""
    Path("predicted").mkdir()
    for run, rows in PREDICTED.items():
        harness("predict", run, f"{rows}.csv", f"predicted/{run.replace('/', '-')}.csv")
    harness("predict", "plain", "iris.csv", "predicted/representation.csv", "--embed")
    harness("predict", "folds", "iris.csv", "predicted/folds-together.csv", "--ensemble")
    table = ("data/extract=csv", "data.extract.path=iris.csv")
    results = {
        "plain": evaluated("plain", "plain"),
        "folds/fold-1": evaluated("fold", "folds/fold-1"),
        "contrastive": evaluated("contrastive", "contrastive"),
        "diabetes": evaluated("diabetes", "diabetes"),
        "plain, iris.csv": evaluated("plain-iris", "plain", *table),
        "folds, iris.csv": evaluated("folds-iris", "folds", *table),
    }
    compared: dict[str, Any] = {}
    for name, words in COMPARED.items():
        harness("compare", *words, "--csv", f"{name}.csv")
        compared[name] = {"words": words, "lines": lines(Path(f"{name}.csv"))}
        for line in compared[name]["lines"]:
            del line["seconds"]
    return {"evaluated": results, "compared": compared}


def make_logged() -> None:
    """The model of `plain` as MLflow was given it, and of its code what a prediction imports."""
    harness(*[word for word in SHORT if word != "tracking=none"], "outputs=logged")
    (found,) = Path("logged").rglob("MLmodel")
    shutil.copytree(found.parent, "model")
    text = (
        "import sys, mlflow.pyfunc, pandas\n"
        "mlflow.pyfunc.load_model('model').predict(pandas.read_csv('iris.csv'))\n"
        "files = [m.__file__ for n, m in sys.modules.items() if n.partition('.')[0] == 'harness']\n"
        "print('\\n'.join(file for file in files if file))\n"
    )
    aside = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True, env=aside)
    imported = {Path(line) for line in done.stdout.splitlines()}
    own = Path("model/code").absolute()
    assert imported
    assert all(path.is_relative_to(own) for path in imported), imported
    for path in own.rglob("*"):
        if path.is_file() and path not in imported:
            path.unlink()
    shutil.copytree("model", "logged_model", ignore=shutil.ignore_patterns("__pycache__"))
    for path in sorted(Path("logged_model").rglob("*"), reverse=True):
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()


def keep() -> None:
    """Copies what tells something: pictures, pages and checkpoints of finished folds tell nothing more."""
    kept = Path("kept")
    shutil.copytree(OUTPUTS, kept, ignore=shutil.ignore_patterns("*.png", "report.html", "cache", "export"))
    shutil.rmtree(kept / "runs/killed/fold-0/checkpoints")
    for folder in kept.rglob("checkpoints"):
        if folder.parent.name not in ("stopped", "fold-1", "2") or (folder.parent / "model").exists():
            shutil.rmtree(folder)
    pack(kept, "outputs")
    pack(Path("logged_model"), "model")
    shutil.copytree("predicted", BEFORE / "predicted")
    for name in ("iris", "diabetes"):
        shutil.copy(f"{name}.csv", BEFORE)


def pack(folder: Path, name: str) -> None:
    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        member.uname = member.gname = "user"
        return member

    with tarfile.open(BEFORE / f"{name}.tar.xz", "w:xz", preset=9) as archive:
        archive.add(folder, name, filter=plain)


def main() -> None:
    BEFORE.mkdir()
    write_rows()
    made = {
        "commit": "d625819",
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "threads": torch.get_num_threads(),
    }
    expected = {"made": made, **make_runs(), **make_answers(), "stopped": make_stopped()}
    make_logged()
    keep()
    (BEFORE / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main()

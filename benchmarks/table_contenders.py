"""The contenders of `benchmarks/tables.py`, and the measurement of one of them on one table.

Every contender learns from the training part of each fold, may stop by its validation part, and is scored on
its test part, by the same functions; all have the same folds, which `Outcome.rows` witnesses.
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from importlib import metadata
from pathlib import Path
from time import process_time
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
import torch

from benchmarks.table_outcomes import Outcome
from benchmarks.table_sets import TARGET, TableSet
from harness import __version__, compose, run
from harness.core.baseline_names import FITTED, baseline_name
from harness.evaluate.classification import Classification
from harness.evaluate.regression import Regression
from harness.prepare.plan import make_plan
from harness.runs.fold_rows import rows_content
from harness.stages import fold_baselines

SEED = 0
METRICS = {"classification": ("accuracy", "auroc", "log_loss"), "regression": ("r2", "rmse")}
"""The stored scores by the kind of target."""

OLD, NEW = "old default", "default"
_OLD = (
    "model=mlp",
    "model/numeric=none",
    "data/transform=tabular",
    "data/transform/numeric=standard",
    "trainer.epochs=20",
    "trainer.best_by=null",
)
_TABM = ("model=tabm", "data/transform/numeric=robust", "model/numeric=piecewise_linear")

NETWORKS: dict[str, dict[str, tuple[str, ...]]] = {
    NEW: {"classification": (), "regression": ()},
    # What the settings did before `trainer.epochs=auto`, `trainer.best_by`, `model/numeric=auto` and
    # `data/transform/numeric=bounded`.
    OLD: dict.fromkeys(METRICS, _OLD),
    "tabm": dict.fromkeys(METRICS, _TABM),
    "realmlp": {
        "classification": ("experiment=realmlp",),
        "regression": ("experiment=realmlp_regression",),
    },
}
"""Overrides of each contender that a command of harness trains, by the kind of target."""


class Split:
    """A fold's parts for a contender of another package: inputs as frames, targets as codes or numbers."""

    def __init__(self, frame: pd.DataFrame, targets: np.ndarray, rows: Mapping[str, np.ndarray]) -> None:
        inputs = frame.drop(columns=TARGET)
        for name in inputs.columns:
            if not pd.api.types.is_numeric_dtype(inputs[name]):
                inputs[name] = inputs[name].astype("category")
        self.inputs = {part: inputs.iloc[rows[part]] for part in rows}
        self.targets = {part: targets[rows[part]] for part in rows}


def _boosting_default(split: Split, classes: int) -> np.ndarray:
    """HistGradientBoosting with its own settings: 100 trees, which stop early only above 10,000 rows."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    made = (HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor)(random_state=SEED)
    made.fit(split.inputs["train"], split.targets["train"])
    return _answers(made, split.inputs["test"], classes)


def _pytabkit(split: Split, classes: int) -> np.ndarray:
    """RealMLP-TD of its authors' package; numbers that are missing are the median, since it takes none."""
    from pytabkit import RealMLP_TD_Classifier, RealMLP_TD_Regressor

    middle = split.inputs["train"].median(numeric_only=True)
    inputs = {part: frame.fillna(middle) for part, frame in split.inputs.items()}
    make = RealMLP_TD_Classifier if classes else RealMLP_TD_Regressor
    made = make(device="cpu", random_state=SEED, n_threads=1, verbosity=0)
    made.fit(inputs["train"], split.targets["train"], inputs["valid"], split.targets["valid"])
    return _answers(made, inputs["test"], classes)


def _answers(made: Any, inputs: pd.DataFrame, classes: int) -> np.ndarray:
    """(n,) numbers, or (n, classes) probabilities, 0 of a class that no training row has."""
    if not classes:
        return np.asarray(made.predict(inputs), dtype=np.float64).reshape(-1)
    shares = np.zeros((len(inputs), classes))
    shares[:, np.asarray(made.classes_, dtype=np.int64)] = made.predict_proba(inputs)
    return shares


OUTSIDE: dict[str, tuple[str, Callable[[Split, int], np.ndarray]]] = {
    "boosting, 100 trees": ("scikit-learn", _boosting_default),
    "RealMLP-TD of pytabkit": ("pytabkit", _pytabkit),
}
"""Contenders of other packages: the package, and (split, classes or 0) -> answers for the test part."""

CONTENDERS = (*NETWORKS, *OUTSIDE)
WEIGHTS = {"tabm": 8, "realmlp": 8, "RealMLP-TD of pytabkit": 12}
"""CPU time for a row, roughly, in that of the default: what is cheap is measured first."""


def settings_digest(name: str, table: TableSet, folds: int) -> str:
    """A digest of a contender's words, or of its package's version.

    Defaults that the words leave to yaml are not in it: a new setting that changes nothing would otherwise
    have everything measured again. Where a default changes, `--again` is needed.
    """
    if name in OUTSIDE:
        return _digest([OUTSIDE[name][0], metadata.version(OUTSIDE[name][0]), folds, SEED])
    return _digest([*NETWORKS[name][table.task], *_words(table, "rows.csv", folds)])


def measure(table: TableSet, name: str, folds: int, settings: str) -> list[Outcome]:
    """Trains a contender on a table; the default has the fitted baselines beside it.

    Args:
        settings: digest of the contender's, which its outcomes carry.

    Raises:
        Exception: whatever the contender raises.
    """
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(), _quiet() as shown:
        warnings.simplefilter("ignore")
        path = Path(folder) / "rows.csv"
        table.rows().to_csv(path, index=False)
        words = _words(table, str(path), folds)
        if name in OUTSIDE:
            return [_measure_outside(table, name, folds, settings, words, path)]
        clock: dict[str, float] = {}
        begun = process_time()
        with _timed(clock):
            run([*NETWORKS[name][table.task], *words], folder=Path(folder) / "run")
        seconds = process_time() - begun - sum(clock.values())
        result = json.loads((Path(folder) / "run" / "result.json").read_text())["scores"]
        rows = _digest((Path(folder) / "run" / "folds.npz").read_bytes())
        says = next((line.strip(" !") for line in shown.getvalue().splitlines() if _names_baseline(line)), "")
    common: dict[str, Any] = {"table": table.name, "folds": folds, "settings": settings, "rows": rows}
    common["versions"] = versions(name)
    found = [
        Outcome(contender=name, scores=_scores(result, table.task, ""), seconds=seconds, says=says, **common)
    ]
    for kind in FITTED if name == NEW else ():
        scores = _scores(result, table.task, kind)
        if scores:
            found.append(Outcome(contender=kind, scores=scores, seconds=clock[kind], says=None, **common))
    return found


def versions(name: str) -> dict[str, str]:
    """The versions that an outcome was measured with."""
    packages = {"torch", "scikit-learn", *([OUTSIDE[name][0]] if name in OUTSIDE else [])}
    own = {"python": platform.python_version(), "harness": __version__}
    return own | {each: metadata.version(each) for each in sorted(packages)}


def _measure_outside(
    table: TableSet, name: str, folds: int, settings: str, words: Sequence[str], path: Path
) -> Outcome:
    plan = make_plan(compose(words))
    frame = pd.read_csv(path)
    classes = sorted(frame[TARGET].unique()) if table.task == "classification" else []
    codes = (
        frame[TARGET].map({value: code for code, value in enumerate(classes)}) if classes else frame[TARGET]
    )
    targets, evaluator = codes.to_numpy(), Classification() if classes else Regression()
    scores: dict[str, list[float | None]] = {metric: [] for metric in METRICS[table.task]}
    begun = process_time()
    for fold in plan.folds:
        split = Split(frame, targets, dict(fold.parts()))
        answers = OUTSIDE[name][1](split, len(classes))
        outputs = torch.from_numpy(np.log(np.clip(answers, 1e-12, 1.0)) if classes else answers)
        found = evaluator.pool(outputs, torch.from_numpy(split.targets["test"]))
        for metric in scores:
            scores[metric].append(found[metric])
    seconds = process_time() - begun
    rows = _digest(rows_content(plan.folds, len(frame)))
    return Outcome(table.name, name, folds, settings, rows, seconds, scores, None, versions(name))


def _words(table: TableSet, path: str, folds: int) -> list[str]:
    classes = table.task == "classification"
    return [
        "data/extract=csv",
        f"data.extract.path={path}",
        f"data.extract.target={TARGET}",
        f"data.extract.task={table.task}",
        f"split={'stratified_kfold' if classes else 'kfold'}",
        f"split.folds={folds}",
        f"seed={SEED}",
        "split.guard=off",
        "tracking=none",
        "report=false",
        "evaluate/importance=off",
        "data.cache=off",
        "trainer.device=cpu",
    ]


def _scores(result: Mapping[str, Any], task: str, kind: str) -> dict[str, list[float | None]]:
    """The scores of the network, or of one of its baselines, on each fold."""
    names = {metric: f"test/{baseline_name(metric, kind) if kind else metric}" for metric in METRICS[task]}
    return {metric: result[name]["folds"] for metric, name in names.items() if name in result}


def _names_baseline(line: str) -> bool:
    return any(f"{words} reaches test/" in line for words in FITTED.values())


def _digest(content: object) -> str:
    made = (
        content if isinstance(content, bytes) else json.dumps(content, sort_keys=True, default=str).encode()
    )
    return hashlib.sha256(made).hexdigest()[:12]


@contextmanager
def _quiet() -> Iterator[io.StringIO]:
    with io.StringIO() as shown, redirect_stdout(shown), redirect_stderr(io.StringIO()):
        yield shown


@contextmanager
def _timed(clock: dict[str, float]) -> Iterator[None]:
    """Adds the CPU time of each baseline that a run fits, which is not the network's."""
    fit = fold_baselines.fitted

    def timed(name: str, *given: Any) -> Any:
        begun = process_time()
        try:
            return fit(name, *given)
        finally:
            clock[name] = clock.get(name, 0.0) + process_time() - begun

    with patch.object(fold_baselines, "fitted", timed):
        yield

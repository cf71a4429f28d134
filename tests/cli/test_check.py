from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest


def test_a_configuration_that_fits_is_described_and_nothing_is_written(run_cli: Any, here: Path) -> None:
    answer = run_cli(
        "check",
        "data/extract=iris",
        "model.widths=[8]",
        "split=stratified_kfold",
        "trainer.epochs=7",
        "data.cache=off",
    )
    assert (answer.status, answer.err) == (0, "")
    assert answer.out.splitlines() == [
        "mlp-supervised-iris: 150 rows, 5 folds, the first of 102 train, 18 valid, 30 test.",
        "40 parameters, 7 epochs.",
        "auto: trainer.loss=cross_entropy",
        "auto: evaluate=classification",
        "auto: trainer.monitor=valid/accuracy",
        "auto: trainer.best_by=[valid/log_loss]",
        "auto: tracking.experiment=iris",
        "column             role     type    missing  distinct  values                         "
        "encoding                                      features",
        "species            target   text    0        3         setosa, versicolor, virginica",
        *(
            f"{name:<17}  feature  number  0        {distinct}        {values:<29}  "
            "SimpleImputer, StandardScaler, TrainingRange  1"
            for name, distinct, values in (
                ("sepal length (cm)", 35, "4.3 to 7.9"),
                ("sepal width (cm)", 23, "2 to 4.4"),
                ("petal length (cm)", 43, "1 to 6.9"),
                ("petal width (cm)", 22, "0.1 to 2.5"),
            )
        ),
        "It fits.",
    ]
    assert list(here.iterdir()) == []


def test_what_a_run_would_refuse_is_refused(run_cli: Any, here: Path) -> None:
    answer = run_cli("check", "data/extract=iris", "model=resnet18")
    assert (answer.status, answer.out) == (2, "")
    assert answer.err.startswith("error: model=resnet18 takes images, and iris gives rows of 4 features; ")


def test_a_multirun_that_fits_is_described_and_nothing_is_written(run_cli: Any, here: Path) -> None:
    words = ("sweep=asha", "sweep.trials=9", "sweep.workers=2", "sweep.hours=1.5", "sweep.name=mine")
    space = ("model=mlp,transformer", "trainer.optimizer.lr=tag(log,interval(1e-4,1e-1))")
    more = "+sweep.space={model.dropout: {values: 'interval(0,0.5)', when: 'model=mlp'}}"
    answer = run_cli(
        "check", "-m", "data/extract=iris", "trainer.epochs=4", "data.cache=off", *words, *space, more
    )
    assert (answer.status, answer.err) == (0, "")
    assert answer.out.splitlines() == [
        "sweep     asha",
        "sampler   TPESampler",
        "pruner    SuccessiveHalving",
        "improves  valid/accuracy (maximize)",
        "space     3 keys",
        "          model                 mlp, transformer",
        "          trainer.optimizer.lr  0.0001 to 0.1 (log)",
        "          model.dropout         0.0 to 0.5           when model=mlp",
        "budget    9 trials or 1 h 30 min",
        "workers   2 by hydra/launcher=local",
        "trial     4 epochs, 1 fold, 1 seed",
        "storage   a journal in the folder",
        "folder    outputs/sweeps/mine-0 (new)",
        "tried     5 points, 3 of them up to the first step",
        "It fits.",
    ]
    assert list(here.iterdir()) == []


def test_a_grid_is_described_by_its_points(run_cli: Any, here: Path) -> None:
    long = ",".join(str(seed) for seed in range(20000001, 20000009))
    answer = run_cli("check", "data/extract=iris", "-m", f"split.seed={long}", "trainer.epochs=1")
    assert (answer.status, answer.err) == (0, "")
    lines = answer.out.splitlines()
    assert lines[1:3] == [
        "sampler   none: every point in its order",
        "pruner    none: every trial is trained to its end",
    ]
    assert "space     1 key, 8 points" in lines
    assert "          split.seed  20000001, 20000002, 20000003, 20000004, 20000005, 20000006 …" in lines
    assert "budget    8 trials" in lines


def test_what_a_multirun_would_refuse_is_refused(run_cli: Any, here: Path) -> None:
    answer = run_cli("check", "-m", "data/extract=iris", "sweep=tpe", "seed=1,2")
    assert (answer.status, answer.out) == (2, "")
    assert answer.err.startswith("error: a sweep needs an end, and TPESampler has none of its own; ")
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("verb", [("check",), ("check", "-m", "seed=1,2"), ("-m", "seed=1,2"), ()])
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["tracking.uri=./mlruns"], r"tracking\.uri must be null, a server .*, got '\./mlruns'\."),
        (["outputs=" + "/".join(["x" * 99] * 5)], r"MLflow's store would be .* SQLite opens at most 480; .*"),
    ],
)
def test_a_store_that_cannot_be_used_is_refused_before_anything_is_written(
    run_cli: Any, here: Path, verb: tuple[str, ...], words: list[str], sentence: str
) -> None:
    answer = run_cli(*verb, "data/extract=iris", "model=mlp", *words)
    assert answer.status == 2
    assert re.fullmatch(f"error: {sentence}\n", answer.err), answer.err
    assert [path for path in here.rglob("*") if path.is_file()] == []


def test_a_debug_mode_that_a_run_would_refuse_is_refused(run_cli: Any) -> None:
    words = ("check", "data/extract=iris", "model.widths=[8]", "debug=overfit", "data.cache=off")
    answer = run_cli(*words, "debug.falls_to=2")
    assert (answer.status, answer.out) == (2, "")
    assert "debug.falls_to must be auto, or above 0 and below 1, got 2" in answer.err
    assert run_cli(*words, "debug.falls_to=0.5").status == 0

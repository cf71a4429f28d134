"""harness/stages/fold_baselines.py, and what a run reports of the fitted baselines"""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.core.baseline_names import baseline_name, kinds, split_baseline
from harness.stages.fold_baselines import _wanted

QUICK = ("tracking=none", "trainer.epochs=1")

pytestmark = pytest.mark.usefixtures("fitted_baselines")


def scores(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "result.json").read_text())["scores"]
    return content


def fitted(found: dict[str, Any]) -> list[str]:
    return [kind for kind in ("linear", "boosting") if f"test/{kind}" in {_short(name) for name in found}]


def _short(name: str) -> str:
    parts = split_baseline(name)
    return name if parts is None else f"test/{parts[1]}"


def test_a_representation_has_none() -> None:
    trainer = SimpleNamespace(learns="representation")
    assert not _wanted(SimpleNamespace(trainer=trainer), "all")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("data/extract=iris",), ["linear", "boosting"]),
        (("data/extract=iris", "baseline=off"), []),
        (("data/extract=digits", "data.load.batch_size=512"), ["linear"]),
    ],
)
def test_which_are_fitted(run_cli, only_run, words, expected) -> None:
    answer = run_cli(*words, *QUICK, "report=false")
    assert answer.status == 0, answer.err
    assert fitted(scores(only_run())) == expected


def test_over_folds_each_has_its_difference_with_an_interval(run_cli, only_run) -> None:
    answer = run_cli("data/extract=breast_cancer", "split=kfold", "split.folds=3", *QUICK)
    assert answer.status == 0, answer.err
    found = scores(only_run())
    own, other = found["test/accuracy"]["folds"], found["test/accuracy_baseline_linear"]["folds"]
    gaps = [b - a for a, b in zip(own, other, strict=True)]
    difference = found["test/accuracy_baseline_linear"]["difference"]
    assert difference["mean"] == pytest.approx(sum(gaps) / 3)
    low, high = difference["ci95"]
    assert (low + high) / 2 == pytest.approx(difference["mean"])
    deviation = (sum((gap - sum(gaps) / 3) ** 2 for gap in gaps) / 2) ** 0.5
    # Student's t with 2 degrees of freedom; 190 test rows, 341 training rows (68 of 379 validate).
    assert (high - low) / 2 == pytest.approx(4.30265 * deviation * (1 / 3 + 190 / 311) ** 0.5, rel=0.05)
    assert min(other) > 0.95
    assert "a linear model reaches test/accuracy" in answer.out.lower()
    page = (only_run() / "report.html").read_text()
    assert "Fitted baselines on the same rows" in page
    assert "gradient boosting, fitted on the training rows" in page


def test_a_number_of_one_fold_has_the_interval_over_its_rows(run_cli, only_run) -> None:
    assert run_cli("data/extract=diabetes", *QUICK, "report=false").status == 0
    found = scores(only_run())
    for kind in ("linear", "boosting"):
        for name in ("rmse", "mae"):
            summary = found[baseline_name(f"test/{name}", kind)]
            low, high = summary["difference"]["ci95"]
            middle = summary["mean"] - found[f"test/{name}"]["mean"]
            assert summary["difference"]["mean"] == pytest.approx(middle)
            assert (low + high) / 2 == pytest.approx(middle)
            assert low < high
    assert kinds(["test/rmse"], found) == ["mean", "linear", "boosting"]


def test_one_that_fails_is_one_line_and_the_run_goes_on(run_cli, only_run, monkeypatch) -> None:
    from harness.evaluate import fitted_baselines

    def fail(*_: Any) -> Any:
        raise ValueError("no such thing")

    monkeypatch.setattr(fitted_baselines, "_boosting", fail)
    answer = run_cli("data/extract=iris", *QUICK, "report=false")
    assert answer.status == 0, answer.err
    assert answer.out.count("the baseline boosting could not be fitted: ValueError: no such thing") == 1
    assert fitted(scores(only_run())) == ["linear"]


def test_labels_and_several_numbers(run_cli, only_run, here) -> None:
    lines = [f"{i % 7},{(i * 5) % 11},{i % 7 > 3:d},{(i * 5) % 11 > 5:d}" for i in range(80)]
    (here / "rows.csv").write_text("\n".join(["a,b,y,z", *lines]))
    source = ("data/extract=csv", "data.extract.path=rows.csv", "data.extract.target=[y,z]")
    answer = run_cli(*source, *QUICK, "report=false")
    assert answer.status == 0, answer.err
    assert scores(only_run())["test/accuracy_baseline_linear"]["mean"] > 0.9


def test_a_choice_that_does_not_exist_is_refused(run_cli, here) -> None:
    answer = run_cli("baseline=boosting", *QUICK)
    assert answer.status == 2
    assert "baseline" in answer.err
    assert not (here / "outputs" / "runs").exists()


@pytest.mark.parametrize(
    ("choice", "most", "expected"),
    [("auto", 2, []), ("auto", 3, ["linear", "boosting"]), ("all", 2, ["linear", "boosting"])],
)
def test_auto_fits_none_for_many_folds_and_one_line_says_so(
    run_cli, only_run, monkeypatch, choice, most, expected
) -> None:
    monkeypatch.setattr("harness.stages.fold_baselines._MOST_FOLDS", most)
    answer = run_cli(
        "data/extract=iris", "split=kfold", "split.folds=3", f"baseline={choice}", "report=false", *QUICK
    )
    assert answer.status == 0, answer.err
    assert fitted(scores(only_run())) == expected
    assert answer.out.count("no fitted baselines: for 3 folds") == (not expected)

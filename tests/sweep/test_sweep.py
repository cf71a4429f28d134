"""Whole sweeps, from the command line to what they leave."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from harness.runs.journal import read

pytestmark = pytest.mark.slow

QUICK = ("data/extract=breast_cancer", "model=mlp", "trainer.epochs=2", "tracking=none")
RATE = "trainer.optimizer.lr=tag(log,interval(1e-4,1e-1))"

RunCli = Callable[..., Any]


class Sweep(NamedTuple):
    """What a sweep left in its folder."""

    folder: Path

    @property
    def result(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "result.json").read_text())
        return found

    @property
    def trials(self) -> list[dict[str, str]]:
        with (self.folder / "trials.csv").open() as file:
            return list(csv.DictReader(file))

    def run(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / name / "result.json").read_text())
        return found

    def config(self, name: str) -> Any:
        return yaml.safe_load((self.folder / name / "config.yaml").read_text())


@pytest.fixture
def sweep(run_cli: RunCli, here: Path) -> Callable[..., Sweep]:
    """`sweep("seed=1,2")` is `python -m harness -m seed=1,2` with a quick experiment; it must end with 0."""

    def run(*words: str, status: int = 0) -> Sweep:
        before = set((here / "outputs/sweeps").glob("*"))
        answer = run_cli("-m", *QUICK, *words)
        assert answer.status == status, answer
        made = set((here / "outputs/sweeps").glob("*")) - before
        return Sweep(made.pop() if made else max(before, key=lambda path: path.stat().st_mtime))

    return run


def values(sweep: Sweep, name: str = "valid/accuracy") -> Sequence[float]:
    return [sweep.run(str(number))["scores"][name]["mean"] for number in range(len(sweep.trials))]


def test_a_grid_numbers_its_trials_as_plain_hydra_does(sweep: Callable[..., Sweep]) -> None:
    found = sweep("seed=1,2", "model.dropout=0.0,0.2")
    points = [
        (found.config(str(number))["seed"], found.config(str(number))["model"]["dropout"])
        for number in range(4)
    ]
    assert points == [(1, 0.0), (1, 0.2), (2, 0.0), (2, 0.2)]
    assert found.result["status"] == "finished"
    assert found.result["trials"]["complete"] == 4
    best = found.result["best"]
    assert best["value"] == max(values(found))
    assert best["number"] == values(found).index(best["value"])
    priced = found.result["selection"]
    assert priced["trials"] == 4
    assert priced["ci95"][0] < priced["expected"] < priced["ci95"][1]
    assert best["number"] in priced["equivalent"]
    cost, used = found.result["cost"], [float(trial["worker_seconds"]) for trial in found.trials]
    assert cost["trial_seconds"] == pytest.approx(sum(used))
    assert 0 < min(used) < cost["trial_seconds"] < cost["seconds"] == found.result["seconds"]
    assert (cost["kwh"], cost["money"], cost["budget"]) == (None, None, None)
    for number, seconds in enumerate(used):  # of the run of the trial, up to its end
        events, _ = read(found.folder / str(number))
        (own,) = [e["values"] for e in events if e["event"] == "system" and "cost/seconds" in e["values"]]
        assert own.keys() == {"cost/seconds", "cost/gpu_seconds"}
        assert 0 < own["cost/seconds"] <= seconds


def test_a_finished_sweep_is_not_begun_again_under_the_same_number(sweep: Callable[..., Sweep]) -> None:
    first, second = sweep("seed=1,2", "sweep.name=twice"), sweep("seed=1,2", "sweep.name=twice")
    assert (first.folder.name, second.folder.name) == ("twice-0", "twice-1")
    assert values(first) == values(second)


def test_of_points_tried_first_and_others_the_best_is_tested_and_its_command_repeats_it(
    sweep: Callable[..., Sweep], run_cli: RunCli, only_run: Callable[[], Path]
) -> None:
    found = sweep("sweep=random", "sweep.trials=3", RATE, "sweep.enqueue=[{trainer.optimizer.lr: 0.02}]")
    rates = [float(trial["trainer.optimizer.lr"]) for trial in found.trials]
    assert rates[0] == 0.02
    assert 0.02 not in rates[1:]
    tested = [number for number in range(3) if "test/accuracy" in found.run(str(number))["scores"]]
    assert tested == [found.result["best"]["number"]]
    assert found.result["scores"]["test/accuracy"] == found.run(str(tested[0]))["scores"]["test/accuracy"]
    best = yaml.safe_load((found.folder / "best.yaml").read_text())
    words = best["command"].removeprefix("python -m harness ").split()
    assert run_cli(*words).status == 0
    again = json.loads((only_run() / "result.json").read_text())
    assert again["scores"]["valid/accuracy"]["mean"] == found.result["best"]["value"]
    assert again["scores"]["test/accuracy"] == found.result["scores"]["test/accuracy"]


@pytest.mark.parametrize("test", ["recommended", "best"])
def test_the_default_is_tested_where_it_cannot_be_distinguished_from_the_best(
    sweep: Callable[..., Sweep], test: str
) -> None:
    words = ("sweep=random", "sweep.trials=2", RATE, "sweep.enqueue=[{trainer.optimizer.lr: 0.02705}]")
    found = sweep(*words, f"sweep.test={test}")
    result, rates = found.result, [trial["trainer.optimizer.lr"] for trial in found.trials]
    assert float(rates[result["best"]["number"]]) == 0.02705
    assert float(rates[result["recommended"]["number"]]) == 0.003
    assert result["selection"]["recommended"] == result["recommended"]["number"]
    scored = result[test]["number"]
    assert [number for number in range(2) if "test/accuracy" in found.run(str(number))["scores"]] == [scored]
    assert result["scores"]["test/accuracy"] == found.run(str(scored))["scores"]["test/accuracy"]
    assert result["scores"]["valid/accuracy"]["mean"] == result[test]["value"]


@pytest.mark.parametrize(("test", "tested"), [("all", [0, 1]), ("none", [])])
def test_sweep_test_selects_the_trials_that_are_tested(
    sweep: Callable[..., Sweep], test: str, tested: list[int]
) -> None:
    found = sweep("seed=1,2", f"sweep.test={test}")
    scored = [number for number in range(2) if "test/accuracy" in found.run(str(number))["scores"]]
    assert scored == tested


def test_a_random_sweep_draws_the_same_points_however_it_is_cut_in_pieces(
    sweep: Callable[..., Sweep],
) -> None:
    whole = sweep("sweep=random", "sweep.trials=4", "sweep.name=whole", RATE)
    pieces = sweep("sweep=random", "sweep.trials=2", "sweep.name=pieces", RATE)
    pieces = sweep("sweep=random", "sweep.trials=4", "resume=pieces-0", RATE, "sweep.name=pieces")
    rates = [[trial["trainer.optimizer.lr"] for trial in found.trials] for found in (whole, pieces)]
    assert rates[0] == rates[1]
    assert len(set(rates[0])) == 4
    assert values(whole) == values(pieces)


def test_repeats_are_runs_of_several_seeds_whose_mean_counts(sweep: Callable[..., Sweep]) -> None:
    found = sweep("model.dropout=0.0,0.5", "sweep.repeat=2", "seed=5")
    for number, trial in enumerate(found.trials):
        runs = [found.run(f"{number}/seed-{seed}") for seed in (5, 6)]
        mean = sum(run["objective"]["value"] for run in runs) / 2
        assert float(trial["valid/accuracy"]) == pytest.approx(mean, abs=1e-12)
        assert [run["seed"] for run in runs] == [5, 6]


def test_a_trial_that_diverges_is_one_failed_trial_and_a_grid_that_has_ended_is_begun_anew(
    sweep: Callable[..., Sweep],
) -> None:
    words = ("trainer/optimizer=sgd", "trainer.optimizer.lr=0.01,1e30", "sweep.name=again")
    found, second = sweep(*words, status=1), sweep(*words, status=1)
    assert [trial["state"] for trial in found.trials] == ["complete", "failed"]
    assert "the training loss became nan in step" in found.trials[1]["error"]
    assert found.result["status"] == "failed"
    assert "1 of 2 runs failed" in found.result["error"]
    assert found.run("1")["status"] == "failed"
    assert (found.folder.name, second.folder.name) == ("again-0", "again-1")


def test_fail_fast_ends_the_sweep_with_the_first_failure(sweep: Callable[..., Sweep]) -> None:
    words = ("trainer/optimizer=sgd", "trainer.optimizer.lr=1e30,0.01,0.02", "sweep.fail_fast=true")
    found = sweep(*words, status=1)
    assert [trial["state"] for trial in found.trials] == ["failed", "waiting", "waiting"]
    assert "sweep.fail_fast=true" in found.result["error"]


def test_a_worker_stops_after_so_many_failures_in_a_row(sweep: Callable[..., Sweep]) -> None:
    words = ("trainer/optimizer=sgd", "trainer.optimizer.lr=1e30,2e30,3e30,4e30", "sweep.failures=2")
    found = sweep(*words, status=1)
    assert [trial["state"] for trial in found.trials] == ["failed", "failed", "waiting", "waiting"]
    assert "sweep.failures" in found.result["error"]


def test_folds_are_one_trial_whose_mean_is_the_objective(sweep: Callable[..., Sweep]) -> None:
    found = sweep("split=stratified_kfold", "split.folds=3", "seed=1,2")
    scores = found.run("0")["scores"]["valid/accuracy"]
    assert len(scores["folds"]) == 3
    assert float(found.trials[0]["valid/accuracy"]) == pytest.approx(sum(scores["folds"]) / 3, abs=1e-12)
    assert len(found.run(str(found.result["best"]["number"]))["scores"]["test/accuracy"]["folds"]) == 3


def test_several_objectives_end_in_a_front(sweep: Callable[..., Sweep]) -> None:
    found = sweep(
        "sweep=nsga2",
        "sweep.trials=4",
        "sweep.objectives=[valid/accuracy,model/parameters]",
        "model.widths=[4],[8],[16],[32]",
    )
    front = found.result["best"]
    assert [objective["name"] for objective in found.result["objectives"]] == [
        "valid/accuracy",
        "model/parameters",
    ]
    for entry in front:
        accuracy, parameters = entry["values"]
        better = [
            other for other in front if other["values"][0] > accuracy and other["values"][1] < parameters
        ]
        assert better == []


def test_the_best_keeps_the_constraints(sweep: Callable[..., Sweep]) -> None:
    found = sweep("model.widths=[4],[64]", "sweep.constraints=['model/parameters <= 1000']")
    sizes = values(found, "model/parameters")
    assert sizes[0] <= 1000 < sizes[1]
    assert found.result["best"]["number"] == 0


def test_a_sweep_ends_when_only_noise_is_left(sweep: Callable[..., Sweep]) -> None:
    alike = ("sweep=random", "sweep.until=noise", "trainer.optimizer.lr=interval(0.01,0.0101)")
    found = sweep(*alike, "sweep.trials=20", "sweep.objectives=valid/log_loss", "trainer.epochs=1")
    assert (found.result["status"], found.result["trials"]["complete"]) == ("finished", 10)
    left = found.result["remaining"]
    assert (left["trials"], left["noise"]) == (10, True)
    assert 0 <= left["gain"] < 0.4 * left["error"]


def test_a_sweep_of_another_space_under_the_same_name_is_refused(
    sweep: Callable[..., Sweep], run_cli: RunCli
) -> None:
    words = ("sweep=random", "sweep.name=mine")
    found = sweep(*words, "sweep.trials=1", RATE)
    (found.folder / "result.json").unlink()  # as if it had been killed
    answer = run_cli("-m", *QUICK, *words, "sweep.trials=1", RATE.replace("1e-1", "1e-2"))
    assert answer.status == 2
    assert "trainer.optimizer.lr" in answer.err
    assert "sweep.name=NAME" in answer.err


def test_auto_is_resolved_for_each_trial(run_cli: RunCli, here: Path) -> None:
    words = ("data/extract=digits,iris", "split.test=0.9", "trainer.epochs=1", "tracking=none")
    assert run_cli("-m", *words).status == 0
    (folder,) = (here / "outputs/sweeps").iterdir()
    found = [Sweep(folder).config(number) for number in ("0", "1")]
    assert [config["model"]["_target_"] for config in found] == [
        "harness.model.convnet.ConvNet",
        "harness.model.mlp.MLP",
    ]
    assert [config["name"] for config in found] == ["convnet-supervised-digits", "mlp-supervised-iris"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("sweep=tpe", RATE), "sweep.trials"),
        (("sweep=tpe", "sweep.trials=0", RATE), "sweep.trials must be at least 1, got 0"),
        (
            ("sweep=asha", "sweep.trials=3", RATE, "sweep.objectives=[valid/accuracy,valid/loss]"),
            "one objective",
        ),
        (("sweep=tpe", "sweep.trials=3", RATE, "sweep.objectives=test/accuracy"), "valid/accuracy"),
        (("sweep=tpe", "sweep.trials=3", "data.load.batch_size=interval(8,64)"), "int(interval"),
        (("sweep=tpe", "sweep.trials=3", "trainer.optimizer.lr=tag(log,interval(0,1))"), "log"),
        ((RATE,), "a grid needs listed values"),
        (("sweep=tpe", "sweep.trials=3", RATE, "sweep.until=noise", "sweep.predictions=0"), "several folds"),
        (
            ("sweep=tpe", "sweep.trials=3", RATE, "sweep.until=noise", "sweep.objectives=model/parameters"),
            "sweep.until=noise needs the error of model/parameters",
        ),
        (("model=mlp,convet",), "convet"),
    ],
)
def test_a_mistake_is_reported_before_anything_is_started(
    run_cli: RunCli, here: Path, words: tuple[str, ...], sentence: str
) -> None:
    answer = run_cli("-m", *QUICK, *words)
    assert answer.status == 2
    assert sentence in answer.err
    assert answer.err.count("\n") == 1
    assert not (here / "outputs/sweeps").exists()


def test_only_the_best_trials_keep_their_weights(sweep: Callable[..., Sweep], run_cli: RunCli) -> None:
    made = sweep("seed=1,2,3", "sweep.keep=best", "trainer.epochs=1")
    best = made.result["best"]["number"]
    kept = [path.parent.name for path in made.folder.glob("*/model")]
    other = made.folder / str((best + 1) % 3)
    answer = run_cli("evaluate", str(other))
    assert (kept, answer.status) == ([str(best)], 2)
    assert (
        f"has no weights: of a sweep, only the best trials keep theirs (sweep.keep); train it again with: "
        f"python -m harness rerun {other}" in answer.err
    )
    assert run_cli("evaluate", str(made.folder / str(best))).status == 0


def test_the_default_keeps_its_weights_beside_the_best(sweep: Callable[..., Sweep]) -> None:
    words = ("sweep=random", "sweep.trials=4", "sweep.keep=best", "sweep.objectives=valid/loss")
    made = sweep(*words, "trainer.optimizer.lr=tag(log,interval(1e-4,1e-2))", "model.widths=[16]")
    best, rates = made.result["best"]["number"], [float(row["trainer.optimizer.lr"]) for row in made.trials]
    assert (best, rates[0]) == (rates.index(max(rates)), 0.003)
    assert best > 0
    assert sorted(path.parent.name for path in made.folder.glob("*/model")) == ["0", str(best)]

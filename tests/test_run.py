from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pandas as pd
import pytest
from omegaconf import OmegaConf
from scipy import stats
from sklearn.datasets import load_iris

from harness.config.compose import compose
from harness.core.errors import Diverged, UserError
from harness.core.fold import Fold
from harness.core.progress import Progress
from harness.core.scores import score_range
from harness.run import run
from harness.runs.journal import read
from harness.runs.run_result import Result

pytestmark = pytest.mark.slow

FAST = ["data/extract=iris", "model.widths=[8]", "trainer.epochs=3", "trainer.device=cpu", "tracking=none"]
FOLDS = ["split=stratified_kfold", "split.folds=3"]

KEYS = {"schema", "status", "objective", "scores", "folds", "seconds", "seed", "mlflow", "command", "error"}
KEYS |= {"test_rows"}


def strict(path: Path) -> Any:
    """The content of a JSON file, which must not hold NaN."""

    def refuse(word: str) -> NoReturn:
        raise AssertionError(f"{path} holds {word}")

    return json.loads(path.read_text(), parse_constant=refuse)


def epochs(folder: Path, run: str = "") -> list[dict[str, float]]:
    """What the journal says of each epoch, without the times."""
    rows = [
        event["values"] for event in read(folder)[0] if event["event"] == "metrics" and event["run"] == run
    ]
    return [{k: v for k, v in row.items() if not k.startswith("time/")} for row in rows if "lr" in row]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of one fold."""
    path = tmp_path_factory.mktemp("single") / "run"
    run(compose(FAST), path, command="python -m harness")
    return path


@pytest.fixture(scope="module")
def folds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of three folds."""
    path = tmp_path_factory.mktemp("folds") / "run"
    run(compose([*FAST, *FOLDS]), path)
    return path


def test_the_result_holds_the_keys_that_scripts_rely_on(folder: Path) -> None:
    result = strict(folder / "result.json")
    assert result.keys() == KEYS
    assert (result["schema"], result["status"], result["folds"], result["seed"]) == (1, "finished", 1, 0)
    assert (result["mlflow"], result["error"], result["command"]) == (None, None, "python -m harness")
    objective = result["objective"]
    assert objective.keys() == {"name", "direction", "value"}
    assert (objective["name"], objective["direction"]) == ("valid/accuracy", "maximize")
    accuracy = result["scores"]["valid/accuracy"]
    assert accuracy == {"mean": objective["value"], "std": None, "ci95": None, "folds": [objective["value"]]}
    assert result["scores"]["model/parameters"]["mean"] == 4 * 8 + 8


@pytest.mark.parametrize(("made", "key"), [("folder", ""), ("folds", "fold-1")])
def test_each_step_has_one_value_of_a_score_and_the_last_is_that_of_the_kept_model(
    made: str, key: str, request: pytest.FixtureRequest
) -> None:
    path: Path = request.getfixturevalue(made)
    events = [event for event in read(path)[0] if event["event"] == "metrics"]
    points = [(event["run"], event["step"], name) for event in events for name in event["values"]]
    assert len(points) == len(set(points))
    last = {name: value for event in events if event["run"] == key for name, value in event["values"].items()}
    fold = 0 if key == "" else 1
    for name, summary in strict(path / "result.json")["scores"].items():
        assert last[name] == summary["folds"][fold], name


def test_the_scores_are_those_of_the_predictions(folder: Path) -> None:
    scores = strict(folder / "result.json")["scores"]
    rows = pd.read_csv(folder / "predictions.csv")
    shares = rows[["probability_setosa", "probability_versicolor", "probability_virginica"]].to_numpy()
    codes = rows.target.map({"setosa": 0, "versicolor": 1, "virginica": 2}).to_numpy()
    assert len(rows) == 30
    assert shares.sum(axis=1) == pytest.approx(np.ones(30), abs=1e-6)
    assert scores["test/accuracy"]["mean"] == pytest.approx((rows.target == rows.prediction).mean())
    log_loss = -np.log(shares[np.arange(30), codes]).mean()
    assert scores["test/log_loss"]["mean"] == pytest.approx(log_loss, rel=1e-5)


def test_the_error_of_a_number_is_that_of_the_predictions(tmp_path: Path) -> None:
    result = run(compose([*FAST, "data/extract=diabetes"]), tmp_path)
    predictions = pd.read_csv(tmp_path / "predictions.csv")
    rmse = math.sqrt(((predictions.target - predictions.prediction) ** 2).mean())
    assert result.scores["test/rmse"]["mean"] == pytest.approx(rmse, rel=1e-5)
    assert result.objective is not None
    assert (result.objective["name"], result.objective["direction"]) == ("valid/rmse", "minimize")


def test_every_row_is_predicted_once_by_the_fold_that_did_not_see_it(folds: Path) -> None:
    rows = pd.read_csv(folds / "predictions.csv")
    assert rows.row.tolist() == list(range(150))
    assert rows.fold.value_counts().to_dict() == {0: 50, 1: 50, 2: 50}
    assert rows.target.tolist() == load_iris().target_names[load_iris().target].tolist()
    per_fold = (rows.target == rows.prediction).groupby(rows.fold).mean().tolist()
    assert strict(folds / "result.json")["scores"]["test/accuracy"]["folds"] == pytest.approx(per_fold)


def test_the_summary_over_folds_is_mean_deviation_and_students_interval(folds: Path) -> None:
    result = strict(folds / "result.json")
    assert result["folds"] == 3
    for name, score in result["scores"].items():
        values = np.array(score["folds"])
        half = stats.t.ppf(0.975, 2) * values.std(ddof=1) / math.sqrt(3)
        assert score["mean"] == pytest.approx(values.mean())
        assert score["std"] == pytest.approx(values.std(ddof=1))
        students = (values.mean() - half, values.mean() + half)
        least, greatest = score_range(name)
        if least <= students[0] and students[1] <= greatest:
            assert score["ci95"] == pytest.approx(students)
        else:
            assert least <= score["ci95"][0] <= score["mean"] <= score["ci95"][1] <= greatest
    assert result["objective"]["value"] == result["scores"]["valid/accuracy"]["mean"]


def test_one_fold_alone_equals_that_fold_among_all(folds: Path, tmp_path: Path) -> None:
    alone = run(compose([*FAST, *FOLDS, "split.fold=1"]), tmp_path).scores
    among = strict(folds / "result.json")["scores"]
    assert alone.keys() == among.keys()
    for name in alone.keys() - {"time/epoch_seconds", "time/training_seconds"}:
        assert alone[name]["folds"] == [among[name]["folds"][1]]
    assert epochs(tmp_path) == epochs(folds, "fold-1")


def test_the_same_seed_gives_the_same_run_and_another_seed_another(folder: Path, tmp_path: Path) -> None:
    run(compose(FAST), tmp_path / "same")
    run(compose([*FAST, "seed=1"]), tmp_path / "other")
    assert epochs(tmp_path / "same") == epochs(folder)
    assert epochs(tmp_path / "other")[0]["train/loss"] != epochs(folder)[0]["train/loss"]
    rows = [pd.read_csv(tmp_path / name / "predictions.csv").row.tolist() for name in ("same", "other")]
    assert rows[0] == rows[1]  # the split has a seed of its own


def test_nothing_about_the_test_rows_reaches_the_training(tmp_path: Path) -> None:
    frame = load_iris(as_frame=True).frame.astype(float)
    frame["target"] *= 10.5  # a number to predict
    by_row = ["data/extract=csv", "data.extract.target=target", "trainer.monitor=valid/loss"]

    def losses(frame: pd.DataFrame, name: str) -> list[dict[str, float]]:
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
        source = [f"data.extract.path={tmp_path}/{name}.csv", "data.extract.task=regression"]
        run(compose([*FAST, *by_row, *source]), tmp_path / name)
        return epochs(tmp_path / name)

    before = losses(frame, "before")
    tested = pd.read_csv(tmp_path / "before" / "predictions.csv").row
    frame.iloc[tested] = frame.iloc[tested] * -1000 + 7
    assert losses(frame, "after") == before


def test_the_saved_configuration_runs_to_the_same_scores(folder: Path, tmp_path: Path) -> None:
    saved = OmegaConf.load(folder / "config.yaml")
    again = run(saved, tmp_path).scores  # type: ignore[arg-type]
    for name, score in strict(folder / "result.json")["scores"].items():
        if not name.startswith("time/"):
            assert again[name] == score


def test_the_folder_of_a_run_holds_what_the_journal_lists(folder: Path) -> None:
    events = read(folder)[0]
    assert [event["event"] for event in events[:2]] == ["start", "artifact"]
    assert events[-1]["event"] == "end"
    assert (events[-1]["status"], events[-1]["error"]) == ("finished", None)
    assert events[0]["name"] == "mlp-supervised-iris"
    assert events[0]["params"]["trainer.epochs"] == "3"
    assert [part["context"] for part in events[0]["inputs"]] == ["train", "valid", "test"]
    listed = {event["path"] for event in events if event["event"] in ("artifact", "model")}
    files = {"config.yaml", "packages.txt", "predictions.csv", "result.json", "curves.svg", "model"}
    assert files <= listed
    present = {path.name for path in folder.iterdir()}
    assert listed <= present
    assert present - listed == {"journal.jsonl", "checkpoints"}


def test_every_fold_is_a_child_with_its_own_epochs(folds: Path) -> None:
    events = read(folds)[0]
    starts = [(event["run"], event["parent"]) for event in events if event["event"] == "start"]
    assert starts == [("", None), ("fold-0", ""), ("fold-1", ""), ("fold-2", "")]
    ends = [(event["run"], event["status"]) for event in events if event["event"] == "end"]
    assert ends == [(run, "finished") for run in ("fold-0", "fold-1", "fold-2", "")]
    assert all(len(epochs(folds, f"fold-{number}")) == 3 for number in range(3))
    assert {path.name for path in folds.iterdir()} >= {"fold-0", "fold-1", "fold-2", "predictions.csv"}


def test_a_consumer_sees_every_epoch_of_every_fold(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []

    def consumer(fold: Fold, progress: Progress) -> None:
        seen.append((fold.number, progress.epoch))

    run(compose([*FAST, *FOLDS, "split.folds=2", "trainer.epochs=2"]), tmp_path, [consumer])
    assert seen == [(0, 1), (0, 2), (1, 1), (1, 2)]


def test_a_loss_that_is_no_number_ends_the_run_with_advice(
    run_cli: Any, only_run: Callable[[], Path]
) -> None:
    answer = run_cli(
        "data/extract=diabetes", "trainer/optimizer=sgd", "trainer.optimizer.lr=1e30", "tracking=none"
    )
    assert answer.status == 1
    (sentence,) = answer.err.splitlines()
    assert sentence.startswith("error: the training loss became nan in step 2, epoch 1 (")
    assert "try trainer.optimizer.lr=1e+29 or trainer.update.clip_norm=1" in sentence
    result = strict(only_run() / "result.json")
    assert result["status"] == "failed"
    assert result["error"] == "Diverged: " + sentence.removeprefix("error: ")
    assert (result["scores"], result["objective"]["value"]) == ({}, None)
    assert read(only_run())[0][-1]["status"] == "failed"


def test_a_fold_that_fails_ends_the_run_and_the_others_keep_their_predictions(tmp_path: Path) -> None:
    def consumer(fold: Fold, progress: Progress) -> None:
        if fold.number == 1:
            raise Diverged("on purpose")

    with pytest.raises(Diverged):
        run(compose([*FAST, *FOLDS]), tmp_path, [consumer])
    result = Result.read(tmp_path / "result.json")
    assert (result.status, result.error, result.folds) == ("failed", "Diverged: on purpose", 3)
    assert pd.read_csv(tmp_path / "predictions.csv").fold.unique().tolist() == [0]
    ends = [(event["run"], event["status"]) for event in read(tmp_path)[0] if event["event"] == "end"]
    assert ends == [("fold-0", "finished"), ("fold-1", "failed"), ("", "failed")]


def test_rows_without_a_label_are_enough_for_a_contrastive_trainer(tmp_path: Path) -> None:
    load_iris(as_frame=True).data.to_csv(tmp_path / "rows.csv", index=False)
    words = ["data/extract=csv", f"data.extract.path={tmp_path}/rows.csv", "trainer=contrastive"]
    result = run(compose([*FAST, *words]), tmp_path / "run")
    assert result.status == "finished"
    assert result.objective is not None
    assert result.objective["name"] == "valid/rankme"
    assert math.isfinite(result.objective["value"])
    assert not (tmp_path / "run" / "predictions.csv").exists()


def test_a_run_without_validation_rows_has_no_objective_value(tmp_path: Path) -> None:
    run(compose([*FAST, "split.valid=0"]), tmp_path)
    result = strict(tmp_path / "result.json")
    assert result["objective"] == {"name": "valid/accuracy", "direction": "maximize", "value": None}
    assert "test/accuracy" in result["scores"]


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(
        UserError, match=r"^the run's folder \S+/file cannot be written \(File exists\); choose"
    ):
        run(compose(FAST), tmp_path / "file")


def test_a_folder_that_holds_a_run_takes_no_second_one(tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").touch()
    with pytest.raises(
        UserError, match=r"^a run needs a folder of its own, and \S+ holds one already; choose another with"
    ):
        run(compose(FAST), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["journal.jsonl"]


@pytest.fixture(autouse=True)
def _no_screen(capsys: pytest.CaptureFixture[str]) -> Iterator[None]:
    yield
    capsys.readouterr()

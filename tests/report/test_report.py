"""The page about a run agrees with the run's files, and no text of them becomes markup."""

from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from harness.cli.reload_rows import table_of
from harness.console.text_format import number
from harness.core.table import Table
from harness.report.embedding_section import embedded
from harness.report.predicted_rows import read_predictions
from harness.report.row_picture import pictures
from harness.report.run_material import RunMaterial
from harness.report.run_page import run_page
from harness.report.worst_section import worst_rows
from harness.runs.journal import read
from harness.runs.stored_run import StoredRun
from tests.conftest import RunCli

Finished = Callable[..., Path]

OURS = Path("outputs")

TABLE = "data/extract=breast_cancer"
FOLDS = (TABLE, "split=kfold", "split.folds=3")


class Text(HTMLParser):
    """The words of a page, its tags, and what these load."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: list[str] = []
        self.loads: list[str] = []
        self._within = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._within = tag
        self.loads += [value or "" for name, value in attrs if name in ("src", "href", "action")]

    def handle_data(self, data: str) -> None:
        if self._within not in ("style", "script"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def made(folder: Path, fold: int | None = None) -> str:
    logged = StoredRun(folder, fold)
    return run_page(RunMaterial(logged, *table_of(logged, OURS)))


def result(folder: Path) -> dict[str, dict[str, float]]:
    scores: dict[str, dict[str, float]] = json.loads((folder / "result.json").read_text())["scores"]
    return scores


def test_the_headline_is_the_test_score_of_what_was_monitored(finished: Finished) -> None:
    folder = finished()
    found = re.search(r'<div class="tile main"><b>(.*?)</b><span>(.*?)</span>', made(folder))
    assert found is not None
    assert found.groups() == (number(result(folder)["test/accuracy"]["mean"]), "test/accuracy")


def test_every_score_of_the_result_is_on_the_page(finished: Finished) -> None:
    folder = finished()
    values = re.findall(r'data-sort="(.+?)"', made(folder))
    means = {score["mean"] for score in result(folder).values()}
    shown = {float(value) for value in values}
    assert {value for value in means if not math.isnan(value)} <= shown


def test_the_confusion_matrix_counts_the_predictions(finished: Finished) -> None:
    folder = finished()
    frame = pd.read_csv(folder / "predictions.csv")
    counted = re.findall(r"<title>true (\d), predicted (\d): (\d+) rows", made(folder))
    expected = frame.groupby(["target", "prediction"]).size()
    assert len(counted) == 100
    assert {(int(t), int(p)): int(n) for t, p, n in counted if int(n)} == expected.to_dict()


def test_the_calibration_error_is_that_of_the_result(finished: Finished) -> None:
    folder = finished()
    ece = number(result(folder)["test/ece"]["mean"])
    assert f"expected calibration error {ece} " in made(folder)


def test_the_worst_rows_are_the_most_certain_wrong_ones(finished: Finished) -> None:
    folder = finished()
    frame = pd.read_csv(folder / "predictions.csv")
    frame["sure"] = frame.filter(like="probability_").max(axis=1)
    wrong = frame[frame["target"] != frame["prediction"]].sort_values("sure", ascending=False, kind="stable")
    shown = [int(row) for row in re.findall(r'data-row="(\d+)"', made(folder))]
    assert shown == wrong["row"].head(12).tolist()


def test_a_worst_digit_is_shown_pixel_by_pixel(finished: Finished) -> None:
    import base64
    import io

    from PIL import Image

    table, _ = table_of(StoredRun(finished()), OURS)
    assert table is not None
    address = pictures(table, [5])[5]
    with Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))) as image:
        pixels_shown = np.asarray(image)
    pixels = table.frame[list(table.features)].iloc[5].to_numpy(dtype=float).reshape(8, 8)
    assert np.array_equal(pixels_shown, (pixels / pixels.max() * 255).round())


@pytest.mark.parametrize("kind", ["uint16", "int32", "float32"])
def test_an_image_of_many_bits_is_shown_from_its_least_to_its_greatest_pixel(
    kind: str, tmp_path: Path
) -> None:
    import base64
    import io

    from PIL import Image

    Image.fromarray(np.array([[1000, 1001], [1002, 1004]]).astype(kind)).save(tmp_path / "a.tif")
    table = Table(pd.DataFrame({"image": [str(tmp_path / "a.tif")]}), ("image",), kind="image")
    address = pictures(table, [0])[0]
    with Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))) as image:
        assert np.asarray(image).tolist() == [[0, 64], [128, 255]]


def test_a_regression_shows_its_largest_errors_and_its_scores(finished: Finished) -> None:
    folder = finished("data/extract=diabetes")
    frame = pd.read_csv(folder / "predictions.csv")
    predictions = read_predictions(folder)
    assert predictions is not None
    found = worst_rows(predictions)
    assert found is not None
    gap = (frame["prediction"] - frame["target"]).abs()
    assert found["row"].tolist() == frame.loc[gap.sort_values(ascending=False).index[:12], "row"].tolist()
    html = made(folder)
    assert "Predicted and true" in html
    assert "Confusion matrix" not in html
    low, high = (float(end) for end in re.findall(r"<b>([\d.]+) – ([\d.]+)</b>", html)[0])
    assert low < result(folder)["test/rmse"]["mean"] < high


def test_the_page_of_folds_has_their_dots_and_the_pooled_score(finished: Finished) -> None:
    folder = finished(*FOLDS)
    html = made(folder)
    accuracy = json.loads((folder / "result.json").read_text())["scores"]["test/accuracy"]
    for place, value in enumerate(accuracy["folds"]):
        assert f"<title>fold {place}: {number(value)}</title>" in html
    assert f'data-sort="{accuracy["pooled"]}"' in html
    low, high = accuracy["ci95"]
    assert f"<b>{number(low)} – {number(high)}</b>" in html
    assert html.count("thin") > 3


def test_two_classes_have_their_area_under_the_curve(finished: Finished) -> None:
    folder = finished(*FOLDS)
    html = made(folder)
    assert f"ROC curve, area {number(result(folder)['test/auroc']['pooled'])}" in html


def test_the_page_of_a_fold_contains_that_fold_only(finished: Finished) -> None:
    folder = finished(*FOLDS)
    html = made(folder, 2)
    frame = pd.read_csv(folder / "predictions.csv")
    own = frame[frame["fold"] == 2]
    right = int((own["target"] == own["prediction"]).sum())
    assert f"{right:,} of {len(own):,} test predictions are right" in html
    expected = json.loads((folder / "result.json").read_text())["scores"]["test/accuracy"]["folds"][2]
    assert f'<div class="tile main"><b>{number(expected)}</b>' in html


def test_a_representation_is_shown_without_predictions(finished: Finished) -> None:
    folder = finished("trainer=contrastive")
    html = made(folder)
    assert "Representation</h2>" in html
    assert "Confusion" not in html
    assert "knn_accuracy" in html


def test_a_point_is_the_projection_of_its_row_by_the_kept_model(finished: Finished) -> None:
    from harness.bundle.row_predictor import RowPredictor

    folder = finished("trainer=contrastive")
    material = RunMaterial(StoredRun(folder), *table_of(StoredRun(folder), OURS))
    assert material.table is not None
    found = embedded(material.table, material.parts[0], folder / "model", thorough=True)
    assert found is not None
    bank = np.flatnonzero(material.parts[0] == 1)
    bank = np.sort(np.random.default_rng(0).choice(bank, 500, replace=False))
    predict = RowPredictor(folder / "model")
    known, asked = (predict(material.table.frame.iloc[rows]).to_numpy() for rows in (bank, found.rows))
    spread = np.where(known.std(axis=0, ddof=1) > 1e-9, known.std(axis=0, ddof=1), 1)
    first = np.linalg.svd((known - known.mean(axis=0)) / spread, full_matrices=False)[2][0]
    oracle = (asked - known.mean(axis=0)) / spread @ first
    assert abs(np.corrcoef(oracle, found.points[:, 0])[0, 1]) == pytest.approx(1, abs=1e-4)
    assert np.all(material.parts[0][found.rows] == 3)


def test_a_page_is_small_and_loads_nothing(finished: Finished) -> None:
    html = made(finished())
    assert len(html.encode()) < 300_000
    assert all(address.startswith("data:image/png") for address in Text(html).loads)
    assert not re.search(r"url\(|@import|fetch\(|<link|<iframe", html)
    assert "default-src 'none'" in html


def copied(folder: Path, to: Path) -> Path:
    shutil.copytree(folder.parents[1], to / "outputs")
    return to / "outputs" / "runs" / folder.name


def test_no_text_of_data_or_configuration_becomes_markup(finished: Finished, tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>\"'><img src=x onerror=y>"
    folder = copied(finished(*FOLDS), tmp_path)
    frame = pd.read_csv(folder / "predictions.csv")
    frame = frame.rename(columns={"probability_malignant": f"probability_{evil}"})
    frame = frame.replace({"malignant": evil}).assign(writer=evil)
    frame.to_csv(folder / "predictions.csv", index=False)
    journal = (folder / "journal.jsonl").read_text()
    inner = json.dumps(evil)[1:-1]
    (folder / "journal.jsonl").write_text(journal.replace('"name":"mlp-supervised', f'"name":"{inner}'))
    checks = [{"check": evil, "severity": "warning", "sentence": evil}]
    (folder / "checks.json").write_text(json.dumps(checks))
    stored = json.loads((folder / "result.json").read_text())
    stored |= {"error": evil, "command": f"python -m harness {evil}", "status": "failed"}
    (folder / "result.json").write_text(json.dumps(stored))
    html = run_page(RunMaterial(StoredRun(folder), None, evil))
    parsed = Text(html)
    assert parsed.tags.count("script") == 1
    assert "img" not in parsed.tags
    assert "<script>alert" not in html
    assert evil in parsed.text


def test_a_failed_run_has_a_page_with_its_error(run_cli: RunCli, only_run: Callable[[], Path]) -> None:
    words = ("trainer.epochs=2", "trainer.optimizer.lr=1e30", "tracking=none", "trainer.device=cpu", TABLE)
    assert run_cli(*words).status != 0
    folder = only_run()
    error = json.loads((folder / "result.json").read_text())["error"]
    html = (folder / "report.html").read_text()
    assert error in Text(html).text
    assert '<span class="mark bad">failed</span>' in html
    assert "Data and its checks" in html


def test_a_run_leaves_its_page_and_sends_it_to_mlflow(finished: Finished) -> None:
    folder = finished()
    assert (folder / "report.html").read_text().startswith("<!DOCTYPE html>")
    sent = [event for event in read(folder)[0] if event["event"] == "artifact"]
    assert [event["under"] for event in sent if event["path"] == "report.html"] == [""]


def test_an_error_in_the_page_costs_the_run_one_line(
    run_cli: RunCli, only_run: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise ZeroDivisionError("no such number")

    monkeypatch.setattr("harness.record.write_report.write_run_page", fails)
    answer = run_cli("trainer.epochs=1", "tracking=none", "trainer.device=cpu", TABLE)
    assert answer.status == 0
    printed = " ".join((answer.out + answer.err).split())
    assert "report.html could not be written: ZeroDivisionError: no such number" in printed
    assert json.loads((only_run() / "result.json").read_text())["status"] == "finished"
    assert not (only_run() / "report.html").exists()


def test_without_report_there_is_none(run_cli: RunCli, only_run: Callable[[], Path]) -> None:
    assert (
        run_cli("report=false", "trainer.epochs=1", "tracking=none", "trainer.device=cpu", TABLE).status == 0
    )
    assert not (only_run() / "report.html").exists()
    assert not [event for event in read(only_run())[0] if event.get("path") == "report.html"]


def test_the_verb_writes_the_page_to_the_named_file(finished: Finished, run_cli: RunCli, here: Path) -> None:
    outputs = str(finished().parents[1])
    answer = run_cli("report", "made", "--out", "page.html", "--outputs", outputs)
    assert answer.out.splitlines() == [str(here / "page.html")]
    assert "Worst errors" in (here / "page.html").read_text()


def test_other_rows_than_the_run_had_are_not_shown(
    finished: Finished, tmp_path: Path, run_cli: RunCli
) -> None:
    folder = copied(finished(), tmp_path)
    journal = (folder / "journal.jsonl").read_text()
    (folder / "journal.jsonl").write_text(re.sub(r'"data.digest":"\w+"', '"data.digest":"0123"', journal))
    answer = run_cli("report", str(folder))
    assert answer.out.startswith("! Its source holds other rows by now than the run was made with.\n")
    html = (folder / "report.html").read_text()
    assert "data:image/png" not in html
    assert "Its source holds other rows by now" in html


def test_without_its_source_a_page_has_no_raw_rows(finished: Finished, tmp_path: Path) -> None:
    folder = copied(finished(), tmp_path)
    config = (folder / "config.yaml").read_text()
    (folder / "config.yaml").write_text(config.replace("    target: digit\n", "    target: gone\n"))
    table, absent = table_of(StoredRun(folder), OURS)
    assert table is None
    assert absent.startswith("Its rows could not be read again: ")


def test_the_configuration_of_a_fetched_run_is_not_executed(finished: Finished) -> None:
    table, absent = table_of(StoredRun(finished(), foreign=True), OURS)
    assert table is None
    assert absent == "The run was fetched from elsewhere, and its rows are not read for a report."


def test_a_sweep_is_refused(run_cli: RunCli, here: Path) -> None:
    (here / "outputs" / "sweeps" / "wide-0" / "0").mkdir(parents=True)
    answer = run_cli("report", "wide-0")
    assert answer.status == 2
    assert "wide-0 is a sweep, and a sweep has its own report.html" in answer.err
    assert "wide-0/best" in answer.err


def test_a_place_without_a_folder_is_refused(finished: Finished, run_cli: RunCli) -> None:
    answer = run_cli("report", "made", "--outputs", str(finished().parents[1]), "--out", "no/such/page.html")
    assert answer.status == 2
    assert "is no place for a page; give --out a file in a folder that there is" in answer.err


def test_pictures_of_plain_rows_are_none() -> None:
    assert pictures(Table(pd.DataFrame({"a": [1.0, 2.0]}), ("a",)), [0]) == {}


def test_the_positive_class_is_shown_and_stored(run_cli: RunCli, here: Path) -> None:
    words = ["trainer.epochs=1", "tracking=none", "hydra.run.dir=run", "data.extract.positive=benign"]
    answer = run_cli(TABLE, *words)
    assert answer.status == 0
    assert "binary target diagnosis, 2 classes (positive: benign)" in answer.out
    assert json.loads(Path("run/result.json").read_text())["positive"] == "benign"
    task = json.loads(Path("run/model/bundle.json").read_text())["task"]
    assert (task["classes"], task["positive"]) == (["malignant", "benign"], "benign")
    page = Text(Path("run/report.html").read_text()).text
    assert "Positive is the class benign." in page
    assert "positive class benign" in page

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.bundle.ensemble import open_predictor, write
from harness.bundle.row_predictor import RowPredictor
from harness.deploy import predict_file, row_reader

pytestmark = pytest.mark.slow

CANCER = ("data/extract=breast_cancer",)
FOLDS = (*CANCER, "split=kfold", "split.folds=3")

Finished = Callable[..., Path]


def raw(words: tuple[str, ...], count: int = 300) -> pd.DataFrame:
    """Rows as the data source gives them, features and target."""
    from harness.config.compose import compose
    from harness.config.instantiate import build

    frame: pd.DataFrame = build(compose(list(words)).data.extract, "data.extract")().frame
    return frame.head(count)


@pytest.fixture
def cancer(here: Path) -> pd.DataFrame:
    """The rows of cancer.csv: an id with leading zeros, then the features."""
    frame = raw(CANCER).drop(columns="diagnosis")
    frame.insert(0, "patient", [f"{i:04d}" for i in range(len(frame))])
    frame.to_csv(here / "cancer.csv", index=False)
    return frame


def at(run: Path) -> tuple[str, str, str]:
    """A run, by name, and where it is."""
    return run.name, "--outputs", str(run.parents[1])


def predicted(run_cli: Any, run: Path, given: str, out: str, *more: str) -> Any:
    name, *outputs = at(run)
    return run_cli("predict", name, given, out, *outputs, *more)


def test_the_same_rows_come_out_with_predictions_and_probabilities_behind_them(
    run_cli: Any, finished: Finished, cancer: pd.DataFrame, here: Path
) -> None:
    run = finished(*CANCER)
    answer = predicted(run_cli, run, "cancer.csv", "out.csv")
    assert answer.status == 0
    unused, beyond = answer.err.splitlines()
    assert unused == "! the model does not look at 'patient'."
    assert re.match(r"! \d+ of 300 rows have values beyond the range of the training rows, in 'mean", beyond)
    assert re.fullmatch(r"out.csv: 300 rows \([\d.]+ s, [\d,]+ rows/s\)\n", answer.out)
    given, written = (Path(name).read_text().splitlines() for name in ("cancer.csv", "out.csv"))
    assert len(given) == len(written)
    assert all(line.startswith(f"{old},") for old, line in zip(given, written, strict=True))
    found = pd.read_csv(here / "out.csv").iloc[:, cancer.shape[1] :]
    pd.testing.assert_frame_equal(
        found, RowPredictor(run / "model")(pd.read_csv("cancer.csv")), check_exact=True
    )
    assert list(found) == ["prediction", "probability_benign", "probability_malignant"]


def test_chunks_of_any_size_give_equal_predictions_to_the_last_bit(
    run_cli: Any, finished: Finished, cancer: pd.DataFrame, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = finished(*CANCER)
    many = pd.concat([cancer] * 8, ignore_index=True)
    many.to_csv("many.csv", index=False)
    expected = RowPredictor(run / "model")(pd.read_csv("many.csv"))
    sizes: list[int] = []
    called = RowPredictor.__call__

    def watched(self: RowPredictor, rows: pd.DataFrame) -> pd.DataFrame:
        sizes.append(len(rows))
        return called(self, rows)

    monkeypatch.setattr(RowPredictor, "__call__", watched)
    monkeypatch.setattr(row_reader, "_CELLS", 1)
    for out in ("out.csv", "out.parquet"):
        assert predicted(run_cli, run, "many.csv", out).status == 0
        assert sizes == [1024, 1024, 352]  # never the whole
        sizes.clear()
        found = pd.read_csv(here / out) if out.endswith("csv") else pd.read_parquet(out)
        pd.testing.assert_frame_equal(found[list(expected)], expected, check_exact=True)
        assert list(found["patient"].astype(str).str.zfill(4)) == list(many["patient"])


def test_only_one_piece_is_held_at_a_time(finished: Finished, cancer: pd.DataFrame) -> None:
    import weakref

    run = finished(*CANCER)
    predictor = RowPredictor(run / "model", batch=8)
    rows = row_reader.open_source(Path("cancer.csv"), predictor.bundle)
    alive: list[Any] = []
    most = 0

    class Watched:
        columns = rows.columns

        def pieces(self, size: int | None) -> Any:
            nonlocal most
            for piece in rows.pieces(8):
                alive.append(weakref.ref(piece))
                most = max(most, sum(ref() is not None for ref in alive))
                yield piece

    account = predict_file.predict(predictor, Watched(), Path("out.csv"), batch=8)
    assert (account.rows, len(alive)) == (300, 38)
    assert most <= 2  # the one that was read, and the one before it


@pytest.mark.filterwarnings("ignore")  # MLflow warns of its own code, at import
def test_predict_equals_the_saved_mlflow_model(
    run_cli: Any, finished: Finished, cancer: pd.DataFrame, here: Path
) -> None:
    from harness.tracking import mlflow_model
    from harness.tracking.mlflow_store import prepare

    prepare()
    import mlflow.pyfunc

    run = finished(*CANCER)
    mlflow_model.save(here / "saved", run / "model")
    expected = mlflow.pyfunc.load_model(str(here / "saved")).predict(pd.read_csv("cancer.csv"))
    assert run_cli("predict", "saved", "cancer.csv", "out.csv").status == 0
    pd.testing.assert_frame_equal(pd.read_csv(here / "out.csv")[list(expected)], expected, check_exact=True)


def test_digits_are_read_as_pixel_columns(run_cli: Any, finished: Finished, here: Path) -> None:
    run = finished()
    rows = raw(())
    rows.to_csv("digits.csv", index=False)
    assert predicted(run_cli, run, "digits.csv", "out.csv").status == 0
    found, expected = pd.read_csv(here / "out.csv"), RowPredictor(run / "model")(rows)
    numbers = [f"probability_{digit}" for digit in range(10)]
    np.testing.assert_array_equal(found[numbers], expected[numbers])
    assert list(found["prediction"].astype(str)) == list(expected["prediction"])


def test_a_regression_answers_in_parquet_with_the_types_that_were_given(
    run_cli: Any, finished: Finished, here: Path
) -> None:
    run = finished("data/extract=diabetes")
    rows = raw(("data/extract=diabetes",)).assign(
        key=pd.array([7, None, 9] * 100, dtype="Int64"), who=["007"] * 300
    )
    rows.to_parquet("rows.parquet", row_group_size=70)
    assert predicted(run_cli, run, "rows.parquet", "out.parquet").status == 0
    found = pd.read_parquet("out.parquet")
    pd.testing.assert_frame_equal(found[list(rows)], rows, check_exact=True)
    pd.testing.assert_frame_equal(found[["prediction"]], RowPredictor(run / "model")(rows), check_exact=True)
    assert predicted(run_cli, run, "rows.parquet", "out.csv").status == 0
    assert pd.read_csv("out.csv", dtype=str, keep_default_na=False)["key"][:3].tolist() == ["7", "", "9"]


def test_a_packed_file_is_read_and_written(
    run_cli: Any, finished: Finished, cancer: pd.DataFrame, here: Path
) -> None:
    run = finished(*CANCER)
    Path("cancer.csv.gz").write_bytes(gzip.compress(Path("cancer.csv").read_bytes()))
    predicted(run_cli, run, "cancer.csv", "plain.csv")
    assert predicted(run_cli, run, "cancer.csv.gz", "out.csv.gz").status == 0
    assert gzip.decompress(Path("out.csv.gz").read_bytes()) == Path("plain.csv").read_bytes()


def test_embed_gives_the_representation_of_any_model(
    run_cli: Any, finished: Finished, cancer: pd.DataFrame, here: Path
) -> None:
    run = finished(*CANCER)
    predictor = RowPredictor(run / "model")
    assert predicted(run_cli, run, "cancer.csv", "out.csv", "--embed").status == 0
    found = pd.read_csv(here / "out.csv").iloc[:, cancer.shape[1] :]
    assert list(found) == [f"representation_{i}" for i in range(predictor.bundle.width)]
    inputs = predictor.transform(predictor.table(pd.read_csv("cancer.csv"))).inputs
    expected = predictor.predictor(inputs).representation.double().numpy()  # type: ignore[arg-type]
    np.testing.assert_array_equal(found.to_numpy(), expected)


def test_a_run_without_a_head_gives_representations_with_or_without_embed(
    run_cli: Any, finished: Finished, here: Path
) -> None:
    run = finished("trainer=contrastive")
    raw((), 20).to_csv("digits.csv", index=False)
    for more in ((), ("--embed",)):
        assert predicted(run_cli, run, "digits.csv", "out.csv", *more).status == 0
        found = pd.read_csv(here / "out.csv")
        expected = RowPredictor(run / "model")(raw((), 20))
        pd.testing.assert_frame_equal(found[list(expected)], expected, check_exact=True)


def test_of_several_folds_one_is_named_or_all_are_averaged(
    run_cli: Any, finished: Finished, cancer: pd.DataFrame, here: Path
) -> None:
    run = finished(*FOLDS)
    answer = predicted(run_cli, run, "cancer.csv", "out.csv")
    assert (answer.status, (here / "out.csv").exists()) == (2, False)
    assert "made has 3 models, one per fold; name one of them, such as made/fold-0" in answer.err
    rows = pd.read_csv("cancer.csv")
    folds = [RowPredictor(run / f"fold-{i}" / "model")(rows)["probability_benign"] for i in range(3)]
    outputs = ("--outputs", str(run.parents[1]))
    assert run_cli("predict", "made/fold-2", "cancer.csv", "out.csv", *outputs).status == 0
    np.testing.assert_array_equal(pd.read_csv(here / "out.csv")["probability_benign"], folds[2])
    assert predicted(run_cli, run, "cancer.csv", "out.csv", "--ensemble").status == 0
    np.testing.assert_allclose(
        pd.read_csv(here / "out.csv")["probability_benign"], sum(folds) / 3, rtol=1e-12
    )
    answer = predicted(run_cli, run, "cancer.csv", "none.csv", "--ensemble", "--embed")
    assert (answer.status, (here / "none.csv").exists()) == (2, False)
    assert "--embed needs one model, and this is an ensemble" in answer.err
    write(here / "all", [run / f"fold-{i}" / "model" for i in range(3)])
    expected = open_predictor(here / "all")(rows)
    pd.testing.assert_frame_equal(pd.read_csv(here / "out.csv")[list(expected)], expected, check_exact=True)


def test_an_ensemble_needs_several_models(
    run_cli: Any, finished: Finished, cancer: pd.DataFrame, here: Path
) -> None:
    run = finished(*CANCER)
    answer = predicted(run_cli, run, "cancer.csv", "out.csv", "--ensemble")
    assert answer.status == 2
    assert "--ensemble puts the models of several folds together, and made has 1; leave it out" in answer.err
    answer = run_cli("predict", str(run / "model"), "cancer.csv", "out.csv", "--ensemble")
    assert (answer.status, (here / "out.csv").exists()) == (2, False)
    assert f"--ensemble puts the folds of a run together, and {run / 'model'} is no run;" in answer.err


def test_missing_values_are_filled_and_counted(
    run_cli: Any, finished: Finished, cancer: pd.DataFrame, here: Path
) -> None:
    run = finished(*CANCER)
    cancer.loc[[3, 5], "mean radius"] = np.nan
    cancer.to_csv("gaps.csv", index=False)
    answer = predicted(run_cli, run, "gaps.csv", "out.csv")
    assert (
        "! values are missing in 'mean radius' (2); data.transform fills them as in training.\n" in answer.err
    )
    found = pd.read_csv(here / "out.csv")
    assert found["mean radius"].isna().sum() == 2
    expected = RowPredictor(run / "model")(pd.read_csv("gaps.csv"))
    pd.testing.assert_frame_equal(found[list(expected)], expected, check_exact=True)
    assert expected.notna().all(axis=None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda f: f.drop(columns=["mean radius", "mean area"]),
            "needs the 30 columns that it was trained on, and 2 are missing: 'mean radius' and 'mean area';",
        ),
        (
            lambda f: f.iloc[:, :2],
            "29 are missing: 'mean texture', 'mean perimeter', 'mean area', 'mean smoothness' and 25 more;",
        ),
        (
            lambda f: (
                f.astype({"mean radius": object})
                .set_index(f.index)
                .replace({"mean radius": {f.iloc[17, 1]: "abc"}})
            ),
            "column 'mean radius' was float64 in training, and row 17 holds 'abc'; correct it",
        ),
        (lambda f: f.iloc[:0], "IN has no rows, only columns; name a file with some."),
        (lambda f: f.assign(prediction=1), "the answer adds a column 'prediction', which IN has already"),
    ],
)
def test_rows_that_the_model_cannot_take_are_named_and_nothing_is_written(
    change: Any, message: str, run_cli: Any, finished: Finished, cancer: pd.DataFrame, here: Path
) -> None:
    change(cancer).to_csv("odd.csv", index=False)
    answer = predicted(run_cli, finished(*CANCER), "odd.csv", "out.csv")
    assert answer.status == 2
    assert message in answer.err
    assert sorted(path.name for path in here.iterdir()) == ["cancer.csv", "odd.csv"]


def test_a_fault_far_down_leaves_the_older_file_as_it_was(
    run_cli: Any, finished: Finished, cancer: pd.DataFrame, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_reader, "_CELLS", 1)
    many = pd.concat([cancer] * 4, ignore_index=True).astype({"mean area": object})
    many.loc[1100, "mean area"] = "much"
    many.to_csv("many.csv", index=False)
    Path("out.csv").write_text("older")
    answer = predicted(run_cli, finished(*CANCER), "many.csv", "out.csv")
    assert answer.status == 2
    assert "and row 1100 holds 'much'" in answer.err
    assert Path("out.csv").read_text() == "older"
    assert sorted(path.name for path in here.iterdir()) == ["cancer.csv", "many.csv", "out.csv"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("cancer.csv", "out.txt"), "OUT must end in .csv or .csv.gz or .parquet, got out.txt; rename it."),
        (("cancer.csv", "no/out.csv"), "OUT=no/out.csv lies in a folder that does not exist; make it first"),
        (("cancer.csv", "cancer.csv"), "OUT=cancer.csv is the file that is read; name another."),
        (("cancer.csv", "sub.csv"), "OUT=sub.csv is a folder; name a file in it."),
        (
            ("cancr.csv", "out.csv"),
            "IN=cancr.csv does not exist; among the .csv files of its folder, did you mean c",
        ),
        (
            ("cancer.json", "out.csv"),
            "IN must be a folder of images, or end in .csv, .tsv, .txt, .parquet, .pq or .np",
        ),
        (("empty.csv", "out.csv"), "IN=empty.csv is empty; give one with a line of column names"),
        (
            ("short.csv", "out.csv"),
            "line 3 of short.csv has 2 cells, and the first line names 30 columns; correct the",
        ),
        (("broken.parquet", "out.csv"), "IN=broken.parquet cannot be read as parquet: "),
        (("zip.csv.gz", "out.csv"), "IN=zip.csv.gz cannot be read as UTF-8 text: Not a gzipped file"),
        (("latin.csv", "out.csv"), "IN=latin.csv cannot be read as UTF-8 text: 'utf-8' codec can't decode"),
        (("twice.csv", "out.csv"), "IN=twice.csv has two columns named 'a'; rename one."),
        (
            ("sub.csv", "out.csv"),
            "IN=sub.csv is a folder, which a model of image files takes, and this one reads 30",
        ),
        (
            ("rows.npy", "out.csv"),
            "IN=rows.npy is an array, which a model of arrays takes, and this one reads 30 col",
        ),
        (("cancer.csv", "out.csv", "--batch", "0"), "--batch must be 1 row or more, got 0; 1024 is usual."),
        (("cancer.csv", "out.csv", "--device", "cudo"), "--device cudo cannot be used here"),
    ],
)
def test_unusable_files_are_one_sentence(
    words: tuple[str, ...], message: str, run_cli: Any, finished: Finished, cancer: pd.DataFrame, here: Path
) -> None:
    lines = Path("cancer.csv").read_text().splitlines()
    lines = [line.partition(",")[2] for line in lines]
    Path("short.csv").write_text("\n".join([*lines[:2], "1,2", *lines[2:]]))
    for name in ("cancer.json", "empty.csv"):
        Path(name).touch()
    Path("broken.parquet").write_text("no")
    Path("zip.csv.gz").write_text("no")
    Path("latin.csv").write_bytes("a,b\nä,ö\n".encode("latin-1"))
    Path("twice.csv").write_text("a,a\n1,2\n")
    Path("sub.csv").mkdir()
    np.save("rows.npy", np.zeros((3, 4)))
    before = sorted(here.iterdir())
    answer = predicted(run_cli, finished(*CANCER), *words)
    assert answer.status == 2
    assert message in answer.err
    assert len(answer.err.splitlines()) == 1
    assert sorted(here.iterdir()) == before


def test_a_run_that_does_not_exist_is_named(run_cli: Any, finished: Finished, cancer: pd.DataFrame) -> None:
    run = finished(*CANCER)
    answer = run_cli("predict", "mad", "cancer.csv", "out.csv", "--outputs", str(run.parents[1]))
    assert (answer.status, "did you mean made?" in answer.err) == (2, True)


def test_a_column_counts_the_numbers_beyond_the_range_on_request(
    run_cli: Any, finished: Finished, cancer: pd.DataFrame, here: Path
) -> None:
    run = finished(*CANCER)
    reader = RowPredictor(run / "model")
    cancer.loc[3, ["mean radius", "mean texture"]] = 1e6
    cancer.to_csv(here / "wild.csv", index=False)
    answer = predicted(run_cli, run, "wild.csv", "out.csv", "--beyond-range")
    assert answer.status == 0, answer.err
    written = pd.read_csv(here / "out.csv")
    wanted = reader.beyond(pd.read_csv("wild.csv")).sum(axis=1)
    assert written["beyond_range"].tolist() == wanted.tolist()
    assert written["beyond_range"][3] >= 2
    answer = predicted(run_cli, run, "out.csv", "again.csv", "--beyond-range")
    assert answer.status == 2
    assert "a column" in answer.err

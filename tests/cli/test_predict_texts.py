"""Rows in a text file with units, blanks and comments are predicted as they were read for the training."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from harness.bundle.row_predictor import RowPredictor
from harness.tracking import mlflow_model
from harness.tracking.mlflow_store import prepare

# MLflow uses parts of SQLAlchemy that are deprecated, and warns about its own code.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:.*Any type hint:UserWarning"),
]

FORM = (
    "data.extract.header=false",
    "data.extract.names=[price,kind,day,sold]",
    "data.extract.comment=#",
    'data.extract.strip=["$"]',
    'data.extract.thousands=","',
)


def line(row: int) -> str:
    return f'"$1,{row % 90 + 100}.50", {"ab"[row % 2]} ,2026-01-{row % 28 + 1:02d},{row % 3 > 0}'


def test_units_blanks_comments_and_dates_are_read_as_in_training(
    run_cli: Any, only_run: Callable[[], Path], here: Path
) -> None:
    text = "# prices\n" + "".join(f"{line(row)}\n" for row in range(60))
    Path("sales.csv").write_text(text)
    words = ("data/extract=csv", "data.extract.path=sales.csv", "data.extract.target=sold", *FORM)
    answer = run_cli(*words, "trainer.epochs=1", "tracking=none", "report=false", "model.widths=[4]")
    assert (answer.status, answer.err) == (0, "")
    run = only_run()
    Path("new.csv").write_text("# new\n" + "".join(f"{line(row)}\n" for row in range(5)))
    answer = run_cli("predict", "last", "new.csv", "out.csv")
    assert answer.status == 0
    assert answer.err.splitlines() == [
        "! the model does not look at 'sold'.",
        "! 2 of 5 rows have values beyond the range of the training rows, in 'price' (2); "
        "the model has learned nothing from such values.",
    ]
    found = pd.read_csv("out.csv")["prediction"]
    plain = pd.DataFrame(
        {
            "price": [1000 + row % 90 + 100.5 for row in range(5)],
            "kind": ["ab"[row % 2] for row in range(5)],
            "day": pd.to_datetime([f"2026-01-{row % 28 + 1:02d}" for row in range(5)]),
        }
    )
    raw = plain.assign(price=[f"$1,{row % 90 + 100}.50" for row in range(5)], kind=plain["kind"] + " ")
    model = RowPredictor(run / "model")
    expected = model(plain)
    pd.testing.assert_frame_equal(model(raw), expected, check_exact=True)
    written = pd.read_csv("out.csv").filter(like="probability_")
    pd.testing.assert_frame_equal(written, expected.filter(like="probability_"), check_exact=True)
    assert found.astype(str).tolist() == expected["prediction"].tolist()
    app, body = serving(run / "model", here), Path("new.csv").read_bytes()
    answer, beyond = app.predict(body, {"content-type": "text/csv"})
    assert beyond == 2
    counts = json.loads(app.predict(body, {"content-type": "text/csv"}, counts=True)[0])["predictions"]
    assert sum(line["beyond_range"] > 0 for line in counts) == 2
    assert "beyond_range" not in json.loads(answer)["predictions"][0]
    served = pd.DataFrame(json.loads(answer)["predictions"])
    pd.testing.assert_frame_equal(served, expected, check_exact=True, check_dtype=False)


@pytest.mark.parametrize(
    ("kind", "body", "sentence"),
    [
        ("text/csv", "a,b\n", "the rows have no column of the model ('a' and 'b'); the model expects 3 "),
        (
            "text/csv",
            "price,b\n",
            "the 3 columns that it was trained on, and 2 are missing: 'kind' and 'day'",
        ),
        ("json", {"dataframe_split": {"columns": ["a"], "data": []}}, "no column of the model ('a'); the"),
        (
            "json",
            {"dataframe_split": {"columns": ["price", "day"], "data": []}},
            "1 is missing: 'kind'; give",
        ),
        ("json", {"inputs": {"a": []}}, "no column of the model ('a'); the model expects 3 columns: 'price'"),
        ("parquet", ["kind"], "and 2 are missing: 'price' and 'day'; give"),
        ("text/csv", "price,kind,day\n", None),
        ("json", {"dataframe_split": {"columns": ["day", "kind", "price"], "data": []}}, None),
        ("json", {"dataframe_split": {"columns": [], "data": []}}, None),
        ("json", {"inputs": {"price": [], "kind": [], "day": []}}, None),
        ("json", {"dataframe_records": []}, None),
        ("json", {"instances": []}, None),
        ("parquet", ["kind", "price", "day"], None),
    ],
)
def test_a_table_without_rows_is_answered_if_no_column_is_missing(
    kind: str, body: Any, sentence: str | None, sales: Any
) -> None:
    from harness.deploy.server.scoring_app import Refused

    content_type = {"json": "application/json", "parquet": "application/vnd.apache.parquet"}.get(kind, kind)
    if kind == "parquet":
        file = io.BytesIO()
        pd.DataFrame(columns=body).to_parquet(file)
        content = file.getvalue()
    else:
        content = (body if isinstance(body, str) else json.dumps(body)).encode()
    if sentence is None:
        answer, beyond = sales.predict(content, {"content-type": content_type}, counts=True)
        assert (json.loads(answer), beyond) == ({"predictions": []}, 0)
    else:
        with pytest.raises(Refused) as refused:
            sales.predict(content, {"content-type": content_type})
        assert refused.value.status == 400
        assert sentence in str(refused.value)


@pytest.fixture(scope="module")
def sales(finished: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The application with a model of price, kind and day."""
    folder = tmp_path_factory.mktemp("sales")
    rows = [
        f"{row % 90 + 100}.5,{'ab'[row % 2]},2026-01-{row % 28 + 1:02d},{row % 3 > 0}" for row in range(60)
    ]
    (folder / "sales.csv").write_text("\n".join(["price,kind,day,sold", *rows]))
    words = ("data/extract=csv", f"data.extract.path={folder / 'sales.csv'}", "data.extract.target=sold")
    return serving(finished(*words, "model.widths=[4]") / "model", folder)


def serving(bundle: Path, folder: Path) -> Any:
    """The application of `serve` with a model as MLflow loads it."""
    prepare()
    import mlflow.pyfunc

    from harness.deploy.server.scoring_app import ScoringApp

    mlflow_model.save(folder / "served", bundle)
    return ScoringApp(mlflow.pyfunc.load_model(str(folder / "served")), limit=2**20, timeout=60)

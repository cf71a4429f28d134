"""Rows in a text file with units, blanks and comments are predicted as they were read for the training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from harness.bundle.row_predictor import RowPredictor

pytestmark = pytest.mark.slow

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
    assert (answer.status, answer.err) == (0, "! the model does not look at 'sold'.\n")
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

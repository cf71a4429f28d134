"""What is wrong with data from anywhere is answered in one sentence, and leaves nothing behind."""

from __future__ import annotations

import json
import re
import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.slow

Refusal = Callable[..., str]

FAST = ["tracking=none", "trainer.epochs=1", "trainer.device=cpu"]
CSV = ["data/extract=csv", "data.extract.path=rows.csv", "data.extract.target=y", "model.widths=[8]"]
GROUPED = ["split=group_kfold", "data.extract.group=g"]


TABLES = [
    ([], "a,y\n1,0\n2,1,9\n3,0\n", r"line 3 of rows\.csv has 3 cells, and the first line names 2 .*"),
    ([], 'a,y\n"1,0\n2,1\n', r"the quote that opens on line 2 of rows\.csv is never closed; .*"),
    (
        [],
        "a,y\n" + "1,0\n2,1\n" * 20 + "x7,1\n",
        r"column 'a' holds numbers, and line 42 of rows\.csv the text 'x7'; .*",
    ),
    (
        [],
        "a,y\n" + "1,\n2,\n" * 9,
        r"a target must be known in some row, and 'y' of rows is known in none of 18.*",
    ),
    (
        [],
        "a,y\n" + "1,0\n2,1\n" * 9 + "inf,1\n",
        r".*column 'a' of rows holds inf in row 18; .*infinite=missing\.",
    ),
    (
        [],
        "a,y\n" + "1,0\n2,1\n" * 9 + "1e40,1\n",
        r"features must be at most 3\.4e\+38 .* column 'a' .* holds 1e\+40 in row 18; .*infinite=missing\.",
    ),
    (
        [],
        "probability_1,y\n" + "1,0\n2,1\n2,0\n1,1\n" * 9,
        r"a feature must not have the name of a column .*, and 'probability_1' of rows does; "
        r"rename it in the data, or leave it out with 'data\.extract\.drop=\[probability_1\]'\.",
    ),
    (["data.extract.id=i"], "i,a,y\n" + "1,1,0\n1,2,1\n" * 9, r".*'i'.*1.*twice|.*id.*1.*18 (times|rows).*"),
    (
        GROUPED,
        "g,a,y\n" + "p,1,0\np,2,1\n" * 9,
        r"a group role needs two groups or more, and column 'g' .*'p'.*",
    ),
    (GROUPED, "g,a,y\n" + "p,1,0\nq,2,1\n" * 9, r"split\.folds=5 needs as many groups, .* has 2; .*"),
    (
        ["split=leave_one_group_out"],
        "a,y\n" + "1,0\n2,1\n" * 9,
        r"this split keeps groups together, .* no group column.*",
    ),
    (["split=time_series"], "a,y\n" + "1,0\n2,1\n" * 9, r".*data\.extract\.time=COLUMN.*"),
    (["split=predefined"], "a,y\n" + "1,0\n2,1\n" * 9, r".*give split\.column=COLUMN\."),
    (
        ["split.labelled=1"],
        "a,y\n" + "1,0\n2,1\n" * 9,
        r"split\.labelled=1 .* each of the 2 classes needs one.*",
    ),
    (["split.labelled=99"], "a,y\n" + "1,0\n2,1\n" * 9, r"split\.labelled=99 .*"),
    (
        ["split.guard=error"],
        "a,b,y\n" + "".join(f"{n * 37 % 60},{n * n / 7:.4f},{n % 2}\n" for n in range(60)) * 2,
        r".*test rows.*have the same features as training rows.*",
    ),
    (
        [],
        "a,b,y\n" + "".join(f"{n},{n % 3},{n % 3}\n" for n in range(60)),
        r".*'b'.*target.*data\.extract\.drop.*",
    ),
    (
        ["data/load/sampler=class_samples"],
        "a,y\n" + "1,0\n2,1\n2,0\n" * 9,
        r"a batch of 8 classes cannot be drawn from training rows of 2; set data\.load\.sampler.*",
    ),
]


@pytest.mark.parametrize(
    ("words", "content", "sentence"), TABLES, ids=lambda row: " ".join(row)[:40] if row else ""
)
def test_a_table_that_cannot_be_used_is_refused(
    here: Path, words: list[str], content: str, sentence: str, refusal: Refusal
) -> None:
    (here / "rows.csv").write_text(content)
    error = refusal(*FAST, *CSV, *words)
    assert re.fullmatch(sentence, error), error


SQL = ["data/extract=sql", "data.extract.target=y"]


def database(here: Path) -> None:
    with closing(sqlite3.connect(here / "rows.db")) as connection:
        connection.execute("create table visits (a real, y integer)")
        connection.executemany("insert into visits values (?, ?)", [(n / 3, n % 2) for n in range(40)])
        connection.commit()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["data.extract.url=sqlite:///nope.db", "data.extract.table=visits"], r".*nope\.db does not exist.*"),
        (
            ["data.extract.url=sqlite:///rows.db", "data.extract.table=visit"],
            r".*'visit'.*did you mean visits\?",
        ),
        (
            ["data.extract.url=sqlite:///rows.db", "data.extract.query=select * from visits where a > 99"],
            r".*no rows.*|.*returns nothing.*",
        ),
        (
            ["data.extract.url=sqlite:///rows.db", "data.extract.query=selct *"],
            r".*data\.extract\.query.*syntax.*",
        ),
        (
            ["data.extract.url=sqlite:///rows.db", "data.extract.query=delete from visits"],
            r".*data\.extract\.query.*",
        ),
        (
            ["data.extract.url=nope", "data.extract.table=visits"],
            r"data\.extract\.url must be a database URL, .*",
        ),
        (["data.extract.url=sqlite:///rows.db"], r".*data\.extract\.(query|table).*"),
        (
            ["data.extract.url=sqlite:///rows.db", "data.extract.query=select * from visits where a > :low"],
            r".*:?low.*data\.extract\.parameters.*",
        ),
    ],
    ids=lambda row: " ".join(row)[:60] if isinstance(row, list) else "",
)
def test_a_database_that_cannot_be_used_is_refused(
    here: Path, words: list[str], sentence: str, refusal: Refusal
) -> None:
    database(here)
    error = refusal(*FAST, *SQL, *words)
    assert re.fullmatch(sentence, error), error


def closed_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


QUICK = ["data.extract.retries=1", "data.extract.backoff=0.01"]


def test_a_database_that_cannot_be_reached_is_reported_after_the_stated_tries(refusal: Refusal) -> None:
    url = f"postgresql://me:s3cr3t@127.0.0.1:{closed_port()}/clinic"
    sentence = refusal(*FAST, *SQL, f"data.extract.url={url}", "data.extract.table=visits", *QUICK)
    assert "2 tries" in sentence
    assert "s3cr3t" not in sentence


def test_an_endpoint_that_cannot_be_reached_is_reported_after_the_stated_tries(refusal: Refusal) -> None:
    url = f"http://127.0.0.1:{closed_port()}/graphql"
    words = ["data/extract=graphql", f"data.extract.url={url}", "data.extract.query={ all { a y } }", *QUICK]
    sentence = refusal(*FAST, *words, "data.extract.target=y")
    assert "2 tries" in sentence


EMPTY = json.dumps({"data": {"rows": {"nodes": [], "pageInfo": {"hasNextPage": False, "endCursor": None}}}})
PAGED = "query($after: String) { rows(after: $after) { nodes { a y } pageInfo { hasNextPage endCursor } } }"


@pytest.mark.parametrize(
    ("prepare", "sentence"),
    [
        (
            lambda s: s.script.append(
                (
                    200,
                    {"Content-Type": "application/json"},
                    json.dumps({"errors": [{"message": "no such ward"}]}),
                )
            ),
            r".*no such ward.*",
        ),
        (lambda s: setattr(s, "stuck", True), r".*cursor.*'0'.*"),
        (lambda s: setattr(s, "token", "Bearer x"), r".*401.*data\.extract\.authorization.*"),
        (lambda s: s.script.append((200, {"Content-Type": "application/json"}, EMPTY)), r".*no rows.*"),
        (lambda s: s.script.append((200, {"Content-Type": "text/html"}, "<html>hello</html>")), r".*JSON.*"),
    ],
    ids=["errors within 200", "looping cursor", "unauthorised", "no rows", "a web page"],
)
def test_an_endpoint_with_a_wrong_answer_is_reported(
    graphql_server: Any, prepare: Any, sentence: str, refusal: Refusal
) -> None:
    graphql_server.rows = [{"a": n / 7, "y": n % 2} for n in range(20)]
    prepare(graphql_server)
    words = ["data/extract=graphql", f"data.extract.url={graphql_server.url}", f"data.extract.query={PAGED}"]
    error = refusal(*FAST, *words, "data.extract.target=y", *QUICK)
    assert re.fullmatch(sentence, error), error


def pictures(here: Path) -> None:
    random = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (here / "pictures" / name).mkdir(parents=True)
        for number in range(12):
            pixels = random.integers(0, 255, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(here / "pictures" / name / f"{number:02d}.jpg")
    whole = (here / "pictures/dog/05.jpg").read_bytes()
    (here / "pictures/dog/05.jpg").write_bytes(whole[: len(whole) // 2])


FOLDER = ["data/extract=image_folder", "data.extract.path=pictures", "model.widths=[4]"]


def test_a_truncated_image_is_named_before_training(here: Path, refusal: Refusal) -> None:
    pictures(here)
    sentence = refusal(*FAST, *FOLDER)
    assert "pictures/dog/05.jpg" in sentence
    assert "data.extract.unreadable=skip" in sentence


def test_a_truncated_image_may_be_skipped_with_a_word(
    run_cli: Any, here: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pictures(here)
    answer = run_cli(*FOLDER, "data.extract.unreadable=skip", *FAST)
    assert answer.status == 0, answer.err
    assert "23 rows" in answer.out
    assert any("05.jpg" in record.getMessage() for record in caplog.records)


def test_a_class_without_training_rows_is_reported_and_counts_as_wrong(run_cli: Any, here: Path) -> None:
    lines = ["a,part,y"]
    random = np.random.default_rng(0)
    for number in range(60):
        part = ("train", "train", "valid", "test")[number % 4]
        label = "rare" if part == "test" and number % 8 == 3 else "ab"[number // 4 % 2]
        lines.append(f"{random.normal():.6f},{part},{label}")
    (here / "rows.csv").write_text("\n".join(lines))
    words = [
        "split=predefined",
        "split.column=part",
        "data.extract.keep=[part]",
        f"hydra.run.dir={here / 'run'}",
    ]
    answer = run_cli(*CSV, *words, *FAST)
    assert answer.status == 0, answer.err
    assert re.search(r"! no training row has the class 'rare' of 8 test rows", answer.out)
    import pandas as pd

    rows = pd.read_csv(here / "run" / "predictions.csv")
    rare = rows[rows.target == "rare"]
    assert len(rare) == 8
    scores = json.loads((here / "run" / "result.json").read_text())["scores"]
    right = (rows.target == rows.prediction).mean()
    assert scores["test/accuracy"]["mean"] == pytest.approx(right)

"""The same rows from anywhere: the same folds, the same scores. And no secret of theirs is written."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytestmark = pytest.mark.slow

FAST = ["tracking=none", "trainer.epochs=2", "trainer.device=cpu", "model=mlp", "model.widths=[8]"]
ROLES = [
    "data.extract.target=readmitted",
    "data.extract.group=patient_id",
    "data.extract.id=visit_id",
    "data.extract.name=visits",
]
SPLIT = ["split=group_kfold", "split.folds=3"]
QUERY = "select visit_id, patient_id, age, dose, ward, smoker, readmitted from visits where age < 200"
GRAPHQL = (
    "query($after: String) { rows(first: 25, after: $after) { nodes "
    "{ visit_id patient_id age dose ward smoker readmitted } pageInfo { hasNextPage endCursor } } }"
)


@pytest.fixture
def visits(here: Path) -> pd.DataFrame:
    """80 visits of 16 patients, with gaps; the patients tell more than the visits."""
    random = np.random.default_rng(3)
    patient = np.repeat(np.arange(16), 5)
    frame = pd.DataFrame(
        {
            "visit_id": np.arange(80) + 100,
            "patient_id": [f"p{number:02d}" for number in patient],
            "age": 30 + patient,
            "dose": random.normal(size=80).round(3) + patient % 2,
            "ward": random.choice(["north", "süd", "east"], 80),
            "smoker": random.random(80) < 0.5,
            "readmitted": np.where(random.random(80) < 0.2 + 0.6 * (patient % 2), "yes", "no"),
        }
    )
    frame.loc[[4, 40], "dose"] = np.nan
    frame.loc[7, "ward"] = None
    return frame


def came_to(run_cli: Any, here: Path, *words: str) -> dict[str, Any]:
    """What a run left, in plain values."""
    folder = here / "runs" / str(len(list(here.glob("runs/*"))))
    answer = run_cli(*words, *ROLES, *SPLIT, *FAST, f"hydra.run.dir={folder}")
    assert (answer.status, answer.err) == (0, "")
    scores = json.loads((folder / "result.json").read_text())["scores"]
    return {
        "parts": np.load(folder / "folds.npz")["parts"].tolist(),
        "scores": {name: score["folds"] for name, score in scores.items() if not name.startswith("time/")},
        "predictions": (folder / "predictions.csv").read_text(),
    }


def insert(visits: pd.DataFrame) -> list[str]:
    """SQL that any database takes."""
    columns = (
        "visit_id integer, patient_id text, age integer, dose double precision, ward text, smoker boolean"
    )
    rows = [
        "(" + ", ".join("null" if pd.isna(cell) else repr(cell) for cell in row) + ")"
        for row in visits.astype(object).itertuples(index=False)
    ]
    return [
        f"create table visits ({columns}, readmitted text)",
        f"insert into visits values {', '.join(rows)}",
    ]


def test_the_same_rows_give_the_same_folds_and_scores_wherever_they_come_from(
    run_cli: Any, here: Path, visits: pd.DataFrame, postgres: Any, graphql_server: Any
) -> None:
    visits.to_csv(here / "visits.csv", index=False)
    visits.to_parquet(here / "visits.parquet")
    shuffled = visits.sample(frac=1, random_state=0)
    with closing(sqlite3.connect(here / "visits.db")) as database:
        for statement in insert(shuffled):  # a database has no order: the id gives it
            database.execute(statement)
        database.commit()
    postgres.run("drop table if exists visits", *insert(shuffled))
    graphql_server.rows = json.loads(shuffled.to_json(orient="records"))
    sources = {
        "csv": ["data.extract.path=visits.csv"],
        "parquet": ["data.extract.path=visits.parquet"],
        "sql": ["data.extract.url=sqlite:///visits.db", f"data.extract.query={QUERY}"],
        "postgres": [f"data.extract.url={postgres.url}", f"data.extract.query={QUERY}"],
        "graphql": [f"data.extract.url={graphql_server.url}", f"data.extract.query='{GRAPHQL}'"],
    }
    found = {
        name: came_to(run_cli, here, f"data/extract={name.replace('postgres', 'sql')}", *words)
        for name, words in sources.items()
    }
    assert len(found["csv"]["parts"]) == 3
    for name, outcome in found.items():
        assert outcome == found["csv"], name
    assert len(graphql_server.requests) == 4


def test_a_secret_of_a_source_is_not_written_to_any_file(
    run_cli: Any,
    here: Path,
    visits: pd.DataFrame,
    postgres: Any,
    graphql_server: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HARNESS_TEST_TOKEN", "tok-8d1f-xyz")
    graphql_server.rows = json.loads(visits.to_json(orient="records"))
    graphql_server.token = "Bearer tok-8d1f-xyz"
    postgres.run("drop table if exists visits", *insert(visits))
    word = "data.extract.authorization=${oc.env:HARNESS_TEST_TOKEN}"
    header = "+data.extract.headers.X-Api-Key=key-5c2e-abc"
    words = [f"data.extract.url={graphql_server.url}", f"data.extract.query={GRAPHQL}", word, header]
    came_to(run_cli, here, "data/extract=graphql", *words)
    came_to(
        run_cli, here, "data/extract=sql", f"data.extract.url={postgres.url}", "data.extract.table=visits"
    )
    assert graphql_server.requests[-1][0]["X-Api-Key"] == "key-5c2e-abc"
    password = postgres.url.split(":")[2].split("@")[0]
    for file in here.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            for secret in ("tok-8d1f-xyz", "key-5c2e-abc", password):
                assert secret.encode() not in content, f"{secret} in {file}"


def test_a_refused_password_is_reported_without_the_password(run_cli: Any, here: Path, postgres: Any) -> None:
    url = postgres.url_of(password="wrong-8d1f")
    words = [
        "data/extract=sql",
        f"data.extract.url={url}",
        "data.extract.table=visits",
        "data.extract.target=y",
    ]
    answer = run_cli(*words, *FAST)
    assert answer.status == 2
    (sentence,) = answer.err.splitlines()
    assert sentence.startswith("error: data.extract.url: postgresql://")
    assert "refuses the user name or password" in sentence
    assert "wrong-8d1f" not in sentence
    assert list(here.iterdir()) == []


def test_a_sweep_queries_a_server_once(
    run_cli: Any, here: Path, visits: pd.DataFrame, graphql_server: Any
) -> None:
    graphql_server.rows = json.loads(visits.to_json(orient="records"))
    words = [f"data.extract.url={graphql_server.url}", f"data.extract.query={GRAPHQL}"]
    words += [*ROLES, *FAST, "data.cache.worth=1000"]  # checks of the rows that took long would be kept
    answer = run_cli("-m", "data/extract=graphql", *words, "seed=1,2,3")
    assert answer.status == 0
    assert len(graphql_server.requests) == 4  # the pages of one reading
    run_cli("data/extract=graphql", *words)
    assert len(graphql_server.requests) == 8
    assert not list(here.glob("outputs/cache/*"))

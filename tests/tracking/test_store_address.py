from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from harness.core.errors import UserError
from harness.tracking import store_address


def test_null_is_a_file_in_the_outputs_folder() -> None:
    assert store_address.absolute(None, Path("/data/outputs")) == "sqlite:////data/outputs/mlflow.db"


def test_a_relative_file_is_meant_from_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert store_address.absolute("sqlite:///my/store.db", Path("o")) == f"sqlite:///{tmp_path}/my/store.db"


@pytest.mark.parametrize(
    ("folder", "address"),
    [
        ("a#b é", "sqlite:////a#b é/mlflow.db"),
        ("100%", "sqlite:////100%/mlflow.db"),
        ("a?b", "sqlite+pysqlite:////a%3Fb/mlflow.db"),
        ("a%41b", "sqlite+pysqlite:////a%2541b/mlflow.db"),
        ("what%3F?", "sqlite+pysqlite:////what%253F%3F/mlflow.db"),
    ],
)
def test_a_folder_may_have_any_name(folder: str, address: str) -> None:
    path = Path("/", folder, "mlflow.db")
    assert store_address.sqlite(path) == store_address.absolute(None, path.parent) == address
    assert store_address.file(address) == path
    assert make_url(address).database == str(path)  # as SQLAlchemy, and so MLflow, reads it


def test_options_of_an_address_stay_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a?b").mkdir()
    monkeypatch.chdir(tmp_path / "a?b")
    address = store_address.absolute("sqlite:///my.db?timeout=9", Path("o"))
    assert address == f"sqlite+pysqlite:///{tmp_path}/a%3Fb/my.db?timeout=9"
    assert store_address.file(address) == tmp_path / "a?b" / "my.db"


@pytest.mark.parametrize(
    ("path", "accepted"), [("/" + "x" * 479, True), ("/" + "x" * 480, False), ("/" + "é" * 240, False)]
)
def test_a_path_that_sqlite_would_not_open_is_refused(path: str, accepted: bool) -> None:
    with nullcontext() if accepted else pytest.raises(UserError, match="SQLite opens at most 480"):
        store_address.check_length(store_address.sqlite(Path(path)))


@pytest.mark.parametrize("uri", ["http://host:5000", "postgresql://u:p@h/db", "sqlite:////a/b.db"])
def test_every_other_address_stays_as_it_is(uri: str) -> None:
    assert store_address.absolute(uri, Path("o")) == uri


def test_only_a_database_file_has_a_file() -> None:
    assert store_address.file("sqlite:////a/b.db") == Path("/a/b.db")
    assert store_address.file("http://host/b.db") is None


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("http://me:s3cret@host:5000/path", "http://me:***@host:5000/path"),
        ("postgresql+psycopg2://me:p@ss@host/db", "postgresql+psycopg2://me:***@host/db"),
        ("http://host:5000", "http://host:5000"),
        ("mysql://host/db?user=me&password=s3cret&ssl=1", "mysql://host/db?user=me&password=***&ssl=1"),
        ("http://host:5000/a:b@c", "http://host:5000/a:b@c"),
        ("sqlite:////home/me@work:1/mlflow.db", "sqlite:////home/me@work:1/mlflow.db"),
    ],
)
def test_a_password_is_masked_and_nothing_else(uri: str, shown: str) -> None:
    assert store_address.masked(uri) == shown


def test_a_sentence_loses_the_password_in_every_spelling() -> None:
    uri = "http://me:p%40ss@host"
    text = f"no answer from {uri}: user me, password p@ss (p%40ss)"
    assert (
        store_address.scrubbed(text, uri) == "no answer from http://me:***@host: user me, password *** (***)"
    )


@pytest.mark.parametrize(
    "uri",
    [
        *("./mlruns", "file:///tmp/mlruns", "mlruns", "localhost:5000"),
        *("ftp://host", "postgres://host/db", "htp://localhost:5000", "s3://bucket/mlruns"),
    ],
)
def test_what_mlflow_could_not_use_is_refused(uri: str) -> None:
    with pytest.raises(
        ValueError, match="uri must be null, a server such as http://localhost:5000, or a dat"
    ):
        store_address.check(uri)


def test_a_refused_address_is_shown_without_its_password() -> None:
    with pytest.raises(ValueError, match=r"got 'postgres://me:\*\*\*@host/db'$"):
        store_address.check("postgres://me:s3cret@host/db")


@pytest.mark.parametrize(
    "uri",
    [
        *(None, "http://h", "https://h", "databricks", "databricks://profile", "mssql+pyodbc://h/db"),
        *("sqlite:///a.db", "sqlite+pysqlite:///a.db", "postgresql+psycopg2://h/db", "mysql://h/db"),
    ],
)
def test_what_mlflow_can_use_is_taken(uri: str | None) -> None:
    store_address.check(uri)


def test_the_scheme_of_a_plugin_of_mlflow_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    def installed(group: str, name: str) -> list[str]:
        return [name] if (group, name) == ("mlflow.tracking_store", "azureml") else []

    monkeypatch.setattr(store_address, "entry_points", installed)
    store_address.check("azureml://region/workspace")
    with pytest.raises(ValueError, match="got 'azure://region'"):
        store_address.check("azure://region")

from __future__ import annotations

import sqlite3
from urllib.parse import quote, quote_plus

import numpy as np
import pandas as pd
import pytest
from omegaconf import OmegaConf

from harness.data.extract.server_columns import Columns
from harness.runtime.address import register_environment

TEXT = str(pd.Series(["a"]).dtype)
"""Text: str in pandas 3, object in pandas 2."""

VISITS = [
    (10, 1, 31, 0.5, True, "north", "2024-01-31", "yes"),
    (2, 1, None, 1.25, False, None, "2024-02-29", "no"),
    (9, 2, 45, None, True, "süd", "2024-03-01", None),
    (3, 3, 52, 2.0, False, "north", "2024-07-01", "no"),
]
NAMES = ("visit", "patient", "age", "dose", "smoker", "ward", "seen", "ill")
TYPES = "visit int, patient int, age int, dose float, smoker boolean, ward text, seen date, ill text"
INSERT = "insert into visits values"


@pytest.fixture
def lite(tmp_path):
    path = tmp_path / "clinic.db"
    with sqlite3.connect(path) as connection:
        connection.execute(f"create table visits ({TYPES})")
        connection.executemany(f"{INSERT} (?,?,?,?,?,?,?,?)", VISITS)
    connection.close()
    return path


@pytest.fixture
def pg(postgres):
    postgres.run("drop schema public cascade", "create schema public", f"create table visits ({TYPES})")
    postgres.run(f"{INSERT} (%s,%s,%s,%s,%s,%s,%s,%s)", rows=VISITS)
    return postgres


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def url(request):
    if request.param == "sqlite":
        return f"sqlite:///{request.getfixturevalue('lite')}"
    return request.getfixturevalue("pg").url


def test_a_table_is_read_with_its_types(make, url):
    frame = make("sql", url=url, table="visits")().frame
    assert list(frame.columns) == list(NAMES)
    assert frame["visit"].tolist() == [10, 2, 9, 3]
    assert frame.dtypes.astype(str).to_dict() == {
        "visit": "int64",
        "patient": "int64",
        "age": "float64",
        "dose": "float64",
        "smoker": "bool",
        "ward": TEXT,
        "seen": "datetime64[us]",
        "ill": TEXT,
    }
    assert np.array_equal(frame["age"], [31, np.nan, 45, 52], equal_nan=True)
    assert frame["smoker"].tolist() == [True, False, True, False]
    assert frame["ward"].isna().tolist() == [False, True, False, False]
    assert frame["seen"].tolist() == [pd.Timestamp(row[6]) for row in VISITS]


@pytest.mark.parametrize("chunk", [1, 3, 100])
def test_the_rows_are_the_same_whatever_the_chunk(make, url, chunk):
    whole = make("sql", url=url, table="visits")()
    assert make("sql", url=url, table="visits", chunk=chunk)().digest == whole.digest


def test_rows_are_sorted_by_their_id_and_by_nothing_else(make, url):
    assert make("sql", url=url, table="visits", id="visit")().frame["visit"].tolist() == [2, 3, 9, 10]
    query = "select * from visits order by age desc nulls last"
    assert make("sql", url=url, query=query)().frame["visit"].tolist() == [3, 9, 10, 2]


def test_parameters_are_bound_and_never_pasted(make, url):
    query = "select * from visits where ward = :ward and age > :age"
    assert len(make("sql", url=url, query=query, parameters={"ward": "north", "age": 40})()) == 1
    harmless = "north' or '1' = '1"
    extract = make("sql", url=url, query=query, parameters={"ward": harmless, "age": 0})
    with pytest.raises(Exception, match="gives no rows"):
        extract()


def test_a_list_becomes_the_values_of_in(make, url):
    query = "select * from visits where visit in :visits order by visit"
    frame = make("sql", url=url, query=query, parameters={"visits": [9, 2]})().frame
    assert frame["visit"].tolist() == [2, 9]


def test_the_same_rows_from_every_source_are_the_same_table(make, lite, pg, graphql_server, tmp_path):
    rows = sorted(VISITS)
    frame = pd.DataFrame(rows, columns=list(NAMES))
    frame.to_csv(tmp_path / "visits.csv", index=False)
    frame["age"] = frame["age"].astype("Int64")
    typed = frame.assign(seen=pd.to_datetime(frame["seen"]))
    typed.to_parquet(tmp_path / "visits.parquet")
    graphql_server.rows = [dict(zip(NAMES, row, strict=True)) for row in VISITS]
    query = f"query($after: String) {{ rows(first: 2, after: $after) {{ nodes {{ {' '.join(NAMES)} }} "
    query += "pageInfo { hasNextPage endCursor } } }"

    roles = {"id": "visit", "group": "patient", "target": "ill"}
    tables = {
        "sqlite": make("sql", url=f"sqlite:///{lite}", table="visits", **roles)(),
        "postgresql": make("sql", url=pg.url, table="visits", **roles)(),
        "graphql": make("graphql", url=graphql_server.url, query=query, dates=["seen"], **roles)(),
        "csv": make("csv", path=str(tmp_path / "visits.csv"), dates=["seen"], **roles)(),
        "parquet": make("parquet", path=str(tmp_path / "visits.parquet"), **roles)(),
    }
    for table in tables.values():
        pd.testing.assert_frame_equal(table.frame, tables["csv"].frame)
    assert {table.digest for table in tables.values()} == {tables["csv"].digest}


def test_postgresql_types_are_faithful(make, pg):
    query = """
        select 1.5::numeric as cost, '\\x89504e47'::bytea as scan, true as flag, 7::bigint as big,
               timestamptz '2024-07-01 12:00+02' as at, null::int as nothing, interval '90 minutes' as stay,
               'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid as key
        union all select null, null, null, null, timestamptz '2024-01-01 12:00+01', null, null, null
    """
    frame = make("sql", url=pg.url, query=query)().frame
    assert frame["cost"].tolist()[0] == 1.5
    assert frame["scan"].tolist() == [b"\x89PNG", None]
    assert frame["flag"].tolist()[0] is True
    assert frame["big"].dtype == np.float64
    assert frame["at"].tolist() == [
        pd.Timestamp("2024-07-01 10:00", tz="UTC"),
        pd.Timestamp("2024-01-01 11:00", tz="UTC"),
    ]
    assert frame["nothing"].isna().all()
    assert frame["stay"][0] == pd.Timedelta(minutes=90)
    assert frame["key"][0] == "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"


def test_the_first_and_the_last_day_of_a_calendar_are_dates(make, pg):
    query = "select date '9999-12-31' as day, timestamp '9999-12-31 23:59' as at union all "
    query += "select '0001-01-01', '0001-01-01 00:01'"
    frame = make("sql", url=pg.url, query=query)().frame
    assert frame.astype(str).to_numpy().tolist() == [
        ["9999-12-31", "9999-12-31 23:59:00"],
        ["0001-01-01", "0001-01-01 00:01:00"],
    ]


def test_another_schema_and_names_that_need_quotes_are_found(make, pg):
    pg.run('create schema if not exists "Ward 7"', 'drop table if exists "Ward 7"."select"')
    pg.run('create table "Ward 7"."select" (x int)', 'insert into "Ward 7"."select" values (5)')
    table = make("sql", url=pg.url, table="Ward 7.select")()
    assert table.frame["x"].tolist() == [5]
    assert table.name == "Ward 7.select"


def test_the_source_shows_neither_user_nor_password(make, pg, lite):
    assert make("sql", url=pg.url, table="visits")().source == f"postgresql://127.0.0.1:{pg.port}/clinic"
    table = make("sql", url=f"sqlite:///{lite}", query="select * from visits")()
    assert (table.name, table.source) == ("clinic", f"sqlite:///{lite}")


def test_a_relative_path_and_a_file_uri_name_the_same_file(make, lite, monkeypatch):
    monkeypatch.chdir(lite.parent)
    assert len(make("sql", url="sqlite:///clinic.db", table="visits")()) == 4
    assert len(make("sql", url="sqlite:///file:clinic.db?mode=ro&uri=true", table="visits")()) == 4


def test_a_missing_sqlite_file_is_refused_and_not_created(make, lite, refused):
    path = lite.with_name("clinics.db")
    refused(make("sql", url=f"sqlite:///{path}", table="visits"), "does not exist", "did you mean clinic.db?")
    assert not path.exists()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (None, "needs the database to read"),
        ("visits.db", "must be a database URL"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("postgrespl://u:hunter22@host/db", "did you mean postgresql?"),
    ],
)
def test_an_odd_url_is_refused(make, refused, url, words):
    assert "hunter22" not in refused(make("sql", url=url, table="visits"), "data.extract.url", words)


def test_a_missing_driver_is_named_with_its_remedy(make, refused, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "psycopg", None)
    url = "postgresql://u:hunter22@127.0.0.1/db"
    refused(make("sql", url=url, table="visits"), "needs a driver for PostgreSQL", "harness[postgres]")
    refused(make("sql", url="mysql+pymysql://h/db", table="visits"), "package 'pymysql'", "pip install")


def test_a_file_that_is_no_database_is_refused(make, tmp_path, refused):
    path = tmp_path / "notes.db"
    path.write_text("dear diary, " * 100)
    refused(make("sql", url=f"sqlite:///{path}", table="visits"), "not a database")


def test_a_sqlite_file_has_a_fingerprint_that_changes_with_its_rows(make, lite):
    extract = make("sql", url=f"sqlite:///{lite}", table="visits")
    before = extract.fingerprint()
    extract()
    assert extract.fingerprint() == before
    connection = sqlite3.connect(lite)
    connection.execute("pragma journal_mode=wal")
    switched = extract.fingerprint()
    connection.execute("delete from visits where visit = 2")
    connection.commit()
    assert extract.fingerprint() not in (before, switched)
    assert len(extract()) == 3
    connection.close()


def test_a_server_has_no_fingerprint(make, pg):
    assert make("sql", url=pg.url, table="visits").fingerprint() is None


def test_exactly_one_of_query_and_table_is_needed(make, url, refused):
    refused(make("sql", url=url), "neither is given")
    refused(make("sql", url=url, query="select 1", table="visits"), "both are given")


def test_parameters_and_query_must_agree(make, url, refused):
    query = "select * from visits where ward = :ward"
    refused(make("sql", url=url, query=query), "parameter :ward", "+data.extract.parameters.ward=VALUE")
    extract = make("sql", url=url, query=query, parameters={"ward": "north", "wart": 1})
    refused(extract, "'wart'", "did you mean ward?")
    refused(make("sql", url=url, table="visits", parameters={"a": 1}), "table=visits has no :a")


def test_an_error_of_the_query_has_the_message_of_the_database(make, url, refused):
    refused(make("sql", url=url, query="selct * from visits"), "refused by the database", "syntax error")
    refused(make("sql", url=url, query="select agee from visits"), "agee", "correct the query")
    refused(make("sql", url=url, table="visit"), "there is no table 'visit'", "did you mean visits?")
    refused(make("sql", url=url, query="select * from visit"), "no table 'visit'", "did you mean visits?")
    refused(make("sql", url=url, query="select * from visits where visit > 99"), "gives no rows")
    refused(make("sql", url=url, query="select age, age from visits"), "two columns named 'age'")
    refused(make("sql", url=url, table="visits", dates=["sen"]), "data.extract.dates", "did you mean seen?")
    refused(make("sql", url=url, table="visits", dates=["ward"]), "holds 'north'", "2026-01-31")


@pytest.mark.parametrize(
    "query",
    [
        "delete from visits",
        "-- tidy\ninsert into visits (visit) values (1)",
        "drop table visits",
        "update visits set age = 0",
        "create table other (x int)",
    ],
)
def test_a_query_that_writes_is_refused_and_writes_nothing(make, url, refused, query):
    refused(make("sql", url=url, query=query), "data.extract.query must only read", "write a SELECT")
    assert len(make("sql", url=url, table="visits")()) == 4


def test_a_write_hidden_in_a_function_is_refused_by_the_transaction(make, pg, refused):
    pg.run(
        "create function wipe() returns int language sql as 'delete from visits returning 1'",
    )
    refused(make("sql", url=pg.url, query="select wipe() as x"), "must only read", "read-only transaction")
    query = "with gone as (delete from visits returning visit) select * from gone"
    refused(make("sql", url=pg.url, query=query), "must only read")
    assert len(make("sql", url=pg.url, table="visits")()) == 4


def test_a_list_in_a_cell_is_refused_unless_it_is_dropped(make, pg, refused):
    query = "select visit, array[1, 2] as doses from visits"
    refused(make("sql", url=pg.url, query=query), "'doses'", "'data.extract.drop=[doses]'")
    assert make("sql", url=pg.url, query=query, drop=["doses"])().features == ("visit",)


def test_what_a_sqlite_table_declares_is_what_is_read(make, tmp_path):
    path = tmp_path / "a.db"
    with sqlite3.connect(path) as connection:
        connection.execute("create table a (flag boolean, day date, at timestamp, free datetime)")
        row = ("true", "2024-01-31 00:00:00", "2024-07-01T12:00:00", "by noon")
        connection.executemany("insert into a values (?, ?, ?, ?)", [row, (0, None, None, "later")])
    connection.close()
    frame = make("sql", url=f"sqlite:///{path}", table="a")().frame
    assert frame["flag"].tolist() == [True, False]
    assert frame["day"][0] == pd.Timestamp("2024-01-31")
    assert frame["at"][0] == pd.Timestamp("2024-07-01 12:00")
    assert frame["free"].tolist() == ["by noon", "later"]


def test_mixed_types_in_a_column_are_refused(make, lite, refused):
    with sqlite3.connect(lite) as connection:
        connection.execute("insert into visits (visit, age) values (11, 'unknown')")
    connection.close()
    url = f"sqlite:///{lite}"
    refused(make("sql", url=url, table="visits", chunk=2), "'age'", "31 and 'unknown'", "cast it")
    assert "age" not in make("sql", url=url, table="visits", drop=["age"])().frame


def test_wrong_credentials_are_refused_at_once_and_the_password_is_nowhere(make, pg, refused, pauses):
    secret = "s3cret:/@%' x"
    extract = make("sql", url=pg.url_of(password=secret), table="visits")
    text = refused(extract, "refuses the user name or password")
    assert not any(form in text for form in (secret, quote(secret, safe=""), quote_plus(secret), "s3cret"))
    refused(make("sql", url=pg.url_of(user="nobody"), table="visits"), "refuses the user name")
    assert pauses == []


@pytest.mark.parametrize("written", ["clinician:${oc.env:HARNESS_PG}@", "${oc.env:HARNESS_LOGIN}@"])
def test_a_password_from_the_environment_is_taken_as_it_is(make, pg, monkeypatch, written):
    register_environment()
    monkeypatch.setenv("HARNESS_PG", pg.password)
    monkeypatch.setenv("HARNESS_LOGIN", f"{pg.user}:{pg.password}")
    url = f"postgresql://{written}127.0.0.1:{pg.port}/clinic"
    assert len(make("sql", url=OmegaConf.create({"url": url}).url, table="visits")()) > 0


def test_a_password_that_is_written_out_may_contain_signs_of_an_address(make, pg, refused, pauses):
    url = f"postgresql://{pg.user}:wrong@a/b#c?d@127.0.0.1:{pg.port}/clinic"
    text = refused(make("sql", url=url, table="visits"), "refuses the user name or password")
    assert f"postgresql://127.0.0.1:{pg.port}/clinic" in text
    assert not any(part in text for part in ("wrong", "a/b", "c?d"))


def test_a_password_among_the_options_of_a_url_is_masked_too(make, pg, refused):
    url = f"postgresql://127.0.0.1:{pg.port}/clinic?user=clinician&password=hunter22"
    text = refused(make("sql", url=url, table="visits"), "refuses the user name or password")
    assert "hunter22" not in text


def test_an_option_that_the_driver_does_not_know_is_refused(make, pg, refused):
    text = refused(
        make("sql", url=f"{pg.url}?pasword=hunter22", table="visits"), 'option "pasword"', "correct"
    )
    assert "hunter22" not in text
    refused(
        make("sql", url=f"{pg.url}?autocommit=x&row_factory=3", table="visits"), "correct what stands behind"
    )


def test_a_database_that_is_not_there_is_named(make, pg, refused, pauses):
    refused(make("sql", url=pg.url_of(database="clinics"), table="visits"), "no database 'clinics'")
    assert pauses == []


def test_a_server_that_does_not_answer_is_tried_again_as_often_as_stated(make, refused, pauses):
    url = "postgresql://u:hunter22@127.0.0.1:1/clinic"
    text = refused(
        make("sql", url=url, table="visits", retries=3, backoff=1.0),
        "postgresql://127.0.0.1:1/clinic was not reached in 4 tries",
        "refused",
    )
    assert "hunter22" not in text
    assert len(pauses) == 3
    assert all(2.0**n / 2 <= wait <= 2.0**n for n, wait in enumerate(pauses))


def test_a_server_that_answers_again_is_read(make, pg, monkeypatch, pauses):
    from harness.data.extract.connection_retry import Unreached
    from harness.data.extract.database_connection import Database

    connect, faults = Database.connect, [Unreached("gone"), Unreached("gone", pause=7.0)]

    def sometimes(self):
        if faults:
            raise faults.pop(0)
        return connect(self)

    monkeypatch.setattr(Database, "connect", sometimes)
    assert len(make("sql", url=pg.url, table="visits")()) == 4
    assert pauses[1] == 7.0


def test_a_file_that_another_program_writes_is_tried_again(make, lite, refused, pauses):
    writer = sqlite3.connect(lite)
    writer.execute("begin exclusive")
    extract = make("sql", url=f"sqlite:///{lite}", table="visits", timeout=0.05, retries=2)
    refused(extract, "was not reached in 3 tries (database is locked)")
    writer.close()
    assert len(extract()) == 4


def test_a_connection_that_breaks_while_rows_come_is_made_anew(make, pg, pauses):
    extract = make("sql", url=pg.url, query="select pg_terminate_backend(pg_backend_pid())", retries=1)
    with pytest.raises(Exception, match="not reached in 2 tries"):
        extract()
    assert len(pauses) == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"chunk": 0}, "data.extract.chunk must be 1 row or more, got 0"),
        ({"timeout": 0}, "data.extract.timeout must be more than 0 seconds, got 0"),
        ({"retries": -1}, "data.extract.retries must be 0 or more, got -1"),
        ({"backoff": 61}, "data.extract.backoff must be between 0 and 60 seconds, got 61"),
    ],
)
def test_a_value_out_of_range_is_refused(make, refused, changes, words):
    refused(lambda: make("sql", **changes), words)


def test_columns_join_chunks_of_different_kinds():
    columns = Columns(keys=["key"], dates=[], drop=[], place="it")
    columns.append(["a", "b", "c", "key"], [[1], [True], [None], ["7"]], 1)
    columns.append(["a", "b", "c", "key"], [[None], [None], ["x"], ["8"]], 1)
    columns.append(["a", "b", "c", "key", "d"], [[2.5], [False], [None], ["10"], [3]], 1)
    frame = columns.frame(None)
    assert np.array_equal(frame["a"], [1, np.nan, 2.5], equal_nan=True)
    assert frame["b"].tolist()[::2] == [True, False]
    assert frame["c"].isna().tolist() == [True, False, True]
    assert frame["key"].tolist() == [7, 8, 10]
    assert np.array_equal(frame["d"], [np.nan, np.nan, 3], equal_nan=True)


def test_a_whole_number_beyond_64_bits_becomes_a_float():
    columns = Columns(keys=[], dates=[], drop=[], place="it")
    columns.append(["a"], [[2**70, 1]], 2)
    assert columns.frame(None)["a"].tolist() == [2.0**70, 1.0]


def test_rows_with_equal_ids_stay_as_they_came_and_missing_ones_come_last():
    columns = Columns(keys=["id"], dates=[], drop=[], place="it")
    columns.append(["id", "n"], [["b", None, "a", "b"], [0, 1, 2, 3]], 4)
    assert columns.frame("id")["n"].tolist() == [2, 0, 3, 1]

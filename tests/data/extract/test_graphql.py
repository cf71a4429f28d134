from __future__ import annotations

import json
from base64 import b64encode
from email.utils import formatdate

import numpy as np
import pytest

from harness.core.errors import UserError

ROWS = [
    {"id": "10", "age": 31, "dose": 0.5, "patient": {"name": "Ada", "ward": {"floor": 2}}, "ill": True},
    {"id": "2", "age": None, "dose": 1.5, "patient": {"name": "Béla", "ward": None}, "ill": False},
    {"id": "9", "age": 45, "dose": None, "patient": None, "ill": True},
    {"id": "3", "age": 52, "dose": 2.5, "patient": {"name": None, "ward": {"floor": 0}}, "ill": False},
]
FIELDS = "id age dose patient { name ward { floor } } ill"
INFO = "pageInfo { hasNextPage endCursor }"
PAGED = (
    f"query($after: String) {{ rows(first: 3, after: $after) {{ edges {{ node {{ {FIELDS} }} }} {INFO} }} }}"
)
ALL = f"{{ all {{ {FIELDS} }} }}"
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def server(graphql_server):
    graphql_server.rows = ROWS
    return graphql_server


@pytest.fixture
def extract(make, server):
    def call(**changes):
        return make("graphql", **({"url": server.url, "query": PAGED, "timeout": 5} | changes))

    return call


def answer(data):
    return 200, JSON, json.dumps({"data": data})


def test_nested_answers_become_columns_with_their_types(extract):
    frame = extract()().frame
    assert frame.dtypes.astype(str).to_dict() == {
        "id": "str",
        "age": "float64",
        "dose": "float64",
        "patient.name": "str",
        "patient.ward.floor": "float64",
        "ill": "bool",
    }
    assert frame["patient.name"].tolist()[:2] == ["Ada", "Béla"]
    assert frame["patient.name"].isna().tolist() == [False, False, True, True]
    assert np.array_equal(frame["patient.ward.floor"], [2, np.nan, np.nan, 0], equal_nan=True)


def test_the_separator_can_be_another(extract):
    assert "patient_ward_floor" in extract(separator="_")().features


@pytest.mark.parametrize("first", [1, 2, 3, 4, 5])
def test_every_row_is_read_once_whatever_the_page(extract, server, first):
    query = PAGED.replace("first: 3", f"first: {first}")
    assert extract(query=query)().frame["id"].tolist() == ["10", "2", "9", "3"]
    assert len(server.requests) == -(-4 // first)


def test_edges_nodes_lists_and_offsets_give_the_same_table(extract, server):
    nodes = PAGED.replace("edges { node", "nodes").replace("} } pageInfo", "} pageInfo")
    offset = f"query($skip: Int!) {{ page(offset: $skip, limit: 3) {{ {FIELDS} }} }}"
    digests = {
        extract()().digest,
        extract(query=nodes)().digest,
        extract(query=ALL)().digest,
        extract(query=offset, offset="skip")().digest,
        extract(rows="rows")().digest,
        extract(rows="rows.edges")().digest,
    }
    assert len(digests) == 1


def test_pages_are_requested_until_one_is_empty(extract, server):
    query = f"query($offset: Int, $n: Int) {{ page(offset: $offset, limit: $n) {{ {FIELDS} }} }}"
    assert len(extract(query=query, offset="offset", variables={"n": 2})()) == 4
    asked = [body["variables"] for _, body in server.requests]
    assert asked == [{"offset": 0, "n": 2}, {"offset": 2, "n": 2}, {"offset": 4, "n": 2}]


def test_the_first_offset_may_be_given(extract, server):
    query = f"query($offset: Int) {{ page(offset: $offset, limit: 2) {{ {FIELDS} }} }}"
    table = extract(query=query, offset="offset", variables={"offset": 1})()
    assert table.frame["id"].tolist() == ["2", "9", "3"]


def test_rows_are_sorted_by_an_id_as_numbers_where_it_is_one(extract):
    assert extract(id="id")().frame["id"].tolist() == [2, 3, 9, 10]


def test_a_query_may_stand_in_a_file(extract, tmp_path, refused):
    path = tmp_path / "visits.graphql"
    path.write_text(PAGED)
    assert len(extract(query=None, query_file=str(path))()) == 4
    refused(extract(query=None, query_file=f"{path}l"), "data.extract.query_file", "does not exist")
    path.write_bytes("# Ärzte".encode("latin-1"))
    refused(extract(query=None, query_file=str(path)), "query_file", "is not text in UTF-8")


def test_each_element_of_a_list_can_become_a_row(extract, server):
    server.rows = [
        {"name": "Ada", "visits": [{"dose": 1.0}, {"dose": 2.0}], "tags": ["a", "b"]},
        {"name": "Béla", "visits": [], "tags": ["c"]},
        {"name": "Cleo", "visits": None, "tags": None},
        {"name": "Dora", "visits": [{"dose": 4.0}], "tags": []},
    ]
    visits = extract(query="{ all { name visits { dose } } }", explode="visits")().frame
    assert visits["name"].tolist() == ["Ada", "Ada", "Dora"]
    assert visits["visits.dose"].tolist() == [1.0, 2.0, 4.0]
    tags = extract(query="{ all { name tags } }", explode="tags")().frame
    assert tags.to_numpy().tolist() == [["Ada", "a"], ["Ada", "b"], ["Béla", "c"]]


def test_a_connection_within_a_row_can_be_exploded_unless_it_has_further_pages(extract, server, refused):
    def visits(more):
        edges = [{"node": {"dose": 1}}, {"node": {"dose": 2}}]
        return answer(
            {"all": [{"name": "Ada", "visits": {"edges": edges, "pageInfo": {"hasNextPage": more}}}]}
        )

    server.script = [visits(False), visits(True), visits(False)]
    assert extract(query=ALL, rows="all", explode="visits")().frame["visits.dose"].tolist() == [1, 2]
    refused(extract(query=ALL, rows="all", explode="visits"), "explode=visits has further pages")
    refused(extract(query=ALL, rows="all"), "list at 'visits'", "data.extract.explode=visits")


def test_a_list_within_a_row_is_refused_with_its_path(extract, server, refused):
    server.rows = [{"name": "Ada", "stay": {"doses": [1.0]}}]
    query = "{ all { name stay { doses } } }"
    refused(extract(query=query), "list at 'stay.doses'", "data.extract.explode=stay.doses")
    refused(extract(query=query, explode="stay.dose"), "explode=stay.dose is nowhere")
    refused(extract(query=query, explode="name"), "explode=name must be a list", "'Ada'")


def test_two_fields_of_one_column_are_refused(extract, server, refused):
    server.script = [answer({"all": [{"a_b": 1, "a": {"b": 2}}]})]
    refused(extract(query=ALL, separator="_"), "two fields", "'a_b'")


def test_the_name_of_a_type_is_no_column(extract):
    assert extract(query="{ all { __typename age } }")().features == ("age",)


def test_dates_are_read_where_they_are_named(extract, server, refused):
    server.rows = [{"n": 1, "seen": "2024-07-01T12:00:00+02:00"}, {"n": 2, "seen": None}]
    frame = extract(query="{ all { n seen } }", dates=["seen"])().frame
    assert str(frame["seen"][0]) == "2024-07-01 10:00:00+00:00"
    assert frame["seen"].isna().tolist() == [False, True]


def test_the_token_is_sent_and_never_shown(extract, server, refused):
    server.token = "Bearer t0k3n-123"
    assert len(extract(authorization="t0k3n-123")()) == 4
    server.token = "Basic dTpw"
    assert len(extract(authorization="Basic dTpw")()) == 4
    text = refused(extract(authorization="wr0ng-t0k3n"), "refuses the credentials (HTTP 401)", "${oc.env:")
    assert "wr0ng" not in text
    server.script = [
        (200, JSON, json.dumps({"errors": [{"message": "bad token wr0ng-t0k3n, X-Api-Key k3y!"}]}))
    ]
    text = refused(
        extract(authorization="Bearer wr0ng-t0k3n", headers={"X-Api-Key": "k3y!"}), "bad token ***"
    )
    assert "wr0ng" not in text
    assert "k3y!" not in text


def test_headers_are_sent_and_a_password_of_netrc_is_not(extract, server, tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password hunter22\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    extract(headers={"X-Ward": "7"}, authorization="abc")()
    headers, _ = server.requests[0]
    assert (headers["X-Ward"], headers["Authorization"]) == ("7", "Bearer abc")
    extract()()
    assert "Authorization" not in server.requests[-1][0]
    extract(headers={"Authorization": "Token abc"})()
    assert server.requests[-1][0]["Authorization"] == "Token abc"
    extract(url=server.url.replace("//", "//me:p%40ss@"))()
    assert server.requests[-1][0]["Authorization"] == f"Basic {b64encode(b'me:p@ss').decode()}"


def test_the_source_shows_no_credentials(extract, server):
    address = server.url.removeprefix("http://")
    table = extract(url=f"http://u:hunter22@{address}?api_key=k3y")()
    assert (table.name, table.source) == ("rows", server.url)
    assert extract().fingerprint() is None


def test_a_failed_request_is_repeated(extract, server, pauses):
    server.script = [(500, {}, "oops"), (503, JSON, '{"errors": [{"message": "busy"}]}')]
    assert len(extract(backoff=1.0)()) == 4
    assert 0.5 <= pauses[0] <= 1.0 <= pauses[1] <= 2.0


def test_a_busy_server_sets_the_time_to_wait(extract, server, pauses):
    past, local = formatdate(0, usegmt=True), formatdate(0)
    headers = [{"Retry-After": value} for value in ("7", "86400", past, local, "soon")]
    server.script = [(429, header, "") for header in headers]
    assert len(extract(retries=5, backoff=0.0)()) == 4
    assert pauses == [7.0, 60.0, 0.0, 0.0, 0.0]


def test_tries_are_counted_for_each_page(extract, server, pauses):
    fine = server.answer
    server.script = [(500, {}, ""), (500, {}, "")]

    def between(headers, body):
        if len(server.requests) == 3:
            server.script = [(502, {}, ""), (502, {}, "")]
        return fine(headers, body)

    server.answer = between
    assert len(extract(retries=2)()) == 4
    assert len(pauses) == 4


def test_a_slow_answer_is_given_up_after_the_time_out_and_tried_again(extract, server, pauses, refused):
    server.script = [None]
    assert len(extract(timeout=0.2)()) == 4
    server.script = [None, None]
    text = refused(extract(timeout=0.2, retries=1), "gave no answer in 2 tries (no answer in time)")
    assert server.url in text


def test_an_endpoint_that_does_not_exist_is_reported_after_the_stated_tries(extract, refused, pauses):
    url = "http://u:hunter22@127.0.0.1:1/graphql"
    text = refused(extract(url=url, retries=2), "gave no answer in 3 tries (Connection refused)")
    assert "hunter22" not in text
    assert len(pauses) == 2


def test_a_connection_that_cannot_be_trusted_is_not_tried_again(extract, server, refused, pauses):
    extract = extract(url=server.url.replace("http:", "https:"), authorization="t0k3n-123")
    refused(extract, "gives no https connection that can be trusted", "REQUESTS_CA_BUNDLE")
    assert pauses == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_host_carries_no_header_of_the_configuration(
    extract, server, other_graphql_server, status
):
    headers = {"x-api-key": "Zq7", "Cookie": "a=Zq7", "x-tenant": "Zq7"}
    other_graphql_server.rows = ROWS
    server.script = [(status, {"Location": other_graphql_server.url}, "")]
    source = extract(headers=headers, authorization="Zq7", query=ALL, retries=0)
    if status < 307:  # the query is not sent on either: the redirect is followed by GET
        with pytest.raises(UserError):
            source()
    else:
        assert len(source()) == len(ROWS)
        assert other_graphql_server.requests
    assert "Zq7" in str(server.requests)
    assert "Zq7" not in str(other_graphql_server.requests)


def test_a_redirect_within_the_host_keeps_the_headers(extract, server):
    server.script = [(307, {"Location": "/other"}, "")]
    extract(headers={"x-api-key": "Zq7"}, query=ALL)()
    assert [sent["x-api-key"] for sent, _ in server.requests] == ["Zq7", "Zq7"]


def test_a_header_that_http_does_not_allow_is_refused_without_its_value(extract, refused):
    text = refused(extract(headers={"X-Api-Key": "t0k3n\n123"}), "cannot be reached", "the headers")
    assert "t0k3n" not in text


def test_a_failing_answer_names_its_status(extract, server, refused, pauses):
    server.script = [(500, {}, "")] * 4
    refused(extract(), "gave no answer in 4 tries (HTTP 500)")
    server.script = [(404, {}, "not here")]
    refused(extract(), "answers with HTTP 404", "/graphql")
    server.script = [(403, {}, "")]
    refused(extract(), "refuses the credentials (HTTP 403)")
    assert len(pauses) == 3


def test_an_answer_that_is_no_graphql_is_refused(extract, server, refused):
    server.script = [(200, {}, "<!doctype html><html>log in</html>")]
    refused(extract(), "a page in HTML where JSON was expected")
    for body in ("{}", "pong", "null", "7", "[]", '{"data": null}', '{"data": [1]}', '{"errors": []}'):
        server.script = [(200, JSON, body)]
        refused(extract(), "no GraphQL where JSON was expected")


def test_an_error_within_an_answer_is_reported_with_its_place(extract, server, refused):
    errors = [{"message": "age is\nsealed", "path": ["rows", "edges", 0, "age"]}, {"message": "more"}]
    server.script = [
        (200, JSON, json.dumps({"data": {"rows": None}, "errors": errors})),
        (400, JSON, json.dumps({"errors": [{"message": "no such thing"}]})),
    ]
    refused(extract(), "an error at rows.edges.0.age: age is and 1 more; correct the query")
    refused(extract(), "answers with an error: no such thing")
    refused(extract(query="{ all { agee } }"), "Cannot query field 'agee'")


def test_a_cursor_that_loops_is_named(extract, server, refused):
    server.stuck = True
    refused(extract(), "the cursor '0' twice", "after: $after")
    query = f"query($offset: Int) {{ page(offset: $offset) {{ {FIELDS} }} }}"
    refused(extract(query=query, offset="offset"), "the same page again at offset 3")


def test_pages_that_cannot_be_requested_are_an_error(extract, server, refused):
    refused(extract(query=f"{{ rows(first: 3) {{ nodes {{ id }} {INFO} }} }}"), "declares no variable $after")
    query = "query($after: String) { rows(after: $after) { nodes { id } } }"
    refused(extract(query=query), "asks for pages by $after", "pageInfo { hasNextPage endCursor }")
    refused(extract(query=PAGED.replace("endCursor", "")), "holds no endCursor")
    query = f"query($after: Int) {{ page(offset: $after) {{ {FIELDS} }} }}"
    changes = {"query": query, "offset": "after", "variables": {"after": "x"}}
    refused(extract(**changes), "variables.after must be the number of rows to skip, got 'x'")
    refused(extract(offset="skip"), "data.extract.offset=skip is no variable", "there is only after.")


def test_too_many_pages_are_refused(extract, refused):
    refused(extract(max_pages=1), "more than data.extract.max_pages=1 pages")


def test_the_path_of_the_rows_must_lead_to_a_list(extract, server, refused):
    refused(extract(rows="row"), "data.extract.rows=row is no list", "did you mean rows?")
    refused(extract(rows="rows.pageInfo"), "data.extract.rows=rows.pageInfo is no list")
    two = "{ all { id } page { id } }"
    refused(extract(query=two), "several lists, all and page", "data.extract.rows=all")
    assert len(extract(query=two, rows="page")()) == 3
    refused(extract(query="{ __typename }"), "no list, only __typename")
    server.script = [answer({"patients": None}), answer({"all": [1]})]
    refused(extract(), "'patients' is null")
    refused(extract(query=ALL), "must be a list of objects, and its element 0 is 1")


def test_no_rows_are_refused(extract, server, refused):
    server.script = [answer({"all": []}), answer({"all": None})]
    refused(extract(query=ALL), "gives no rows at all")
    refused(extract(query=ALL, rows="all"), "gives no rows at all")


def test_cells_of_several_types_are_refused(extract, server, refused):
    server.script = [answer({"all": [{"a": 1}, {"a": "x"}]})]
    refused(extract(query=ALL), "mixes types in column 'a', 1 and 'x'")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"url": None}, "data.extract.url needs the endpoint"),
        ({"url": "localhost/graphql"}, "data.extract.url must be an address"),
        ({"url": "http://host:port/graphql"}, "data.extract.url must be an address"),
        ({"query": None}, "neither is given"),
        ({"query_file": "a.graphql"}, "both are given"),
        ({"query": "{ all { id }"}, "is no GraphQL: Expected Name, found <EOF> in line 1"),
        ({"query": "mutation { wipe }"}, "one operation, a query, and it holds mutation"),
        ({"query": "query A { a } query B { b }"}, "it holds query and query"),
        ({"variables": {"aftr": "1"}}, "did you mean after?"),
        ({"query": "query($n: Int!) { page(limit: $n) { id } }"}, "+data.extract.variables.n=VALUE"),
    ],
)
def test_a_request_that_cannot_be_made_is_refused_before_it_is(extract, server, refused, changes, words):
    refused(extract(**changes), words)
    assert server.requests == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"separator": ""}, "data.extract.separator must be one character or more, got ''"),
        ({"max_pages": 0}, "data.extract.max_pages must be 1 or more, got 0"),
        ({"timeout": 0}, "data.extract.timeout must be more than 0 seconds, got 0"),
        ({"retries": -1}, "data.extract.retries must be 0 or more, got -1"),
    ],
)
def test_a_value_out_of_range_names_its_key(extract, refused, changes, words):
    refused(lambda: extract(**changes), words)

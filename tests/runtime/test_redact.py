import html
import json
from urllib.parse import quote, quote_plus

import pytest

from harness.runtime.redact import (
    first_line,
    mask,
    secret_header,
    secret_name,
    secret_parameter,
    secret_value,
)

SECRET = "p@ss:w/rd %41'7\\"


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        quote(SECRET),
        quote(SECRET, safe=""),
        quote_plus(SECRET),
        repr(SECRET)[1:-1],
        SECRET.replace("\\", "\\\\").replace("'", "\\'"),
        quote(SECRET, safe="").replace("%2F", "%2f").replace("%3A", "%3a").replace("%5C", "%5c"),
        json.dumps(SECRET)[1:-1],
        html.escape(SECRET),
    ],
)
def test_a_secret_is_masked_in_every_form(form):
    assert mask(f"before {form} after", [SECRET]) == "before *** after"
    assert mask(f"before {SECRET} after", [quote(SECRET, safe="")]) == "before *** after"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("postgresql://me:hunter22@host/db", "postgresql://me:***@host/db"),
        ("host=h password=hunter22 user=me", "host=h password=*** user=me"),
        ("password='hunter 22' user=me", "password=*** user=me"),
        ("/db?user=me&password=hunter22&sslmode=require", "/db?user=me&password=***&sslmode=require"),
        ("DRIVER=x;PWD={hunter;22};UID=me", "DRIVER=x;PWD=***;UID=me"),
        ("postgresql://me:p@ss/w#r?d%@host/db", "postgresql://me:***@host/db"),
        (
            "postgresql://h/db?sslmode=require&sslpassword=a;b",
            "postgresql://h/db?sslmode=require&sslpassword=***",
        ),
        ("https://h/x?sv=2020&sig=a%2Fb&page=2", "https://h/x?sv=***&sig=***&page=2"),
        ("https://h/x?unheard_of=abc#access_token=de", "https://h/x?unheard_of=***#access_token=***"),
        ("git+https://ghp_abc@github.com/x", "git+https://***@github.com/x"),
        ("https://sk_live:@host/x", "https://***:@host/x"),
        ("postgresql://me:${oc.env:PW}@host/db?sslpassword=${oc.env:S}",) * 2,
        ("Cookie: session=abc", "Cookie: ***"),
        ("{'X-Api-Key': 'abc', 'a': 1}", "{'X-Api-Key': '***', 'a': 1}"),
        ("authorization: Basic bWU6cHc=", "authorization: Basic ***"),
        ("sent Bearer abcdefghijklmnop", "sent Bearer ***"),
        ("data.extract.authorization: it must be a text", "data.extract.authorization: it must be a text"),
        ("http://h:5000/#/compare-runs?runs=%5B%22a%22%5D&experiments=%5B1%5D",) * 2,
        ("http://h:5000/#/experiments/1/runs?compareRunsMode=CHART",) * 2,
        ('password authentication failed for user "me"', 'password authentication failed for user "me"'),
    ],
)
def test_what_looks_like_a_password_is_masked_without_being_known(text, masked):
    assert mask(text, []) == masked


def test_a_short_secret_is_masked_where_it_stands_alone():
    assert mask("a table, not a: 'a'", ["a"]) == "*** table, not ***: '***'"
    assert mask("bad at all", ["a"]) == "bad at all"


def test_only_the_first_line_of_a_message_is_kept():
    assert first_line("\n  it  is gone.\nHINT: look\n", []) == "it is gone"
    assert first_line("", []) == "no reason given"
    assert first_line("x" * 500, []) == "x" * 300 + " …"


SECRET_NAMES = """password PWD X-Api-Key access_token Authorization passwd apitoken sslpassword sig cookie
    PGPASSWORD APIKey pass_phrase signature auth authtoken db_creds clientSecret tokens keys cookies jwt"""
HARMLESS_NAMES = """sslmode user passenger charset author sigma signal_delay_s sigmoid design keyword assigned
    tokenizer monkeys insight bypass secretary patience lr widths significance ignore"""


@pytest.mark.parametrize("name", SECRET_NAMES.split())
def test_a_name_that_contains_a_word_for_a_secret_is_known(name):
    assert secret_name(name)


@pytest.mark.parametrize("name", HARMLESS_NAMES.split())
def test_a_word_that_only_looks_alike_is_harmless(name):
    assert not secret_name(name)


def test_a_number_is_a_secret_only_if_nothing_is_counted():
    assert secret_value("token", 1234)
    assert secret_value("db_password", 1234)
    assert not any(secret_value(name, 64) for name in ("key_dim", "max_tokens", "num_key_value_heads"))
    assert not any(secret_value("token", value) for value in (None, True, 0.5))


def test_unknown_headers_and_parameters_are_secrets():
    assert not any(map(secret_header, ["Accept", "content-type", "User-Agent"]))
    assert all(map(secret_header, ["Cookie", "X-Tenant", "Ocp-Apim-Subscription"]))
    assert not any(map(secret_parameter, ["sslmode", "page", "connect_timeout"]))
    assert all(map(secret_parameter, ["sig", "sslpassword", "sv", "q"]))

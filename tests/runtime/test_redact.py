from urllib.parse import quote, quote_plus

import pytest

from harness.runtime.redact import first_line, mask, secret_name

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
        ("DRIVER=x;PWD={hunter;22};UID=me", "DRIVER=x;PWD=***;UID=me"),
        ("/db?user=me&password=hunter22&sslmode=require", "/db?user=me&password=***&sslmode=require"),
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


def test_keys_named_like_secrets_are_known():
    assert all(map(secret_name, ["password", "PWD", "X-Api-Key", "access_token", "Authorization", "passwd"]))
    assert not any(map(secret_name, ["sslmode", "user", "passenger", "charset", "author"]))

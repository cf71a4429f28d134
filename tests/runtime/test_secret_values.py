from __future__ import annotations

import html
import json
import logging
import string
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from harness.runtime.redact import MASK
from harness.runtime.secret_values import Secrets, leaves

KEY, ENVIRONMENT, PASSWORD, DEEP = "Zq7-key", "Zq7-environment", "Zq7-password", "Zq7-deep"
AWKWARD = "Zq7@a/b#c?d%41"
EVERY = (KEY, ENVIRONMENT, PASSWORD, DEEP, AWKWARD, quote(AWKWARD, safe=""), "Zq7")
WORDS = (
    f"+tags.token={KEY}",
    "+tags.note=${oc.env:HARNESS_TEST_SECRET}",
    "+tags.text='a ${oc.env:HARNESS_TEST_SECRET} b'",
    f"+tags.place='https://me:{PASSWORD}@host/x'",
    f"+tags.deep={{password: {DEEP}}}",
    "+tags.copy=${tags.token}",
    "+tags.apitoken=Zq7-api",
    "+tags.sas='https://h/x?sv=1&sig=Zq7-sig&sslpassword=Zq7-ssl'",
    "+tags.headers={cookie: Zq7-cookie, x-tenant: Zq7-tenant, accept: text}",
    "+tags.pg='postgresql://me:${oc.env:HARNESS_TEST_AWKWARD}@h/db'",
    "+tags.awkward=${oc.env:HARNESS_TEST_AWKWARD}",
    "name=run-${oc.env:HARNESS_TEST_SECRET}",
)
FAST = ("data/extract=iris", "model.widths=[8]", "trainer.epochs=1")


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_TEST_SECRET", ENVIRONMENT)
    monkeypatch.setenv("HARNESS_TEST_AWKWARD", AWKWARD)


def masked(**settings: Any) -> dict[str, Any]:
    return Secrets(OmegaConf.create(settings)).config


@pytest.mark.parametrize(
    "key",
    [
        "password",
        "db_password",
        "token",
        "API_KEY",
        "apiKey",
        "api-key",
        "accessToken",
        "secret",
        "credentials",
        "apitoken",
        "sig",
    ],
)
def test_the_value_of_a_key_named_like_a_secret_is_masked(key: str) -> None:
    assert masked(**{key: "hunter2"}) == {key: MASK}
    assert masked(**{key: 12345}) == {key: MASK}
    assert masked(**{key: {"user": "me"}}) == {key: {"user": MASK}}


@pytest.mark.parametrize("key", ["author", "keywords", "max_sigma", "secretary", "patience"])
def test_a_key_that_only_looks_alike_is_left_alone(key: str) -> None:
    assert masked(**{key: "hunter2"}) == {key: "hunter2"}


def test_nothing_is_masked_where_there_is_nothing_to_hide() -> None:
    settings = {
        "token": None,
        "password": True,
        "lr": 0.1,
        "widths": [1, 2],
        "none": {},
        "name": "a ${b}",
        "b": "c",
    }
    assert masked(**settings) == {**settings, "name": "a c"}


def test_a_value_from_the_environment_stays_a_reference_to_it() -> None:
    assert masked(a="${oc.env:HARNESS_TEST_SECRET}", b="${a}", c="x ${a} y", d=["${a}"]) == {
        "a": "${oc.env:HARNESS_TEST_SECRET}",
        "b": "${oc.env:HARNESS_TEST_SECRET}",
        "c": "x ${oc.env:HARNESS_TEST_SECRET} y",
        "d": ["${oc.env:HARNESS_TEST_SECRET}"],
    }


def test_a_variable_that_is_not_set_has_no_secret_and_its_default_is_none() -> None:
    secrets = Secrets(OmegaConf.create({"a": "${oc.env:HARNESS_NOPE}", "b": "${oc.env:HARNESS_NOPE,plain}"}))
    assert secrets.config == {"a": "${oc.env:HARNESS_NOPE}", "b": "${oc.env:HARNESS_NOPE,plain}"}
    assert secrets.text("in plain words") == "in plain words"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://me:hunter2@host/x", f"http://me:{MASK}@host/x"),
        ("postgresql+psycopg://me:a@b@host", f"postgresql+psycopg://me:{MASK}@host"),
        ("see http://a:b@c and ftp://d:e@f", f"see http://a:{MASK}@c and ftp://d:{MASK}@f"),
        ("http://host:5000/x at 3@4", "http://host:5000/x at 3@4"),
        ("https://host/x?page=2&api_key=hunter2#top", f"https://host/x?page=2&api_key={MASK}#top"),
        ("https://host/x?accessToken=hunter2", f"https://host/x?accessToken={MASK}"),
        ("sqlite:////tmp/a:b.db", "sqlite:////tmp/a:b.db"),
    ],
)
def test_the_password_of_an_address_is_masked_in_any_text(text: str, expected: str) -> None:
    assert Secrets(None).text(text) == expected
    assert masked(a=text) == {"a": expected}


def test_a_known_secret_is_masked_in_any_text_and_a_reference_is_left_whole() -> None:
    secrets = Secrets(OmegaConf.create({"token": "HARNESS", "a": "${oc.env:HARNESS_TEST_SECRET}"}))
    assert secrets.text(f"HARNESS and {ENVIRONMENT}") == f"{MASK} and ${{oc.env:HARNESS_TEST_SECRET}}"
    assert secrets.text("${oc.env:HARNESS_TEST_SECRET}") == "${oc.env:HARNESS_TEST_SECRET}"
    assert secrets.texts({"a": ["xHARNESSx", 3]}) == {"a": [f"x{MASK}x", 3]}


def test_a_secret_too_short_to_search_for_is_still_masked_in_its_place() -> None:
    secrets = Secrets(OmegaConf.create({"pwd": "abc", "name": "abcdef"}))
    assert secrets.config == {"pwd": MASK, "name": "abcdef"}
    assert secrets.text("abc") == "abc"


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        ("+data.extract.headers.cookie=c1", "+data.extract.headers.cookie=***"),
        ("a.token=12", "a.token=***"),
        ("a.password=xyz", "a.password=***"),
        ("model.max_tokens=51200", "model.max_tokens=51200"),
        ("data.extract.authorization=null", "data.extract.authorization=null"),
    ],
)
def test_a_word_of_the_command_line_is_masked_by_its_key_whatever_its_length(word: str, shown: str) -> None:
    text = Secrets(None, [word]).text(f"python -m harness '{word}' c1 12 xyz 51200 null")
    assert text == f"python -m harness '{shown}' c1 12 xyz 51200 null"


def test_headers_are_masked_unless_they_are_known_to_be_harmless() -> None:
    headers = {
        "accept": "text/html",
        "cookie": "abcd",
        "x-tenant": "abcd",
        "x-env": "${oc.env:HARNESS_TEST_SECRET}",
    }
    assert masked(headers=headers) == {
        "headers": {
            "accept": "text/html",
            "cookie": MASK,
            "x-tenant": MASK,
            "x-env": "${oc.env:HARNESS_TEST_SECRET}",
        }
    }
    for word in (
        "+data.extract.headers={x-tenant: s3cretvalue}",
        "+data.extract.headers.x-tenant=s3cretvalue",
    ):
        assert "s3cretvalue" not in Secrets(None, [word]).text(f"cannot override with {word}")


@pytest.mark.parametrize("value", ["p@ss/w#r?d%4", "Bearer abcdef", 'it\'s "<&>" \\ é'])
def test_a_value_from_the_environment_is_masked_in_every_form(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("HARNESS_TEST_SECRET", value)
    secrets = Secrets(OmegaConf.create({"a": "x${oc.env:HARNESS_TEST_SECRET}"}))
    bare = value.removeprefix("Bearer ")
    for form in (value, bare, quote(value), quote(value, safe=""), quote_plus(bare), repr(value)[1:-1]):
        assert secrets.text(f"<{form}>") == "<${oc.env:HARNESS_TEST_SECRET}>"
    for form in (json.dumps(value)[1:-1], html.escape(value)):
        assert secrets.text(f"<{form}>") == "<${oc.env:HARNESS_TEST_SECRET}>"


def test_a_secret_that_libraries_read_from_the_environment_is_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", "Zq7-libpq")
    assert Secrets(None).text("refused: Zq7-libpq") == "refused: ${oc.env:PGPASSWORD}"


def test_secrets_of_the_command_line_are_found_without_the_configuration() -> None:
    secrets = Secrets(
        None, ["+tags.token='hunter2'", "~x", "a=${oc.env:HARNESS_TEST_SECRET}", "u=http://a:b%40cd@e"]
    )
    assert secrets.text(f"hunter2 {ENVIRONMENT} b@cd") == f"{MASK} ${{oc.env:HARNESS_TEST_SECRET}} {MASK}"


SECRET = st.text("Z" + string.digits + "!$-=@ ", min_size=4, max_size=12).map(
    lambda text: f"Z{text.strip()}Z"
)


@given(secret=SECRET, around=st.text(max_size=5))
def test_no_secret_survives_in_configuration_or_text(secret: str, around: str) -> None:
    node = {
        "token": secret,
        "copy": "${token}",
        "spread": f"{around.replace('$', '')}{secret}",
        "address": f"http://me:{quote(secret, safe='')}@host",
        "list": [{"password": secret}, secret],
    }
    secrets = Secrets(OmegaConf.create(node))
    assert secret not in str(secrets.config)
    assert quote(secret, safe="") not in str(secrets.config)
    assert secret not in secrets.text(f"{around}{secret}{around}")


def test_leaves_are_the_parameters_by_their_dotted_keys() -> None:
    node = {"a": {"b": 1, "c": [1, 2]}, "d": [{"e": None}, 3], "f": {}}
    assert dict(leaves(node)) == {"a.b": 1, "a.c": [1, 2], "d.0.e": None, "d.1": 3, "f": {}}


def assert_nowhere(folder: Path, *texts: str) -> None:
    places = [text.encode() for text in texts]
    places += [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    places += [str(path).encode() for path in folder.rglob("*")]
    assert len(places) > 5
    for secret in EVERY:
        assert not [place for place in places if secret.encode() in place]


@pytest.mark.slow
def test_no_secret_is_in_anything_that_a_tracked_run_leaves(
    run_cli: Any, here: Path, only_run: Callable[[], Path]
) -> None:
    from harness.tracking.mlflow import dismiss

    answer = run_cli(*FAST, *WORDS, "tracking.patience=60")
    dismiss(20)
    assert (answer.status, answer.err) == (0, "")
    config = OmegaConf.load(only_run() / "config.yaml")
    assert OmegaConf.to_container(config.tags) == {
        "token": MASK,
        "note": "${oc.env:HARNESS_TEST_SECRET}",
        "text": "a ${oc.env:HARNESS_TEST_SECRET} b",
        "place": f"https://me:{MASK}@host/x",
        "deep": {"password": MASK},
        "copy": MASK,
        "apitoken": MASK,
        "sas": f"https://h/x?sv={MASK}&sig={MASK}&sslpassword={MASK}",
        "headers": {"cookie": MASK, "x-tenant": MASK, "accept": "text"},
        "pg": "postgresql://me:${oc.env:HARNESS_TEST_AWKWARD}@h/db",
        "awkward": "${oc.env:HARNESS_TEST_AWKWARD}",
    }
    store = b"".join(path.read_bytes() for path in (here / "outputs").glob("mlflow.db*"))
    assert b"run-${oc.env:HARNESS_TEST_SECRET}" in store  # where a secret would be
    assert_nowhere(here, answer.out, answer.err)


def test_no_secret_is_in_anything_that_a_multirun_leaves(
    run_cli: Any, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.run import run_fold

    def broken(*arguments: Any) -> None:
        run_fold(*arguments)
        raise RuntimeError(f"{KEY} and {ENVIRONMENT}")

    monkeypatch.setattr(import_module("harness.run"), "run_fold", broken)
    answer = run_cli("-m", *FAST, *WORDS, "seed=1,2", "tracking=none")
    assert answer.status == 1
    assert "no trial is complete: 2 of 2 failed; the first of them, " in answer.out
    assert f"says: RuntimeError: {MASK} and ${{oc.env:HARNESS_TEST_SECRET}}." in answer.err
    assert_nowhere(here, answer.out, answer.err)


@pytest.fixture
def _logging_restored() -> Iterator[None]:
    """Hydra's own logging is configured for the whole process."""
    handlers, level = list(logging.root.handlers), logging.root.level
    yield
    for handler in set(logging.root.handlers) - set(handlers):
        handler.close()
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


@pytest.mark.slow
@pytest.mark.usefixtures("_logging_restored")
def test_no_secret_is_in_the_files_that_hydra_writes(
    run_cli: Any, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: Any) -> NoReturn:
        raise RuntimeError(f"{KEY} and {ENVIRONMENT}")

    monkeypatch.setattr(import_module("harness.run"), "run_fold", broken)
    answer = run_cli(
        *FAST, *WORDS, "tracking=none", "hydra.output_subdir=.hydra", "hydra/job_logging=default"
    )
    assert answer.status == 1
    assert len(list(here.rglob(".hydra/*.yaml"))) == 3
    assert "RuntimeError: *** and " in next(here.rglob("harness.log")).read_text()
    assert_nowhere(here, answer.out, answer.err)


@pytest.mark.parametrize(
    "words",
    [
        [f"+tags.token='{KEY}"],
        [f"+tags.token={KEY}", "name=${nope}", "harness.traceback=true"],
        [f"tags.token={KEY}"],
        ["trainer.epochs=${oc.env:HARNESS_TEST_SECRET}"],
        [f"tracking.uri=me:{PASSWORD}@host", f"+tags.u='http://me:{PASSWORD}@host'"],
        [f"name=https://me:{PASSWORD}@host"],
    ],
)
def test_no_secret_is_in_a_refusal(run_cli: Any, words: list[str]) -> None:
    answer = run_cli(*words, "trainer.loss=nope")
    assert answer.status == 2
    assert "error: " in answer.err
    for secret in EVERY:
        assert secret not in answer.err + answer.out


@pytest.mark.parametrize(
    "word",
    [
        "+data.extract.headers={Authorization: Bearer s3cretvalue}",
        "data.extract.parameters={kind:a,api_token:s3cretvalue}",
        "+x={'password': 's3cretvalue'}",
    ],
)
def test_a_secret_within_a_value_of_the_command_line_is_known(word: str) -> None:
    assert "s3cretvalue" not in Secrets(None, [word]).text(f"cannot override with {word}")

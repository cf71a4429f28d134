import pytest
from omegaconf import OmegaConf

from harness.core.errors import UserError
from harness.runtime.address import encode_references, encoded, register_environment

PASSWORD = "p@ss:w/rd#a?b%41 &é"
QUOTED = "p%40ss%3Aw%2Frd%23a%3Fb%2541%20%26%C3%A9"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("postgresql://me:p@ss/w#r?d%@host:5432/db", "postgresql://me:p%40ss%2Fw%23r%3Fd%25@host:5432/db"),
        ("postgresql://me:p%40ss@host/db?options=a@b", "postgresql://me:p%40ss@host/db?options=a@b"),
        ("postgresql://host:5432/db?options=a@b", "postgresql://host:5432/db?options=a@b"),
        ("http://me:p/w@host/graphql", "http://me:p%2Fw@host/graphql"),
        ("http://me:p@w@host/graphql", "http://me:p%40w@host/graphql"),
        ("http://host:5000/users/@me", "http://host:5000/users/@me"),
        ("http://host/x?a=b@c", "http://host/x?a=b@c"),
        ("sqlite:////tmp/a:b.db", "sqlite:////tmp/a:b.db"),
        ("a plain text", "a plain text"),
    ],
)
def test_a_password_that_is_written_out_ends_at_its_host(address, expected):
    assert encoded(address, "k") == expected
    assert encoded(expected, "k") == expected


def test_a_password_whose_end_is_not_clear_is_refused_without_showing_it():
    with pytest.raises(UserError) as error:
        encoded("http://me:p@ss/w@host/graphql", "data.extract.url")
    assert error.value.key == "data.extract.url"
    assert "ss/w" not in str(error.value)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("postgresql://me:${oc.env:V}@host/db", f"postgresql://me:{QUOTED}@host/db"),
        ("https://me:x-${oc.env:V}@host/db", f"https://me:x-{QUOTED}@host/db"),
        ("https://${oc.env:V}@host/db", "https://p%40ss:w%2Frd%23a%3Fb%2541%20%26%C3%A9@host/db"),
        ("https://host/x?sig=${oc.env:V}&page=2", f"https://host/x?sig={QUOTED}&page=2"),
        ("${s}://me:${oc.env:V}@${oc.env:H}:5432/db", f"postgresql://me:{QUOTED}@h.org:5432/db"),
        ("postgresql://me:${oc.env:NOPE,a@b}@host/db", "postgresql://me:a%40b@host/db"),
        ("postgresql://me:pw@host/${oc.env:V}", f"postgresql://me:pw@host/{PASSWORD}"),
        ("https://${oc.env:H}/${oc.env:P}?x=1", "https://h.org/a/b?x=1"),
        ("${oc.env:V}", PASSWORD),
        ("a ${oc.env:V} b", f"a {PASSWORD} b"),
    ],
)
def test_a_value_from_the_environment_is_one_part_of_an_address(monkeypatch, written, expected):
    for name, value in (("V", PASSWORD), ("H", "h.org"), ("P", "a/b")):
        monkeypatch.setenv(name, value)
    register_environment()
    assert OmegaConf.create({"s": "postgresql", "a": written}).a == expected


def test_a_variable_that_is_not_set_is_an_error_or_its_default():
    register_environment()
    cfg = OmegaConf.create({"a": "${oc.env:HARNESS_NOPE,3}", "b": "${oc.env:HARNESS_NOPE,null}"})
    assert (cfg.a, cfg.b) == ("3", None)
    with pytest.raises(Exception, match="Environment variable 'HARNESS_NOPE' not found"):
        OmegaConf.create({"a": "${oc.env:HARNESS_NOPE}"}).a  # noqa: B018


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("postgresql://me:${my.pw}@host/db", f"postgresql://me:{QUOTED}@host/db"),
        ("postgresql://${my.name}:x${my.pw}@host/db", f"postgresql://a%40b:x{QUOTED}@host/db"),
        ("https://${my.pw}@host/db", "https://p%40ss:w%2Frd%23a%3Fb%2541%20%26%C3%A9@host/db"),
        ("https://host/x?sig=${my.pw}&page=2", f"https://host/x?sig={QUOTED}&page=2"),
        ("postgresql://me:${my.variable}@host/db", f"postgresql://me:{QUOTED}@host/db"),
        ("postgresql://me:pw@${my.host}/${my.path}", "postgresql://me:pw@h.org/a/b"),
        ("postgresql://me:${my.number}@host/db", "postgresql://me:12@host/db"),
        ("${my.whole}", "postgresql://me:p@host/db"),
        ("see ${my.pw}", f"see {PASSWORD}"),
    ],
)
def test_the_value_of_another_key_is_one_part_of_an_address(monkeypatch, written, expected):
    monkeypatch.setenv("V", PASSWORD)
    register_environment()
    whole = "postgresql://me:p@host/db"
    own = {"pw": PASSWORD, "name": "a@b", "variable": "${oc.env:V}", "host": "h.org", "path": "a/b"}
    cfg = OmegaConf.create({"my": {**own, "number": 12, "whole": whole}, "a": {"b": [written]}})
    encode_references(cfg)
    encode_references(cfg)  # a second call changes nothing
    assert cfg.a.b[0] == expected

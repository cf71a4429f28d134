import pytest
from omegaconf import OmegaConf

from harness.core.errors import UserError
from harness.runtime.address import encoded, register_environment

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

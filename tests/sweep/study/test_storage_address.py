"""An address is read before anything is opened, and never shown with its password."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.core.errors import UserError
from harness.sweep.study.storage_address import read_address

SECRET = "s3cret"


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_postgresql_is_spoken_to_through_psycopg_3(scheme: str) -> None:
    address = read_address(f"{scheme}://me:{SECRET}@host:5433/sweeps")
    assert address.url.drivername == "postgresql+psycopg"
    assert address.file is None
    assert address.text == f"postgresql+psycopg://me:{SECRET}@host:5433/sweeps"


def test_the_label_shows_neither_user_nor_password_nor_options() -> None:
    address = read_address(f"postgresql://me:{SECRET}@host:5433/sweeps?sslpassword={SECRET}")
    assert address.label == "postgresql://host:5433/sweeps"


def test_a_relative_path_begins_where_the_command_was_typed(here: Path) -> None:
    address = read_address("sqlite:///sweeps.db")
    assert address.file == here / "sweeps.db"
    assert address.text == f"sqlite:///{here}/sweeps.db"
    assert address.label == f"sqlite:///{here}/sweeps.db"
    assert read_address(address.text) == address


def test_an_absolute_path_stays(tmp_path: Path) -> None:
    assert read_address(f"sqlite+pysqlite:///{tmp_path}/a.db").file == tmp_path / "a.db"


def test_a_timeout_in_the_url_takes_precedence() -> None:
    assert read_address("postgresql://host/sweeps").patience["connect_timeout"] == 10
    assert "connect_timeout" not in read_address("postgresql://host/sweeps?connect_timeout=3").patience


NO_ADDRESS = r"sweep\.storage must be sqlite:///FILE or postgresql://user:"
NOT_SHARED = r"must be a file that other processes can open too, .*sqlite:///FILE\.$"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (f"me:{SECRET}@host", NO_ADDRESS),
        (f"postgresql://me:{SECRET}@host:port/x", NO_ADDRESS),
        ("", NO_ADDRESS),
        ("sweeps.db", NO_ADDRESS),
        (f"mysql+pymysql://me:{SECRET}@host/x", r"got mysql\+pymysql; there are postgresql and sqlite\.$"),
        ("postgresq://host/x", r"got postgresq; did you mean postgresql\?"),
        ("postgresql+psycopg2://host/x", r"got postgresql\+psycopg2; did you mean postgresql\?"),
        ("postgresql+asyncpg://host/x", r"got postgresql\+asyncpg; did you mean postgresql\?"),
        ("sqlite://", NOT_SHARED),
        ("sqlite:///:memory:", NOT_SHARED),
        ("sqlite:///file:a?mode=memory&uri=true", NOT_SHARED),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_without_its_password(text: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence) as caught:
        read_address(text)
    assert SECRET not in str(caught.value)

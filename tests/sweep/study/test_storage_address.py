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


def test_the_urls_own_patience_goes_first() -> None:
    assert read_address("postgresql://host/sweeps").patience["connect_timeout"] == 10
    assert "connect_timeout" not in read_address("postgresql://host/sweeps?connect_timeout=3").patience


@pytest.mark.parametrize(
    "text", [f"me:{SECRET}@host", f"postgresql://me:{SECRET}@host:port/x", "", "sweeps.db"]
)
def test_what_is_no_address_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(
        UserError, match=r"sweep\.storage must be sqlite:///FILE or postgresql://user:"
    ) as refusal:
        read_address(text)
    assert SECRET not in str(refusal.value)


def test_another_database_is_refused() -> None:
    with pytest.raises(UserError) as refusal:
        read_address(f"mysql+pymysql://me:{SECRET}@host/x")
    assert str(refusal.value) == (
        "sweep.storage must be a database of sqlite or postgresql, got mysql+pymysql; "
        "there are postgresql, sqlite."
    )


def test_a_near_miss_of_a_database_is_named() -> None:
    with pytest.raises(UserError, match=r"got postgresq; did you mean postgresql\?"):
        read_address("postgresq://host/x")


@pytest.mark.parametrize("driver", ["psycopg2", "asyncpg"])
def test_another_driver_of_postgresql_is_refused(driver: str) -> None:
    with pytest.raises(UserError, match=rf"got postgresql\+{driver}; did you mean postgresql\?"):
        read_address(f"postgresql+{driver}://host/x")


@pytest.mark.parametrize("text", ["sqlite://", "sqlite:///:memory:", "sqlite:///file:a?mode=memory&uri=true"])
def test_a_database_within_one_process_is_refused(text: str) -> None:
    with pytest.raises(
        UserError, match=r"must be a file that other processes can open too, .*sqlite:///FILE\."
    ):
        read_address(text)

"""Addresses of MLflow stores: made absolute, masked, and kept out of texts."""

from __future__ import annotations

import os
import re
from importlib.metadata import entry_points
from pathlib import Path
from urllib.parse import unquote, urlsplit

from harness.core.errors import UserError
from harness.runtime.address import encoded
from harness.runtime.redact import mask, mask_urls, passwords

_SCHEMES = ("http", "https", "sqlite", "postgresql", "mysql", "mssql")
_PLUGINS = "mlflow.tracking_store"
"""The entry points of packages that teach MLflow other schemes."""

_BUCKETS = ("s3", "gs", "wasbs", "abfss", "dbfs", "r2", "b2")
_ARTIFACTS = re.compile(r"/(m-)?[0-9a-f]{32}/artifacts(/|$)")

_SQLITE = re.compile(r"^sqlite(\+\w+)?:///(?P<path>.+)$")
_LONGEST_FILE = 480
"""Bytes. SQLite opens paths of up to 504; a new store is made under a name that is longer by some 20."""


def check(uri: str | None) -> None:
    """Refuses an address that MLflow cannot use, or that means a store it no longer supports.

    Raises:
        ValueError: it is neither a server nor a database.
    """
    if uri is None or uri.startswith("databricks"):
        return
    scheme, mark, _ = uri.partition("://")
    plain = scheme.partition("+")[0].lower()  # without a database's driver
    if not mark or not (plain in _SCHEMES or entry_points(group=_PLUGINS, name=scheme)):
        raise ValueError(
            "uri must be null, a server such as http://localhost:5000, or a database of sqlite, postgresql, "
            f"mysql or mssql such as sqlite:///mlflow.db, got {masked(uri)!r}"
        )


def absolute(uri: str | None, outputs: Path) -> str:
    """The address with an absolute file path, if it names a file; null means a file in `outputs`."""
    if uri is None:
        return sqlite(outputs / "mlflow.db")
    match = _SQLITE.match(uri)
    if match is None or match["path"] == ":memory:":
        return encoded(uri, "tracking.uri")
    path, mark, options = match["path"].partition("?")
    return f"{sqlite(Path(unquote(path)))}{mark}{options}"


def sqlite(path: Path) -> str:
    """The address of an SQLite file, whatever the names of its folders.

    SQLAlchemy decodes `%XX`, and `?` begins the options. With the scheme `sqlite`, MLflow would also make a
    folder whose name is not decoded.
    """
    plain = str(path.absolute())
    quoted = re.sub("%(?=[0-9A-Fa-f]{2})|[?]", lambda sign: f"%{ord(sign[0]):02X}", plain)
    return f"sqlite:///{plain}" if quoted == plain else f"sqlite+pysqlite:///{quoted}"


def check_length(uri: str) -> None:
    """Refuses an SQLite file that SQLite would not open.

    Raises:
        UserError: its path is too long.
    """
    path = file(uri)
    length = 0 if path is None else len(os.fsencode(path))
    if length > _LONGEST_FILE:
        raise UserError(
            f"MLflow's store would be {path}, a path of {length} bytes, and SQLite opens at most "
            f"{_LONGEST_FILE}",
            "name a shorter one, tracking.uri=sqlite:////FOLDER/mlflow.db, or leave MLflow out, "
            "tracking=none",
            key="tracking.uri",
        )


def file(uri: str) -> Path | None:
    """The file of an absolute sqlite address; None for anything else."""
    match = _SQLITE.match(uri)
    return None if match is None else Path(unquote(match["path"].partition("?")[0]))


def check_location(location: str, uri: str) -> None:
    """Checks where a store says that its files are: a store from elsewhere could name any file or server.

    Allowed are the store's own server, buckets of cloud providers, which have credentials of their own, and
    folders of this machine that are laid out as MLflow's (`<run or model id>/artifacts`).

    Args:
        location: the address of an artifact.
        uri: of the store, absolute.

    Raises:
        UserError: it is another.
    """
    parts = urlsplit(location)
    if parts.scheme in ("", "file"):
        allowed = _ARTIFACTS.search(str(Path(unquote(parts.path)).resolve())) is not None
    elif parts.netloc and parts.scheme not in _BUCKETS:
        allowed = (
            parts.scheme in ("http", "https", "mlflow-artifacts") and parts.netloc == urlsplit(uri).netloc
        )
    else:
        allowed = parts.scheme in ("mlflow-artifacts", *_BUCKETS)
    if not allowed:
        raise UserError(
            f"MLflow at {masked(uri)} says that its files are at {masked(location)}, which is not its place",
            "fetch them by hand, and name the folder",
            value=location,
        )


def masked(uri: str) -> str:
    """The address with `***` for its password: this form may be written anywhere."""
    return mask_urls(uri)


def scrubbed(text: str, uri: str) -> str:
    """A message of MLflow, which may contain the address, without the password of the address and the
    secrets of the environment, such as MLFLOW_TRACKING_TOKEN."""
    from harness.runtime.secret_values import Secrets  # imports omegaconf, which most uploads do not need

    return Secrets(None).text(mask(text.replace(uri, masked(uri)), passwords(uri)))

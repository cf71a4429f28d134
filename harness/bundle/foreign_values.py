"""Values of a configuration from elsewhere: what they would read of this machine, or open in a network."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from harness.core.errors import UserError
from harness.runtime.redact import mask_urls

ELSEWHERE = "this configuration was not made here"

ENVIRONMENT = "env:"
"""The prefix of `--allow` that permits reading an environment variable."""

HOST = "host:"
"""The prefix of `--allow` that permits opening an address of a host; `--allow-host HOST` is short for it."""

_VARIABLE = re.compile(r"\$\{\s*oc\.env\s*:\s*(?P<name>\w+)\s*(,[^${}]*)?\}")
_ADDRESS = re.compile(r"[A-Za-z][\w+.-]*://")
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")

_POSTGRES_CREDENTIALS = ("PGPASSWORD", "PGPASSFILE", "PGSERVICE")
"""Variables with which libpq logs in where the address says nothing."""

_HOST_PARAMETERS = ("host", "hostaddr", "server", "unix_socket")
_BORROWED = ("service", "servicefile", "passfile", "read_default_file", "read_default_group", "odbc_connect")
"""Parameters of an address that take host or password from a file of the user's, or hide them."""

_OPAQUE = re.compile(
    r"(^name|^outputs|^pretrain\.words|^tags\..*|.*\.(query|\w*pattern|date_format|separator|decimal|name)"
    r"|data\.extract\.(target|group|id|time|features|keep|drop|types|dates|texts|names|comment|strip|thousands"
    r"|missing|usual_missing|parameters|variables"
    r"|headers|rows|explode|cursor|offset|columns?)(\..*)?)"
)
"""Keys whose value is a name, a pattern or a text of another language, and no path."""

_LOADERS = {
    "memory": "sklearn",
    "checkpoint_path": "timm",
    "cache_dir": "timm",
    "pretrained": "timm",
    "pretrained_cfg": "timm",
    "pretrained_cfg_overlay": "timm",
}
"""Arguments with which a constructor of a library loads files by itself, and the library."""


class NotAllowed(UserError):
    """A configuration from elsewhere names something that it may not, unless the user allows it.

    Args:
        key: the setting.
        does: what it would do, behind the key.
        remedy: how to replace or allow it.
        allow: the word for `--allow`; None: it cannot be allowed.
    """

    def __init__(self, key: str, does: str, remedy: str, *, value: object, allow: str | None = None) -> None:
        super().__init__(f"{key}{does}, and {ELSEWHERE}", remedy, key=key, value=value)
        self.allow = allow


def check_values(plain: Any, allowed: Sequence[str]) -> None:
    """Checks every text and key of a plain configuration.

    Args:
        allowed: what the user allows: packages, `env:NAME` and `host:NAME`.

    Raises:
        NotAllowed: one reads a variable, a file outside of the current folder, or a server.
    """
    for key, text in texts(plain, ""):
        check_references(key, text, allowed)
        if not _OPAQUE.fullmatch(key):
            _check_place(key, text, allowed)
    for key, value in _values(plain, ""):
        package = _LOADERS.get(key.rpartition(".")[2])
        if package is not None and value not in (None, False) and package not in allowed:
            raise NotAllowed(
                key,
                f"={value} makes {package} load files by itself",
                f"take it out with '~{key}', or allow it with --allow {package}",
                value=value,
                allow=package,
            )
    _check_hub(plain, allowed)


def check_references(key: str, text: str, allowed: Sequence[str]) -> None:
    """Checks that all variables that a text reads are allowed.

    Raises:
        NotAllowed: one is not, or the text refers to something else.
    """
    references = list(_VARIABLE.finditer(text))
    if text.count("${") != len(references):
        raise NotAllowed(
            key,
            f" holds a reference ({text}), which may read what it should not",
            f"give a value with {key}=VALUE",
            value=text,
        )
    for match in references:
        _check_variable(key, match["name"], text, allowed)


def texts(node: Any, key: str) -> Iterator[tuple[str, str]]:
    """Every text in a plain container, including its keys."""
    if isinstance(node, str):
        yield key, node
    for place, value in items(node, key):
        if "${" in place:
            yield key or "configuration", place
        yield from texts(value, place)


def items(node: Any, key: str) -> Iterator[tuple[str, Any]]:
    """The entries of a mapping or list with their full keys."""
    children = (
        node.items()
        if isinstance(node, Mapping)
        else enumerate(node)
        if isinstance(node, list | tuple)
        else ()
    )
    for name, value in children:
        yield f"{key}.{name}" if key else str(name), value


def _values(node: Any, key: str) -> Iterator[tuple[str, Any]]:
    for place, value in items(node, key):
        yield place, value
        yield from _values(value, place)


def _check_variable(key: str, name: str, value: object, allowed: Sequence[str]) -> None:
    if f"{ENVIRONMENT}{name}" not in allowed:
        raise NotAllowed(
            key,
            f" reads the environment variable {name}",
            f"give a value with {key}=VALUE, or let it be read with --allow {ENVIRONMENT}{name}",
            value=value,
            allow=f"{ENVIRONMENT}{name}",
        )


def _check_place(key: str, text: str, allowed: Sequence[str]) -> None:
    address = _ADDRESS.search(text)
    if address is None:
        _check_path(key, text, text)
        return
    if address.start():  # such as simplecache::https://…
        text = text[address.start() :]
    parts = urlsplit(_VARIABLE.sub("x", text))
    parameters = dict(parse_qsl(parts.query, keep_blank_values=True))
    borrowed = next((name for name in _BORROWED if name in parameters), None)
    if borrowed is not None:
        raise NotAllowed(
            key,
            f" has the parameter {borrowed}, which hides where it leads",
            f"give another address with {key}=ADDRESS",
            value=mask_urls(text),
        )
    for value in parameters.values():
        _check_path(key, value, mask_urls(text))
    hosts = [*_hosts(parts.netloc), *(h for n in _HOST_PARAMETERS for h in _hosts(parameters.get(n, "")))]
    if parts.scheme.startswith(("sqlite", "duckdb", "file")):
        database = unquote(parts.path if parts.scheme == "file" else parts.path[1:])
        _check_path(key, database.removeprefix("file:"), mask_urls(text))
    elif not hosts:
        hosts = ["localhost"]  # a server of this machine, which knows the user
    for host in hosts:
        _check_host(key, host, mask_urls(text), allowed)
    if parts.scheme.startswith("postgres") and parts.password is None:
        for name in _POSTGRES_CREDENTIALS:
            if name in os.environ:
                _check_variable(key, name, mask_urls(text), allowed)


def _hosts(netloc: str) -> list[str]:
    """The names in `user:password@host:port`, of which PostgreSQL takes several."""
    hosts = netloc.rpartition("@")[2].split(",")
    names = [re.sub(r":\d*$", "", entry).strip("[]").lower() for entry in hosts]
    return [name for name in names if name]


def _check_host(key: str, host: str, shown: str, allowed: Sequence[str]) -> None:
    if f"{HOST}{host}" not in [word.lower() if word.startswith(HOST) else word for word in allowed]:
        raise NotAllowed(
            key,
            f" opens an address of {host} ({shown})",
            f"give another with {key}=VALUE, or let it be opened with --allow-host {host}",
            value=shown,
            allow=f"{HOST}{host}",
        )


def _check_path(key: str, path: str, shown: str) -> None:
    path = path.strip()
    rooted = len(path) > 1 and (path[0] in "/\\~" or _DRIVE.match(path) is not None)
    if rooted or ".." in re.split(r"[/\\]", path):
        raise NotAllowed(
            key,
            f"={shown} names a place outside of the current folder",
            f"give it yourself with {key}=PATH",
            value=shown,
        )


def _check_hub(plain: Any, allowed: Sequence[str]) -> None:
    """A data set of the hub is downloaded with the user's token."""
    data = plain.get("data") if isinstance(plain, Mapping) else None
    source = data.get("extract") if isinstance(data, Mapping) else None
    if not isinstance(source, Mapping) or source.get("path") is None:
        return
    path = str(source["path"])
    if str(source.get("_target_")).startswith("harness.data.extract.huggingface") and not os.path.exists(
        path
    ):
        _check_host("data.extract.path", "huggingface.co", path, allowed)

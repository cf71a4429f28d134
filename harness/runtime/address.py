"""Addresses `scheme://user:password@host/path?parameter=…` whose passwords may contain any character."""

from __future__ import annotations

import os
import re
from typing import Any
from urllib.parse import quote

from omegaconf import DictConfig, OmegaConf, read_write

from harness.core.errors import UserError
from harness.runtime.config_nodes import container

_ADDRESS = re.compile(r"(?P<scheme>[^\s:/?#@]+)://(?P<rest>.+)", re.DOTALL)
_REFERENCE = re.compile(r"\$\{(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\}")
_BEHIND_USER = re.compile(
    r"(?:\[[^\]]*\]|[^\s:/?#@\[\]]*)(?::[^\s:/?#@]*)?(?:/[^?#@]*)?(?:\?(?:[^=&]+=.*)?)?", re.DOTALL
)
_PLACE = "\ue000"  # replaces a reference: a character that no address contains
_NO_DEFAULT = object()
_ENCODED = "address_part"


def encoded(address: str, key: str) -> str:
    """Returns the address with special characters in its user and password percent-encoded.

    Characters that are percent-encoded already are unchanged; text that is not an address is returned as it
    is.

    Args:
        key: the setting, for the message.

    Raises:
        UserError: it is not clear where the password ends.
    """
    match = _ADDRESS.fullmatch(address)
    if match is None:
        return address
    scheme, rest = match["scheme"], match["rest"]
    end = _end_of_user(scheme, rest)
    if end < 0:
        return address
    if "@" in rest[end + 1 :].partition("?")[0]:
        raise UserError(
            f"{key} has more than one @, so it is not clear where its password ends",
            "write @ / ? # within the password as %40 %2F %3F %23, or take it from the environment: "
            "scheme://user:${oc.env:NAME}@host",
            key=key,
        )
    parts = (
        _quoted_sign.sub(lambda sign: quote(sign[0], safe=""), part) for part in rest[:end].split(":", 1)
    )
    return f"{scheme}://{':'.join(parts)}{rest[end:]}"


_quoted_sign = re.compile(r"%(?![0-9A-Fa-f]{2})|[^\w%.~!$&'()*+,;=-]")


def register_environment() -> None:
    """Registers an `${oc.env:NAME}` whose value may contain `@`, `/`, `#` and `%` within an address.

    The value is percent-encoded if it is the user, the password or a parameter, and unchanged if it is the
    host, the path or the whole address.
    """
    OmegaConf.register_new_resolver("oc.env", _variable, replace=True)
    OmegaConf.register_new_resolver(_ENCODED, _encoded_value, replace=True)


def encode_references(cfg: DictConfig) -> None:
    """Lets `${other.key}` within the user, the password or a parameter of an address be percent-encoded.

    Changes every such address in the configuration, in place: OmegaConf inserts the value of another key as
    text, so that an `@` in a password would move the end of the password.
    """
    _encode_below(cfg, container(cfg, resolve=False))


def _encode_below(node: Any, plain: Any) -> None:
    entries = plain.items() if isinstance(plain, dict) else enumerate(plain)
    for key, value in entries:
        if isinstance(value, dict | list):
            _encode_below(node[key], value)
        elif isinstance(value, str) and "://" in value and "${" in value:
            written = _with_encoded_references(value)
            if written != value:
                with read_write(node):
                    node[key] = written


def _with_encoded_references(written: str) -> str:
    """Returns an address whose references to other keys are encoded if their place requires that."""
    address = _ADDRESS.fullmatch(_REFERENCE.sub(_PLACE, written))
    if address is None:
        return written
    user, of_user, of_query = _places(written, address)
    for reference in {*of_user, *of_query}:
        if not re.match(r"\$\{\s*[\w.]+\s*:", reference):  # of a resolver: oc.env encodes by itself
            whole = "true" if user == _PLACE and reference in of_user else "false"
            written = written.replace(reference, f"${{{_ENCODED}:{reference},{whole}}}")
    return written


def _encoded_value(value: Any, whole: bool) -> str | None:
    """Returns a value as a part of an address; `whole`: as user and password together."""
    return None if value is None else _quoted(str(value), whole)


def _quoted(value: str, whole: bool) -> str:
    return ":".join(quote(part, safe="") for part in (value.split(":", 1) if whole else [value]))


def _places(written: str, address: re.Match[str]) -> tuple[str, list[str], list[str]]:
    """Returns user and password with each reference as one character, and the references in them and in the
    parameters."""
    references = _REFERENCE.findall(written)
    rest = address["rest"]
    end = _end_of_user(address["scheme"], rest)
    before = address["scheme"].count(_PLACE)
    user, query = rest[: max(end, 0)], rest[end + 1 :].partition("?")[2]
    of_query = references[len(references) - query.count(_PLACE) :] if query else []
    return user, references[before : before + user.count(_PLACE)], of_query


def _variable(name: str, default: Any = _NO_DEFAULT, *, _node_: Any) -> str | None:
    """Does what OmegaConf's own resolver does, and encodes the value for an address."""
    if name not in os.environ and default is _NO_DEFAULT:
        raise KeyError(f"Environment variable '{name}' not found")
    value = os.environ.get(name, default)
    if value is None:
        return None
    written = _node_._value()
    return _as_part(written, name, str(value)) if isinstance(written, str) else str(value)


def _as_part(written: str, name: str, value: str) -> str:
    """Returns the value, encoded if its place in the address `written` requires that."""
    address = _ADDRESS.fullmatch(_REFERENCE.sub(_PLACE, written))
    if address is None:
        return value
    user, of_user, of_query = _places(written, address)
    if not any(re.search(rf"oc\.env\s*:\s*{re.escape(name)}\s*[,}}]", text) for text in of_user + of_query):
        return value
    return _quoted(value, whole=user == _PLACE and bool(of_user))  # `user:password` in one variable


def _end_of_user(scheme: str, rest: str) -> int:
    """Returns the position of the `@` after user and password; -1 if there are none.

    It is the first one followed by a valid host, path and query, so user and password may contain any
    character.
    """
    authority = re.split("[/?#]", rest, maxsplit=1)[0]
    if scheme in ("http", "https") and "@" in authority:
        return authority.rindex("@")
    _, colon, port = authority.partition(":")
    if "@" not in authority and (not colon or port.isdigit()):
        return -1
    ends = [place for place, sign in enumerate(rest) if sign == "@"]
    return next((end for end in ends if _BEHIND_USER.fullmatch(rest, end + 1)), -1)

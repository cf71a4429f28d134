"""Addresses `scheme://user:password@host/path?parameter=…` whose passwords may contain any character."""

from __future__ import annotations

import os
import re
from typing import Any
from urllib.parse import quote

from omegaconf import OmegaConf

from harness.core.errors import UserError

_ADDRESS = re.compile(r"(?P<scheme>[^\s:/?#@]+)://(?P<rest>.+)", re.DOTALL)
_REFERENCE = re.compile(r"\$\{(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\}")
_BEHIND_USER = re.compile(
    r"(?:\[[^\]]*\]|[^\s:/?#@\[\]]*)(?::[^\s:/?#@]*)?(?:/[^?#@]*)?(?:\?(?:[^=&]+=.*)?)?", re.DOTALL
)
_PLACE = "\ue000"  # replaces a reference: a character that no address contains
_NO_DEFAULT = object()


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
    references = [found[0] for found in _REFERENCE.finditer(written)]
    found = _ADDRESS.fullmatch(_REFERENCE.sub(_PLACE, written))
    if found is None:
        return value
    rest = found["rest"]
    end = _end_of_user(found["scheme"], rest)
    before = found["scheme"].count(_PLACE)
    user, query = rest[: max(end, 0)], rest[end + 1 :].partition("?")[2]
    of_user = references[before : before + user.count(_PLACE)]
    of_query = references[len(references) - query.count(_PLACE) :] if query else []
    if not any(re.search(rf"oc\.env\s*:\s*{re.escape(name)}\s*[,}}]", text) for text in of_user + of_query):
        return value
    if user == _PLACE and of_user:  # `user:password` in one variable
        return ":".join(quote(part, safe="") for part in value.split(":", 1))
    return quote(value, safe="")


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

"""Mask: what must not be shown, found in texts and put out of sight."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus, unquote, unquote_plus

MASK = "***"

_LONGEST_LINE = 300
_SHORT = 4
_SECRET_NAME = re.compile(
    r"(^|_)(password|passwd|passphrase|pwd|secret|token|api_?key|access_?key|private_?key|credentials?|"
    r"authori[sz]ation|auth|odbc_connect)(_|$)",
    re.IGNORECASE,
)
_WORDS_OF_A_NAME = re.compile(r"-|(?<=[a-z])(?=[A-Z])")
_URL_PASSWORD = re.compile(r"(?P<head>\b[a-z][\w+.-]*://[^\s/:@]*:)(?P<password>[^\s/]+)(?=@)", re.IGNORECASE)
_URL_PARAMETER = re.compile(r"(?P<head>[?&](?P<name>[\w.-]+)=)(?P<password>[^\s&#'\"]+)")
_NAMED_VALUE = re.compile(
    r"((?:\b|_)(?:password|passwd|passphrase|pwd|secret|token|api_?key)\s*=\s*)"
    r"('(?:[^'\\]|\\.)*'|\"[^\"]*\"|\{[^}]*\}|[^\s;&,'\"()]+)",
    re.IGNORECASE,
)


def secret_name(name: str) -> bool:
    """Whether a value of this name, such as a key, a header or a parameter of a URL, must not be shown."""
    return _SECRET_NAME.search(_WORDS_OF_A_NAME.sub("_", name)) is not None


def passwords(text: str) -> set[str]:
    """The passwords of the URLs in a text, `scheme://user:password@host` and `?password=…`, also decoded."""
    found = [match["password"] for match in _URL_PASSWORD.finditer(text)]
    found += [match["password"] for match in _URL_PARAMETER.finditer(text) if secret_name(match["name"])]
    return {form for password in found for form in (password, unquote(password))}


def mask_urls(text: str) -> str:
    """The text with the passwords of its URLs as `***`."""
    text = _URL_PASSWORD.sub(rf"\g<head>{MASK}", text)
    return _URL_PARAMETER.sub(
        lambda match: f"{match['head']}{MASK}" if secret_name(match["name"]) else match[0], text
    )


def mask(text: str, secrets: Iterable[str]) -> str:
    """The text with every form of every secret, and whatever looks like a password, as `***`."""
    for form in sorted({form for secret in secrets for form in _forms(secret)}, key=len, reverse=True):
        # A short secret, such as `a`, would hit innocent words if it were replaced within them.
        within = re.escape(form) if len(form) >= _SHORT else rf"(?<!\w){re.escape(form)}(?!\w)"
        text = re.sub(within, MASK, text)
    return _NAMED_VALUE.sub(rf"\g<1>{MASK}", mask_urls(text))


def first_line(text: str, secrets: Iterable[str]) -> str:
    """The first line of a driver's message, masked, without the full stop, at most 300 characters."""
    lines = [line.strip() for line in mask(text, secrets).splitlines() if line.strip()]
    line = " ".join(lines[0].split()) if lines else "no reason given"
    if len(line) > _LONGEST_LINE:
        line = f"{line[:_LONGEST_LINE]} …"
    return line.rstrip(".:;")


def _forms(secret: str) -> set[str]:
    """A secret as it is, and as URLs, DSNs and Python write it."""
    raw = {secret, unquote(secret), unquote_plus(secret)}
    encoded = {encode(text) for text in raw for encode in (quote, quote_plus, _quote_all)}
    quoted = {repr(text)[1:-1] for text in raw} | {_libpq(text) for text in raw}
    return {form for form in raw | encoded | quoted if form}


def _quote_all(text: str) -> str:
    return quote(text, safe="")


def _libpq(text: str) -> str:
    """As within the single quotes of a PostgreSQL connection string."""
    return text.replace("\\", "\\\\").replace("'", "\\'")

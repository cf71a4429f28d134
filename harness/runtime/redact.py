"""Finds what must not be shown in texts, by its place and its name, and masks it."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from urllib.parse import quote, quote_plus, unquote, unquote_plus

MASK = "***"

_LONGEST_LINE = 300
_SHORT = 4
_LONG = 16  # from this length on a value of an unknown parameter is masked everywhere

_SECRET_WORD = re.compile(
    r"pass|pwd|secret|token|key|sig|cookie|credential|^creds?$|auth|jwt|bearer|sess(ion)?_?id|^odbc$"
)
_HARMLESS_WORD = re.compile(
    r"passengers?|passages?|passive|passing|passed|passes|(by|low|high|band|over|under|com|encom)pass\w*|"
    r"secretar\w+|secret(ion|ed|ing)s?|keywords?|keyboards?|keypoints?|keyframes?|keynotes?|"
    r"(mon|don|tur|hoc|joc|whis)keys?|token(iz|is)\w+|sigmas?|sigmoid\w*|signals?|signific\w+|(un)?signed|"
    r"(de|as|re|con)sign\w*|insights?|(fore|hind|eye)?sights?|authors?|authored|authorship"
)
"""Words that contain a word of `_SECRET_WORD` and name no secret."""

_LAST_WORD = re.compile(
    r"(pass(word|wd|phrase|code)?|pwd|secret|token|key|pin|sig|signature|auth|credentials?)\d*$"
)
_WORDS_OF_A_NAME = re.compile(r"[^A-Za-z0-9]+|(?<=[a-z0-9])(?=[A-Z])")

_HARMLESS_HEADER = re.compile(
    r"accept(-charset|-encoding|-language)?|cache-control|connection|content-(encoding|language|length|type)|"
    r"date|expect|host|if-(modified-since|none-match)|keep-alive|origin|pragma|prefer|range|referer|te|"
    r"transfer-encoding|upgrade|user-agent",
    re.IGNORECASE,
)
_HARMLESS_PARAMETER = re.compile(
    # of pages and lists, and of MLflow's pages
    r"(per_)?page(_size)?|size|limit|offset|skip|first|last|count|top|format|lang(uage)?|locale|order(_by)?|"
    r"sort(_by)?|direction|from|to|since|until|start|end|v|(api[-_])?version|compareRunsMode|runs|experiments|"
    # of databases and their drivers
    r"(fallback_)?application_name|autocommit|charset|check_same_thread|client_encoding|"
    r"(connect(ion)?|read|write|tcp_user)?_?timeout|database|dbname|driver|encrypt|gssencmode|host(addr)?|"
    r"keepalives(_count|_idle|_interval)?|mode|options|pool_(recycle|size)|port|schema|search_path|"
    r"ssl(cert|compression|crl|mode|rootcert|sni)?|target_session_attrs|timezone|TrustServerCertificate|uri|"
    r"user(name)?",
    re.IGNORECASE,
)

_URL = re.compile(r"\b[a-z][\w+.-]*://[^\s\"<>]+", re.IGNORECASE)
# The password ends at the last `@`: one that is not percent-encoded may contain any sign. A reference
# `${oc.env:NAME}` stays as it is.
_URL_PASSWORD = re.compile(
    r"(?P<head>\b(?:https?://[^\s/:@?#\"]*:(?!\d+[/?#])|(?!https?:)[a-z][\w+.-]*://[^\s/:@?#\"]*:))"
    r"(?!\$\{[^{}]*\}@)(?P<password>(?:(?!://)[^\s\"<>])+)(?=@)",
    re.IGNORECASE,
)
_URL_TOKEN = re.compile(
    r"(?P<head>\b(?:git\+)?https?://)(?P<password>[^\s/:@?#\"'<>]+)(?=:?@)", re.IGNORECASE
)
_PARAMETER = re.compile(
    r"(?P<head>[?&;#](?P<name>[\w.-]+)=)(?!\$\{[^{}]*\})(?P<password>\{[^}]*\}|(?:[^\s&;#'\"<>]|;(?![\w.-]+=))+)"
)
_HEADER = re.compile(
    r"(?P<head>(?<![.\w-])(?:proxy-)?(?:authorization|(?:set-)?cookie|x-[\w-]*(?:key|token|auth|secret|sig)[\w-]*)"
    r"['\"]?\s*:\s*['\"]?(?:(?:bearer|basic|digest|token|negotiate)\s+)?|\bBearer\s+(?=[\w.~+/=-]{16}))"
    r"(?P<password>(?!\$\{|null\b|none\b|\*\*\*)[^\s'\",}]+)",
    re.IGNORECASE,
)
_NAMED_VALUE = re.compile(
    r"((?:\b|_)\w*(?:password|passwd|passphrase|pwd|secret|token|api_?key)\s*=\s*)"
    r"(?!\$\{)('(?:[^'\\]|\\.)*'|\"[^\"]*\"|\{[^}]*\}|[^\s;&,'\"()]+)",
    re.IGNORECASE,
)


@lru_cache(maxsize=4096)  # each trial of a sweep has the same two hundred names
def secret_name(name: str) -> bool:
    """Whether a text of this name, such as a key, must not be shown."""
    words = [word.lower() for word in _WORDS_OF_A_NAME.split(name)]
    return any(_SECRET_WORD.search(word) and not _HARMLESS_WORD.fullmatch(word) for word in words)


def secret_value(name: str, value: object) -> bool:
    """Whether a value of this name must not be shown.

    A number is a secret only as `token: 1234`; `key_dim: 64` and `max_tokens: 512` count something.
    """
    if value is None or isinstance(value, (bool, float)):
        return False
    if isinstance(value, int):
        words = _WORDS_OF_A_NAME.split(name.lower())
        return secret_name(name) and _LAST_WORD.search(words[-1]) is not None
    return secret_name(name)


def secret_header(name: str) -> bool:
    """Whether the value of this header of a request must not be shown: unknown ones are secrets."""
    return _HARMLESS_HEADER.fullmatch(name.strip()) is None


def secret_parameter(name: str) -> bool:
    """Whether the value of this parameter of a URL must not be shown: unknown ones are secrets."""
    return _HARMLESS_PARAMETER.fullmatch(name) is None


def passwords(text: str) -> set[str]:
    """The passwords of the URLs in a text, `scheme://user:password@host` and `?password=…`, also decoded."""
    if "://" not in text and "=" not in text:
        return set()
    secrets = [match["password"] for match in _URL_TOKEN.finditer(text)]
    for match in _URL_PASSWORD.finditer(text):
        parts = match["password"].split("@")
        secrets += ["@".join(parts[:end]) for end in range(1, len(parts) + 1)]
    for match in _PARAMETER.finditer(text):
        if secret_name(match["name"]):
            secrets.append(match["password"])
    for url in _URL.finditer(text):
        for match in _PARAMETER.finditer(url[0]):
            if secret_parameter(match["name"]) and len(match["password"]) >= _LONG:
                secrets.append(match["password"])
    return {form for password in secrets for form in (password, unquote(password)) if "${" not in form}


def mask_urls(text: str) -> str:
    """The text with the passwords and the unknown parameters of its URLs as `***`."""
    # The settings of each trial pass here, and most of them are a word.
    if "://" in text:
        text = _URL_PASSWORD.sub(rf"\g<head>{MASK}", text)
        text = _URL_TOKEN.sub(rf"\g<head>{MASK}", text)
        text = _URL.sub(lambda url: _mask_parameters(url[0], secret_parameter), text)
    if "=" in text:
        text = _mask_parameters(text, secret_name)
    return _HEADER.sub(rf"\g<head>{MASK}", text) if ":" in text or "bearer" in text.lower() else text


def mask(text: str, secrets: Iterable[str]) -> str:
    """The text with every form of every secret, and whatever looks like a password, as `***`."""
    for form in sorted({form for secret in secrets for form in forms(secret)}, key=len, reverse=True):
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


def forms(secret: str) -> set[str]:
    """A secret as it is, and as URLs, DSNs, Python, JSON and HTML write it."""
    raw = {secret, unquote(secret), unquote_plus(secret)}
    encoded = {encode(text) for text in raw for encode in (quote, quote_plus, _quote_all)}
    encoded |= {re.sub("%[0-9A-F]{2}", lambda sign: sign[0].lower(), text) for text in encoded}
    quoted = {repr(text)[1:-1] for text in raw} | {_libpq(text) for text in raw}
    quoted |= {json.dumps(text)[1:-1] for text in raw} | {html.escape(text) for text in raw}
    return {form for form in raw | encoded | quoted if form}


def _mask_parameters(text: str, secret: Callable[[str], bool]) -> str:
    return _PARAMETER.sub(lambda part: f"{part['head']}{MASK}" if secret(part["name"]) else part[0], text)


def _quote_all(text: str) -> str:
    return quote(text, safe="")


def _libpq(text: str) -> str:
    """As within the single quotes of a PostgreSQL connection string."""
    return text.replace("\\", "\\\\").replace("'", "\\'")

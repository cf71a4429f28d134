"""Sends GraphQL requests over HTTP."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import requests
from gql import Client, GraphQLRequest
from gql.transport.exceptions import (
    TransportConnectionFailed,
    TransportProtocolError,
    TransportQueryError,
    TransportServerError,
)
from gql.transport.requests import RequestsHTTPTransport
from requests.auth import HTTPBasicAuth

from harness.core.errors import UserError
from harness.core.name_list import and_more
from harness.data.extract.connection_retry import Unreached
from harness.runtime.address import encoded
from harness.runtime.redact import first_line, secret_header, secret_parameter

_MAY_PASS = (requests.Timeout, requests.ConnectionError, requests.exceptions.ChunkedEncodingError)


class Endpoint:
    """A server that answers GraphQL; open within a `with` block.

    Args:
        url: `http://…` or `https://…`; its user and password are sent if there is no other authorization.
        headers: sent with each request.
        authorization: a token, sent as `Bearer token`, or a whole value such as `Basic …`.
        timeout: seconds to connect, and seconds without a byte of the answer.

    Raises:
        UserError: it is not a URL.
    """

    def __init__(
        self, url: str, headers: Mapping[str, str], authorization: str | None, timeout: float
    ) -> None:
        url = encoded(url, "data.extract.url")
        self.label = _label(url)
        self._secrets = _secrets(url, headers, authorization)
        self._authorization, self._url = authorization, url
        transport = _Transport(
            url,
            headers=dict(headers),
            auth=self._authorize,
            timeout=timeout,
            json_deserialize=_answer,
            hooks={"response": self._require_success},
        )
        self._client = Client(transport=transport)

    def __enter__(self) -> Endpoint:
        self._session = self._client.connect_sync()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close_sync()

    def ask(self, query: GraphQLRequest) -> dict[str, Any]:
        """The data of the answer.

        Raises:
            Unreached: no answer, or a temporary error (429, 5xx).
            UserError: a refusal, an error in the answer, or an answer that is not GraphQL.
        """
        try:
            answer: dict[str, Any] = self._session.execute(query)
            return answer
        except TransportQueryError as fault:
            raise self._error(fault.errors or []) from None
        except TransportConnectionFailed as fault:
            raise self._disconnected(fault.__cause__ or fault) from None
        except (TransportProtocolError, TransportServerError) as fault:
            raise self._no_graphql(str(fault)) from None

    def _authorize(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Replaces the authentication of requests, which prefers a password in ~/.netrc to our header."""
        value, parts = self._authorization, urlsplit(self._url)
        if value is not None:
            request.headers["Authorization"] = value if " " in value else f"Bearer {value}"
        elif parts.username:
            HTTPBasicAuth(unquote(parts.username), unquote(parts.password or ""))(request)
        return request

    def _require_success(self, response: requests.Response, **_: Any) -> None:
        """Checks the HTTP status before gql reads the answer as GraphQL."""
        status = response.status_code
        if status < 400:
            return
        explained = _holds_errors(response)
        response.close()  # an exception in a hook would leave it open
        if status in (401, 403):
            raise UserError(
                f"data.extract.url: {self.label} refuses the credentials (HTTP {status})",
                "give others, as by data.extract.authorization='${oc.env:API_TOKEN}'",
                key="data.extract.url",
            )
        if status == 429 or status >= 500:
            raise Unreached(f"HTTP {status}", _retry_after(response.headers.get("Retry-After")))
        if not explained:
            raise UserError(
                f"data.extract.url: {self.label} answers with HTTP {status}",
                "check the address, which often ends in /graphql",
                key="data.extract.url",
            )

    def _disconnected(self, cause: BaseException) -> Exception:
        if isinstance(cause, UserError | Unreached):
            return cause
        if isinstance(cause, requests.exceptions.SSLError):
            return UserError(
                f"data.extract.url: {self.label} gives no https connection that can be trusted "
                f"({first_line(_innermost(cause), self._secrets)})",
                "correct the address, or name the file of "
                "the server's authority in the environment variable REQUESTS_CA_BUNDLE",
                key="data.extract.url",
            )
        if isinstance(cause, requests.Timeout):
            return Unreached("no answer in time")
        if isinstance(cause, _MAY_PASS):
            return Unreached(_innermost(cause))
        return UserError(
            f"data.extract.url: {self.label} cannot be reached ({first_line(str(cause), self._secrets)})",
            "correct the address or the headers",
            key="data.extract.url",
        )

    def _error(self, errors: list[Any]) -> UserError:
        first = errors[0] if errors and isinstance(errors[0], Mapping) else {"message": str(errors)}
        path = ".".join(map(str, first.get("path") or []))
        place = f" at {path}" if path else ""
        reason = first_line(str(first.get("message")), self._secrets)
        reasons = and_more(reason, len(errors) - 1)
        return UserError(
            f"data.extract.query: {self.label} answers with an error{place}: {reasons}",
            "correct the query or its variables",
            key="data.extract.query",
        )

    def _no_graphql(self, words: str) -> UserError:
        sort = "a page in HTML" if "<html" in words.lower() or "<!doctype" in words.lower() else "no GraphQL"
        return UserError(
            f"data.extract.url: {self.label} answers with {sort} where JSON was expected",
            "check the address, which often ends in /graphql",
            key="data.extract.url",
        )


class _Session(requests.Session):
    """Sends the headers of the configuration to no host but the one that the user named."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        super().__init__()
        self._configured = headers

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        """Called for each redirect; requests itself removes `Authorization` alone."""
        if self.should_strip_auth(str(response.request.url), str(prepared_request.url)):
            for name in self._configured:
                prepared_request.headers.pop(name, None)
        super().rebuild_auth(prepared_request, response)


class _Transport(RequestsHTTPTransport):  # type: ignore[misc]
    def connect(self) -> None:
        self.session = _Session(self.headers or {})


def _answer(text: str) -> dict[str, Any]:
    """The body of an answer, checked because gql fails on other JSON.

    Raises:
        ValueError: it is not an object with `data` or `errors`; gql reports the same.
    """
    answer = json.loads(text)
    if isinstance(answer, dict) and (isinstance(answer.get("data"), dict) or _errors(answer)):
        return answer
    raise ValueError("neither data nor errors")


def _errors(answer: Mapping[str, Any]) -> bool:
    errors = answer.get("errors")
    return isinstance(errors, list) and bool(errors)


def _label(url: str) -> str:
    """The address without user, password and query.

    Raises:
        UserError: it is not an address.
    """
    try:
        parts = urlsplit(url)
        port = "" if parts.port is None else f":{parts.port}"
    except ValueError:
        parts, port = urlsplit(""), ""
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UserError("data.extract.url must be an address, http://… or https://…", key="data.extract.url")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{port}{parts.path}"


def _secrets(url: str, headers: Mapping[str, str], authorization: str | None) -> list[str]:
    secrets = [value for key, value in headers.items() if secret_header(key)]
    secrets += [value for key, value in parse_qsl(urlsplit(url).query) if secret_parameter(key)]
    secrets += [value for value in (urlsplit(url).password, authorization) if value]
    return [*secrets, *(value.split()[-1] for value in secrets if value.strip())]


def _holds_errors(response: requests.Response) -> bool:
    """Whether the GraphQL errors explain the status, as for a syntax error (HTTP 400)."""
    try:
        answer = response.json()
    except requests.exceptions.JSONDecodeError:
        return False
    return isinstance(answer, Mapping) and _errors(answer)


def _retry_after(value: str | None) -> float | None:
    """The seconds of a Retry-After header, which is a number or a date (RFC 9110, 10.2.3)."""
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        until = parsedate_to_datetime(value)
    except ValueError:
        return None
    if until.tzinfo is None:  # "-0000": a time in UTC, of unknown place
        until = until.replace(tzinfo=UTC)
    return max(0.0, (until - datetime.now(UTC)).total_seconds())


def _innermost(cause: BaseException) -> str:
    """The innermost reason, such as `Connection refused`, of the nested exceptions of requests and
    urllib3."""
    seen: BaseException = cause
    while (inner := seen.__cause__ or seen.__context__) is not None:
        seen = inner
    return getattr(seen, "strerror", None) or type(seen).__name__

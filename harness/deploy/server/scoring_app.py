"""The ASGI application of `serve`: MLflow's scoring server with strict requests and plain answers.

uvicorn imports this file by itself. It imports nothing of harness, because the model brings its own copy.
Every refusal is `{"error_code": …, "message": one sentence}`.
"""

from __future__ import annotations

import asyncio
import io
import json
import logging
import os
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

import mlflow.pyfunc
import numpy as np
import pandas as pd
from mlflow.environment_variables import MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import scoring_server

_FORMATS = ("dataframe_split", "dataframe_records", "instances", "inputs")
_NAMED = 10
"""A message names this many columns at most."""

_DRAINED = 16
"""Of a body that is too large, this many times the limit is read and thrown away."""

_log = logging.getLogger("uvicorn.error")

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Refused(Exception):
    """A request that cannot be answered: HTTP status and one sentence."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class ScoringApp:
    """Answers `POST /invocations`; MLflow's application answers everything else.

    Args:
        model: takes raw rows as a DataFrame; its metadata lists the columns and their types in training.
        limit: of a request's body, in bytes.
        timeout: of a prediction, in seconds.
    """

    def __init__(self, model: Any, limit: int, timeout: float) -> None:
        self._others = scoring_server.init(model)
        self._model, self._limit, self._timeout = model, limit, timeout
        self._own: Any = None
        with suppress(AttributeError, MlflowException):  # a model of another kind than Python
            own = model.unwrap_python_model()
            self._own = own if hasattr(own, "rows_of_csv") else None
        # The schema has the order of the training, the metadata the types.
        types = (model.metadata.metadata or {}).get("columns", {})
        schema = model.metadata.get_input_schema()
        self._columns = {name: types.get(name) for name in (schema.input_names() if schema else [])}

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if (scope["type"], scope.get("path"), scope.get("method")) != ("http", "/invocations", "POST"):
            await self._others(scope, receive, send)
            return
        beyond: int | None = None
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            body = await self._body(headers, receive)
            work = asyncio.to_thread(self.predict, body, headers, _asks_for_range(scope))
            status, (answer, beyond) = 200, await asyncio.wait_for(work, self._timeout)
        except Refused as refusal:
            status, answer = refusal.status, _refusal(refusal.status, str(refusal))
        except TimeoutError:
            status, answer = 504, _refusal(504, f"the prediction took longer than {self._timeout:g} seconds.")
        content = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
        content += [(b"x-beyond-range", str(beyond).encode())] if beyond is not None else []
        # The rest of a body that was not read must not be taken for the next request.
        content += [(b"connection", b"close")] if status == 413 else []
        await send({"type": "http.response.start", "status": status, "headers": content})
        await send({"type": "http.response.body", "body": answer})

    async def _body(self, headers: dict[str, str], receive: Receive) -> bytes:
        declared = headers.get("content-length", "")
        size = int(declared) if declared.isdigit() else 0
        waits = size > self._limit and "expect" in headers  # for leave to send the body
        held, read, more = bytearray(), 0, not waits
        # Most clients read the answer only after the whole body is sent, so some more of it is read.
        while more and read <= _DRAINED * self._limit:
            part = await receive()
            read += len(part.get("body", b""))
            if read <= self._limit:
                held += part.get("body", b"")
            more = part["type"] == "http.request" and part.get("more_body", False)
        if max(read, size) > self._limit:
            raise Refused(
                f"the request is larger than {self._limit / 2**20:g} MB; send fewer rows at a time, or "
                "start the server with a larger --max-body.",
                413,
            )
        return bytes(held)

    def predict(self, body: bytes, headers: dict[str, str], counts: bool = False) -> tuple[bytes, int | None]:
        """The answer to a request, as JSON, and how many of its rows are beyond the training range.

        The second is None where the model does not know the range.

        Args:
            counts: whether each prediction has a field `beyond_range`: how many numbers of its row are.

        Raises:
            Refused: it cannot be read, or its rows cannot be predicted.
        """
        rows = self._rows(body, headers)
        try:
            # Also without rows the model checks which columns there are; an empty list names none.
            predictions: Any = self._predicted(rows) if len(rows.columns) else []
            beyond = [] if rows.empty else self._beyond_range(rows)
            if counts and len(predictions):
                predictions = predictions.assign(beyond_range=0 if beyond is None else beyond)
            answer = io.StringIO()
            scoring_server.predictions_to_json(predictions, answer)
            outside = None if beyond is None else sum(number > 0 for number in beyond)
            return answer.getvalue().encode(), outside
        except MlflowException as error:
            if error.get_http_status_code() < 500:
                raise Refused(" ".join(str(error.message).split())) from None
            raise self._failed(error) from None
        except Exception as error:
            raise self._failed(error) from None

    def _predicted(self, rows: pd.DataFrame) -> Any:
        """The model's answer. Ours checks the rows itself, so MLflow's check of each column is left out."""
        return self._model.predict(rows) if self._own is None else self._own.predict(None, rows)

    def _beyond_range(self, rows: pd.DataFrame) -> list[int] | None:
        """By row; None where the model, or the harness that logged it, does not know the range."""
        known = getattr(self._own, "beyond_range", None)
        return None if known is None else known(rows)

    def _failed(self, error: Exception) -> Refused:
        _log.error("the model failed", exc_info=error)
        return Refused(f"the model failed ({type(error).__name__}); the server's log says where.", 500)

    def _rows(self, body: bytes, headers: dict[str, str]) -> pd.DataFrame:
        kind, *parameters = (part.strip() for part in headers.get("content-type", "").lower().split(";"))
        if kind and kind not in _PARSERS:
            raise Refused(f"the content type must be {_either(_PARSERS)}, got {kind!r}.", 415)
        if not kind:
            raise Refused(f"the request has no Content-Type; it must be {_either(_PARSERS)}.")
        for parameter in parameters:
            if parameter.replace('"', "").replace("utf8", "utf-8") not in (
                "charset=utf-8",
                "header=present",
                "",
            ):
                raise Refused(
                    f"the content type has the parameter {parameter!r}; only charset=utf-8 is read.", 415
                )
        if headers.get("content-encoding", "identity") != "identity":
            raise Refused("the body must not be compressed.", 415)
        names, rows = _PARSERS[kind](self, body)
        doubled = _doubled(names)
        if doubled is not None:
            raise Refused(f"the rows have two columns named {doubled!r}; {self._expected()}.")
        if (names or len(rows)) and not set(names) & set(self._columns) and self._columns:
            raise Refused(
                f"the rows have no column of the model ({_listed(names) or 'none'}); {self._expected()}."
            )
        return self._finite(rows)

    def _finite(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Raises Refused: a number that the model, which computes in float32, cannot hold."""
        kinds = zip(rows.columns, rows.dtypes, strict=True)
        names = [name for name, dtype in kinds if name in self._columns and dtype.kind == "f"]
        whole = len(names) == len(rows.columns)
        values = (rows if whole else rows[names]).to_numpy(dtype=np.float64, na_value=np.nan)
        wrong = np.abs(values) > np.finfo(np.float32).max
        if wrong.any():
            column = int(wrong.any(axis=0).argmax())
            place = int(wrong[:, column].argmax())
            raise Refused(
                f"column {names[column]!r} holds {values[place, column]:g} in row {place}, which is beyond "
                "the range of float32; leave the cell empty, or correct it."
            )
        return rows

    def _csv(self, body: bytes) -> tuple[list[str], pd.DataFrame]:
        """Read by the model, which knows how the rows of its training were written."""
        read = getattr(self._model.unwrap_python_model(), "rows_of_csv", _plain_csv)
        try:
            names, rows = read(body)
        except (MlflowException, ValueError) as error:
            reason = getattr(error, "message", None) or f"the body is no CSV with a header: {error}"
            raise Refused(f"{' '.join(reason.split()).rstrip('.')}; {self._expected()}.") from None
        return names, rows

    def _parquet(self, body: bytes) -> tuple[list[str], pd.DataFrame]:
        try:
            frame = pd.read_parquet(io.BytesIO(body))
        except Exception as error:  # pyarrow's many
            raise Refused(f"the body is no Parquet file ({type(error).__name__}).") from None
        return list(frame.columns), frame

    def _json(self, body: bytes) -> tuple[list[str], pd.DataFrame]:
        try:
            content = json.loads(
                _text(body),
                object_pairs_hook=_distinct,
                parse_int=_whole,
                parse_constant=_constant,
            )
        except RecursionError:
            raise Refused("the JSON is nested too deeply.") from None
        except ValueError as error:
            raise Refused(f"the body is no JSON ({error}).") from None
        given = [name for name in _FORMATS if isinstance(content, dict) and name in content]
        if len(given) != 1:
            raise Refused(
                f"the JSON must be an object with one of {', '.join(_FORMATS)}; {self._expected()}."
            )
        rows = content[given[0]]
        if given[0] == "dataframe_split":
            if not isinstance(rows, dict) or not {"columns", "data"} <= rows.keys():
                raise Refused(f"dataframe_split must be an object with columns and data; {self._expected()}.")
            return self._table(rows["data"], rows["columns"])
        if given[0] == "inputs" and isinstance(rows, dict):
            columns = [cells if isinstance(cells, list) else [cells] for cells in rows.values()]
            if len({len(cells) for cells in columns}) > 1:
                raise Refused("the columns of inputs must be lists of one length.")
            return self._table([list(cells) for cells in zip(*columns, strict=True)], list(rows))
        if isinstance(rows, list) and all(isinstance(row, dict) for row in rows):
            names = list(dict.fromkeys(name for row in rows for name in row))
            return self._table([[row.get(name) for name in names] for row in rows], names)
        if given[0] == "dataframe_records":
            raise Refused(f"dataframe_records must be a list of objects; {self._expected()}.")
        return self._table(rows, list(self._columns))

    def _table(self, rows: Any, names: Any) -> tuple[list[str], pd.DataFrame]:
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise Refused(f"the columns must be a list of names; {self._expected()}.")
        if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
            raise Refused(f"the rows must be a list of lists; {self._expected()}.")
        self._require_width(rows, names)
        frame = pd.DataFrame(
            {place: [row[place] for row in rows] for place in range(len(names))}, range(len(rows))
        )
        return names, frame.set_axis(pd.Index(names, dtype=object), axis=1)

    def _require_width(self, rows: Iterable[Sequence[Any]], names: Sequence[str]) -> None:
        for place, row in enumerate(rows):
            if len(row) != len(names):
                raise Refused(
                    f"row {place} has {_counted(len(row), 'value')} for {_counted(len(names), 'column')}; "
                    f"{self._expected()}."
                )

    def _expected(self) -> str:
        return f"the model expects {_counted(len(self._columns), 'column')}: {_listed(list(self._columns))}"


_PARSERS: dict[str, Callable[[ScoringApp, bytes], tuple[list[str], pd.DataFrame]]] = {
    "application/json": ScoringApp._json,
    "text/csv": ScoringApp._csv,
    "application/vnd.apache.parquet": ScoringApp._parquet,
}


def _asks_for_range(scope: dict[str, Any]) -> bool:
    """Whether the address ends with `?beyond_range=true`."""
    return b"beyond_range=true" in bytes(scope.get("query_string", b"")).split(b"&")


def _plain_csv(body: bytes) -> tuple[list[str], pd.DataFrame]:
    """Commas and a header, for a model that an earlier version of harness logged."""
    frame = pd.read_csv(io.StringIO(_text(body)), index_col=False)
    return list(frame.columns), frame


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    distinct = dict(pairs)
    doubled = _doubled([name for name, _ in pairs]) if len(distinct) < len(pairs) else None
    if doubled is not None:
        raise Refused(f"an object of the JSON has two entries named {doubled!r}; leave one out.")
    return distinct


def _doubled(names: Sequence[str]) -> str | None:
    """The first name that was there before; in linear time, because a request may have a million names."""
    known: set[str] = set()
    for name in names:
        if name in known:
            return name
        known.add(name)
    return None


def _whole(text: str) -> int:
    if len(text) > 20 or not -(2**63) <= int(text) < 2**64:
        raise Refused(f"{text[:20]}… is beyond the range of 64-bit integers; write an identifier as text.")
    return int(text)


def _constant(text: str) -> float:
    if text != "NaN":
        raise Refused(f"{text} is no number of JSON; leave the cell empty with null.")
    return float("nan")


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refused(
            f"the body is no text in UTF-8: byte {error.start} is {body[error.start]:#04x}."
        ) from None


def _refusal(status: int, message: str) -> bytes:
    code = "BAD_REQUEST" if status < 500 else "INTERNAL_ERROR"
    return json.dumps({"error_code": code, "message": message}).encode()


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def _listed(names: Sequence[str]) -> str:
    texts = [repr(name) for name in names]  # as `harness.core.name_list.listed`
    if len(texts) > _NAMED:
        return f"{', '.join(texts[:_NAMED])} and {len(texts) - _NAMED} more"
    return " and ".join(filter(None, (", ".join(texts[:-1]), *texts[-1:])))


def _either(choices: Iterable[str]) -> str:
    *others, last = choices
    return f"{', '.join(others)} or {last}"


if "HARNESS_SERVE_MODEL" in os.environ:  # a test imports this file without a model
    app = ScoringApp(
        mlflow.pyfunc.load_model(os.environ["HARNESS_SERVE_MODEL"]),
        int(float(os.environ["HARNESS_SERVE_MAX_BODY"]) * 2**20),
        MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT.get(),
    )

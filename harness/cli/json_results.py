"""The objects that `--json` prints, and their JSON Schema.

`harness/cli/answer.schema.json` holds the schema for readers in other languages. A change that a reader could
notice, other than a new key, raises `VERSION`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from typing_extensions import TypedDict

VERSION: Literal[1] = 1
"""Of the objects; stands in each as `schema`."""

SCHEMA_FILE = Path(__file__).with_name("answer.schema.json")


class Failure(TypedDict):
    """Why a command failed.

    kind     the class of the error, such as `UnknownSetting`
    message  the sentence that was printed; secrets are masked
    rule, value, remedy, key  of a mistake of the user: what must hold, what was given instead, what to do
             about it, and the setting, option or file that it is about; null where unknown
    """

    kind: str
    message: str
    rule: str | None
    value: str | None
    remedy: str | None
    key: str | None


class _Stored(TypedDict):
    """What the `result.json` of a run and that of a sweep have in common, and the folder."""

    folder: str
    status: str
    objective: dict[str, Any] | None
    objectives: list[dict[str, Any]] | None
    scores: dict[str, Any]
    seconds: float
    mlflow: dict[str, Any] | None
    command: str
    error: str | None


class RunResult(_Stored):
    """A run: the content of its `result.json` and its folder."""

    folds: int
    seed: int | None
    positive: str | None
    importance: dict[str, Any] | None
    test_rows: dict[str, Any] | None


class SweepResult(_Stored):
    """A sweep: the content of its `result.json` and its folder."""

    trials: dict[str, int]
    cost: dict[str, Any] | None
    remaining: dict[str, Any] | None
    best: dict[str, Any] | list[dict[str, Any]] | None
    recommended: dict[str, Any] | None
    selection: dict[str, Any] | None
    earlier: list[dict[str, Any]]
    why: list[dict[str, Any]]


class Remark(TypedDict):
    """A finding of a check on the rows; `severity` is fine, warning or error."""

    check: str
    severity: str
    sentence: str


class CheckResult(TypedDict, total=False):
    """`check`: of a run its data and parts; of a sweep (`-m`) only `sweep`, the lines that describe it.

    parts    rows of the first fold in train, valid and test
    chosen   what `auto` stands for, by key
    columns  a mapping per column: column, role, type, missing, distinct, values, encoding, features
    """

    name: str
    rows: int
    folds: int
    parts: dict[str, int]
    positive: str | None
    parameters: int
    epochs: int | None
    chosen: dict[str, str]
    columns: list[dict[str, str]]
    findings: list[Remark]
    notes: list[str]
    sweep: list[str]


class Removable(TypedDict):
    """A folder that `clean` may remove; `bytes` of all files in it."""

    kind: str
    path: str
    bytes: int


class CleanResult(TypedDict):
    """`clean`: what was found, what stays and why, and how many folders were removed."""

    found: list[Removable]
    stays: dict[str, str]
    removed: int


class CompareResult(TypedDict):
    """`compare`: a leaderboard per data set, its lines as `--csv` has them, the best first."""

    boards: list[Board]
    files: list[str]


class Board(TypedDict):
    """The runs on one data set, ranked by a score that is better `high` or `low`."""

    data: str
    score: str
    better: str
    rows: list[dict[str, Any]]


class ExportResult(TypedDict):
    """`export`: the folder (null: nothing was exported), and the largest difference from the model."""

    folder: str | None
    format: str
    rows: int
    difference: float
    description: dict[str, Any]


class LsResult(TypedDict):
    """`ls`: the choices of each group; of one group with their descriptions."""

    groups: dict[str, list[str]]
    descriptions: dict[str, str]


class McpResult(TypedDict):
    """`mcp`: the folder that its tools are limited to, and their names."""

    folder: str
    tools: list[str]


class NewResult(TypedDict):
    """`new`: the folder of the project."""

    folder: str


class PredictResult(TypedDict):
    """`predict`: the file, rows read and written, and what was noticed in them, by column."""

    file: str
    rows: int
    answers: int
    seconds: float
    missing: dict[str, int]
    unseen: dict[str, list[str]]
    beyond: dict[str, int]


class Verdict(TypedDict):
    """A condition or step of `register`, with its numbers in a line."""

    passed: bool
    line: str


class RegisterResult(TypedDict):
    """`register`: whether the model was registered."""

    name: str
    registered: bool
    verdicts: list[Verdict]


class ReportResult(TypedDict):
    """`report`: the page, and why parts of it are missing ("": none is)."""

    file: str
    remark: str


class RerunResult(TypedDict):
    """`rerun`: whether the scores are those of the run to the last bit, null if they were not compared."""

    equal: bool | None
    run: RunResult | None


class SchemaResult(TypedDict):
    """`schema`: the folder, and the file of each group; `config` is that of all settings."""

    folder: str
    files: dict[str, str]


class ServeResult(TypedDict):
    """`serve` and `ui`: printed when the server is about to start, of which `pages` can be opened."""

    address: str
    pages: dict[str, str]


class SyncResult(TypedDict):
    """`sync`: a line per run."""

    lines: list[str]


class AddResult(TypedDict):
    """`add`: the number of the trial that waits, and its point as far as it is given."""

    sweep: str
    trial: int
    point: dict[str, Any]


class StopResult(TypedDict):
    """`stop`: the sweep, or the one trial of it, that was asked to stop."""

    sweep: str
    trial: int | None


class WatchResult(TypedDict):
    """`watch`: the last state of the sweep, and why the watch ended: finished, idle or once."""

    sweep: str
    ending: str
    trials: dict[str, int]
    best: list[dict[str, Any]]


class WhyResult(TypedDict):
    """`why`: what explains failures and the place of the best trials, each with kind, key, p and text."""

    statements: list[dict[str, Any]]


RESULTS: dict[str, Any] = {
    "run": RunResult,
    "sweep": SweepResult,
    "add": AddResult,
    "check": CheckResult,
    "clean": CleanResult,
    "compare": CompareResult,
    "evaluate": RunResult,
    "export": ExportResult,
    "ls": LsResult,
    "mcp": McpResult,
    "new": NewResult,
    "predict": PredictResult,
    "register": RegisterResult,
    "report": ReportResult,
    "rerun": RerunResult,
    "schema": SchemaResult,
    "serve": ServeResult,
    "stop": StopResult,
    "sync": SyncResult,
    "ui": ServeResult,
    "unseal": RunResult,
    "watch": WatchResult,
    "why": WhyResult,
}
"""By command: a verb, `run`, or `sweep` (`-m`)."""


class Answer(TypedDict):
    """The one object of a command.

    Of `result` and `error` one is null; both are, where nothing was to be done, and neither is, where a sweep
    ended with an error.
    """

    schema: Literal[1]
    command: str
    status: int
    result: dict[str, Any] | None
    error: Failure | None


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of `Answer`; which type `result` has follows from `command`."""
    from pydantic import TypeAdapter

    kinds = {kind.__name__: TypeAdapter(kind) for kind in [Answer, *RESULTS.values()]}
    of, rest = TypeAdapter.json_schemas(
        [(name, "serialization", adapter) for name, adapter in kinds.items()], ref_template="#/$defs/{model}"
    )
    definitions = rest["$defs"]
    definitions |= {name: schema for (name, _), schema in of.items() if "$ref" not in schema}
    answer = definitions.pop("Answer")
    answer["properties"]["command"]["enum"] = list(RESULTS)
    answer["allOf"] = [
        {
            "if": {"properties": {"command": {"const": command}}},
            "then": {
                "properties": {"result": {"anyOf": [{"$ref": f"#/$defs/{kind.__name__}"}, {"type": "null"}]}}
            },
        }
        for command, kind in RESULTS.items()
    ]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **answer, "$defs": definitions}


def schema_text() -> str:
    """The content of `answer.schema.json`."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False, sort_keys=True) + "\n"

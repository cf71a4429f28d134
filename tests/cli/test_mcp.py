"""`python -m harness mcp`, asked by the package's own client."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import jsonschema
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from harness.cli.agent_scope import OutOfScope, check_name, check_overrides
from harness.cli.agent_tools import TOOLS, AgentTools
from harness.cli.json_results import SCHEMA_FILE

SCHEMA = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
Call = Callable[..., Awaitable[Any]]
FOLDER = Path("/somewhere/project")


def talk(server: Any, conversation: Callable[[Client, Call], Awaitable[None]]) -> None:
    """Has a conversation; `await call("ls", group="model")` is the answer of a tool."""

    async def main() -> None:
        async with Client(server) as client:

            async def call(tool: str, **arguments: Any) -> Any:
                answer = await client.call_tool(tool, arguments)
                content = answer.structured_content
                assert json.loads(answer.content[0].text) == content
                if "handle" not in content:
                    jsonschema.validate(content, SCHEMA)
                    assert answer.is_error == (content["error"] is not None)
                return content

            await conversation(client, call)

    anyio.run(main)


@pytest.mark.parametrize(
    "word",
    [
        *(
            "model=mlp",
            "trainer.epochs=3",
            "+tags.idea=a/b",
            "~trainer.patience",
            "data.extract.path=rows/a.csv",
        ),
        *("data.extract.path=/somewhere/project/a.csv", "resume.run=outputs/runs/made", "name=outputs"),
        *("seed=1,2", "trainer.optimizer.lr=tag(log,interval(1e-4,1e-1))", "trainer.steps=${trainer.epochs}"),
        *(
            "data.extract.date_format='%d.%m.%Y'",
            "sweep.space={model: choice(mlp,tabm)}",
            "split@inner=kfold",
        ),
    ],
)
def test_an_agent_may_give_overrides_and_name_files_below_its_folder(word: str) -> None:
    check_overrides([word], FOLDER)


@pytest.mark.parametrize(
    ("word", "key", "reason"),
    [
        ("clean", None, "is no override"),
        ("-m", None, "is no override"),
        ("--config-dir=x", None, "is no override"),
        ("outputs=elsewhere", "outputs", "seals of test rows"),
        ("++outputs=elsewhere", "outputs", "seals of test rows"),
        ("sweep.space={'outputs': choice(a,b)}", "outputs", "seals of test rows"),
        ("pretrain.words='trainer=contrastive outputs=b'", "outputs", "seals of test rows"),
        ("tracking.uri=databricks", "tracking.uri", "where runs are logged"),
        ("hydra.run.dir=x", "hydra.run.dir", "how commands run"),
        ("hydra/launcher=slurm", "hydra/launcher", "how commands run"),
        ("model@hydra.x=mlp", "hydra.x", "how commands run"),
        ("model._target_=os.system", "model._target_", "by _target_"),
        ("+callbacks={a: {_target_: os.system}}", "callbacks", "by _target_"),
        ("name=${oc.env:TOKEN}", "name", "resolver"),
        ("data.extract.url=postgresql://host/rows", "data.extract.url", "address"),
        ("data.extract.path=/etc/passwd", "data.extract.path", "below /somewhere/project only"),
        ("data.extract.path=[a.csv,'/etc/passwd']", "data.extract.path", "below /somewhere/project only"),
        ("data.extract.path=/somewhere/project/../x", "data.extract.path", "below /somewhere/project only"),
        ("data.extract.path=a/../../x", "data.extract.path", "below /somewhere/project only"),
        ("model.weights=~/weights.pt", "model.weights", "below /somewhere/project only"),
    ],
)
def test_what_leads_out_of_the_folder_is_refused(word: str, key: str | None, reason: str) -> None:
    with pytest.raises(OutOfScope) as refusal:
        check_overrides(["model=mlp", word], FOLDER)
    assert refusal.value.key == key
    assert reason in refusal.value.rule


@pytest.mark.parametrize("name", ["--help", "", "/etc", "../other", "~/runs", "sqlite:///x"])
def test_a_name_is_no_option_and_no_path_out_of_the_folder(name: str) -> None:
    check_name("sweeps/a-1/best", FOLDER)
    with pytest.raises(OutOfScope):
        check_name(name, FOLDER)


def test_a_mistake_is_answered_with_rule_remedy_and_key_before_a_process_starts(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", "hunter22")

    async def conversation(client: Client, call: Call) -> None:
        offered = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert tuple(offered) == TOOLS
        assert "unseal" not in offered
        assert offered["sweep"].input_schema["required"] == ["overrides"]
        refused = await call("run", overrides=["data.extract.path=/etc/hunter22"])
        assert (refused["command"], refused["status"], refused["result"]) == ("run", 2, None)
        assert refused["error"]["key"] == "data.extract.path"
        assert refused["error"]["remedy"] == "give a path relative to that folder"
        assert "hunter22" not in json.dumps(refused)
        unknown = await call("status", handle="run-1")
        assert unknown["error"]["rule"] == "there is no command 'run-1'"
        wrong = await call("check", overrides="model=mlp")
        assert (wrong["command"], wrong["error"]["key"]) == ("check", "overrides")
        assert (await call("report", name="--out=x"))["error"]["kind"] == "OutOfScope"

    talk(AgentTools(here, most=1).server(), conversation)


def test_the_tools_are_listed_and_no_more_than_that_without_a_client(run_cli: Any, refusal: Any) -> None:
    answer = run_cli("mcp", "--list", "--json")
    assert json.loads(answer.out)["result"]["tools"] == list(TOOLS)
    assert answer.err.splitlines()[0].startswith("ls        List the groups")
    assert "--jobs must be at least 1, got 0" in refusal("mcp", "--jobs=0")


@pytest.mark.slow
def test_a_real_server_runs_compares_and_stops(here: Path) -> None:
    quick = ["data/extract=iris", "tracking=none", "baseline=off", "evaluate/importance=off", "report=false"]

    async def conversation(_: Client, call: Call) -> None:
        long = await call("sweep", overrides=[*quick, "trainer.epochs=100000", "seed=1,2"])
        assert (long["state"], long["handle"].partition("-")[0]) == ("running", "sweep")
        second = await call("run", overrides=quick)
        assert second["error"]["key"] == "--jobs"
        unfinished = await call("result", handle=long["handle"])
        assert unfinished["error"]["kind"] == "NotEnded"
        while not list(here.glob("outputs/sweeps/*/0/journal.jsonl")):
            assert (await call("status", handle=long["handle"]))["state"] == "running"
            await anyio.sleep(0.5)
        stopped = await call("stop", name=long["handle"])
        assert stopped["state"] == "ended"
        assert (await call("result", handle=long["handle"]))["status"] == 130
        run = await call("run", overrides=[*quick, "trainer.epochs=1"], wait_seconds=45)
        if "handle" in run:
            run = await call("result", handle=run["handle"], wait_seconds=45)
        assert run["result"]["status"] == "finished"
        (board,) = (await call("compare"))["result"]["boards"]
        assert [row["run"] for row in board["rows"]] == [Path(run["result"]["folder"]).name]

    parameters = StdioServerParameters(
        command=sys.executable, args=["-m", "harness", "mcp", "--jobs=1"], cwd=here, env=dict(os.environ)
    )
    talk(stdio_client(parameters), conversation)

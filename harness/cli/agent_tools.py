"""The tools that `python -m harness mcp` offers to an agent.

Each carries out a command in a process of its own, and answers with the object of `--json`
(`harness/cli/answer.schema.json`), or with the state of a command that still runs. An answer whose `error` is
set is marked as an error. There is no tool for `unseal`, so sealed test rows stay sealed.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import CallToolResult, TextContent
from pydantic import ValidationError

from harness.cli.agent_jobs import Job, Jobs
from harness.cli.agent_scope import check_name, check_overrides
from harness.cli.json_answer import failure
from harness.cli.json_results import RESULTS, VERSION
from harness.config.error_messages import explain
from harness.core.errors import UserError
from harness.runtime.secret_values import Secrets

PATIENCE = 45.0
"""Seconds that a tool waits for its command, below the minute after which clients give up."""

_ABOUT = (
    "Experiments of deep learning: one command trains and scores a model. An override is GROUP=CHOICE or "
    "KEY=VALUE; ls lists groups and their choices. check tells whether a command fits its data, without "
    "training. run and sweep return a handle at once; ask status and result by it. Files are those below one "
    "folder."
)


class AgentTools:
    """The tools; each method's docstring is its description for the agent.

    Args:
        folder: absolute; commands run in it, and name nothing outside of it.
        most: commands that may run at the same time.
    """

    def __init__(self, folder: Path, most: int) -> None:
        self._folder = folder
        self._jobs = Jobs(folder, most)

    def server(self) -> MCPServer[Any]:
        """A server with these tools; when it ends, so do the commands."""

        @asynccontextmanager
        async def life(_: Any) -> Any:
            try:
                yield
            finally:
                self._jobs.close()

        server: MCPServer[Any] = _Server("harness", instructions=_ABOUT, lifespan=life, log_level="WARNING")
        for name in TOOLS:
            server.add_tool(getattr(self, name), name=name, structured_output=False)
        return server

    def leave(self) -> None:
        """Asks all commands to stop; does not wait."""
        self._jobs.leave()

    def ls(self, group: str | None = None) -> CallToolResult:
        """List the groups (model, trainer, data/extract, split, sweep ...), or the choices of one group with
        descriptions."""
        return self._ask("ls", [] if group is None else [group], names=True)

    def check(self, overrides: list[str], sweep: bool = False) -> CallToolResult:
        """Check a run without training it: rows, columns, parts, what `auto` chose, and leaks in the data.
        sweep=true: check a sweep, by a sample of its search space."""
        return self._ask("check", [*(["-m"] if sweep else []), *overrides], overrides=overrides)

    def run(self, overrides: list[str], wait_seconds: float = 0) -> CallToolResult:
        """Train and score one model, such as overrides=["data/extract=iris", "trainer.epochs=5"]. Returns a
        handle; with wait_seconds (45 at most) the result itself, if it ends in time."""
        return self._start("run", overrides, overrides, wait_seconds)

    def sweep(self, overrides: list[str], wait_seconds: float = 0) -> CallToolResult:
        """Search for settings, such as overrides=["sweep=asha", "sweep.trials=20",
        "trainer.optimizer.lr=tag(log,interval(1e-4,1e-1))"]. Without sweep=KIND: a grid of values "seed=1,2".
        The same overrides continue a sweep that was stopped. Returns a handle."""
        return self._start("sweep", ["-m", *overrides], overrides, wait_seconds)

    def status(self, handle: str) -> CallToolResult:
        """Whether a command still runs, for how long, and the last lines of its text."""
        return self._guarded(self._jobs.kind(handle), lambda: _answer(self._jobs.find(handle).state()))

    def result(self, handle: str, wait_seconds: float = 0) -> CallToolResult:
        """The result of a command that has ended, or ends within wait_seconds (45 at most); or its error."""

        def act() -> CallToolResult:
            job = self._jobs.find(handle)
            self._jobs.wait(job, min(wait_seconds, PATIENCE))
            return _answer(job.answer())

        return self._guarded(self._jobs.kind(handle), act)

    def stop(self, name: str, trial: int | None = None) -> CallToolResult:
        """Stop a command by its handle, as Ctrl-C does: it writes a checkpoint, from which the same sweep, or
        the same run with resume=auto, goes on. Or a sweep by its name, or one trial of it."""
        if name in self._jobs.handles() and trial is None:
            return self._guarded("stop", partial(self._stop, name))
        return self._ask("stop", [name, *([] if trial is None else [str(trial)])], names=True)

    def why(self, name: str) -> CallToolResult:
        """Why trials of a sweep failed and where its best ones lie, or how a run ended."""
        return self._ask("why", [name], names=True)

    def compare(
        self, names: list[str] | None = None, by: str | None = None, each: bool = False
    ) -> CallToolResult:
        """A leaderboard of runs with intervals and paired tests: all runs, or those of these names (runs,
        sweeps or experiments), ranked by a score such as test/accuracy; each=true: a line per seed."""
        words = [*(names or []), *([] if by is None else [f"--by={by}"]), *(["--each"] if each else [])]
        return self._ask("compare", words, names=[*(names or []), *([] if by is None else [by])])

    def report(self, name: str) -> CallToolResult:
        """Write the HTML page of a run into its folder, and return its path."""
        return self._ask("report", [name], names=True)

    def _ask(
        self,
        verb: str,
        words: list[str],
        *,
        names: list[str] | bool = False,
        overrides: list[str] | None = None,
    ) -> CallToolResult:
        """Carries out a verb, and waits for it.

        Args:
            names: those of the words that are names; True: all.
            overrides: those that are overrides.
        """

        def act() -> CallToolResult:
            for name in words if names is True else names or ():
                check_name(name, self._folder)
            check_overrides(overrides or (), self._folder)
            return self._wait(self._jobs.start([verb, *words], verb), PATIENCE)

        return self._guarded(verb, act)

    def _start(self, kind: str, words: list[str], overrides: list[str], seconds: float) -> CallToolResult:
        def act() -> CallToolResult:
            check_overrides(overrides, self._folder)
            return self._wait(self._jobs.start(words, kind), min(seconds, PATIENCE))

        return self._guarded(kind, act)

    def _wait(self, job: Job, seconds: float) -> CallToolResult:
        """The answer of a command, or its state if it takes longer."""
        if not self._jobs.wait(job, seconds):
            return _answer(job.state())
        content = job.answer()
        self._jobs.forget(job)
        return _answer(content)

    def _stop(self, handle: str) -> CallToolResult:
        job = self._jobs.find(handle)
        self._jobs.stop(job)
        self._jobs.wait(job, PATIENCE)
        return _answer(job.state())

    def _guarded(self, command: str, act: Callable[[], CallToolResult]) -> CallToolResult:
        """What an action returns; a mistake of the agent as the error object of `--json`."""
        try:
            return act()
        except UserError as error:
            return _mistake(command, error)


class _Server(MCPServer[Any]):
    """A server that answers arguments of a wrong type as it answers other mistakes."""

    async def call_tool(self, name: str, arguments: dict[str, Any], context: Any = None) -> Any:
        try:
            return await super().call_tool(name, arguments, context)
        except ToolError as error:
            faults = error.__cause__.errors() if isinstance(error.__cause__, ValidationError) else []
            if not faults:
                raise
            key = ".".join(map(str, faults[0]["loc"]))
            rule = f"the argument {key} of {name} does not fit: {faults[0]['msg']}"
            return _mistake(name, UserError(rule, "see the tool's input schema", key=key))


TOOLS = ("ls", "check", "run", "sweep", "status", "result", "stop", "why", "compare", "report")


def _mistake(command: str, error: UserError) -> CallToolResult:
    _, sentence, _ = explain(error, [])
    found = Secrets(None).texts(failure(error, error, sentence))
    head = {"schema": VERSION, "command": command if command in RESULTS else "run", "status": 2}
    return _answer({**head, "result": None, "error": found})


def _answer(content: dict[str, Any]) -> CallToolResult:
    """The answer of a tool, as text and as an object."""
    text = json.dumps(content, ensure_ascii=False)
    failed = content.get("error") is not None
    return CallToolResult(
        content=[TextContent(type="text", text=text)], structured_content=content, is_error=failed
    )

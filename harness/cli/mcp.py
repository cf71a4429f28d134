"""`python -m harness mcp`: a server of the Model Context Protocol, with which an agent runs experiments."""

from __future__ import annotations

import os
import signal
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

from harness.cli.json_results import McpResult
from harness.cli.verb_outcome import Outcome
from harness.cli.verb_parser import Parser
from harness.core.errors import UserError

_TERMINATED = 143
"""Exit status after SIGTERM, with which clients end a server."""


def main(words: list[str]) -> Outcome:
    """Talks with a client on standard input and output until it closes them.

    Raises:
        UserError: the package `mcp` is missing, or the number of jobs is below 1.
    """
    parser = Parser(
        "mcp", "Serve tools for an agent on standard input and output, for files below this folder."
    )
    parser.add_argument(
        "--jobs", type=int, default=2, metavar="N", help="runs and sweeps at a time (default: %(default)s)"
    )
    parser.add_argument("--list", action="store_true", help="print the tools and end")
    options = parser.parse_args(words)
    if options.jobs < 1:
        rule = f"--jobs must be at least 1, got {options.jobs}"
        raise UserError(rule, key="--jobs", value=str(options.jobs))
    if find_spec("mcp") is None:
        raise UserError("the verb mcp needs the package mcp", "run pip install 'harness[mcp]'", key="mcp")

    from harness.cli.agent_tools import TOOLS, AgentTools

    folder = Path.cwd()
    result: McpResult = {"folder": str(folder), "tools": list(TOOLS)}
    if options.list:
        for name in TOOLS:
            print(f"{name:<8}  {' '.join((getattr(AgentTools, name).__doc__ or '').split())}")
        return Outcome(result)
    if sys.stdin.isatty():
        print("waiting for an MCP client on standard input; Ctrl-C ends it", file=sys.stderr)
    return Outcome(result, then=lambda: _serve(AgentTools(folder, options.jobs)))


def _serve(tools: Any) -> None:
    if sys.stdout is sys.stderr:
        rule = "the server talks on standard output, where --json prints its object"
        raise UserError(rule, "leave out --json, or add --list", key="--json")

    def end(*_: object) -> NoReturn:
        tools.leave()
        os._exit(_TERMINATED)  # a thread that waits for the client would delay any other end

    signal.signal(signal.SIGTERM, end)
    tools.server().run("stdio")

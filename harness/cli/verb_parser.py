"""The argument parser of the verbs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, NoReturn

from harness.core.errors import UserError
from harness.core.user_path import user_path


class Parser(argparse.ArgumentParser):
    """An argument parser that raises its errors as `UserError`.

    Raises:
        UserError: the arguments are not those of the verb.
    """

    def __init__(self, verb: str, description: str) -> None:
        super().__init__(f"python -m harness {verb}", description=description)
        # Read, and taken out of the words, by the command line.
        self.add_argument("--json", action="store_true", help="print one JSON object; text on standard error")

    def error(self, message: str) -> NoReturn:
        raise UserError(message, f"`{self.prog} --help` lists the arguments")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse; `~/` at the begin of a value is the home folder, also in `--outputs=~/runs`."""
        options, others = super().parse_known_args(args, namespace)
        for name, value in vars(options).items():
            if isinstance(value, str | Path) and str(value).startswith("~/"):
                setattr(options, name, type(value)(user_path(value)))
        return options, others

    def allow(self) -> None:
        """Adds `--allow`, for verbs that build what the configuration of a run names."""
        self.add_argument(
            *("--allow", "-a"),
            action="append",
            default=[],
            metavar="PACKAGE",
            help="of a run made elsewhere: a package that its configuration may name, or env:NAME of a "
            "variable",
        )
        self.add_argument(
            "--allow-host",
            action="append",
            dest="allow",
            type=lambda host: f"host:{host}",
            metavar="HOST",
            help="of a run made elsewhere: a server that its addresses may open",
        )

"""The argument parser of the verbs."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

from harness.cli.verb_outcome import JSON
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
        self.add_argument(
            JSON,
            action="store_true",
            default=argparse.SUPPRESS,
            help="print one JSON object; text on standard error",
        )

    def error(self, message: str) -> NoReturn:
        raise UserError(message, f"`{self.prog} --help` lists the arguments")

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        options, others = self.parse_known_args(args, namespace)
        return self._without(others, options)

    def parse_intermixed_args(self, args: Any = None, namespace: Any = None) -> Any:
        options, others = self.parse_known_intermixed_args(args, namespace)
        return self._without(others, options)

    def _without(self, unknown: list[str], options: Any) -> Any:
        """The options, if no word is unknown."""
        settings = [word for word in unknown if re.match(r"--?[\w./@]+=", word)]
        if settings and "overrides" in vars(options):
            typed = settings[0].lstrip("-")
            remedy = f"a setting has no dashes: {typed}"
            raise UserError(f"{settings[0]} is no option", remedy, key=typed.partition("=")[0])
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return options

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
            type=_host,
            metavar="HOST",
            help="of a run made elsewhere: a server that its addresses may open, by its name or an address",
        )


def _host(text: str) -> str:
    """`host:NAME` of the name or address of a server, such as `https://me@data.example.org:8080/rows`."""
    address = text if "//" in text else f"//{text}"
    name = urlsplit(address).hostname
    if not name:
        raise UserError(f"--allow-host takes the name of a server, got {text!r}", "such as data.example.org")
    return f"host:{name}"

"""Where a run is in MLflow."""

from __future__ import annotations

import shlex
from dataclasses import dataclass


@dataclass(frozen=True)
class Link:
    """The tracking part of `result.json` and of the closing lines on the screen.

    tracking_uri  with its password masked
    run_id        of the parent run or only run; None if MLflow has not answered yet
    sent          whether everything, including the end, was sent
    trouble       one sentence for the user, or None
    """

    tracking_uri: str
    experiment: str
    run_id: str | None
    sent: bool
    trouble: str | None


def screen_line(link: Link | None) -> str | None:
    """The line about MLflow on the screen."""
    if link is None or link.run_id is None:
        return None
    return f"run {link.run_id} of experiment {link.experiment}, {link.tracking_uri}"


def pages_command(link: Link | None, outputs: str) -> str | None:
    """The command that shows the run; None with a server, which has its own pages."""
    if link is None or link.run_id is None or not link.tracking_uri.startswith("sqlite"):
        return None
    place = "" if outputs == "outputs" else f" --outputs {shlex.quote(outputs)}"
    return f"python -m harness ui{place}"

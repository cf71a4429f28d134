"""Link: where a run can be looked at."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Link:
    """What `result.json` and the last lines on the screen say about tracking.

    tracking_uri  with its password masked
    run_id        of the parent, or only, run; None where MLflow has not answered yet
    sent          whether everything, the end included, has arrived
    trouble       one sentence for the user, or None
    """

    tracking_uri: str
    experiment: str
    run_id: str | None
    sent: bool
    trouble: str | None

"""The result of one check of the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["fine", "warning", "error"]


@dataclass(frozen=True)
class Finding:
    """The outcome of one check.

    check     its name, such as "duplicates"
    severity  "warning" misleads the scores, "error" makes them worthless, whatever the user allowed
    sentence  what was seen, which rows or columns, and the remedy; of a check that found nothing, what
              was looked at
    """

    check: str
    severity: Severity
    sentence: str

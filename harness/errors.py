"""The two ways in which a command ends early on purpose."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(Exception):
    """What the user asked for cannot be done: one sentence with the rule, the value, the remedy.

    The door prints the sentence, exits with status 2 and leaves no folder and no MLflow run.
    """


class Diverged(Exception):
    """The training loss became NaN or infinite; says in which epoch and what to try."""


class Interrupted(BaseException):
    """A signal ended the run kindly; `signum` gives the exit status 128 + signum.

    Not an `Exception`, so that no handler for ordinary faults swallows it.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(f"stopped by signal {signum}")
        self.signum = signum


def near(word: str, words: Iterable[str]) -> str:
    """The tail of a message: `did you mean …?` or, where nothing is near, all there is."""
    known = sorted(words)
    close = get_close_matches(word, known, n=3, cutoff=0.6)
    if close:
        return f"did you mean {' or '.join(close)}?"
    return f"there are {', '.join(known)}." if known else "there are none."

"""Errors that end a command on purpose, and the sentences that describe them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches


class UserError(Exception):
    """The request cannot be carried out: one sentence with the rule, the value that broke it, the remedy.

    The command line prints the sentence, exits with status 2 and leaves no folder and no MLflow run.
    A kind of error that code must tell apart, or that is raised in several places, is a subclass with fields
    of its own; its `rule` and `remedy` follow from them. No code reads the sentence.

    Args:
        rule: what must hold, with the value that was found; no full stop.
        remedy: what to do about it; no full stop. "": the rule says it.
        key: the setting, option or file that the error is about, such as `trainer.optimizer.lr`.
        value: the value that broke the rule.
    """

    def __init__(self, rule: str, remedy: str = "", *, key: str | None = None, value: object = None) -> None:
        super().__init__(rule, remedy)
        self.rule, self.remedy = rule, remedy
        self.key, self.value = key, value

    def __str__(self) -> str:
        return sentence(f"{self.rule}; {self.remedy}") if self.remedy else self.rule

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in place of the stack of calls."""
        return [f"error: {self}"]


class Diverged(Exception):
    """The training loss became NaN or infinite; says in which epoch and what to try."""


class Unproved(Exception):
    """What a debug mode was to show did not come true; the run is recorded as failed."""


class OutOfMemory(Exception):
    """The training does not fit into the memory; says which batch size to try."""


class Unfinished(Exception):
    """A sweep has not come to what was asked: no trial is complete, or not all points of a grid are."""


class Pruned(Exception):
    """Whoever follows a training has seen enough of it: the run ends here, and is recorded as pruned."""


class Interrupted(BaseException):
    """A signal ended the run kindly; `signum` gives the exit status 128 + signum.

    Not an `Exception`, so that no handler for ordinary faults swallows it.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(f"stopped by signal {signum}")
        self.signum = signum

    def __reduce__(self) -> tuple[type[Interrupted], tuple[int]]:
        """What it is made of, so that another process, to which it is sent, makes the same."""
        return type(self), (self.signum,)


class PeerFailed(Exception):
    """Another process of the same training failed, and this one ends with it.

    status  the exit status of that process
    told    whether it says so itself
    """

    def __init__(self, status: int, sentence: str, told: bool) -> None:
        super().__init__(sentence)
        self.status = status
        self.told = told


MOST_NAMES = 20
"""A message lists this many choices at most."""


def near(word: str, words: Iterable[str]) -> str:
    """The tail of a message: `did you mean …?` or, where nothing is near, all there is."""
    known = sorted(words)
    close = get_close_matches(word, known, n=3, cutoff=0.6)
    if close:
        return f"did you mean {' or '.join(close)}?"
    if not known:
        return "there are none."
    others = len(known) - MOST_NAMES
    return f"there are {', '.join(known[:MOST_NAMES])}{f' and {others} more' if others > 0 else ''}."


def refused(place: str, error: Exception) -> str:
    """What a part said of a value, with the key it stands at: `trainer.epochs must be …, got 0.`"""
    text = sentence(str(error) or type(error).__name__)
    first, _, rest = text.partition(" ")
    return f"{place}.{text}" if first.isidentifier() and rest.startswith("must") else f"{place}: {text}"


@contextmanager
def refusing(place: str) -> Iterator[None]:
    """Within it, what a third party's part objects to is the user's mistake at `place`.

    Raises:
        UserError: the first line of the objection, with the place.
    """
    try:
        yield
    except (UserError, MemoryError):
        raise
    except Exception as error:
        raise UserError(refused(place, error)) from error


def sentence(text: str) -> str:
    """The text on one line, with a full stop."""
    line = " ".join(text.split())
    return line if line.endswith((".", "!", "?")) else f"{line}."

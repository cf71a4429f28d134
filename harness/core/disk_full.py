"""Recognises the errors of a disk that has no space, no free inodes or no quota left."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator

_NUMBERS = (errno.ENOSPC, errno.EDQUOT)
_NUMBER_IN_TEXT = re.compile(r"\(os error (\d+)\)")
"""How libraries written in Rust, such as safetensors, carry the number of a system's error."""


def disk_full(error: BaseException | None) -> bool:
    """Whether the error, or one that it was raised from or during, says that the disk is full."""
    return any(_number(cause) in _NUMBERS for cause in _chain(error))


def full_place(error: BaseException | None) -> str | None:
    """The file that the disk did not take; None if the system did not name it."""
    names = (getattr(cause, "filename", None) for cause in _chain(error) if _number(cause) in _NUMBERS)
    return next((str(name) for name in names if name), None)


def _number(error: BaseException) -> int | None:
    if isinstance(error, OSError):
        return error.errno
    number = _NUMBER_IN_TEXT.search(str(error)) if type(error).__module__.startswith("safetensors") else None
    return None if number is None else int(number[1])


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__

"""Errors and other texts from the user's code as text that can be printed, stored and sent.

An exception may have a text that cannot be made, that has megabytes, or that holds characters which no file
takes (half of a surrogate pair) or which control a terminal (ANSI sequences, NUL).
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable

LONGEST = 2000
"""Most characters of an error's text; the end of a longer one is left out."""

_LONGEST_STACK = 30_000

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")
"""Control characters, surrogates, and characters that change the direction of writing."""


_mask: Callable[[str], str] = str


def mask_errors(mask: Callable[[str], str]) -> None:
    """From now on `mask` hides secrets in the errors of this process, before a long text is clipped.

    A secret of which the end was clipped could no longer be recognised.
    """
    global _mask
    _mask = mask


def printable(text: str) -> str:
    r"""The text with control characters and surrogates as escapes such as `\x1b`; line ends and tabs stay."""
    if _CONTROL.search(text) is None:
        return text
    return _CONTROL.sub(_escape, text.replace("\r\n", "\n"))


def clipped(text: str, longest: int = LONGEST) -> str:
    """The text, or its beginning and how many characters are left out."""
    if len(text) <= longest:
        return text
    return f"{text[:longest]}… ({len(text) - longest:,} more characters)"


def error_text(error: BaseException) -> str:
    """The text of an exception on one line, printable and clipped; never raises an error of its own.

    `ValueError: invalid value` is `invalid value`, and an exception without a text its type.
    """
    return clipped(whole_text(error))


def whole_text(error: BaseException) -> str:
    """As `error_text`, but not clipped."""
    return _mask(_one_line(error)) or type(error).__name__


def described(error: BaseException, mask: Callable[[str], str] | None = None) -> str:
    """`ValueError: invalid value`, on one line, printable and clipped; never raises an error of its own.

    Args:
        mask: hides secrets before the text is clipped; None: that of `mask_errors`.
    """
    name, text = type(error).__name__, _one_line(error)
    return clipped((mask or _mask)(f"{name}: {text}" if text else name))


def stack(error: BaseException, mask: Callable[[str], str] | None = None) -> str:
    """The traceback of an exception, printable; of a long one the middle is left out.

    Args:
        mask: as for `described`.
    """
    try:
        whole = "".join(traceback.format_exception(error))
    except Exception:  # Python calls the code that makes the text, and that may raise
        whole = "".join([*traceback.format_tb(error.__traceback__), described(error)]) + "\n"
    lines = [clipped(line) for line in printable((mask or _mask)(whole)).splitlines()]
    text = "".join(f"{line}\n" for line in lines)
    half = _LONGEST_STACK // 2
    return text if len(text) <= 2 * half else f"{text[:half]}\n…\n{text[-half:]}"


def _one_line(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception as second:
        text = f"(its text could not be made: {type(second).__name__})"
    return printable(" ".join(text.split()))


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"

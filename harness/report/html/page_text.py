"""Texts of pages and pictures: escaped, and readable as XML whatever characters they hold."""

from __future__ import annotations

import re

from markupsafe import Markup
from markupsafe import escape as escape_markup

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What an XML file cannot hold (XML 1.0, production 2): control characters, lone surrogates."""


def printable(value: object) -> object:
    """A text with such characters as an escape sequence, `\\x01`; any other object as it is."""
    if not isinstance(value, str) or not _NOT_XML.search(value):
        return value
    return type(value)(_NOT_XML.sub(lambda letter: letter[0].encode("unicode_escape").decode(), value))


def escape(value: object) -> Markup:
    """A text that is never taken for markup."""
    return escape_markup(printable(value))

"""An override of the command line as text, split at its first equals sign and not yet parsed."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class OverrideText:
    """`[+~]KEY[@PACKAGE][=VALUE]`.

    Hydra's parser refuses many texts, and some questions have to be answered for those too: which value is a
    secret, which setting does a message name.

    sign     `+`, `++`, `~` or nothing
    key      a setting `trainer.epochs` or a group `trainer/optimizer`
    package  what follows `@`, or nothing
    value    as typed, quotes included; None: there is no equals sign
    """

    sign: str
    key: str
    package: str
    value: str | None

    @classmethod
    def split(cls, text: str) -> OverrideText:
        """Splits any text; nothing is refused."""
        head, equals, value = text.partition("=")
        name = head.lstrip("+~")
        key, _, package = name.partition("@")
        return cls(head.removesuffix(name), key, package, value if equals else None)

    @property
    def root(self) -> str:
        """The first part of the key: `trainer` of `trainer.epochs` and of `trainer/optimizer`."""
        return re.split("[./]", self.key, maxsplit=1)[0]

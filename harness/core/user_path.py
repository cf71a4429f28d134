"""Paths as users type them."""

from __future__ import annotations

import os
from pathlib import Path


def user_path(text: str | Path) -> Path:
    """The path, with the home folder for a leading `~`.

    A shell leaves the `~` of `outputs=~/runs` and `--outputs=~/runs` to the command. Where the home folder is
    not known, the path is unchanged, so that it is reported as missing.
    """
    return Path(os.path.expanduser(text))

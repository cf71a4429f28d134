"""The source that harness was installed from, as arguments for pip.

Never the bare name: another package with that name on an index would be installed.
"""

from __future__ import annotations

import json
import shlex
import tomllib
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from harness.core.errors import UserError
from harness.core.user_path import user_path

_NAME = "harness"
_EXTRA = "contract"
_ROOT = Path(__file__).resolve().parents[2]
_REMEDY = "name it with --source: a folder, a wheel, or an address such as git+https://HOST/PLACE."


def installed_from() -> str:
    """Returns pip's arguments, for a Makefile, for this checkout or the source that pip recorded (PEP 610).

    Raises:
        UserError: pip recorded no source, or it no longer exists.
    """
    if _is_source(_ROOT):
        return requirement(str(_ROOT))
    try:
        noted = _noted(distribution(_NAME))
    except PackageNotFoundError:
        noted = None
    if noted is None:
        raise UserError("the origin of this installation of harness is not known", _REMEDY)
    address = str(noted["url"])
    version = noted.get("vcs_info")
    if version is not None:
        return requirement(f"{version['vcs']}+{address}@{version['commit_id']}")
    if address.startswith("file:"):
        return requirement(
            unquote(urlsplit(address).path), editable=noted.get("dir_info", {}).get("editable")
        )
    return requirement(address)


def requirement(source: str, editable: bool | None = None) -> str:
    """The same of a source that the user names.

    Args:
        source: a folder, a wheel or another archive, or an address.
        editable: whether changes of a folder are to be seen at once; None: where it is a checkout.

    Raises:
        UserError: there is no such file, or the folder holds something else.
    """
    if "://" in source:
        return _word(f"{_NAME}[{_EXTRA}] @ {source}")
    path = user_path(source).absolute()
    if path.is_file():
        return _word(f"{_NAME}[{_EXTRA}] @ {path.as_uri()}")
    if not _is_source(path):
        raise UserError(f"harness cannot be installed from {path}, where it does not lie", _REMEDY)
    limits = path / "constraints.txt"
    words = ["-c", _word(str(limits))] if limits.is_file() else []
    editably = (path / ".git").exists() if editable is None else editable
    return " ".join([*words, *(["-e"] if editably else []), _word(f"{path}[{_EXTRA}]")])


def _is_source(folder: Path) -> bool:
    try:
        content: Any = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
        return bool(content["project"]["name"] == _NAME)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _noted(installed: Distribution) -> dict[str, Any] | None:
    text = installed.read_text("direct_url.json")
    if text is None:
        return None
    noted: dict[str, Any] = json.loads(text)
    return noted


def _word(text: str) -> str:
    """One word of the shell within a line of a Makefile."""
    return shlex.quote(text).replace("$", "$$").replace("#", "\\#")

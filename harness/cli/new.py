"""`python -m harness new NAME`: a project of your own with a stub and a test for each kind of part."""

from __future__ import annotations

import keyword
import re
import sys
from importlib.util import find_spec
from pathlib import Path

from harness.cli.verb_outcome import Outcome
from harness.cli.verb_parser import Parser
from harness.core.errors import UserError
from harness.core.user_path import user_path
from harness.runtime.atomic_file import replace_folder

_HERE = Path(__file__).resolve().parents[1]
SKELETON = _HERE / "skeleton" if (_HERE / "skeleton").is_dir() else _HERE.parent / "examples" / "own_project"
"""What is copied: inside the package of a wheel, an example in a checkout."""

_CODE = ("callback", "data", "evaluate", "loss", "method", "metric", "model", "split", "trainer", "transform")
_GROUPS = (
    *("callbacks", "data/extract", "data/transform", "evaluate", "evaluate/metrics", "experiment"),
    *("model", "split", "trainer", "trainer/loss", "trainer/method"),
)
FILES = (
    *(".gitignore", "Makefile", "README.md", "pyproject.toml", "own_project/__init__.py"),
    *(f"own_project/{name}.py" for name in _CODE),
    *(f"conf/{group}/mine.yaml" for group in _GROUPS),
    *("tests/test_moons.py", "tests/test_parts.py"),
)
"""The files of the skeleton; others in its folder, such as outputs, are not copied."""

_EXAMPLE = "own_project"
_TAKEN = {"conf", "outputs", "tests"}
"""Folders that the project has already."""


def main(words: list[str]) -> Outcome:
    """Makes the folder, whole or not at all, and prints the next command.

    Raises:
        UserError: the name is not allowed or taken, or the place that harness was installed from is unknown.
    """
    parser = Parser("new", "Make a project of your own; its `make test` passes at once.")
    parser.add_argument("name", help="of the project and its package, such as my_project")
    parser.add_argument(
        "--into", default=".", metavar="FOLDER", help="make it in this folder (default: this one)"
    )
    parser.add_argument(
        "--source", help="what its Makefile has pip install harness from: a folder, a wheel, an address"
    )
    options = parser.parse_args(words)
    folder = user_path(options.into)
    check_name(options.name)
    check_place(folder, options.name)
    from harness.cli.install_source import installed_from, requirement

    wanted = installed_from() if options.source is None else requirement(options.source)
    make(folder / options.name, wanted)
    place = folder / options.name
    print(f"{place} has one part of each kind, named mine: model=mine, trainer=mine, split=mine and so on.")
    print(f"cd {place} && make test")
    return Outcome({"folder": str(place)})


def check_name(name: str) -> None:
    """Checks that a package and a distribution can have this name.

    Raises:
        UserError: it cannot.
    """
    if not re.fullmatch(r"[A-Za-z](\w*[A-Za-z0-9])?", name, re.ASCII):
        sound = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_0123456789")
        remedy = f"try {sound}" if sound else "try my_project"
        raise UserError(
            "a project has the name of its package, of letters, digits and _ and with a letter first, got "
            f"{name!r}",
            remedy,
        )
    if keyword.iskeyword(name) or keyword.issoftkeyword(name):
        raise UserError(f"{name!r} is a word of Python's own, and no package can have it", f"try my_{name}")
    if name in _TAKEN:
        raise UserError(f"{name!r} is a folder that every project has", f"try my_{name}")


def check_place(folder: Path, name: str) -> None:
    """Checks that the folder can be made and its package imported.

    Raises:
        UserError: it cannot.
    """
    if not folder.is_dir():
        raise UserError(f"--into={folder} is no folder", "make it first, or name one that is there")
    if (folder / name).exists() or (folder / name).is_symlink():
        raise UserError(
            f"{folder / name} is there already", "choose another name, or another folder by --into"
        )
    # A folder of that name in the current one could be imported as well, and is none of ours.
    spec = None if Path(name).is_dir() else find_spec(name)
    if name in sys.stdlib_module_names or spec is not None:
        raise UserError(
            f"there is a package {name!r} already, which would hide the new one", f"try my_{name}"
        )


def make(folder: Path, requirement: str) -> None:
    """Copies the skeleton under the folder's name; written beside it and then renamed.

    Args:
        folder: a path that does not exist yet.
        requirement: what pip is given to install harness, as words for a Makefile.
    """
    with replace_folder(folder, replace=False) as draft:
        for file in FILES:
            text = (SKELETON / file).read_text(encoding="utf-8").replace(_EXAMPLE, folder.name)
            if file == "Makefile":
                text = re.sub(
                    "^HARNESS .*$", lambda line: f"HARNESS ?= {requirement}", text, flags=re.MULTILINE
                )
            place = draft / file.replace(_EXAMPLE, folder.name)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")

"""An environment of its own for a sweeper that cannot, or should not, share ours."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from packaging.requirements import Requirement

from benchmarks.measure import Unable

FOLDER = Path(__file__).parents[2] / "build" / "benchmarks"
"""Ignored by git, and removed by `make clean`."""

_SHARED = ("torch", "torchgen", "functorch")


def python_of(name: str, requirements: Sequence[str], folder: Path = FOLDER) -> Path:
    """The interpreter of the environment `name`, made at the first call from the configured index.

    It has nothing of ours but torch, whose packages it finds by a `.pth` file: the same build, so that
    the same loop takes the same time, without a second installation of a gigabyte.

    Raises:
        Unable: it cannot be made here; with the last line that pip printed.
    """
    place = folder / name
    python, made = place / "bin" / "python", place / "made.txt"
    wanted = "\n".join(requirements)
    if made.exists() and made.read_text() == wanted:
        return python
    try:
        _run(sys.executable, "-m", "venv", "--clear", str(place))
        _run(str(python), "-m", "pip", "install", "--quiet", *requirements, *_of_torch())
        _share_torch(place)
        _run(str(python), "-W", "ignore", "-c", "import numpy, torch")
    except OSError as error:
        raise Unable(f"the environment for {name} cannot be made ({error.strerror})") from error
    made.write_text(wanted)
    return python


def _of_torch() -> list[str]:
    """What torch itself needs here, and NumPy."""
    needed = [Requirement(line) for line in metadata.requires("torch") or ()]
    plain = [one for one in needed if one.marker is None or one.marker.evaluate({"extra": ""})]
    return ["numpy", *(f"{one.name}{one.specifier}" for one in plain if not one.name.startswith("nvidia"))]


def _share_torch(place: Path) -> None:
    """Links in a folder of their own: pip never touches what lies outside of the environment."""
    links = place / "torch"
    links.mkdir()
    for package in _SHARED:
        found = find_spec(package)
        if found is not None and found.origin is not None:
            (links / package).symlink_to(Path(found.origin).parent)
    version = f"python{sysconfig.get_python_version()}"
    (place / "lib" / version / "site-packages" / "torch.pth").write_text(f"{links}\n")


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        raise Unable(f"{' '.join(command[1:4])} failed: {lines[-1] if lines else 'without a word'}")

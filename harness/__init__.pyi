"""What type checkers see of harness/__init__.py."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, overload

from omegaconf import DictConfig

from harness.notebook.run_view import Run

__version__: str

def compose(overrides: Sequence[str] | str = ()) -> DictConfig: ...
@overload
def run(cfg: DictConfig, /, folder: Path | str | None = None, *values: Any, **more: Any) -> Run: ...
@overload
def run(words: list[str], /, *, folder: Path | str | None = None, **more: Any) -> Run: ...
@overload
def run(*words: str, folder: Path | str | None = None, **more: Any) -> Run: ...
